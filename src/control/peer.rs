//! Who is at the other end of the control socket, and what they may ask.
//!
//! Owns the rule: [`Request::Status`] is for everybody who can open the socket; everything else is for
//! root, the daemon's own user, and members of the socket's group. The socket's mode says nearly the same
//! (0660), but it can be changed, for instance so that monitoring reads the status: that alone lets
//! nobody demote. Called by [`super::server`] for each connection and request.
//!
//! User and first group are those that the process had when it connected (`SO_PEERCRED`); no safe
//! call tells its supplementary groups. So a member is whoever is one by the host's database of groups
//! (`/etc/group`, or what `nsswitch.conf` names). A process with a supplementary group that its user does
//! not have there is refused, and has to make it the first one (`Group=`, `sg`).

use std::io;

use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};
use tokio::net::UnixStream;
use tokio::task;

use super::Request;

/// Who connected, as it was at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    user: Uid,
    group: Gid,
}

impl Peer {
    /// Asks the kernel.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self {
            user: Uid::from_raw(credentials.uid()),
            group: Gid::from_raw(credentials.gid()),
        })
    }
}

/// Who may change something.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    own: Uid,
    group: Gid,
}

impl Guard {
    /// `group` is that of the socket.
    #[must_use]
    pub fn new(group: Gid) -> Self {
        Self {
            own: geteuid(),
            group,
        }
    }

    /// Whether this client may ask this.
    ///
    /// # Errors
    /// A message for the client: who may.
    pub async fn admit(self, peer: Peer, request: &Request) -> Result<(), String> {
        match request {
            Request::Status | Request::Events { .. } => return Ok(()),
            Request::Demote { .. } | Request::Restore { .. } | Request::Reload { .. } => {}
        }
        if peer.user.is_root() || peer.user == self.own || peer.group == self.group {
            return Ok(());
        }
        // The database may be on another host: only this client waits for it.
        let judged = task::spawn_blocking(move || {
            if is_member(peer.user, self.group) {
                Ok(())
            } else {
                Err(self.refusal(peer))
            }
        });
        judged
            .await
            .unwrap_or_else(|_| Err("the daemon is ending".to_owned()))
    }

    fn refusal(self, peer: Peer) -> String {
        let group = match Group::from_gid(self.group) {
            Ok(Some(group)) => group.name,
            Ok(None) | Err(_) => self.group.to_string(),
        };
        format!(
            "permission denied: user {} may ask for the status only; the rest is for root and the group `{group}`; use sudo or join that group",
            peer.user
        )
    }
}

/// By the database. A user whom it does not know is a member of nothing.
fn is_member(user: Uid, group: Gid) -> bool {
    let Ok(Some(user)) = User::from_uid(user) else {
        return false;
    };
    let Ok(name) = std::ffi::CString::new(user.name) else {
        return false;
    };
    getgrouplist(&name, user.gid).is_ok_and(|groups| groups.contains(&group))
}

#[cfg(test)]
mod tests {
    use nix::unistd::getegid;

    use super::*;
    use crate::engine::command::Selection;

    /// Nobody's.
    const DAEMON: Uid = Uid::from_raw(4_000_000_050);
    const GROUP: Gid = Gid::from_raw(4_000_000_051);
    const STRANGER: u32 = 4_000_000_099;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(future)
    }

    fn changes() -> [Request; 4] {
        let routers = Selection::All;
        [
            Request::Demote {
                routers: routers.clone(),
                for_ms: None,
                never: false,
                wait: false,
            },
            Request::Restore { routers },
            Request::Reload { dry_run: false },
            Request::Reload { dry_run: true },
        ]
    }

    #[test]
    fn changes_are_for_root_the_daemon_s_user_and_the_group() {
        let guard = Guard {
            own: DAEMON,
            group: GROUP,
        };
        for (user, group, is_let) in [
            (0, 0, true),
            (DAEMON.as_raw(), 1, true),
            (STRANGER, GROUP.as_raw(), true),
            (STRANGER, STRANGER, false),
            // A number is no user because a group has it.
            (GROUP.as_raw(), DAEMON.as_raw(), false),
        ] {
            let peer = Peer {
                user: Uid::from_raw(user),
                group: Gid::from_raw(group),
            };
            for request in changes() {
                let admitted = run(guard.admit(peer, &request));
                assert_eq!(admitted.is_ok(), is_let, "{peer:?} {request:?}");
            }
            assert_eq!(run(guard.admit(peer, &Request::Status)), Ok(()));
        }
    }

    #[test]
    fn the_database_tells_members() {
        let root = Uid::from_raw(0);
        assert!(is_member(root, Gid::from_raw(0)));
        assert!(!is_member(root, GROUP));
        assert!(!is_member(Uid::from_raw(STRANGER), Gid::from_raw(0)));
    }

    #[test]
    fn the_kernel_says_who_connected() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let peer = run(async { Peer::of(&UnixStream::from_std(ours).unwrap()) });
        let expected = Peer {
            user: geteuid(),
            group: getegid(),
        };
        assert_eq!(peer.unwrap(), expected);
    }
}
