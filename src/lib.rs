//! buoy keeps an IP address afloat on a LAN: two or more servers run it, one of them holds the
//! address, and when that one dies, is cut off or is sent to maintenance, another takes it. It
//! speaks VRRP (RFC 9568, and RFC 3768 for old neighbours). This page is the map of the code.
//!
//! # Three rings
//!
//! Each ring knows the ones inside it and never the ones outside.
//!
//! ```text
//!  ring 3, Linux      daemon  os  control  cli  demo  release      async, clocks, sockets, threads
//!  ring 2, pure       engine  config                               all routers of this host
//!  ring 1, pure       vrrp  bfd                                    the rules of the RFCs
//! ```
//!
//! Rings 1 and 2 never ask for the time and never do anything: time is an argument, effects are
//! returned values. `integration/tidy.rs` holds them to it.
//!
//! # The way of the data
//!
//! ```text
//!  raw socket --bytes--> vrrp::advert --Advert--+
//!  UDP socket (os::bfd_socket) ------------ Bfd --+
//!  ARP, ND socket -------------- Announcement --+
//!  netlink (os::links) ------------- Interface --+   Engine::handle(input, now)
//!  netlink (os::addresses) -- Claimed, Released --+-> (elections, handovers, faults) --> Outputs
//!  ARP, ND, TCP (os::witness) ---------- Witness --+            ^                        | | |
//!  services, files, ... (os::checks) ------ Check --+            |                        | | |
//!  control socket ---------------------- Command --+            |                        | | |
//!  timer ------------------------ Engine::wake(now) +           |                        | | |
//!                                                    next_deadline()                     | | |
//!    adverts: at once, in one call an interface <----------------------------------------+ | |
//!    wishes for addresses: the latest one a router, to the worker that waits for netlink <-+ |
//!    events and replies: bounded queues, to the log and to whoever asked <-------------------+
//! ```
//!
//! # Numbers in comments
//!
//! P1 to P98 are the rules of the RFCs in the order of sending, receiving, state machine and host, U1
//! to U6 those of unicast: `RULES.md` lists each with the lines that obey it and the tests that show
//! it. T1 to T20 are traps that other implementations fell into. "Design" is the order of promises in the README.
//!
//! # Threads
//!
//! - *engine* ([`daemon`]): sockets, timer, decisions. Waits for nobody, but at the start for its first sockets.
//! - *sockets* (`daemon::ports`): opens and closes those of the engine, which may have to wait for the kernel.
//! - *addresses* ([`os::addresses`]): puts leases on interfaces in batches, announces new claims, and
//!   sends the first advert of one with a virtual MAC.
//! - *rescue* ([`os::rescue`]): moves the engine to another processor when it is late for want of one.
//! - *links* ([`os::links`]): watches interfaces and addresses.
//! - *settings* ([`os::sysctl`]): sets what the kernel needs to be told of a used interface, and puts
//!   it back.
//! - *witness* ([`os::witness`]): asks somebody outside of the pair, if the file names one.
//! - *checks* ([`os::checks`]): looks at what `[check.NAME]` sections name, and tells of changes.
//! - *main*: control clients, signals, the log.
//!
//! And one process beside them, *buoy-runner* ([`os::runner`]): starts the programs of checks and hooks.
//!
//! # What it costs
//!
//! `integration/bench` measures rings 1 and 2 (`cargo bench`), `netns-tests/wire` the released daemon on the wire,
//! beside keepalived and the kernel's own price, `netns-tests/isolation` what goes on beside the engine.
//! [`daemon`]'s `engine_thread` has what keeps it cheap: `crowd` (adverts heard in batches), `vigil` (awake
//! before a takeover), `telling` (first the work, then log and snapshot), `observation` (status in portions),
//! `alarm` (one timer, set when it is earlier only). What it does beside: `traffic` (frames), `settling` (sockets and
//! reloads), `detection` (BFD), `succession` (the next program).
//!
//! # Modules
//!
//! | module | owns |
//! |---|---|
//! | [`vrrp::advert`] | frames as bytes: decode, encode, every reason to reject |
//! | [`vrrp::times`] | `Skew_Time`, `Active_Down_Interval`, units |
//! | [`vrrp::election`] | the state machine of one virtual router |
//! | [`vrrp::announce`] | gratuitous ARP, neighbour advertisements, and questions whose an address is |
//! | [`bfd`] | control packets of BFD as bytes, and one session |
//! | [`engine::bfd`], [`os::bfd_socket`] | sessions with the peers, and what it means that one is lost; their sockets |
//! | [`vrrp::trailer`] | signatures of adverts: keys, sequences, replays |
//! | [`config`] | the file: all problems at once, or a configuration that is valid by construction |
//! | [`engine`] | all routers of a host, one for each family of a `[router]`; commands, reload, status |
//! | [`engine::checks`], [`os::checks`] | `[check.NAME]`: what counts as up and down; looking at it |
//! | [`os::runner`] | programs of others: as whom they run, and that nothing of them is left |
//! | `engine::members` | routers by name and by group, however many there are |
//! | `engine::standing`, its `groups`, `joint` | how each router and group stands as a whole: what hooks are told |
//! | `engine::reload`, its `differences` | what a new file changes, said in advance and done |
//! | `engine::router` | one router of one family around its election: place, holding, what it hears and says |
//! | [`engine::command`], `commands`, `handover` | what people ask for, and how it is handed over |
//! | [`engine::event`], [`engine::status`], `report`, `glance` | what is told of it all |
//! | `engine::reception`, `neighbours`, `drops` | whom a frame concerns, whom nobody; files that differ |
//! | `engine::deadlines`, `waking`, `sleep`, [`engine::lateness`] | when to be woken, and what is done when that was late |
//! | [`engine::snapshot`], `fingerprint` | what outlives the program; what tells two futures apart |
//! | `daemon::happenings`, `daemon::events` | what happened, numbered; `buoy events` |
//! | `daemon::hooks` | `[hook.NAME]`: a lane for each hook and router; programs, POSTs, FIFOs |
//! | `daemon::metrics` | `metrics`: names, page, server |
//! | `daemon::mailbox`, `ports` | the way into the engine's thread; the sockets of its interfaces |
//! | `daemon::upgrade`, `leftovers` | what a life takes over from the one before |
//! | `daemon::systemd` | readiness, status line, the watchdog that the engine feeds |
//! | [`os::http`] | HTTP and HTTPS as a client, for checks and hooks |
//! | `engine::fate` | what is Active together or not at all: families of a router, groups |
//! | [`engine::witness`], [`os::witness`] | `[witness]`: what its silence means; asking it |
//! | [`engine::lease`] | how long the kernel keeps an address without hearing from the engine |
//! | [`daemon`] | start, end, and the engine's thread |
//! | [`os::macvlan`], [`os::accept_filter`] | devices of virtual MAC addresses; `accept = false` |
//! | [`os::realtime`], [`os::memory`] | who runs first, what stays in memory, what goes back |
//! | [`os::vrrp_socket`], [`os::packet_socket`] | adverts in and out; announcements in and out |
//! | [`os::clock`], `os::connect`, [`os::lab`] | time; TCP; namespaces for the demo and the tests |
//! | [`os::rescue`] | an engine that is late is moved to a free processor |
//! | [`os::capabilities`], [`os::files`] | what the daemon gives up at its start; files that others may have planted |
//! | [`os`] | everything that touches Linux; `unsafe` only in `os::raw` |
//! | [`control`] | the words of the control socket, its server and its client |
//! | [`cli`], [`exit`] | arguments, output, exit codes |
//! | [`demo`], [`release`] | the two commands that need no daemon |

pub mod bfd;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod demo;
pub mod engine;
pub mod exit;
pub mod os;
pub mod release;
pub mod vrrp;
