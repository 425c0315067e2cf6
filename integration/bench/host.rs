//! A host with many routers, on as many interfaces as their numbers need.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use buoyd::config::authentication::Keyring;
use buoyd::config::{Config, InterfaceName, parse};
use buoyd::engine::interface::InterfaceState;
use buoyd::engine::{Detection, Engine, Input, InterfaceAddress, LinkState, Outputs};
use buoyd::vrrp::advert::{self, Outgoing};
use buoyd::vrrp::announce::HardwareAddress;
use buoyd::vrrp::times::Moment;
use buoyd::vrrp::{AdvertisementInterval, Centis, ChecksumStyle, Priority, Vrid};

/// One number an interface is left for others.
const ON_ONE_INTERFACE: usize = 255;
const INTERVAL: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) now: Moment,
    /// By router: where its Active's adverts arrive, and one of them.
    heard: Vec<(InterfaceName, Vec<u8>)>,
}

pub(crate) fn interface(number: usize) -> InterfaceName {
    InterfaceName::new(&format!("eth{number}")).expect("a name")
}

/// The Active of all routers.
pub(crate) fn neighbour() -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 1).into()
}

/// A whole packet of the neighbour.
pub(crate) fn packet(outgoing: &Outgoing<'_>) -> Vec<u8> {
    let message = advert::encode(outgoing, neighbour(), advert::GROUP_V4.into());
    advert::ipv4_packet_of(Ipv4Addr::new(192, 0, 2, 1), advert::GROUP_V4, &message)
}

fn place(router: usize) -> (usize, u8) {
    let vrid = u8::try_from(router % ON_ONE_INTERFACE + 1).expect("1 to 255");
    (router / ON_ONE_INTERFACE, vrid)
}

fn address(router: usize) -> Ipv4Addr {
    let number = u32::try_from(router).expect("few");
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + number)
}

fn file(routers: usize, priority: u8) -> String {
    let section = |router: usize| {
        let (interface, vrid) = place(router);
        let address = address(router);
        format!(
            "[router.r{router}]\ninterface = \"eth{interface}\"\nvrid = {vrid}\naddresses = [\"{address}/16\"]\n\
             interval = \"100ms\"\npriority = {priority}\n"
        )
    };
    (0..routers).map(section).collect()
}

pub(crate) fn config(routers: usize, priority: u8) -> Config {
    let loaded = parse(&file(routers, priority), "b");
    loaded
        .unwrap_or_else(|problems| panic!("{}", problems.render("bench", false)))
        .config
}

impl Host {
    fn new(routers: usize) -> Self {
        let now = Moment::from_nanos(1_000_000_000);
        let config = config(routers, 100);
        let mut engine = Engine::new(&config, &Keyring::default(), &[], now);
        let mut outputs = Outputs::default();
        let interfaces = routers.div_ceil(ON_ONE_INTERFACE);
        for number in 0..interfaces {
            let state = InterfaceState {
                index: u32::try_from(number + 2).expect("few"),
                hardware: HardwareAddress([2, 0, 0, 0, 0, 2]),
                link: LinkState::Up,
                addresses: vec![InterfaceAddress {
                    ip: Ipv4Addr::new(192, 0, 2, 2).into(),
                    secondary: false,
                    detection: Detection::Done,
                }],
                problem: None,
                problem_ipv6: None,
            };
            let input = Input::Interface {
                name: &interface(number),
                state: Some(state),
            };
            engine.handle(input, now, &mut outputs);
        }
        let heard = (0..routers).map(|router| {
            let (number, vrid) = place(router);
            let addresses = [address(router).into()];
            let outgoing = Outgoing {
                vrid: Vrid::new(vrid).expect("not 0"),
                priority: Priority::from_octet(200),
                interval: AdvertisementInterval::Centis(Centis::new(10).expect("1 to 4095")),
                addresses: &addresses,
                checksum: ChecksumStyle::Rfc9568,
            };
            (interface(number), packet(&outgoing))
        });
        Self {
            heard: heard.collect(),
            engine,
            now,
        }
    }

    /// Every router hears its Active.
    pub(crate) fn backup(routers: usize) -> Self {
        let mut host = Self::new(routers);
        host.hears_all(&mut Outputs::default());
        host
    }

    /// Nobody else is there, and all was claimed.
    pub(crate) fn active(routers: usize) -> Self {
        let mut host = Self::new(routers);
        let mut outputs = Outputs::default();
        host.is_left_alone(&mut outputs);
        assert_eq!(outputs.wishes.len(), routers);
        for wish in &outputs.wishes.clone() {
            let epoch = wish.hold.as_ref().expect("a claim").epoch;
            let input = Input::Claimed {
                router: wish.router,
                epoch,
            };
            host.engine.handle(input, host.now, &mut outputs);
        }
        // The repeats of the announcements are over.
        for _ in 0..200 {
            host.until_next_interval(&mut outputs);
        }
        host
    }

    /// To the last deadline of all Backups, and no further.
    pub(crate) fn is_left_alone(&mut self, outputs: &mut Outputs) {
        let end = self.now + 4 * INTERVAL;
        while let Some(next) = self.engine.next_deadline()
            && next <= end
            && outputs.wishes.len() < self.heard.len()
        {
            self.now = next;
            self.engine.wake(self.now, outputs);
        }
    }

    /// Everything that is due within one interval.
    pub(crate) fn until_next_interval(&mut self, outputs: &mut Outputs) {
        outputs.clear();
        let end = self.now + INTERVAL;
        while let Some(next) = self.engine.next_deadline()
            && next <= end
        {
            self.now = next;
            self.engine.wake(self.now, outputs);
        }
        self.now = end;
    }

    /// An advert of each Active, one interval later.
    pub(crate) fn hears_all(&mut self, outputs: &mut Outputs) {
        self.now = self.now + INTERVAL;
        for (interface, packet) in &self.heard {
            let input = Input::Packet { interface, packet };
            self.engine.handle(input, self.now, outputs);
        }
    }
}
