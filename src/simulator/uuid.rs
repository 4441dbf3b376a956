//! Identities of Bitbucket Cloud.

use std::fmt;

use super::seed::mix;

/// A uuid as Bitbucket writes it: with braces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

impl Uuid {
    pub(super) fn from_seed(seed: u64, a: u64, b: u64) -> Self {
        let bits = (u128::from(mix(seed, a, b)) << 64) | u128::from(mix(seed, b, a ^ 0x5555));
        // Version 4, variant 1, so that strict parsers take it.
        Self((bits & !(0xF000 << 64) & !(0xC000 << 48)) | (0x4000 << 64) | (0x8000 << 48))
    }

    /// Reads `{…}` or the bare form.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        let digits: String = bare.split('-').collect();
        let shape = bare.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        u128::from_str_radix(&digits, 16).ok().filter(|_| shape).map(Self)
    }

    pub(super) fn bits(self) -> u64 {
        u64::try_from(self.0 >> 64).unwrap_or(0)
    }

    /// Without braces.
    pub(super) fn bare(self) -> BareUuid {
        BareUuid(self)
    }
}

/// A uuid without braces.
pub(super) struct BareUuid(Uuid);

impl fmt::Display for BareUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            (bits >> 80) & 0xFFFF,
            (bits >> 64) & 0xFFFF,
            (bits >> 48) & 0xFFFF,
            bits & 0xFFFF_FFFF_FFFF
        )
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", BareUuid(*self))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
