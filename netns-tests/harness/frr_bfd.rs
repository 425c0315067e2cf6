//! FRR's `bfdd` as a peer, in a namespace of the lab.

use std::net::IpAddr;

use serde_json::Value;

use super::frr_daemons::FrrDaemons;
use super::{PATIENCE, Server, until};

/// A running one.
pub(crate) struct FrrBfd(FrrDaemons);

impl FrrBfd {
    /// With one peer on eth0; its interval in milliseconds. Returns when it speaks.
    pub(crate) fn start(server: &Server, peer: IpAddr, interval: u32, multiplier: u8) -> Self {
        let local = server.ip();
        let file = format!(
            "bfd\n peer {peer} local-address {local} interface eth0\n  detect-multiplier {multiplier}\n  \
             receive-interval {interval}\n  transmit-interval {interval}\n  no shutdown\n"
        );
        let frr = Self(FrrDaemons::start(server, "bfdd", &file));
        until("bfdd knows its peer", PATIENCE, || {
            frr.session(server).is_some()
        });
        frr
    }

    /// What it tells of its session; `None` while it does not answer.
    fn session(&self, server: &Server) -> Option<Value> {
        self.0.shows(server, "show bfd peers json")
    }

    pub(crate) fn is_up(&self, server: &Server) -> bool {
        self.session(server)
            .is_some_and(|session| session["status"] == "up")
    }

    /// Why it went down last, as it says itself.
    pub(crate) fn diagnostic(&self, server: &Server) -> String {
        self.session(server).map_or_else(String::new, |session| {
            session["diagnostic"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        self.0.daemon.kill();
    }
}
