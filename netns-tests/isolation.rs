//! What goes on beside the engine delays no advert: clients, scrapes, checks, hooks, a log that nobody reads,
//! a disk that hangs, and others who hold the kernel's lock of all interfaces for half a second.
//!
//! Each test has one daemon with 255 routers, some of them with short intervals, and takes the lateness of
//! their adverts by the kernel's timestamps, undisturbed and disturbed. `just isolation` measures the build that
//! is released, in turns, and prints a table: what is reached is a difference of at most a millisecond for 99 of
//! 100 adverts. Without it each is taken once, and held to what a neighbour bears: that no advert is so late that
//! anybody takes over, that nothing changes its role and that no address goes. Each disturbance has to show that
//! it was one.

mod clients;
mod disks;
mod floor;
mod lan;
mod lateness;
mod leases;
mod links;
mod ports;
mod site;
mod takeover;
mod work;

use site::Site;
