//! Which repository an entity says it comes from, host aware.

use serde_json::Value;

/// Host of a source named by a `bitbucket.…` annotation, which does not tell which Bitbucket.
const ANY_BITBUCKET: &str = "bitbucket";

/// A repository as an entity names it: lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedSource {
    /// `bitbucket.org`, `git.acme.dev/bitbucket`, `github.com`; `ANY_BITBUCKET`: not said which.
    pub host: String,
    /// `workspace/slug`, `project/slug`; only the slug where the entity names no more.
    pub path: String,
}

/// How what an entity names relates to a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// It names no source at all.
    Nothing,
    /// It names this repository.
    This,
    /// It names another repository of the same Bitbucket.
    Another,
    /// What it names lies on other hosts: perhaps a mirror, perhaps where it came from.
    Elsewhere,
}

/// The repository looked for, as entities could name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    pub instance: &'a str,
    pub full_name: &'a str,
    pub project_key: &'a str,
    pub slug: &'a str,
}

impl NamedSource {
    /// Whether it may lie on this Bitbucket: what a `bitbucket.…` annotation names does, whichever it is.
    pub fn may_be_on(&self, instance: &str) -> bool {
        let host = instance.split_once("://").map_or(instance, |(_, rest)| rest);
        self.host == ANY_BITBUCKET || self.host.eq_ignore_ascii_case(host)
    }

    fn new(host: &str, path: &str) -> Option<Self> {
        let path = path.trim().trim_matches('/').to_lowercase();
        let path = path.strip_suffix(".git").unwrap_or(&path);
        let usable = !path.is_empty() && !path.contains(['{', '$', ' ', '<']);
        usable.then(|| Self { host: host.to_lowercase(), path: path.to_owned() })
    }

    /// One text of both, for packing.
    pub fn packed(&self) -> String {
        format!("{}\n{}", self.host, self.path)
    }
}

/// A packed source as people read it.
pub(super) fn for_people(packed: &str) -> String {
    match packed.split_once('\n') {
        Some((ANY_BITBUCKET, path)) => path.to_owned(),
        _ => packed.replacen('\n', "/", 1),
    }
}

/// How one packed source relates to the repository.
fn names(packed: &str, repository: Identity<'_>) -> Naming {
    let (host, path) = packed.split_once('\n').unwrap_or((packed, ""));
    let instance = repository.instance.split_once("://").map_or(repository.instance, |(_, rest)| rest);
    if host != ANY_BITBUCKET && !host.eq_ignore_ascii_case(instance) {
        return Naming::Elsewhere;
    }
    let is_this = match path.split_once('/') {
        None => path.eq_ignore_ascii_case(repository.slug),
        Some((owner, slug)) => {
            path.eq_ignore_ascii_case(repository.full_name)
                || (owner.eq_ignore_ascii_case(repository.project_key) && slug.eq_ignore_ascii_case(repository.slug))
        }
    };
    if is_this { Naming::This } else { Naming::Another }
}

/// How all of an entity's packed sources relate to the repository: naming it once is enough.
pub(super) fn naming<'a>(sources: impl Iterator<Item = &'a str>, repository: Identity<'_>) -> Naming {
    let mut result = Naming::Nothing;
    for source in sources {
        match names(source, repository) {
            Naming::This => return Naming::This,
            Naming::Another => result = Naming::Another,
            Naming::Elsewhere if result == Naming::Nothing => result = Naming::Elsewhere,
            Naming::Elsewhere | Naming::Nothing => {}
        }
    }
    result
}

/// The sources an entity document names: slug annotations, source-location, Harness `spec.sourceCode`.
/// `managed-by-location` says where the *document* lies and is none of them. Sorted, no two alike.
pub fn named_sources(document: &Value) -> Vec<NamedSource> {
    let annotation = |key: &str| document.get("metadata")?.get("annotations")?.get(key)?.as_str();
    let mut found: Vec<Option<NamedSource>> = Vec::new();
    for prefix in ["bitbucket.org", "bitbucket.com"] {
        let slug = annotation(&format!("{prefix}/project-slug"));
        found.extend(slug.map(|slug| NamedSource::new(ANY_BITBUCKET, slug)));
        let slug = annotation(&format!("{prefix}/repo-slug"));
        let project = annotation(&format!("{prefix}/project-key"));
        found.extend(slug.map(|slug| match project {
            Some(project) if !slug.contains('/') => NamedSource::new(ANY_BITBUCKET, &format!("{project}/{slug}")),
            _ => NamedSource::new(ANY_BITBUCKET, slug),
        }));
    }
    for (host, key) in [
        ("github.com", "github.com/project-slug"),
        ("gitlab.com", "gitlab.com/project-slug"),
        ("dev.azure.com", "dev.azure.com/project-repo"),
    ] {
        found.extend(annotation(key).map(|slug| NamedSource::new(host, slug)));
    }
    found.extend(annotation("backstage.io/source-location").map(repository_of_url));
    if let Some(source) = document.get("spec").and_then(|spec| spec.get("sourceCode")) {
        let provider = source.get("provider").and_then(Value::as_str).unwrap_or("bitbucket").to_lowercase();
        let host = if provider.starts_with("bitbucket") { ANY_BITBUCKET } else { &provider };
        found.extend(source.get("repoName").and_then(Value::as_str).map(|name| NamedSource::new(host, name)));
    }
    let mut found: Vec<_> = found.into_iter().flatten().collect();
    found.sort();
    found.dedup();
    found
}

