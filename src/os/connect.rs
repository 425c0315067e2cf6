//! TCP connections of checks and webhooks.
//!
//! Owns the way to connect without waiting where there is nothing to wait for: a service on this host has
//! answered, or refused, by the time that the kernel returns, and most checks look at such. Called by the
//! checks of kind `tcp` and by the client of HTTP. What goes wrong is the kernel's error. There is no patience
//! in here: dropping the future closes the socket.

use std::io;
use std::net::{SocketAddr, TcpStream as Socket};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, SockRef, Type};
use tokio::net::TcpStream;

/// Connects and closes at once. With a reset: that spares this host the minute for which it would remember
/// the port, and 200 of those a second would be half of all ports.
pub(super) async fn reach(address: SocketAddr) -> io::Result<()> {
    let begun = begin(address)?;
    SockRef::from(&begun.socket).set_linger(Some(Duration::ZERO))?;
    if !begun.is_decided {
        begun.finish().await?;
    }
    Ok(())
}

/// Connects.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    begin(address)?.finish().await
}

struct Begun {
    socket: Socket,
    /// It is connected already.
    is_decided: bool,
}

fn begin(address: SocketAddr) -> io::Result<Begun> {
    let kind = Type::STREAM.nonblocking();
    let socket = socket2::Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
        Err(error) => return Err(error),
    }
    let mut writable = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    let is_decided = poll(&mut writable, PollTimeout::ZERO)? > 0;
    if is_decided && let Some(error) = socket.take_error()? {
        return Err(error);
    }
    Ok(Begun {
        socket: socket.into(),
        is_decided,
    })
}

impl Begun {
    async fn finish(self) -> io::Result<TcpStream> {
        let stream = TcpStream::from_std(self.socket)?;
        if !self.is_decided {
            stream.writable().await?;
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
        }
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn whoever_listens_is_reached_and_told_of_the_end() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let address = listener.local_addr().unwrap();
            block_on(reach(address)).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let error = stream.read(&mut [0; 1]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            let stream = block_on(async { connect(address).await.unwrap().peer_addr() });
            assert_eq!(stream.unwrap(), address);
        }
    }

    #[test]
    fn nobody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let refused = io::ErrorKind::ConnectionRefused;
        assert_eq!(block_on(reach(address)).unwrap_err().kind(), refused);
        assert_eq!(block_on(connect(address)).unwrap_err().kind(), refused);
    }
}
