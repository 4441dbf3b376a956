//! Names that look alike: near misses for people, never candidates.

use std::cmp::Reverse;

/// Less alike than this is noise.
const LEAST_PERCENT: u8 = 75;

/// The names most like `name`, with how alike they are in percent; most alike first, then by name. Names
/// are blocked first: only those that share a token or a beginning are compared.
pub fn most_similar<'a>(name: &str, names: impl Iterator<Item = &'a str>, most: usize) -> Vec<(&'a str, u8)> {
    let name = name.to_lowercase();
    let mut found: Vec<(&str, u8)> = names
        .filter(|other| may_be_alike(&name, last_part(other)))
        .map(|other| (other, similarity(&name, &last_part(other).to_lowercase())))
        .filter(|(_, percent)| *percent >= LEAST_PERCENT)
        .collect();
    found.sort_by_key(|(other, percent)| (Reverse(*percent), *other));
    found.dedup();
    found.truncate(most);
    found
}

/// The better of Jaro-Winkler (shared beginnings) and normalised Levenshtein (few edits), in percent.
pub fn similarity(a: &str, b: &str) -> u8 {
    let best = strsim::jaro_winkler(a, b).max(strsim::normalized_levenshtein(a, b));
    (best * 100.0).round() as u8
}

/// Of an entity ref, the name.
fn last_part(entity_ref: &str) -> &str {
    entity_ref.rsplit('/').next().unwrap_or(entity_ref)
}

fn may_be_alike(name: &str, other: &str) -> bool {
    let (short, long) = (name.len().min(other.len()), name.len().max(other.len()));
    if short == 0 || long > 4 * short || long > 256 {
        return false;
    }
    let tokens = |text: &'_ str| {
        text.split(|c: char| !c.is_alphanumeric()).filter(|token| token.len() > 2).map(str::to_lowercase).collect()
    };
    let (mine, theirs): (Vec<String>, Vec<String>) = (tokens(name), tokens(other));
    let begins_alike = name.chars().zip(other.chars().flat_map(char::to_lowercase)).take(2).all(|(a, b)| a == b);
    begins_alike || mine.iter().any(|token| theirs.contains(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P3.6: near misses by string similarity, bounded and in a fixed order.
    #[test]
    fn p3_6_most_similar_names_first() {
        let names = [
            "component:default/payment-api",
            "component:default/Payments-API",
            "component:x/web",
            "api:default/payments",
        ];
        let found = most_similar("payments-api", names.into_iter(), 5);
        assert_eq!(
            found,
            [
                ("component:default/Payments-API", 100),
                ("component:default/payment-api", 98),
                ("api:default/payments", 93)
            ]
        );
        assert_eq!(most_similar("payments-api", names.into_iter(), 1).len(), 1);
        assert_eq!(most_similar("", names.into_iter(), 5), []);
    }
}
