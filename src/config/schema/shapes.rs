//! What the sections are made of: blocks of keys, choices of words, and the values that occur in several.

use schemars::JsonSchema;

/// Blocks of keys; no others are allowed in them.
macro_rules! blocks {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        #[derive(schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$meta])*
        #[expect(dead_code, reason = "read by the schema generator only")]
        pub(super) struct $name { $($(#[$field_meta])* $field: $type,)* }
    )*};
}

/// Choices of words.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$word_meta:meta])* $word:ident,)* })*) => {$(
        #[derive(schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        $(#[$meta])*
        #[expect(dead_code, reason = "read by the schema generator only")]
        pub(super) enum $name { $($(#[$word_meta])* $word,)* }
    )*};
}

pub(super) use {blocks, words};

/// A length of time: `90s`, `15m`, `3h`, `1d`, or several together (`1h30m`).
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "read by the schema generator only")]
pub(super) struct Span(#[schemars(regex(pattern = r"^([0-9]+[smhd])+$"))] String);

/// A name: 1 to 63 of a-z, 0-9 and `-`, beginning with a letter.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "read by the schema generator only")]
pub(super) struct Name(#[schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,62}$"))] String);

/// A share in percent: `10%` or `10`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the schema generator only")]
pub(super) enum Share {
    /// As a number.
    Number(#[schemars(range(min = 0, max = 100))] u8),
    /// With a percent sign.
    Text(#[schemars(regex(pattern = r"^[0-9]{1,3} ?%?$"))] String),
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the schema generator only")]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}
