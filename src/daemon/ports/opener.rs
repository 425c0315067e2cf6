//! Opens and closes sockets beside the engine's thread.
//!
//! To join a multicast group takes the kernel's lock of all interfaces, and so does to leave it. Others hold it
//! for as long as they like, and no advert of another interface waits for them. Owns what there is to do: at most
//! one order for an interface and family, and sockets that nobody uses any more. The engine's thread leaves both;
//! what was opened, or why not, comes back to it as a message.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::config::InterfaceName;
use crate::os::OsError;
use crate::os::packet_socket::AnnouncementSocket;
use crate::os::vrrp_socket::{Hears, Membership, VrrpSocket};
use crate::vrrp::{Family, Vrid};

/// Where sockets are.
pub(super) type At = (InterfaceName, Family);

/// The sockets of one interface and family.
pub(in crate::daemon) struct Sockets {
    /// Adverts of the VRIDs that are ours.
    pub(in crate::daemon) vrrp: VrrpSocket,
    /// What others say of addresses.
    pub(in crate::daemon) announcements: AnnouncementSocket,
    /// Adverts of all other VRIDs.
    pub(in crate::daemon) strangers: VrrpSocket,
}

/// What is to be opened.
pub(super) struct Order {
    /// No other order has it.
    pub(super) number: u64,
    pub(super) at: At,
    /// Of the interface.
    pub(super) index: u32,
    pub(super) vrids: Vec<Vrid>,
    /// Of sockets there that hear nothing any more. Ended later, they would take the kernel's count of the new
    /// ones with them.
    pub(super) older: Vec<Membership>,
}

/// What became of an order.
pub(in crate::daemon) struct Opened {
    pub(super) number: u64,
    pub(super) at: At,
    pub(super) sockets: Result<Sockets, OsError>,
}

impl Opened {
    /// Where.
    pub(in crate::daemon) const fn interface(&self) -> &InterfaceName {
        &self.at.0
    }
}

/// Shared by the engine's thread and the one that opens.
#[derive(Clone, Default)]
pub(in crate::daemon) struct Opener(Arc<(Mutex<Left>, Condvar)>);

#[derive(Default)]
struct Left {
    orders: Vec<Order>,
    unused: Vec<Sockets>,
}

impl Opener {
    /// Instead of an older order for the same place, if that was not taken yet.
    pub(super) fn order(&self, mut order: Order) {
        let mut left = self.lock();
        let same = left.orders.iter().position(|older| older.at == order.at);
        if let Some(place) = same {
            order.older.extend(left.orders.swap_remove(place).older);
        }
        left.orders.push(order);
        self.0.1.notify_one();
    }

    pub(super) fn close(&self, sockets: Sockets) {
        self.lock().unused.push(sockets);
        self.0.1.notify_one();
    }

    /// Works until the process ends.
    pub(in crate::daemon) fn run(&self, tell: impl Fn(Opened)) {
        loop {
            match self.take() {
                Ok(order) => tell(open(order)),
                Err(unused) => drop(unused),
            }
        }
    }

    /// Waits for something to do. What is to be closed comes first, as memberships that end do.
    fn take(&self) -> Result<Order, Vec<Sockets>> {
        let mut left = self.lock();
        loop {
            if !left.unused.is_empty() {
                return Err(std::mem::take(&mut left.unused));
            }
            if !left.orders.is_empty() {
                return Ok(left.orders.remove(0));
            }
            left = self.0.1.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the lock.
pub(super) fn open(order: Order) -> Opened {
    let Order {
        number,
        at,
        index,
        vrids,
        older,
    } = order;
    for membership in older {
        membership.leave();
    }
    let open = |hears| VrrpSocket::open(&at.0, index, at.1, hears, &vrids);
    let all = || {
        Ok(Sockets {
            announcements: AnnouncementSocket::open(index, at.1)?,
            vrrp: open(Hears::Ours)?,
            strangers: open(Hears::Strangers)?,
        })
    };
    let sockets = all();
    Opened {
        number,
        at,
        sockets,
    }
}
