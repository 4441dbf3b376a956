use proptest::prelude::*;

use super::*;

/// Every form of bitbucket.org: what is written, and what is understood.
const CLOUD_FORMS: &[(&str, &str)] = &[
    ("https://bitbucket.org", "bitbucket.org http - -"),
    ("https://bitbucket.org/", "bitbucket.org http - -"),
    ("bitbucket.org/acme", "bitbucket.org http acme -"),
    ("https://bitbucket.org/acme", "bitbucket.org http acme -"),
    ("https://bitbucket.org/acme/", "bitbucket.org http acme -"),
    ("  https://www.bitbucket.org/acme//  ", "bitbucket.org http acme -"),
    ("HTTPS://Bitbucket.org/Acme", "bitbucket.org http Acme -"),
    ("https://bitbucket.org:443/acme", "bitbucket.org http acme -"),
    ("https://bitbucket.org/acme/workspace/projects/PAY", "bitbucket.org http acme -"),
    ("https://bitbucket.org/acme/workspace/repositories", "bitbucket.org http acme -"),
    ("https://bitbucket.org/acme/api.git", "bitbucket.org http acme api"),
    ("https://bitbucket.org/acme/api", "bitbucket.org http acme api"),
    ("https://me@bitbucket.org/acme/api.git", "bitbucket.org http acme api"),
    ("https://bitbucket.org/acme/api/src", "bitbucket.org http acme api"),
    ("https://bitbucket.org/acme/api/src/main/a/b.rs?at=x#L3", "bitbucket.org http acme api"),
    ("https://bitbucket.org/acme/api/pull-requests/12", "bitbucket.org http acme api"),
    ("https://bitbucket.org/acme/workspace", "bitbucket.org http acme workspace"),
    (
        "https://bitbucket.org/%7B7dd600e6-0e1c-4a23-8b1c-b3a1b2c3d4e5%7D/api",
        "bitbucket.org http {7dd600e6-0e1c-4a23-8b1c-b3a1b2c3d4e5} api",
    ),
    ("git@bitbucket.org:acme/", "bitbucket.org ssh acme -"),
    ("git@bitbucket.org:acme", "bitbucket.org ssh acme -"),
    ("git@bitbucket.org/acme/", "bitbucket.org ssh acme -"),
    ("git@bitbucket.org", "bitbucket.org ssh - -"),
    ("git@bitbucket.org:acme/api.git", "bitbucket.org ssh acme api"),
    ("ssh://git@bitbucket.org/acme/api.git", "bitbucket.org ssh acme api"),
    ("ssh://git@altssh.bitbucket.org:443/acme/api.git", "bitbucket.org ssh acme api"),
    ("git+ssh://git@bitbucket.org/acme/api.git", "bitbucket.org ssh acme api"),
];

