//! Parameters and pages of a Data Center.

use url::form_urlencoded;

use super::DataCenterOptions;
use super::refusal::bad_parameter;
use crate::simulator::answer::Refusal;
use crate::simulator::json::Json;

/// Decoded parameters. Unknown ones are passed over, as there.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
    }

    /// The first with this name; an empty one is as good as none.
    pub(super) fn one(&self, key: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(name, _)| name == key);
        named.next().map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn is(&self, key: &str, value: &str) -> bool {
        self.one(key).is_some_and(|is| is.eq_ignore_ascii_case(value))
    }

    fn number(&self, key: &str) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.one(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad_parameter(key, &format!("The {key} must be a non-negative number.")))
    }

    /// Where the page starts and how many rows it may have. More than the server gives is clamped without a word.
    pub(super) fn window(&self, most: usize) -> Result<(usize, usize), Refusal> {
        let start = self.number("start")?.unwrap_or(0);
        let limit = self.number("limit")?.unwrap_or(25);
        if limit == 0 {
            return Err(bad_parameter("limit", "The limit must be greater than zero."));
        }
        Ok((start, limit.min(most).max(1)))
    }
}

/// Rows of a page, and where the next one starts.
pub(super) struct Page<R> {
    pub(super) rows: Vec<R>,
    pub(super) start: usize,
    pub(super) limit: usize,
    pub(super) next: Option<usize>,
}

impl<R> Page<R> {
    /// Rows from `start` on, passing over those that may not be seen: where that happens, `next` is not `start + size`.
    pub(super) fn cut(all: &[R], (start, limit): (usize, usize), sees: impl Fn(&R) -> bool) -> Self
    where
        R: Copy,
    {
        let mut seen = (start..all.len()).filter(|at| sees(&all[*at]));
        let mut rows = Vec::with_capacity(limit.min(all.len().saturating_sub(start)));
        let mut last = start;
        for at in seen.by_ref().take(limit) {
            rows.push(all[at]);
            last = at + 1;
        }
        let next = seen.next().map(|_| last);
        Self { rows, start, limit, next }
    }

    /// The page as text; `draw` draws a row, `more` what comes after the rows.
    pub(super) fn text(
        &self,
        options: &DataCenterOptions,
        mut draw: impl FnMut(&mut Json, &R),
        more: impl FnOnce(&mut Json),
    ) -> String {
        Json::text(256 + self.rows.len() * 2048, |json| {
            json.bare("size", self.rows.len());
            json.bare("limit", self.limit);
            json.bare("isLastPage", self.next.is_none());
            json.array("values", |json| {
                for row in &self.rows {
                    json.item(|json| draw(json, row));
                }
            });
            json.bare("start", self.start);
            match self.next {
                Some(next) => json.bare("nextPageStart", next),
                // Old ones say so, new ones leave it out.
                None if !options.is_at_least(8, 0) => json.null("nextPageStart"),
                None => {}
            }
            more(json);
        })
    }
}
