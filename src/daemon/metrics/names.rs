//! The names of all metrics, what each means, and its labels.
//!
//! Owns the list. `conf/metrics.md`, the alert rules and the dashboard of `conf/` are held to it by tests.
//! A name that was in a release is not given another meaning; a new one is added instead.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Never goes back while the daemon lives. Its samples bear the suffix `_total`.
    Counter,
    /// A value of this moment.
    Gauge,
    /// Always 1; it is there for its labels. Its samples bear the suffix `_info`.
    Info,
    /// Samples with the suffixes `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) kind: Kind,
    /// Without the suffix of its kind.
    pub(super) name: &'static str,
    /// In the order of the values.
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal $labels:tt $help:literal;)*) => {
        $(pub(super) const $constant: Metric = Metric {
            kind: Kind::$kind,
            name: $name,
            labels: &$labels,
            help: $help,
        };)*

        /// All of them, in the order of the page.
        #[cfg(test)]
        pub(super) const ALL: &[&Metric] = &[$(&$constant,)*];
    };
}

metrics! {
    BUILD = Info "buoy_build" ["version", "host"]
        "Version of the daemon, and the name under which it looks itself up in the file";
    START = Gauge "buoy_start_time_seconds" []
        "When the daemon started, seconds since 1970 UTC";

    ROUTER = Info "buoy_router" ["router", "interface", "vrid", "version", "group"]
        "What the file says of a router; group is empty where it is in none";
    ROLE = Gauge "buoy_router_role" ["router", "role"]
        "1 for the role that the router has now, 0 for the two others";
    ROLE_DURATION = Gauge "buoy_router_role_duration_seconds" ["router"]
        "For how long it has had that role";
    PRIORITY = Gauge "buoy_router_priority" ["router"]
        "The priority of the file";
    EFFECTIVE_PRIORITY = Gauge "buoy_router_effective_priority" ["router"]
        "The priority that the election uses now";
    FAULT = Gauge "buoy_router_fault" ["router"]
        "1 while something keeps the router from taking part or makes it step back";
    DEMOTED = Gauge "buoy_router_demoted" ["router"]
        "1 while it is demoted by hand";
    HELD_BACK = Gauge "buoy_router_held_back" ["router"]
        "1 while the witness keeps it from electing as configured";
    HOLD_DOWN = Gauge "buoy_router_hold_down_seconds" ["router"]
        "How much longer a check that flapped is not believed; 0 while none is doubted";
    TAKEOVER = Gauge "buoy_router_takeover_in_seconds" ["router"]
        "When this host takes over if nothing more is heard; infinite unless it is Backup";
    CONFLICT = Gauge "buoy_router_conflict" ["router"]
        "1 while another host is Active too";
    ONE_WAY = Gauge "buoy_router_one_way" ["router"]
        "1 while frames seem to pass in one direction only";
    CLONE = Gauge "buoy_router_clone" ["router"]
        "1 while another host uses this host's own address";
    HANDOVER = Gauge "buoy_router_handover" ["router"]
        "1 while it keeps answering until the new Active has announced itself";
    INTERVAL = Gauge "buoy_router_interval_seconds" ["router"]
        "Its own advertisement interval";
    ACTIVE_INTERVAL = Gauge "buoy_router_active_interval_seconds" ["router"]
        "The advertisement interval of the Active, as far as it is known";

    TRANSITIONS = Counter "buoy_router_transitions" ["router", "from", "to"]
        "Changes of the role; of two families the one with more";
    CAUSES = Counter "buoy_router_transition_causes" ["router", "cause"]
        "The same changes by their cause";
    BECAME_ACTIVE = Counter "buoy_router_became_active" ["router"]
        "How often it became Active; going on after a restart is none";

    ADVERTS_SENT = Counter "buoy_adverts_sent" ["router"]
        "Adverts sent, those of priority 0 included";
    ADVERTS_REFUSED = Counter "buoy_adverts_send_refused" ["router"]
        "Adverts that the kernel refused to send";
    ADVERTS_RECEIVED = Counter "buoy_adverts_received" ["router"]
        "Adverts accepted, those of priority 0 included";
    ADVERTS_REJECTED = Counter "buoy_adverts_rejected" ["router", "reason"]
        "Adverts for this router that were not processed";
    FRAMES_REJECTED = Counter "buoy_frames_rejected" ["reason"]
        "Frames that belong to no router of this host";
    PRIORITY_ZERO_SENT = Counter "buoy_priority_zero_sent" ["router"]
        "Adverts of priority 0 sent: it gave up";
    PRIORITY_ZERO_RECEIVED = Counter "buoy_priority_zero_received" ["router"]
        "Adverts of priority 0 received: the Active gave up";
    VERSION_2_IGNORED = Counter "buoy_version_2_adverts_ignored" ["router"]
        "Adverts of version 2 whose sender speaks version 3 too";
    MISMATCHES = Counter "buoy_advert_mismatches" ["router", "what"]
        "Adverts accepted although their interval or addresses differ from this host's";
    LATE_ADVERTS = Counter "buoy_late_adverts" ["router"]
        "Gaps of more than one and a half intervals between two adverts of the same Active";
    LOST_ADVERTS = Counter "buoy_lost_adverts" ["router"]
        "Adverts that were missing in those gaps";
    LONGEST_GAP = Gauge "buoy_longest_advert_gap_seconds" ["router"]
        "The longest of those gaps since the daemon started";
    NEIGHBOURS = Gauge "buoy_neighbours" ["router"]
        "Other routers heard under its VRID";
    MISMATCHED_NEIGHBOURS = Gauge "buoy_mismatched_neighbours" ["router"]
        "Those of them whose last advert differs from this host's configuration";
    CONFLICTS = Counter "buoy_conflicts" ["router"]
        "Adverts of another that thought it was Active, heard as Active";
    FOREIGN_ANNOUNCEMENTS = Counter "buoy_foreign_announcements" ["router"]
        "Announcements of its addresses by others, heard as Active";

    BFD_SESSIONS = Gauge "buoy_bfd_sessions" ["router"]
        "BFD sessions with its peers";
    BFD_UP = Gauge "buoy_bfd_sessions_up" ["router"]
        "Those of them that are up";
    BFD_LOST = Counter "buoy_bfd_sessions_lost" ["router"]
        "BFD sessions with its peers that went down after they were up";
    BFD_DISCARDED = Counter "buoy_bfd_packets_discarded" ["router"]
        "Control packets of BFD by its peers that were discarded";

    ADDRESSES = Gauge "buoy_addresses" ["router"]
        "Addresses that it floats";
    ADDRESSES_HELD = Gauge "buoy_addresses_held" ["router"]
        "Those that the kernel holds for this host now";
    ADDRESS_PROBLEMS = Gauge "buoy_address_problems" ["router"]
        "Those with which something is wrong";
    ADDRESSES_PUT_BACK = Counter "buoy_addresses_put_back" ["router"]
        "Addresses that somebody else removed and that were put back";
    LEASE_RENEWALS = Counter "buoy_lease_renewals" ["result"]
        "Renewals of the lifetime of a router's addresses: done, or failed for one at least";

    CHECK_PART = Gauge "buoy_router_check_part" ["router", "check"]
        "What a check adds to the priority of a router now";
    CHECK = Info "buoy_check" ["check", "kind", "target"]
        "What a check looks at";
    CHECK_UP = Gauge "buoy_check_up" ["check"]
        "1 while a check counts as up; 0 while down or not known yet";
    CHECK_STATE = Gauge "buoy_check_state" ["check", "state"]
        "1 for what the check counts as, 0 for the two others";
    CHECK_LOOKS = Counter "buoy_check_looks" ["check"]
        "Looks; they begin anew when a reload changes what is looked at";
    CHECK_FAILURES = Counter "buoy_check_failures" ["check"]
        "Looks that failed, timeouts included";
    CHECK_TIMEOUTS = Counter "buoy_check_timeouts" ["check"]
        "Looks that took too long";
    CHECK_LATENCY = Histogram "buoy_check_latency_seconds" ["check"]
        "How long looks took";

    HOOK_DONE = Counter "buoy_hook_done" ["hook", "kind"]
        "Runs, requests or lines of a hook that went well";
    HOOK_FAILED = Counter "buoy_hook_failed" ["hook", "kind"]
        "Those that failed for good, timeouts included";
    HOOK_TIMEOUTS = Counter "buoy_hook_timeouts" ["hook", "kind"]
        "Those that took too long";
    HOOK_COALESCED = Counter "buoy_hook_coalesced" ["hook", "kind"]
        "What a hook was not told because something later said more";
    HOOK_QUEUED = Gauge "buoy_hook_queued" ["hook", "kind"]
        "What waits for a hook now";

    WITNESS = Info "buoy_witness" ["kind", "target"]
        "Who is asked whether this host is cut off";
    WITNESS_REACHABLE = Gauge "buoy_witness_reachable" []
        "1 while the witness answers; 0 while it does not or is not known to";
    WITNESS_PROBES = Counter "buoy_witness_probes" []
        "Questions to the witness; they begin anew when a reload names another";
    WITNESS_FAILURES = Counter "buoy_witness_failures" []
        "Questions without an answer";

    LATENESS = Histogram "buoy_engine_lateness_seconds" []
        "How late the engine acted on its deadlines";
    TOO_LATE = Counter "buoy_engine_too_late" []
        "Deadlines on which it acted later than half of its neighbours' patience";
    REALTIME = Gauge "buoy_engine_realtime" ["state"]
        "1 for the way in which the engine is scheduled, 0 for the others";
    MEMORY_LOCKED = Gauge "buoy_memory_locked" []
        "1 when nothing of the daemon is read from a disk again";

    RELOADS = Counter "buoy_configuration_reloads" ["result"]
        "Reloads of the file, by whether they went well";
    RELOAD_OK = Gauge "buoy_configuration_last_reload_successful" []
        "0 when the last reload failed and an older file is in force";
    LOADED = Gauge "buoy_configuration_loaded_timestamp_seconds" []
        "When the configuration in force was read, seconds since 1970 UTC";
    QUEUE_DROPS = Counter "buoy_queue_drops" []
        "What was lost inside the daemon because a bounded queue was full";
    CLIENTS = Gauge "buoy_control_clients" []
        "Clients of the control socket";
    SCRAPES = Counter "buoy_metrics_scrapes" []
        "Times that this page was asked for";

    RESIDENT = Gauge "process_resident_memory_bytes" []
        "Memory of the daemon";
    DESCRIPTORS = Gauge "process_open_fds" []
        "Open file descriptors of the daemon";
    CPU = Counter "process_cpu_seconds" []
        "Processor time of the daemon, its own and that of the kernel for it";
    PROCESS_START = Gauge "process_start_time_seconds" []
        "When the process started, seconds since 1970 UTC";
}
