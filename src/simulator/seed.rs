//! Numbers that look random and are the same in every build and on every machine: the worlds made from a seed, and so
//! the measurements and snapshots made from the worlds, must not change with a dependency.

/// Mixes a seed with two coordinates (splitmix64's finaliser).
pub(super) fn mix(seed: u64, a: u64, b: u64) -> u64 {
    let mut z = seed
        .wrapping_add(a.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add(b.wrapping_mul(0xD1B5_4A32_D192_ED03))
        .wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A sequence of such numbers.
pub(super) struct Sequence {
    seed: u64,
    at: u64,
}

impl Sequence {
    pub(super) fn new(seed: u64, of: u64) -> Self {
        Self { seed: mix(seed, of, 0), at: 0 }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.at += 1;
        mix(self.seed, self.at, 1)
    }

    /// Below `bound`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// An index into something of this length.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.index(from.len())]
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// 40 hexadecimal digits, as a commit hash has.
pub(super) fn hash(seed: u64, index: u64) -> String {
    format!("{:016x}{:016x}{:08x}", mix(seed, index, 11), mix(seed, index, 12), mix(seed, index, 13) >> 32)
}
