use proptest::prelude::*;

use super::*;

/// `host|transport|workspace|repository|canonical`, `-` for none.
#[track_caller]
fn check(text: &str, wanted: &str) {
    let shown = match ConnectorUrl::parse(text) {
        Ok(url) => {
            assert_eq!(ConnectorUrl::parse(&url.to_string()).as_ref(), Ok(&url), "{text} prints {url}");
            let transport = match url.transport {
                Transport::Http => "http".to_owned(),
                Transport::Ssh { port: None } => "ssh".to_owned(),
                Transport::Ssh { port: Some(port) } => format!("ssh:{port}"),
            };
            let part = |part: &Option<String>| part.clone().unwrap_or("-".to_owned());
            format!("{} {transport} {} {}", url.instance(), part(&url.workspace), part(&url.repository))
        }
        Err(error) => format!("! {} / {}", error.what, error.mend),
    };
    assert_eq!(shown, wanted, "{text}");
}

#[test]
fn cloud_forms_p6_1() {
    check("https://bitbucket.org", "bitbucket.org http - -");
    check("https://bitbucket.org/", "bitbucket.org http - -");
    check("bitbucket.org/acme", "bitbucket.org http acme -");
    check("https://bitbucket.org/acme", "bitbucket.org http acme -");
    check("https://bitbucket.org/acme/", "bitbucket.org http acme -");
    check("  https://www.bitbucket.org/acme//  ", "bitbucket.org http acme -");
    check("HTTPS://Bitbucket.org/Acme", "bitbucket.org http Acme -");
    check("https://bitbucket.org:443/acme", "bitbucket.org http acme -");
    check("https://bitbucket.org/acme/workspace/projects/PAY", "bitbucket.org http acme -");
    check("https://bitbucket.org/acme/workspace/repositories", "bitbucket.org http acme -");
    check("https://bitbucket.org/acme/api.git", "bitbucket.org http acme api");
    check("https://bitbucket.org/acme/api", "bitbucket.org http acme api");
    check("https://me@bitbucket.org/acme/api.git", "bitbucket.org http acme api");
    check("https://bitbucket.org/acme/api/src", "bitbucket.org http acme api");
    check("https://bitbucket.org/acme/api/src/main/a/b.rs?at=x#L3", "bitbucket.org http acme api");
    check("https://bitbucket.org/acme/api/pull-requests/12", "bitbucket.org http acme api");
    check("https://bitbucket.org/acme/workspace", "bitbucket.org http acme workspace");
    check(
        "https://bitbucket.org/%7B7dd600e6-0e1c-4a23-8b1c-b3a1b2c3d4e5%7D/api",
        "bitbucket.org http {7dd600e6-0e1c-4a23-8b1c-b3a1b2c3d4e5} api",
    );
    check("git@bitbucket.org:acme/", "bitbucket.org ssh acme -");
    check("git@bitbucket.org:acme", "bitbucket.org ssh acme -");
    check("git@bitbucket.org/acme/", "bitbucket.org ssh acme -");
    check("git@bitbucket.org", "bitbucket.org ssh - -");
    check("git@bitbucket.org:acme/api.git", "bitbucket.org ssh acme api");
    check("ssh://git@bitbucket.org/acme/api.git", "bitbucket.org ssh acme api");
    check("ssh://git@altssh.bitbucket.org:443/acme/api.git", "bitbucket.org ssh acme api");
    check("git+ssh://git@bitbucket.org/acme/api.git", "bitbucket.org ssh acme api");
}

#[test]
fn data_center_forms_p6_1() {
    check("https://git.acme.dev/scm/", "https://git.acme.dev http - -");
    check("https://git.acme.dev", "https://git.acme.dev http - -");
    check("git.acme.dev:7990", "https://git.acme.dev:7990 http - -");
    check("http://localhost:7990/", "http://localhost:7990 http - -");
    check("https://git.acme.dev/bitbucket/scm/", "https://git.acme.dev/bitbucket http - -");
    check("https://git.acme.dev/bitbucket", "https://git.acme.dev/bitbucket http - -");
    check("https://git.acme.dev:8443/bitbucket/projects", "https://git.acme.dev:8443/bitbucket http - -");
    check("https://git.acme.dev/scm/PAY", "https://git.acme.dev http PAY -");
    check("https://git.acme.dev/projects/PAY", "https://git.acme.dev http PAY -");
    check("https://git.acme.dev/scm/PAY/api.git", "https://git.acme.dev http PAY api");
    check("https://me@git.acme.dev/scm/pay/api.git", "https://git.acme.dev http pay api");
    check("https://git.acme.dev/scm/~jane/dot.files.git", "https://git.acme.dev http ~jane dot.files");
    check("https://git.acme.dev/users/jane/repos/x/browse", "https://git.acme.dev http ~jane x");
    check("https://git.acme.dev/projects/PAY/repos/api", "https://git.acme.dev http PAY api");
    check(
        "https://git.acme.dev/stash/projects/PAY/repos/api/browse/src?at=x",
        "https://git.acme.dev/stash http PAY api",
    );
    check("git@git.acme.dev/", "https://git.acme.dev ssh - -");
    check("git@git.acme.dev/PAY/api.git", "https://git.acme.dev ssh PAY api");
    check("git@git.acme.dev:PAY/api.git", "https://git.acme.dev ssh PAY api");
    check("git@git.acme.dev:7999/PAY/api.git", "https://git.acme.dev ssh:7999 PAY api");
    check("ssh://git@git.acme.dev:7999/PAY/api.git", "https://git.acme.dev ssh:7999 PAY api");
    check("ssh://git@git.acme.dev:22/~jane/api.git", "https://git.acme.dev ssh ~jane api");
    check("ssh://git.acme.dev:7999/scm/PAY/api.git", "https://git.acme.dev ssh:7999 PAY api");
}

