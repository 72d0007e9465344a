//! Numbers that look random and follow from a seed.

use std::time::Duration;

/// A source of numbers: splitmix64, by Sebastiano Vigna, in the public domain.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Begins with the seed of the environment, and says which it is.
    pub(crate) fn of_this_run() -> Self {
        let said = std::env::var("SYFT_KILL_SEED").ok();
        let seed = said.and_then(|text| text.parse().ok()).unwrap_or(20_261_121);
        // Captured with the output of the test, and shown with every failure.
        #[expect(clippy::print_stderr, reason = "a failure must name its seed")]
        {
            eprintln!("SYFT_KILL_SEED={seed}");
        }
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True `part` times out of `whole`.
    pub(crate) fn is(&mut self, part: u64, whole: u64) -> bool {
        self.below(whole) < part
    }

    /// A time from zero to a little more than `usual`.
    pub(crate) fn moment(&mut self, usual: Duration) -> Duration {
        usual.mul_f64(self.below(1_200) as f64 / 1_000.0)
    }
}

/// How many rounds to play.
pub(crate) fn rounds(usual: u64) -> u64 {
    std::env::var("SYFT_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
