//! Marsaglia's xorshift: all the chance there is in a run.

use std::time::Duration;

pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Self((seed ^ 0x2545_f491_4f6c_dd1d).max(1));
        // Neighbouring seeds begin alike.
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from((self.next() >> 20) % limit as u64).expect("below a usize")
    }

    pub(super) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// Both ends included.
    pub(super) fn span(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from((self.next() >> 20) % (to - from + 1).unsigned_abs()).expect("short")
    }

    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// From the first up to the second.
    pub(super) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = u64::try_from((to - from).as_nanos()).expect("short") + 1;
        from + Duration::from_nanos((self.next() >> 8) % span)
    }

    pub(super) fn micros(&mut self, from: u64, to: u64) -> Duration {
        self.between(Duration::from_micros(from), Duration::from_micros(to))
    }
}
