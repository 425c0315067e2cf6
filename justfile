# Short names for long commands.

# What CI runs first: format and lints.
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# Everything; needs root, keepalived and FRR.
test:
    cargo test

# The real binary in network namespaces; needs root, keepalived and FRR.
netns:
    cargo test --test netns

# Writes RULES.md: every rule of the RFC, the lines that obey it and the tests that show it.
rules:
    BUOY_WRITE_RULES=1 cargo test --test integration rules

# The simulator for longer: just sim 100000
sim runs="1000":
    BUOY_SIM_RUNS={{runs}} cargo test --release --test integration sim -- --nocapture

# The small model, larger: more acts, longer clocks, more intervals. Some gigabytes, half an hour.
model:
    BUOY_MODEL_LARGE=1 cargo test --release --test integration model -- --nocapture

# A pair under random faults for so many minutes: just soak 10. BUOY_SOAK_SEED repeats a run.
soak minutes="10":
    BUOY_SOAK_MINUTES={{minutes}} cargo test --release --test netns -- --exact soak::a_pair_under_random_faults_settles_each_time_and_leaks_nothing --nocapture

# Proof that the simulator bites: lies about elections and leases, one at a time, and what sees them.
mutants name="":
    cargo test --test mutants -- {{name}}

# Two servers and a client in namespaces.
demo:
    cargo run --release -- demo

# A fuzz target on the stable toolchain: just fuzz advert 60. Needs a C++ compiler.
fuzz target seconds="60":
    fuzz/run {{target}} {{seconds}}

# What the README says of BFD, as released: rounds of a silenced holder, then seconds of two busy cores.
figures-bfd rounds="11" seconds="300":
    BUOY_FIGURES={{rounds}} BUOY_BFD_SECONDS={{seconds}} cargo test --release --test netns bfd::figures -- --nocapture --test-threads 1

# What the README says of checks, as released, each figure so many times: just figures 5
figures rounds="5":
    BUOY_FIGURES={{rounds}} cargo test --release --test netns checks::figures -- --nocapture --test-threads 1

# What the pure core costs, and what the daemon costs on the wire beside keepalived and the kernel's own price:
# just bench 10. BUOY_WIRE=takeover,many names parts of the wire's table, BUOY_WIRE_SECONDS=600 watches longer.
bench rounds="10":
    cargo bench
    BUOY_WIRE_ROUNDS={{rounds}} cargo test --release --test netns wire:: -- --nocapture --test-threads 1

# What goes on beside the engine delays no advert: just isolation 3
isolation rounds="3":
    BUOY_FIGURES={{rounds}} cargo test --release --test netns isolation -- --nocapture --test-threads 1
