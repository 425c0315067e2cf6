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

# What the README says of checks, as released, each figure so many times: just figures 5
figures rounds="5":
    BUOY_FIGURES={{rounds}} cargo test --release --test netns checks::figures -- --nocapture --test-threads 1
