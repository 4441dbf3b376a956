//! Decoded parameters of Bitbucket Cloud: pages, queries, sorting.

use url::form_urlencoded;

use super::fields::Fields;
use super::query::{Query, Row, Value, order};
use crate::simulator::answer::Refusal;

/// Decoded parameters.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn parse(query: &str, form: &str) -> Result<Self, Refusal> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .chain(form_urlencoded::parse(form.as_bytes()))
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        for once in ["pagelen", "page", "ctx", "q", "sort", "fields"] {
            if pairs.iter().filter(|(key, _)| key == once).count() > 1 {
                return Err(Refusal::new(400, format!("Parameter {once} was given more than once")));
            }
        }
        Ok(Self(pairs))
    }

    pub(super) fn one(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    pub(super) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn fields(&self) -> Fields {
        self.one("fields").map(Fields::parse).unwrap_or_default()
    }

    /// Over the maximum is refused, not clamped.
    pub(super) fn pagelen(&self, default: usize, maximum: usize) -> Result<usize, Refusal> {
        let Some(asked) = self.one("pagelen") else { return Ok(default) };
        asked
            .parse()
            .ok()
            .filter(|pagelen| (1..=maximum).contains(pagelen))
            .ok_or_else(|| Refusal::new(400, "Invalid pagelen"))
    }

    pub(super) fn page(&self) -> Result<usize, Refusal> {
        let Some(asked) = self.one("page") else { return Ok(1) };
        asked.parse().ok().filter(|page| *page > 0).ok_or_else(|| Refusal::new(404, "Invalid page"))
    }

    pub(super) fn query(&self, fields: &[&str]) -> Result<Option<Query>, Refusal> {
        let Some(text) = self.one("q").filter(|text| !text.is_empty()) else { return Ok(None) };
        Query::parse(text, fields).map(Some).map_err(|why| Refusal::new(400, why))
    }

    /// The one field to sort by, and whether downwards.
    pub(super) fn sort(&self, fields: &[&str]) -> Result<Option<(String, bool)>, Refusal> {
        let Some(asked) = self.one("sort").filter(|text| !text.is_empty()) else { return Ok(None) };
        let (field, is_descending) = asked.strip_prefix('-').map_or((asked, false), |field| (field, true));
        if !fields.contains(&field) {
            return Err(Refusal::new(400, "Invalid sort attribute"));
        }
        Ok(Some((field.to_owned(), is_descending)))
    }
}

/// Keeps the rows a query holds for, in the order asked for; equal ones stay as they were.
pub(super) fn arrange<R: Row>(
    rows: impl Iterator<Item = (u32, R)>,
    query: Option<&Query>,
    sort: Option<&(String, bool)>,
) -> Vec<u32> {
    let kept = rows.filter(|(_, row)| query.is_none_or(|query| query.holds(row)));
    let Some((field, is_descending)) = sort else { return kept.map(|(at, _)| at).collect() };
    let mut keyed: Vec<(Value, u32)> = kept.map(|(at, row)| (row.field(field).unwrap_or(Value::Null), at)).collect();
    keyed.sort_by(|(left, _), (right, _)| {
        let ordering = order(left, right).unwrap_or_else(|| (*left == Value::Null).cmp(&(*right == Value::Null)));
        if *is_descending { ordering.reverse() } else { ordering }
    });
    keyed.into_iter().map(|(_, at)| at).collect::<Vec<u32>>()
}
