//! In steady state an advert costs no memory: neither one that is sent nor one that is heard.

#[path = "bench/host.rs"]
mod host;

use allocation_counter::measure;
use buoyd::engine::Outputs;

use host::Host;

/// Room for everything is made in the first intervals.
const WARM: usize = 20;

#[test]
fn an_active_allocates_nothing_for_its_adverts() {
    let mut host = Host::active(255);
    let mut outputs = Outputs::default();
    for _ in 0..WARM {
        host.until_next_interval(&mut outputs);
    }
    let mut sent = 0;
    let counted = measure(|| {
        for _ in 0..5 {
            host.until_next_interval(&mut outputs);
            sent += outputs.adverts.len();
        }
    });
    assert!(sent >= 5 * 255, "{sent}");
    // Leases are renewed meanwhile, which is no advert: a list of wishes.
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn a_backup_allocates_nothing_for_the_adverts_it_hears() {
    let mut host = Host::backup(255);
    let mut outputs = Outputs::default();
    for _ in 0..WARM {
        host.hears_all(&mut outputs);
        outputs.clear();
    }
    let counted = measure(|| {
        for _ in 0..5 {
            host.hears_all(&mut outputs);
            outputs.clear();
        }
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