#[test]
fn what_is_no_form_is_refused_with_the_right_one_p6_1() {
    let cloud = "write `https://bitbucket.org/WORKSPACE`";
    check("", &format!("! the URL is empty / {cloud}"));
    check("https://bitbucket.org/a b", &format!("! a URL holds no spaces / {cloud}"));
    check("ftp://bitbucket.org/acme", &format!("! `ftp://` is no way to reach Bitbucket / {cloud}"));
    check("git://bitbucket.org/a/b", "! git:// has no credentials / write `https://…` or `ssh://git@…`");
    check(
        "http://bitbucket.org/acme",
        "! bitbucket.org is reached by https and its own port / write `https://bitbucket.org/…`",
    );
    check(
        "https://bitbucket.org/api.git",
        "! `api.git` is a repository's name, and the workspace before it is missing / write `https://bitbucket.org/WORKSPACE/api.git`",
    );
    check(
        "git@bitbucket.org:api.git",
        "! `api.git` is a repository's name, and the workspace before it is missing / write `git@bitbucket.org:WORKSPACE/api.git`",
    );
    check(
        "git@bitbucket.org:acme/api.git/x",
        "! there is more behind the repository / write `git@bitbucket.org:acme/api.git`",
    );
    check(
        "https://bitbucket.org/dashboard/repositories",
        &format!("! `/dashboard` is a page of bitbucket.org, not a workspace / {cloud}"),
    );
    check(
        "https://api.bitbucket.org/2.0/repositories/acme",
        &format!("! this is the address of the API / {cloud}; the API's follows from it"),
    );
    check(
        "https://me:pw@bitbucket.org/acme",
        "! the URL holds a password / take it out, and put the credential under `auth`",
    );
    check("https://bitbucket.org/~x", &format!("! `~x` is not the name of a workspace / {cloud}"));
    check("https://bitbucket.org/-x/y", &format!("! `-x` is not the name of a workspace / {cloud}"));
    check("https://bitbucket.org/a%2Fb", &format!("! the URL's path is not text / {cloud}"));
    check("me@bitbucket.org:acme", "! Bitbucket's SSH user is `git` / write `git@bitbucket.org:WORKSPACE/`");
    check(
        "https://git.acme.dev/PAY/api.git",
        "! on Data Center, repositories are below /scm/ / write `https://git.acme.dev/scm/PROJECT/REPO.git`",
    );
    check(
        "https://git.acme.dev/x/scm/api.git",
        "! `api.git` is a repository's name, and the project before it is missing / write `https://git.acme.dev/x/scm/PROJECT/api.git`",
    );
    check("https://git.acme.dev/rest/api/1.0", "! this is the address of the API / write `https://git.acme.dev/scm/`");
    check(
        "ssh://git@git.acme.dev/a/b/c",
        "! an SSH URL has no more than a project and a repository / write `git@HOST/PROJECT/REPO.git`",
    );
    check(
        "git@git.acme.dev/api.git",
        "! a project is missing before the repository / write `git@HOST/PROJECT/REPO.git`",
    );
}

#[test]
fn account_and_repository_are_told_apart_p6_1() {
    let mend = |result: Result<ConnectorUrl, UrlError>| result.unwrap_err().mend;
    assert!(ConnectorUrl::parse_account("https://bitbucket.org/acme").is_ok());
    assert!(ConnectorUrl::parse_repository("https://bitbucket.org/acme/api").is_ok());
    assert_eq!(
        mend(ConnectorUrl::parse_account("https://bitbucket.org/acme/api.git")),
        "write `https://bitbucket.org/acme/`"
    );
    assert_eq!(mend(ConnectorUrl::parse_account("git@bitbucket.org:acme/api.git")), "write `git@bitbucket.org:acme/`");
    assert_eq!(mend(ConnectorUrl::parse_account("https://h/c/projects/PAY/repos/api")), "write `https://h/c/scm/PAY/`");
    assert_eq!(
        mend(ConnectorUrl::parse_repository("https://bitbucket.org")),
        "write `https://bitbucket.org/WORKSPACE/REPO.git`"
    );
    assert_eq!(
        mend(ConnectorUrl::parse_repository("git@git.acme.dev/PAY")),
        "write `ssh://git@git.acme.dev/PAY/REPO.git`"
    );
}

