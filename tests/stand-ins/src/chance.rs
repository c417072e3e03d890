//! Random numbers that depend on the seed alone, and that no update of a dependency changes.

/// SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    #[cfg(test)]
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Makes a generator for this purpose: numbers that one part draws do not change another part's.
    pub fn of(seed: u64, purpose: &str) -> Self {
        // FNV-1a.
        let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(Self(seed ^ hash).draw())
    }

    /// Draws a number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Draws a number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % (high.max(low) - low + 1)
    }

    /// Is true this often in a thousand.
    pub fn permille(&mut self, often: u64) -> bool {
        self.draw() % 1000 < often
    }

    /// Draws one of these choices by weight.
    pub fn weighed<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let total: u64 = choices.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.draw() % total.max(1);
        for (weight, choice) in choices {
            if drawn < *weight {
                return *choice;
            }
            drawn -= weight;
        }
        choices[0].1
    }

    /// Draws an index below `count`.
    pub fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.draw() % u64::try_from(count.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_purpose_are_one_sequence() {
        let draw = |seed, purpose| {
            let mut chance = Chance::of(seed, purpose);
            [chance.draw(), chance.draw()]
        };
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
    }

    #[test]
    fn weights_are_kept() {
        let mut chance = Chance::new(7);
        let heads = (0..10_000)
            .filter(|_| chance.weighed(&[(1, false), (3, true)]))
            .count();
        assert!((7_300..7_700).contains(&heads), "{heads}");
    }
}
