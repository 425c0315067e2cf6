//! Changes of `nf_tables`, each of them whole or not at all.
//!
//! Owns [`Transactions`], a socket of `NETLINK_NETFILTER` and its framing; the kernel removes what the
//! socket owns when it closes. Called by the accept filter. An error is the kernel's reason for the
//! first request that it refused, and nothing was changed then.

use std::io;

use netlink_packet_netfilter::nftables::NfTablesMessage;
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use rtnetlink::sys::Socket;
use rtnetlink::sys::protocols::NETLINK_NETFILTER;

/// `NFNL_SUBSYS_NFTABLES`, from `linux/netfilter/nfnetlink.h`.
const NF_TABLES: u16 = 10;
/// All addresses that a file can name, in one change.
const SEND_BUFFER: usize = 8 << 20;

/// One request of a change, and its flags.
pub(super) type Request = (NfTablesMessage, u16);

/// An open line to `nf_tables` of one network namespace.
pub(super) struct Transactions {
    socket: Socket,
    port: u32,
    sequence: u32,
}

impl Transactions {
    /// For the namespace of the calling thread.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        let port = socket.bind_auto()?.port_number();
        // Refusals need not repeat the request.
        socket.set_cap_ack(true)?;
        // The kernel answers inside of the call that asks: what is not there then does not come.
        socket.set_non_blocking(true)?;
        // As much as the kernel grants; it refuses a change that does not fit.
        let _ = setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER);
        Ok(Self {
            socket,
            port,
            sequence: 0,
        })
    }

    /// Number of the socket, unique in its network namespace.
    pub(super) const fn port(&self) -> u32 {
        self.port
    }

    /// Does all requests, or none.
    pub(super) fn execute(&mut self, requests: Vec<Request>) -> io::Result<()> {
        let begin = self.sequence.wrapping_add(1);
        let mut bytes = self.control(ControlMessage::BatchBegin);
        let last = requests.len().saturating_sub(1);
        for (position, (request, flags)) in requests.into_iter().enumerate() {
            // Only refusals are answered, and the last request.
            let answer = if position == last { NLM_F_ACK } else { 0 };
            let header = NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0);
            bytes.extend(self.frame(header, request, flags | answer));
        }
        let last = self.sequence;
        bytes.extend(self.control(ControlMessage::BatchEnd));
        self.socket.send(&bytes, 0)?;
        self.outcome(begin, last)
    }

    fn control(&mut self, message: ControlMessage) -> Vec<u8> {
        let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, NF_TABLES);
        self.frame(header, message, 0)
    }

    fn frame(
        &mut self,
        header: NetfilterHeader,
        message: impl Into<NetfilterMessageInner>,
        flags: u16,
    ) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(NetfilterMessage::new(header, message));
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len().next_multiple_of(4)];
        message.serialize(&mut bytes);
        bytes
    }

    /// A refusal bears the number of its request, or of the beginning when the whole was refused; it
    /// stands before the answer to the last one.
    fn outcome(&self, begin: u32, last: u32) -> io::Result<()> {
        loop {
            let bytes = match self.socket.recv_from_full() {
                Ok((bytes, _)) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let Ok(answer) = NetlinkMessage::<NotRead>::deserialize(&bytes) else {
                continue;
            };
            let number = answer.header.sequence_number;
            // What is left of an earlier change that failed bears an earlier number.
            let ours = number.wrapping_sub(begin) <= last.wrapping_sub(begin);
            match answer.payload {
                NetlinkPayload::Error(error) if ours && error.code.is_some() => {
                    return Err(error.to_io());
                }
                NetlinkPayload::Error(_) if number == last => return Ok(()),
                _ => {}
            }
        }
    }
}

/// What is said beside the outcome.
struct NotRead;

impl NetlinkDeserializable for NotRead {
    type Error = DecodeError;

    fn deserialize(_: &NetlinkHeader, _: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}
