//! One kernel setting that floating addresses need.
//!
//! Owns `net.ipv4.conf.IF.promote_secondaries`. The kernel ties IPv4 addresses of one subnet
//! together: when the first goes, it takes the others with it, unless this is set. Two routers with
//! addresses in a subnet of their own would lose both when one moves. Set while an interface is
//! used and put back afterwards; where it cannot be set, the engine puts the lost addresses back.

use std::fs;
use std::path::PathBuf;

use crate::config::InterfaceName;

/// Set; put back when dropped.
#[derive(Debug)]
pub struct PromoteSecondaries(Option<PathBuf>);

impl PromoteSecondaries {
    /// Sets it, if it is not set already.
    #[must_use]
    pub fn set(interface: &InterfaceName) -> Self {
        let path = |name: &str| {
            PathBuf::from("/proc/sys/net/ipv4/conf")
                .join(name)
                .join("promote_secondaries")
        };
        let own = path(interface.as_str());
        let is_off =
            |path: &PathBuf| fs::read_to_string(path).is_ok_and(|value| value.trim() == "0");
        let change = is_off(&own) && is_off(&path("all")) && fs::write(&own, "1").is_ok();
        Self(change.then_some(own))
    }
}

impl Drop for PromoteSecondaries {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // The interface may be gone, and the setting with it.
            let _ = fs::write(path, "0");
        }
    }
}
