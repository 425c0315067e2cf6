//! Words that people write for other words: near misses, keys of keepalived.
//!
//! Owns these lists and the search in them. Called by the readers beside it for every name that
//! they do not know. Pure; finding nothing is an answer.

/// The one of `known` that `word` was probably meant to be.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Comparing costs the product of the lengths, and no name of ours is that long.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let plain = |word: &str| word.to_ascii_lowercase().replace('_', "-");
    let word = plain(word);
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &plain(candidate)),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance <= (candidate.len().min(word.len()) / 3).max(1)
                && *distance < candidate.len().max(word.len())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What to write for a router's key that other programs know, or that people try first.
pub(super) fn of_other_programs(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    Some(match key.as_str() {
        "virtual_router_id" | "vr_id" | "id" | "vhid" => "write `vrid = 51`",
        "advert_int" | "advertisement_interval" | "advert_interval" | "advertise_interval" => {
            "write `interval = \"1s\"`, a text with its unit"
        }
        "virtual_ipaddress"
        | "virtual_ipaddress_excluded"
        | "virtual_address"
        | "virtual_addresses"
        | "address"
        | "ip"
        | "ips"
        | "vip"
        | "vips" => "write `addresses = [\"192.0.2.100/24\"]`",
        "nopreempt" => "write `preempt = false`",
        "state" | "initial_state" => {
            "leave it out: there is no such thing; the highest priority of those alive is Active"
        }
        "auth_type" | "auth_pass" | "password" | "auth_key" | "secret" => {
            "leave it out: passwords in adverts can be read by everybody and went with RFC 3768; write `authentication = { mode = \"enforce\", keys = { 1 = { file = \"/etc/buoy/web.key\" } } }`"
        }
        "dev" | "device" | "iface" | "nic" => "write `interface = \"eth0\"`",
        "unicast_peer" | "unicast_peers" | "unicast" => {
            "write `peers = [\"192.0.2.2\"]`, the addresses of the other servers"
        }
        "unicast_src_ip" | "mcast_src_ip" => {
            "leave it out: adverts come from the first address of the interface"
        }
        "use_vmac" | "vmac" => "write `virtual-mac = true`",
        "vrrp_version" | "protocol" => "write `version = 3` or `version = 2`",
        "no_accept" => "write `accept = false`",
        "unicast_ttl" | "ttl" => {
            "leave it out: adverts are sent with a TTL of 255; for what comes in, a peer has `min-ttl`"
        }
        "sync_group" | "track_group" => {
            "write `[group.NAME]` and below it `routers = [\"web\", \"db\"]`"
        }
        "notify" | "notify_master" | "notify_backup" | "notify_fault" | "notify_stop"
        | "notify_fifo" | "hook" | "hooks" => {
            "write a section `[hook.NAME]` with `on = [\"active\"]` and `run = [\"/usr/local/bin/moved\"]`: it is told of all routers unless it names some; scripts get keepalived's four arguments"
        }
        "check" | "track_script" | "vrrp_script" => {
            "write `[check.NAME]` with `script = [\"/usr/local/bin/check\"]` below it, and here `checks = [\"NAME\"]`"
        }
        "track_interface" => {
            "write `[check.uplink]` with `interface = \"eth1\"` below it, and here `checks = [\"uplink\"]`"
        }
        "track_process" | "vrrp_track_process" => {
            "write `[check.haproxy]` with `process = \"haproxy\"` below it, and here `checks = [\"haproxy\"]`"
        }
        "track_file" | "vrrp_track_file" => {
            "write `[check.drain]` with `file = \"/run/drain\"` below it, and here `checks = [\"drain\"]`"
        }
        "weight" => {
            "a weight stands in the list of checks: `checks = [{ check = \"uplink\", weight = -50 }]`"
        }
        "fall" | "rise" | "timeout" | "script" => {
            "it belongs to a check: write it below `[check.NAME]`"
        }
        "garp_master_delay"
        | "garp_master_repeat"
        | "garp_master_refresh"
        | "garp_lower_prio_delay" => {
            "leave it out: buoy announces at once, and again after every conflict"
        }
        _ => return None,
    })
}

/// What to do about a key that belongs to no section.
pub(super) fn of_the_file(name: &str) -> Option<&'static str> {
    matches!(name, "realtime" | "metrics").then_some(
        "write it on a line above all sections: what stands below a header belongs to that section",
    )
}