/// Every form of Data Center.
const DATA_CENTER_FORMS: &[(&str, &str)] = &[
    ("https://git.acme.dev/scm/", "https://git.acme.dev http - -"),
    ("https://git.acme.dev", "https://git.acme.dev http - -"),
    ("git.acme.dev:7990", "https://git.acme.dev:7990 http - -"),
    ("http://localhost:7990/", "http://localhost:7990 http - -"),
    ("https://git.acme.dev/bitbucket/scm/", "https://git.acme.dev/bitbucket http - -"),
    ("https://git.acme.dev/bitbucket", "https://git.acme.dev/bitbucket http - -"),
    ("https://git.acme.dev:8443/bitbucket/projects", "https://git.acme.dev:8443/bitbucket http - -"),
    ("https://git.acme.dev/scm/PAY", "https://git.acme.dev http PAY -"),
    ("https://git.acme.dev/projects/PAY", "https://git.acme.dev http PAY -"),
    ("https://git.acme.dev/scm/PAY/api.git", "https://git.acme.dev http PAY api"),
    ("https://me@git.acme.dev/scm/pay/api.git", "https://git.acme.dev http pay api"),
    ("https://git.acme.dev/scm/~jane/dot.files.git", "https://git.acme.dev http ~jane dot.files"),
    ("https://git.acme.dev/users/jane/repos/x/browse", "https://git.acme.dev http ~jane x"),
    ("https://git.acme.dev/projects/PAY/repos/api", "https://git.acme.dev http PAY api"),
    ("https://git.acme.dev/stash/projects/PAY/repos/api/browse/src?at=x", "https://git.acme.dev/stash http PAY api"),
    ("git@git.acme.dev/", "https://git.acme.dev ssh - -"),
    ("git@git.acme.dev/PAY/api.git", "https://git.acme.dev ssh PAY api"),
    ("git@git.acme.dev:PAY/api.git", "https://git.acme.dev ssh PAY api"),
    ("git@git.acme.dev:7999/PAY/api.git", "https://git.acme.dev ssh:7999 PAY api"),
    ("ssh://git@git.acme.dev:7999/PAY/api.git", "https://git.acme.dev ssh:7999 PAY api"),
    ("ssh://git@git.acme.dev:22/~jane/api.git", "https://git.acme.dev ssh ~jane api"),
    ("ssh://git.acme.dev:7999/scm/PAY/api.git", "https://git.acme.dev ssh:7999 PAY api"),
    ("https://git.acme.dev/scm", "https://git.acme.dev http - -"),
    ("https://git.acme.dev/projects/PAY/repos", "https://git.acme.dev http PAY -"),
    ("https://git.acme.dev/users/jane", "https://git.acme.dev http ~jane -"),
    ("https://git.acme.dev/bitbucket/scm/PAY/api.git", "https://git.acme.dev/bitbucket http PAY api"),
    ("https://git.acme.dev:8443/scm/PAY/api", "https://git.acme.dev:8443 http PAY api"),
    ("git@git.acme.dev:PAY", "https://git.acme.dev ssh PAY -"),
    ("git@git.acme.dev/~jane/api.git", "https://git.acme.dev ssh ~jane api"),
    ("ssh://git@git.acme.dev:7999/", "https://git.acme.dev ssh:7999 - -"),
];

