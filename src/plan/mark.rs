//! Our mark and the ingested properties (P4.8): what they say, at the paths their format has for them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::fields::{Field, Mode, Nature, When};
use super::step::FieldPath;
use super::value;
use crate::catalog::{MarkPaths, backstage, harness};
use crate::model::{EntityFormat, ImportAction, InstanceId, Repository};

/// Prefix of our annotations in Backstage documents.
const ANNOTATION_PREFIX: &str = "catalog-sync.dev/";

/// A branch is one segment of a URL.
const BRANCH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where the mark of a format stands.
pub fn paths(format: EntityFormat) -> MarkPaths {
    match format {
        EntityFormat::Backstage => backstage::mark_paths(),
        EntityFormat::Harness => harness::mark_paths(),
    }
}

/// `metadata.integration_properties.BitbucketCloud.…` of Harness documents.
fn property_path(instance: &InstanceId, name: &str) -> FieldPath {
    let is_cloud = *instance == InstanceId::cloud();
    harness::property_path(if is_cloud { "BitbucketCloud" } else { "BitbucketDataCenter" }, name)
}

/// Whether a field is our mark or lies under our own name: nobody else writes there.
pub fn is_own(path: &FieldPath) -> bool {
    value::annotation(path).is_some_and(|key| key.starts_with(ANNOTATION_PREFIX))
        || matches!(path.0.as_slice(), [metadata, ours, ..]
            if metadata == "metadata" && (ours == "integration" || ours == "integration_properties"))
}

fn ours(name: &str) -> FieldPath {
    FieldPath::of(&["metadata", "annotations", &format!("{ANNOTATION_PREFIX}{name}")])
}

/// The mark and the ingested properties of a repository, in the order they are written. The `integration`
/// is `None` where the mark has one already that is to stay.
pub(crate) fn fields(
    repository: &Repository,
    tags: &[String],
    integration: Option<&str>,
    action: ImportAction,
    format: EntityFormat,
) -> Vec<Field> {
    let at = paths(format);
    let mut fields = vec![own(at.repository, Some(json!(repository.key.to_string())))];
    if let Some(integration) = integration {
        fields.push(own(at.integration, text(integration)));
    }
    fields.push(own(at.action, Some(json!(action.as_mark()))));
    let project_key = repository.project_key.as_deref().and_then(text);
    let default_branch = repository.default_branch.as_deref().and_then(text);
    let visibility = Some(json!(if repository.is_private { "private" } else { "public" }));
    let tags = tags_of(repository, tags);
    let url = link(&repository.url);
    match format {
        EntityFormat::Backstage => {
            fields.push(own(ours("project-key"), project_key));
            fields.push(own(ours("default-branch"), default_branch));
            fields.push(own(ours("visibility"), visibility));
            let is_cloud = repository.key.instance == InstanceId::cloud();
            if is_cloud {
                let slug = FieldPath::of(&["metadata", "annotations", "bitbucket.org/project-slug"]);
                fields.push(property(slug, text(&repository.full_name), Mode::Set));
            }
            // Data Center: where its page lies, which needs no branch.
            if is_cloud || url.is_some() {
                let location = FieldPath::of(&["metadata", "annotations", "backstage.io/source-location"]);
                fields.push(property(location, source_location(repository), Mode::Set));
            }
            let links = url.map(|url| json!([{"url": url, "title": "Bitbucket repository"}]));
            fields.push(property(FieldPath::of(&["metadata", "links"]), links, Mode::Add));
            fields.push(property(FieldPath::of(&["metadata", "tags"]), tags, Mode::Add));
        }
        EntityFormat::Harness => {
            let at = |name| property_path(&repository.key.instance, name);
            fields.push(own(at("name"), text(&repository.name)));
            fields.push(own(at("url"), url.map(Value::from)));
            fields.push(own(at("project_key"), project_key));
            fields.push(own(at("default_branch"), default_branch));
            fields.push(own(at("tags"), tags));
            fields.push(own(at("visibility"), visibility));
        }
    }
    fields
}

fn own(path: FieldPath, value: Option<Value>) -> Field {
    Field { path, value, when: When::Always, mode: Mode::Set, nature: Nature::Mark }
}

fn property(path: FieldPath, value: Option<Value>, mode: Mode) -> Field {
    Field { path, value, when: When::Missing, mode, nature: Nature::Property }
}

/// Text from outside that is fit for one line of a file; else it is left out.
fn text(text: &str) -> Option<Value> {
    let fits = !text.trim().is_empty() && value::hidden(text).is_none() && !text.contains(['\n', '\t']);
    fits.then(|| json!(text))
}

/// The integration's tags and the language, those that can be made valid, no two alike.
fn tags_of(repository: &Repository, tags: &[String]) -> Option<Value> {
    let mut list: Vec<String> = Vec::new();
    for tag in tags.iter().map(String::as_str).chain(repository.language.as_deref()).filter_map(value::tag) {
        if !list.contains(&tag) {
            list.push(tag);
        }
    }
    (!list.is_empty()).then(|| json!(list))
}

/// Links out are http(s) only.
fn link(url: &str) -> Option<String> {
    let url = url.trim_end_matches('/');
    let is_http = url.starts_with("https://") || url.starts_with("http://");
    (is_http && !url.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"`{}|\\^".contains(c)))
        .then(|| url.to_owned())
}

/// `url:https://bitbucket.org/acme/payments/src/main/`; `None` for an empty repository. Of Data Center the page with its
/// files, `…/projects/PAY/repos/payments/browse/`: listings do not tell the branch.
fn source_location(repository: &Repository) -> Option<Value> {
    let url = link(&repository.url)?;
    if repository.key.instance != InstanceId::cloud() {
        let page = url.strip_suffix("/browse").unwrap_or(&url);
        return Some(json!(format!("url:{page}/browse/")));
    }
    let branch = repository.default_branch.as_deref()?;
    Some(json!(format!("url:{url}/src/{}/", utf8_percent_encode(branch, BRANCH))))
}
