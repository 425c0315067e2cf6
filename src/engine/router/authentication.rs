//! The authentication of one router: signs each advert, judges each one heard.
//!
//! Owns the [`Authenticator`] and the wall clock that it needs. Called by the rest of the router for
//! every advert; a router without authentication sends bare adverts and takes nothing else.

use std::net::IpAddr;

use super::Router;
use super::messages::{Copy, copies};
use crate::config::RouterConfig;
use crate::engine::status::AuthenticationStatus;
use crate::vrrp::Priority;
use crate::vrrp::advert::{Advert, Rejected};
use crate::vrrp::times::{Moment, WallClock};
use crate::vrrp::trailer::{Authenticator, Settings};

/// Keys, marks and the clock for them.
#[derive(Debug, Clone)]
pub(super) struct Authentication {
    authenticator: Authenticator,
    wall: WallClock,
}

impl Authentication {
    /// Adverts of this moment, signed: none is sent twice, so none can be built before.
    pub(super) fn sign(
        &mut self,
        config: &RouterConfig,
        priority: Priority,
        local: IpAddr,
        destinations: &[IpAddr],
        now: Moment,
    ) -> Vec<Copy> {
        let utc = self.wall.utc(now);
        let authenticator = &mut self.authenticator;
        copies(config, priority, local, destinations, |advert, to| {
            authenticator.encode(advert, local, to, utc)
        })
    }

    pub(super) const fn signs(&self) -> bool {
        self.authenticator.settings().mode.signs()
    }

    pub(super) fn status(&self) -> AuthenticationStatus {
        AuthenticationStatus::of(self.authenticator.settings())
    }
}

impl Router {
    /// Other keys or another mode; `None`: no authentication any more.
    pub(in crate::engine) fn authenticate(&mut self, settings: Option<Settings>, wall: WallClock) {
        match (&mut self.authentication, settings) {
            (Some(known), Some(settings)) => known.authenticator.change(settings),
            (known, settings) => {
                *known = settings.map(|settings| {
                    Box::new(Authentication {
                        authenticator: Authenticator::new(settings),
                        wall,
                    })
                });
            }
        }
    }

    pub(in crate::engine) const fn set_wall_clock(&mut self, wall: WallClock) {
        if let Some(authentication) = &mut self.authentication {
            authentication.wall = wall;
        }
    }

    /// Before anything comes of an advert: whether its sender has the key. `false` where that is
    /// not asked for.
    pub(super) fn judge(
        &mut self,
        advert: &Advert<'_>,
        source: IpAddr,
        now: Moment,
    ) -> Result<bool, Rejected> {
        match &mut self.authentication {
            Some(authentication) => {
                let utc = authentication.wall.utc(now);
                authentication.authenticator.judge(advert, source, utc)
            }
            // P36.
            None => advert.expect_bare().map(|()| false),
        }
    }
}