/// What is no form, why, and the form that would be right.
const REFUSED_FORMS: &[(&str, &str)] = &[
    ("", "! the URL is empty / write `https://bitbucket.org/WORKSPACE`"),
    ("https://bitbucket.org/a b", "! a URL holds no spaces / write `https://bitbucket.org/WORKSPACE`"),
    ("ftp://bitbucket.org/acme", "! `ftp://` is no way to reach Bitbucket / write `https://bitbucket.org/WORKSPACE`"),
    ("git://bitbucket.org/a/b", "! git:// has no credentials / write `https://…` or `ssh://git@…`"),
    (
        "http://bitbucket.org/acme",
        "! bitbucket.org is reached by https and its own port / write `https://bitbucket.org/…`",
    ),
    (
        "https://bitbucket.org/api.git",
        "! `api.git` is a repository's name, and the workspace before it is missing / write `https://bitbucket.org/WORKSPACE/api.git`",
    ),
    (
        "git@bitbucket.org:api.git",
        "! `api.git` is a repository's name, and the workspace before it is missing / write `git@bitbucket.org:WORKSPACE/api.git`",
    ),
    (
        "git@bitbucket.org:acme/api.git/x",
        "! there is more behind the repository / write `git@bitbucket.org:acme/api.git`",
    ),
    (
        "https://bitbucket.org/dashboard/repositories",
        "! `/dashboard` is a page of bitbucket.org, not a workspace / write `https://bitbucket.org/WORKSPACE`",
    ),
    (
        "https://api.bitbucket.org/2.0/repositories/acme",
        "! this is the address of the API / write `https://bitbucket.org/WORKSPACE`; the API's follows from it",
    ),
    (
        "https://me:pw@bitbucket.org/acme",
        "! the URL holds a password / take it out, and put the credential under `auth`",
    ),
    ("https://bitbucket.org/~x", "! `~x` is not the name of a workspace / write `https://bitbucket.org/WORKSPACE`"),
    ("https://bitbucket.org/-x/y", "! `-x` is not the name of a workspace / write `https://bitbucket.org/WORKSPACE`"),
    ("https://bitbucket.org/a%2Fb", "! the URL's path is not text / write `https://bitbucket.org/WORKSPACE`"),
    ("me@bitbucket.org:acme", "! Bitbucket's SSH user is `git` / write `git@bitbucket.org:WORKSPACE/`"),
    (
        "https://git.acme.dev/PAY/api.git",
        "! on Data Center, repositories are below /scm/ / write `https://git.acme.dev/scm/PROJECT/REPO.git`",
    ),
    (
        "https://git.acme.dev/x/scm/api.git",
        "! `api.git` is a repository's name, and the project before it is missing / write `https://git.acme.dev/x/scm/PROJECT/api.git`",
    ),
    ("https://git.acme.dev/rest/api/1.0", "! this is the address of the API / write `https://git.acme.dev/scm/`"),
    (
        "ssh://git@git.acme.dev/a/b/c",
        "! an SSH URL has no more than a project and a repository / write `git@HOST/PROJECT/REPO.git`",
    ),
    ("git@git.acme.dev/api.git", "! a project is missing before the repository / write `git@HOST/PROJECT/REPO.git`"),
    (
        "https://bitbucket.org:8443/acme",
        "! bitbucket.org is reached by https and its own port / write `https://bitbucket.org/…`",
    ),
    (
        "https://bitbucket.org/acme/api.git/src",
        "! there is more behind the repository / write `https://bitbucket.org/acme/api.git`",
    ),
    ("ssh://git:pw@bitbucket.org/acme", "! the URL holds a password / take it out; SSH uses the key under `auth`"),
    (
        "https://me:pw@git.acme.dev/scm/",
        "! the URL holds a password / take it out, and put the credential under `auth`",
    ),
    (
        "https://git.acme.dev/scm/PAY/api.git/x",
        "! there is more behind the repository / write `https://git.acme.dev/scm/PAY/api.git`",
    ),
    (
        "https://git.acme.dev/projects/PAY/settings",
        "! this is a page of a project / write `https://git.acme.dev/projects/PAY`",
    ),
    ("https://git.acme.dev/users", "! a user is missing / write `https://git.acme.dev/users/USER`"),
    (
        "https://git.acme.dev/scm/-x/api.git",
        "! `-x` is not the name of a project / write `https://HOST/scm/PROJECT/REPO.git`",
    ),
    ("admin@git.acme.dev/PAY/api.git", "! Bitbucket's SSH user is `git` / write `git@bitbucket.org:WORKSPACE/`"),
];

/// A URL where an account is wanted, and where a repository is: the form that would be right, or nothing where it is.
const WANTED: &[(&str, &str, &str)] = &[
    ("https://bitbucket.org/acme", "", "https://bitbucket.org/acme/REPO.git"),
    ("https://bitbucket.org", "", "https://bitbucket.org/WORKSPACE/REPO.git"),
    ("https://bitbucket.org/acme/api.git", "https://bitbucket.org/acme/", ""),
    ("https://bitbucket.org/acme/api/src", "https://bitbucket.org/acme/", ""),
    ("git@bitbucket.org:acme/", "", "git@bitbucket.org:acme/REPO.git"),
    ("git@bitbucket.org:acme/api.git", "git@bitbucket.org:acme/", ""),
    ("https://git.acme.dev/scm/", "", "https://git.acme.dev/scm/PROJECT/REPO.git"),
    ("https://git.acme.dev/scm/PAY/api.git", "https://git.acme.dev/scm/PAY/", ""),
    ("https://h/c/projects/PAY/repos/api", "https://h/c/scm/PAY/", ""),
    ("git@git.acme.dev/", "", "ssh://git@git.acme.dev/PROJECT/REPO.git"),
    ("git@git.acme.dev/PAY", "", "ssh://git@git.acme.dev/PAY/REPO.git"),
    ("git@git.acme.dev/PAY/api.git", "ssh://git@git.acme.dev/PAY/", ""),
    ("ssh://git@git.acme.dev:7999/PAY/api.git", "ssh://git@git.acme.dev:7999/PAY/", ""),
];

