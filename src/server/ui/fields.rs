//! What comes with a request: fields of a form or of an address, several of one name included.

use std::borrow::Cow;
use std::collections::BTreeMap;

use url::form_urlencoded;

/// Stands where a selected repository has no version.
pub(super) const NO_VERSION: &str = "-";

/// Fields in the order they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Of a form's body, or of what stands behind the `?` of an address.
    pub(super) fn parse(text: &[u8]) -> Self {
        let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into_owned(), value.into_owned());
        Self(form_urlencoded::parse(text).map(owned).collect())
    }

    /// The first of a name that says something.
    pub(super) fn one<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// The same, without space around it.
    pub(super) fn trimmed(&self, name: &str) -> Option<String> {
        self.one(name).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// Whether a field says anything.
    pub(super) fn has(&self, name: &str) -> bool {
        self.one(name).is_some()
    }

    /// All of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// Full names of the repositories that were selected, where the page told them.
    pub(super) fn names(&self) -> Vec<String> {
        let named = self.all("repository").filter_map(|value| value.splitn(3, ' ').nth(2));
        named.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Ids of the repositories that were selected.
    pub(super) fn repositories(&self) -> Vec<String> {
        self.all("repository").map(|value| value.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    /// Of those that name it, the version of the row that somebody looked at, by id.
    pub(super) fn versions(&self) -> BTreeMap<String, String> {
        let named = self.all("repository").filter_map(|value| {
            let mut parts = value.splitn(3, ' ');
            Some((parts.next()?, parts.next()?))
        });
        named
            .filter(|(_, version)| !matches!(*version, "" | NO_VERSION))
            .map(|(id, version)| (id.to_owned(), version.to_owned()))
            .collect()
    }
}

/// An address's fields, without those that say nothing.
pub(super) fn query<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(fields.into_iter().filter(|(_, value)| !value.is_empty()));
    text.finish()
}

/// A path with fields.
pub(super) fn with_query(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
