//! Which texts contain which: a hash probe of token spans, or of every span for plain substrings.
//!
//! All needles go into one table keyed by a polynomial hash; prefix hashes of a haystack give the hash of
//! any span in constant time, and a small bit table answers most probes from the cache. Every hit is then
//! compared byte for byte.

use rustc_hash::FxHashMap;

/// Longer haystacks are looked at only this far, in tokens: nothing that names an entity is longer.
const MAX_TOKENS: usize = 256;

/// Odd and large, so that the low bits of products spread.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// No further needle of the same hash.
const END: u32 = u32::MAX;

/// Where needles are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// From the start of a token to the end of one. Tokens are runs of letters and digits; camelCase and
    /// the step from letters to digits end no token.
    Tokens,
    /// Anywhere.
    Anywhere,
}

struct Needle<'a> {
    text: &'a str,
    owner: u32,
    /// The next needle of the same hash.
    next: u32,
    tokens: u16,
}

/// Texts to look for, each with its owner.
pub(super) struct Needles<'a> {
    wanted: Where,
    items: Vec<Needle<'a>>,
    heads: FxHashMap<u64, u32>,
    /// Bits set by the needles' hashes; a power of two words.
    bits: Vec<u64>,
    max_tokens: usize,
    /// Of the needles, in bytes: ascending, no two alike.
    lengths: Vec<usize>,
    /// Powers of [`BASE`].
    powers: Vec<u64>,
}

/// One needle found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub owner: u32,
    /// Tokens of the needle.
    pub tokens: u16,
    /// Bytes of the needle.
    pub length: u16,
}

/// Room reused from haystack to haystack.
#[derive(Default)]
pub(super) struct Scratch {
    prefix: Vec<u64>,
    tokens: Vec<(u32, u32)>,
}

impl<'a> Needles<'a> {
    pub fn new(wanted: Where, texts: impl Iterator<Item = (u32, &'a str)>) -> Self {
        let mut items: Vec<Needle<'a>> = Vec::with_capacity(texts.size_hint().0);
        let mut heads: FxHashMap<u64, u32> = FxHashMap::default();
        heads.reserve(texts.size_hint().0);
        let (mut max_tokens, mut lengths) = (0, Vec::new());
        for (owner, text) in texts {
            let text = match wanted {
                Where::Tokens => text.trim_matches(|c: char| !c.is_alphanumeric()),
                Where::Anywhere => text,
            };
            if text.is_empty() || text.len() > usize::from(u16::MAX) {
                continue;
            }
            let tokens = token_count(text);
            max_tokens = max_tokens.max(tokens);
            if let Err(at) = lengths.binary_search(&text.len()) {
                lengths.insert(at, text.len());
            }
            let head = heads.entry(hash(text)).or_insert(END);
            items.push(Needle { text, owner, next: *head, tokens: tokens.min(usize::from(u16::MAX)) as u16 });
            *head = items.len() as u32 - 1;
        }
        // Sixteen bits a needle: one probe in some sixty goes on to the table without need.
        let mut bits = vec![0u64; (heads.len() / 4).next_power_of_two()];
        for hash in heads.keys() {
            for (word, bit) in places(*hash, bits.len()) {
                bits[word] |= bit;
            }
        }
        let longest = lengths.last().copied().unwrap_or(0);
        let mut powers = Vec::with_capacity(longest + 1);
        powers.push(1u64);
        for at in 0..longest {
            powers.push(powers[at].wrapping_mul(BASE));
        }
        Self { wanted, items, heads, bits, max_tokens, lengths, powers }
    }

    /// Every needle in `haystack`; one that stands in it twice may be told twice.
    pub fn find(&self, haystack: &str, scratch: &mut Scratch, mut found: impl FnMut(Found)) {
        let Some(longest) = self.lengths.last().copied() else { return };
        scratch.prefix.clear();
        scratch.prefix.push(0);
        let mut sum = 0u64;
        for byte in haystack.bytes() {
            sum = sum.wrapping_mul(BASE).wrapping_add(u64::from(byte) + 1);
            scratch.prefix.push(sum);
        }
        let prefix = &scratch.prefix;
        let mut probe = |start: usize, end: usize| {
            let hash = mixed(prefix[end].wrapping_sub(prefix[start].wrapping_mul(self.powers[end - start])));
            if places(hash, self.bits.len()).iter().any(|(word, bit)| self.bits[*word] & bit == 0) {
                return;
            }
            let mut next = self.heads.get(&hash).copied().unwrap_or(END);
            while let Some(needle) = self.items.get(next as usize) {
                if needle.text.as_bytes() == &haystack.as_bytes()[start..end] {
                    found(Found { owner: needle.owner, tokens: needle.tokens, length: needle.text.len() as u16 });
                }
                next = needle.next;
            }
        };
        match self.wanted {
            Where::Tokens => {
                scratch.tokens.clear();
                scratch.tokens.extend(tokens(haystack).take(MAX_TOKENS));
                for (first, (start, _)) in scratch.tokens.iter().enumerate() {
                    for (_, end) in scratch.tokens[first..].iter().take(self.max_tokens) {
                        let (start, end) = (*start as usize, *end as usize);
                        if end - start > longest {
                            break;
                        }
                        probe(start, end);
                    }
                }
            }
            Where::Anywhere => {
                for length in self.lengths.iter().take_while(|length| **length <= haystack.len()) {
                    for start in 0..=haystack.len() - length {
                        probe(start, start + length);
                    }
                }
            }
        }
    }
}

/// Start and end of every run of letters and digits, in bytes.
fn tokens(text: &str) -> impl Iterator<Item = (u32, u32)> {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, _) = chars.find(|(_, c)| c.is_alphanumeric())?;
        let mut end = text.len();
        while let Some((at, c)) = chars.peek() {
            if !c.is_alphanumeric() {
                end = *at;
                break;
            }
            chars.next();
        }
        Some((start as u32, end as u32))
    })
}

pub(super) fn token_count(text: &str) -> usize {
    tokens(text).count()
}

fn hash(text: &str) -> u64 {
    mixed(text.bytes().fold(0u64, |sum, byte| sum.wrapping_mul(BASE).wrapping_add(u64::from(byte) + 1)))
}

/// Low bits of a product depend on low bits only; this brings the high ones down.
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    hash ^ (hash >> 29)
}

/// Two bits for a hash: word and mask. `words` is a power of two.
fn places(hash: u64, words: usize) -> [(usize, u64); 2] {
    let place = |bits: u64| ((bits >> 6) as usize & (words - 1), 1u64 << (bits & 63));
    [place(hash), place(hash >> 32)]
}
