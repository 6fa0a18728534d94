//! Random numbers that depend only on the seed (`SplitMix64`).

const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The seed is mixed first. Otherwise, the numbers of one seed would be those of the seed before
    /// it without the first one, and schedules would repeat each other.
    pub(crate) fn new(seed: u64) -> Self {
        Self(mixed(seed.wrapping_add(STRIDE)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STRIDE);
        mixed(self.0)
    }

    /// A number in `0..end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// A number that is mostly small and sometimes as large as `most`.
    pub(crate) fn size(&mut self, most: usize) -> usize {
        let scale = [16, 1000, most][self.below(3)];
        1 + self.below(scale.min(most))
    }
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