/// The repository a URL leads into; `None` when it leads into none. Reads `url:` locations, browse, clone
/// and SSH forms of Bitbucket Cloud and Data Center, and the two first segments of any other host.
pub(super) fn repository_of_url(text: &str) -> Option<NamedSource> {
    let text = text.trim();
    let text = text.strip_prefix("url:").unwrap_or(text);
    let text = text.split(['?', '#']).next().unwrap_or(text);
    let (host, path) = match text.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => text.strip_prefix("git@")?.split_once([':', '/'])?,
    };
    let host = host.rsplit('@').next().unwrap_or(host);
    let host = host.strip_suffix(":443").unwrap_or(host);
    let path = path.split("/-/").next().unwrap_or(path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let with_context =
        |at: usize| std::iter::once(host).chain(parts[..at].iter().copied()).collect::<Vec<_>>().join("/");
    let browse = parts.iter().position(|part| *part == "repos").filter(|at| *at >= 2 && at + 1 < parts.len());
    if let Some(at) = browse {
        let owner = if parts[at - 2] == "users" { format!("~{}", parts[at - 1]) } else { parts[at - 1].to_owned() };
        return NamedSource::new(&with_context(at - 2), &format!("{owner}/{}", parts[at + 1]));
    }
    if let Some(at) = parts.iter().position(|part| *part == "scm").filter(|at| at + 2 < parts.len()) {
        return NamedSource::new(&with_context(at), &parts[at + 1..at + 3].join("/"));
    }
    // GitLab groups nest; elsewhere what follows the second segment is a place within the repository.
    let depth = if text.contains("/-/") { parts.len() } else { 2 };
    (parts.len() >= 2).then(|| NamedSource::new(host, &parts[..depth].join("/")))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check_url(url: &str, host: &str, path: &str) {
        assert_eq!(repository_of_url(url), Some(NamedSource { host: host.into(), path: path.into() }), "{url}");
    }

    #[test]
    fn urls_lead_to_repositories() {
        check_url("url:https://bitbucket.org/acme/Web/src/main/", "bitbucket.org", "acme/web");
        check_url("https://me@bitbucket.org/acme/web.git", "bitbucket.org", "acme/web");
        check_url("git@bitbucket.org:acme/web.git", "bitbucket.org", "acme/web");
        check_url("https://git.acme.dev/bitbucket/projects/PAY/repos/web/browse", "git.acme.dev/bitbucket", "pay/web");
        check_url("https://git.acme.dev/users/jo/repos/web", "git.acme.dev", "~jo/web");
        check_url("https://git.acme.dev/scm/pay/web.git", "git.acme.dev", "pay/web");
        check_url("https://gitlab.com/a/b/c/-/blob/main/", "gitlab.com", "a/b/c");
        assert_eq!(repository_of_url("https://bitbucket.org/acme/"), None);
        assert_eq!(repository_of_url("dir:."), None);
        assert_eq!(repository_of_url("url:https://bitbucket.org/${{ values.owner }}/x"), None);
    }

    #[track_caller]
    fn check(document: Value, expected: Naming) {
        let repository = Identity { instance: "bitbucket.org", full_name: "acme/web", project_key: "PAY", slug: "web" };
        let packed: Vec<String> = named_sources(&document).iter().map(NamedSource::packed).collect();
        assert_eq!(naming(packed.iter().map(String::as_str), repository), expected, "{document}");
    }

    fn annotated(key: &str, value: &str) -> Value {
        json!({"metadata": {"annotations": {key: value}}})
    }

    /// P3.8: an entity that names another source is told from one that names this one, host aware.
    #[test]
    fn p3_8_entities_name_sources_host_aware() {
        check(json!({}), Naming::Nothing);
        check(annotated("bitbucket.org/project-slug", "acme/web"), Naming::This);
        check(annotated("bitbucket.com/project-slug", "Acme/Web"), Naming::This);
        check(annotated("bitbucket.com/project-slug", "PAY/web"), Naming::This);
        check(annotated("bitbucket.org/repo-slug", "acme/web"), Naming::This);
        check(annotated("bitbucket.org/repo-slug", "other"), Naming::Another);
        check(annotated("bitbucket.org/project-slug", "acme/old-web"), Naming::Another);
        check(annotated("backstage.io/source-location", "url:https://bitbucket.org/acme/web/src/main/"), Naming::This);
        check(annotated("backstage.io/source-location", "url:https://bitbucket.org/acme/all/"), Naming::Another);
        check(annotated("backstage.io/source-location", "url:https://git.acme.dev/acme/web/"), Naming::Elsewhere);
        check(annotated("github.com/project-slug", "acme/web"), Naming::Elsewhere);
        check(
            annotated("backstage.io/managed-by-location", "url:https://bitbucket.org/acme/all/x.yaml"),
            Naming::Nothing,
        );
        check(
            json!({"metadata": {"annotations": {"bitbucket.org/project-key": "PAY", "bitbucket.org/repo-slug": "web"}}}),
            Naming::This,
        );
        check(
            json!({"metadata": {"annotations": {"github.com/project-slug": "a/b", "bitbucket.org/project-slug": "a/b"}}}),
            Naming::Another,
        );
        check(json!({"spec": {"sourceCode": {"provider": "Bitbucket", "repoName": "web"}}}), Naming::This);
        check(json!({"spec": {"sourceCode": {"provider": "Github", "repoName": "web"}}}), Naming::Elsewhere);
    }
}