#[test]
fn api_addresses_follow_from_the_url() {
    for (url, api) in [
        ("https://bitbucket.org/acme", "https://api.bitbucket.org/2.0"),
        ("git@bitbucket.org:acme/", "https://api.bitbucket.org/2.0"),
        ("https://git.acme.dev/scm/", "https://git.acme.dev/rest/api/1.0"),
        ("https://git.acme.dev:8443/bitbucket/projects/PAY", "https://git.acme.dev:8443/bitbucket/rest/api/1.0"),
    ] {
        assert_eq!(ConnectorUrl::parse(url).unwrap().api_base.as_str(), api);
    }
}

fn repository() -> Repository {
    Repository {
        name: "The API".to_owned(),
        project_key: Some("PAY".to_owned()),
        ..Repository::bare(RepoKey::cloud("{7dd600e6-0e1c-4a23-8b1c-b3a1b2c3d4e5}"), "api")
    }
}

#[test]
fn repositories_are_named_in_many_ways() {
    for text in [
        "bitbucket.org/{7dd600e6-0e1c-4a23-8b1c-b3a1b2c3d4e5}",
        "{7DD600E6-0E1C-4A23-8B1C-B3A1B2C3D4E5}",
        "7dd600e6-0e1c-4a23-8b1c-b3a1b2c3d4e5",
        "acme/api",
        "Acme/API.git",
        "api",
        "API",
        "https://bitbucket.org/acme/api",
        "https://bitbucket.org/acme/api/src/main/README.md",
        "bitbucket.org/acme/api",
        "git@bitbucket.org:acme/api.git",
    ] {
        assert!(RepositoryRef::parse(text).unwrap().names(&repository()), "{text}");
    }
    for text in ["acme/ap", "other/api", "apis", "https://git.acme.dev/scm/acme/api.git", "bitbucket.org/acme/web"] {
        assert!(!RepositoryRef::parse(text).unwrap().names(&repository()), "{text}");
    }
    for text in ["", "..", "a b", "-x", "https://bitbucket.org/acme", "a/../b", "acme/"] {
        assert!(RepositoryRef::parse(text).is_err(), "{text}");
    }
    let key = repository().key;
    assert_eq!(RepositoryRef::parse(&key.to_string()), Ok(RepositoryRef::Key(key)));
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,12}[a-z0-9]".prop_filter("a word of Bitbucket's own", |name| {
        !name.ends_with(".git") && !CLOUD_PAGES.contains(&name.as_str())
    })
}

fn any_url() -> impl Strategy<Value = ConnectorUrl> {
    let transport = prop_oneof![
        Just(Transport::Http),
        Just(Transport::Ssh { port: None }),
        (1_u16..)
            .prop_filter("22 is the default", |port| *port != 22)
            .prop_map(|port| Transport::Ssh { port: Some(port) })
    ];
    let base = ("[a-z]{1,8}\\.example", proptest::option::of(1024_u16..), proptest::option::of("ctx[a-z]{0,5}"));
    let path = proptest::option::of((name(), proptest::option::of(name())));
    (transport, proptest::option::of(base), path).prop_map(|(transport, base, path)| {
        let (workspace, repository) = path.map_or((None, None), |(first, second)| (Some(first), second));
        let Some((host, port, context)) = base else {
            let transport = if transport == Transport::Http { transport } else { Transport::Ssh { port: None } };
            return ConnectorUrl { host: Host::Cloud, transport, workspace, repository, api_base: cloud_api() };
        };
        let web = transport == Transport::Http;
        let port = port.filter(|_| web).map_or(String::new(), |port| format!(":{port}"));
        let context = context.filter(|_| web).unwrap_or_default();
        let base = Url::parse(&format!("https://{host}{port}/{context}")).unwrap();
        ConnectorUrl::data_center(base, transport, workspace.as_deref(), repository.as_deref()).unwrap()
    })
}

proptest! {
    #[test]
    fn printing_and_parsing_is_the_identity_p6_1(url in any_url()) {
        // Over SSH, a project named like the HTTP path's first word is that word.
        prop_assume!(url.workspace.as_deref() != Some("scm"));
        prop_assert_eq!(ConnectorUrl::parse(&url.to_string()), Ok(url));
    }

    #[test]
    fn nothing_makes_parsing_panic(text in "\\PC{0,40}") {
        let _ = ConnectorUrl::parse(&text);
        let _ = RepositoryRef::parse(&text);
    }

    #[test]
    fn nothing_like_a_url_makes_parsing_panic(text in "(git@|ssh://|https://)?[a-z.%:@/~\\[\\]{}0-9-]{0,40}") {
        let _ = ConnectorUrl::parse(&text);
        let _ = RepositoryRef::parse(&text);
    }
}