/// What is understood of a URL, or `! why not / what would be right`.
fn understood(text: &str) -> String {
    match ConnectorUrl::parse(text) {
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
    }
}

/// The form that would be right, or nothing.
fn right_form(result: Result<ConnectorUrl, UrlError>) -> String {
    result.map_or_else(
        |error| error.mend.trim_start_matches("write `").trim_end_matches('`').to_owned(),
        |_| String::new(),
    )
}

/// Shows 2 of issue 3: `cargo nextest run --no-capture -E 'test(the_table_of_url_forms)'` prints it.
#[test]
fn the_table_of_url_forms_p6_1() {
    let row = |cells: [&str; 5]| {
        let [url, instance, transport, workspace, repository] = cells;
        println!("{url:<72} {instance:<38} {transport:<9} {workspace:<38} {repository}");
    };
    row(["URL", "INSTANCE", "TRANSPORT", "WORKSPACE", "REPOSITORY"]);
    for (text, wanted) in CLOUD_FORMS.iter().chain(DATA_CENTER_FORMS) {
        check(text, wanted);
        let understood = understood(text);
        let cells: Vec<&str> = understood.split(' ').collect();
        let [instance, transport, workspace, repository] = cells[..] else { panic!("{text}: {understood}") };
        row([text, instance, transport, workspace, repository]);
    }
    println!("\n{:<72} BECAUSE / MEND", "REFUSED");
    for (text, wanted) in REFUSED_FORMS {
        check(text, wanted);
        println!("{text:<72} {}", understood(text).trim_start_matches("! "));
    }
    println!("\n{:<72} {:<38} WHERE A REPOSITORY IS WANTED", "URL", "WHERE AN ACCOUNT IS WANTED");
    for (text, account, repository) in WANTED {
        let found = (right_form(ConnectorUrl::parse_account(text)), right_form(ConnectorUrl::parse_repository(text)));
        assert_eq!((found.0.as_str(), found.1.as_str()), (*account, *repository), "{text}");
        let told = |form: &str| if form.is_empty() { "right".to_owned() } else { format!("no: write {form}") };
        println!("{text:<72} {:<38} {}", told(account), told(repository));
    }
    println!("\n{} forms, {} refusals", CLOUD_FORMS.len() + DATA_CENTER_FORMS.len(), REFUSED_FORMS.len());
}

#[track_caller]
fn check(text: &str, wanted: &str) {
    assert_eq!(understood(text), wanted, "{text}");
}

#[test]
fn cloud_forms_p6_1() {
    CLOUD_FORMS.iter().for_each(|(text, wanted)| check(text, wanted));
}

#[test]
fn data_center_forms_p6_1() {
    DATA_CENTER_FORMS.iter().for_each(|(text, wanted)| check(text, wanted));
}

#[test]
fn what_is_no_form_is_refused_with_the_right_one_p6_1() {
    REFUSED_FORMS.iter().for_each(|(text, wanted)| check(text, wanted));
}

#[test]
fn account_and_repository_are_told_apart_p6_1() {
    for (text, account, repository) in WANTED {
        assert_eq!(right_form(ConnectorUrl::parse_account(text)), *account, "{text}");
        assert_eq!(right_form(ConnectorUrl::parse_repository(text)), *repository, "{text}");
    }
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
