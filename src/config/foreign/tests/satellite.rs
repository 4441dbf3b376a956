use super::super::Origin;
use super::{body, read, taken, told};
use crate::config::{CommitsVia, ConnectorType, RepositoryFilters};
use crate::model::{DetailKind, SecondaryKind};

/// As the product's own documents show it, filled in.
const CLOUD: &str = "\
satellite:
  tenant: acme
  api_key: eyJhbGciOiJIUzI1NiJ9.sei
  url: 'https://app.harness.io/gratis/sei/api'
integrations:
  - id: '4675'
    application: bitbucket_server
    url: 'https://bitbucket.org/acme/payments-api/src'
    username: ci-bot
    api_key: ATCTT3xFfGN0secret
    metadata:
      fetch_prs: true
      fetch_pr_reviews: true
      fetch_commits: true
      fetch_commit_files: true
      repos: payments-api, acme/web.git
    satellite: true
";

#[test]
fn a_file_of_cloud_is_taken_over_p6_8() {
    let (translation, config) = taken(CLOUD);
    assert_eq!(translation.origin, Origin::Satellite);
    insta::assert_snapshot!(translation.text);
    let integration = &config.integrations[0];
    assert_eq!(integration.workspace, "acme");
    assert_eq!(config.connectors["acme"].test_repository.as_deref(), Some("payments-api"));
    assert_eq!(integration.details.keys().copied().collect::<Vec<_>>(), [DetailKind::Reviews, DetailKind::CommitFiles]);
    let include: Vec<&str> = integration.repositories.include.iter().map(|glob| glob.as_str()).collect();
    assert_eq!(include, ["payments-api", "web"]);
}

#[test]
fn a_file_of_data_center_is_taken_over_p6_8() {
    let (translation, config) = taken(
        "\
levelops: { tenant: acme, api_key: x }
integrations:
  - id: 1
    application: bitbucket_server
    url: https://git.acme.dev:8443/bitbucket/projects/PAY/repos/api/browse
    username: ci-bot
    api_key: ${BB_TOKEN}
    metadata: { fetch_prs: true, fetch_commits: false, repos: [PAY/api, SHOP/web, 'not a slug'] }
",
    );
    insta::assert_snapshot!(body(&translation), @r#"
        connectors:
          git-acme-dev:
            type: bitbucket_data_center
            url: https://git.acme.dev:8443/bitbucket
            auth:
              - access_token: { env: BB_TOKEN }
            test_repository: PAY/api.git
        catalogs:
          main:
            directory:
        integrations:
          - name: git-acme-dev
            connector: git-acme-dev
            repositories:
              include: [PAY/api, SHOP/web]
              exclude: []
              projects: []
              archived: false
            rules: bitbucket-data-center
            secondary_kinds:
              pull_requests: { first_sync: 50, per_sync: 5000 }
            update_every: 3h
        "#);
    insta::assert_snapshot!(told(&translation), @r#"
        taken over with a difference:
          line 6, integrations[0].username: an HTTP access token needs no user name; if the key is a password, write `basic: { username: …, password: … }`
          line 8, integrations[0].metadata.repos: some are no names of repositories: write slugs, as in the browser's address, under `include`
        does not apply:
          line 1, levelops.api_key: it is about the account at Harness, to which catalog-sync sends nothing
          line 1, levelops.tenant: it is about the account at Harness, to which catalog-sync sends nothing
          line 3, integrations[0].id: the integration's number at Harness
        set:
          BB_TOKEN: the HTTP access token (line 7)
        "#);
    assert_eq!(config.connectors["git-acme-dev"].kind, ConnectorType::BitbucketDataCenter);
    assert_eq!(config.integrations[0].instance.0, "https://git.acme.dev:8443/bitbucket");
    assert_eq!(config.integrations[0].secondary_kinds.keys().collect::<Vec<_>>(), [&SecondaryKind::PullRequests]);
}

/// What nobody told is as in a config that says nothing.
#[test]
fn the_rest_is_as_everywhere_p6_8() {
    let (_, config) =
        taken("satellite: {}\nintegrations: [{ application: bitbucket, url: https://bitbucket.org/acme }]");
    let (_, bare) = taken("catalog: { providers: { bitbucketCloud: { workspace: acme } } }");
    let by_hand = super::loaded(
        "connectors: { acme: { type: bitbucket_cloud, url: https://bitbucket.org/acme, auth: { access_token: { env: BITBUCKET_TOKEN } } } }
catalogs: { main: { directory: { path: ./catalog } } }
integrations: [{ name: acme, connector: acme, catalog: main, repositories: { include: [\"*\"] } }]",
    );
    assert_eq!(config.connectors, by_hand.connectors);
    assert_eq!(config.integrations, by_hand.integrations);
    assert_eq!(config.server, by_hand.server);
    assert_eq!(bare.integrations[0].secondary_kinds, by_hand.integrations[0].secondary_kinds);
    assert_eq!(bare.integrations[0].repositories, by_hand.integrations[0].repositories);
    let filters = RepositoryFilters::default();
    assert_eq!((filters.archived, filters.personal), (false, false));
    assert_eq!(config.integrations[0].secondary_kinds[&SecondaryKind::Commits].via, CommitsVia::Auto);
}

/// The lines below `integrations:`, and a part of what is told.
#[track_caller]
fn check(integration: &str, parts: &[&str]) {
    let lines: Vec<String> = integration.lines().map(|line| format!("    {line}\n")).collect();
    let text = format!("satellite: {{}}\nintegrations:\n  -\n{}", lines.concat());
    let (translation, _) = taken(&text);
    let all = format!("{}\n{}", body(&translation), told(&translation));
    for part in parts {
        assert!(all.contains(part), "no `{part}` in:\n{all}");
    }
}

#[test]
fn each_credential_becomes_its_kind_p6_4_p6_8() {
    let with = |lines: &str| format!("application: bitbucket\nurl: https://bitbucket.org/acme\n{lines}");
    check(&with("api_key: ATCTT3xsecret"), &["- access_token: { env: BITBUCKET_TOKEN }", "the access token (line 6)"]);
    check(
        &with("username: me@acme.dev\napi_key: some-secret"),
        &["- api_token: { email: { env: BITBUCKET_EMAIL }, token: { env: BITBUCKET_TOKEN } }"],
    );
    check(
        &with("username: ci-bot\napi_key: ATATT3xsecret"),
        &["api_token:", "line 6, integrations[0].username: an API token needs the account's e-mail address"],
    );
    check(&with("username: x-token-auth\napi_key: ${BB}"), &["- access_token: { env: BB }", "needs no user name"]);
    check(
        &with("username: ci-bot\napi_key: ${BB}"),
        &["- access_token: { env: BB }", "if it is an Atlassian API token"],
    );
    check(
        &with("username: ci-bot\napi_key: ATBBsecret"),
        &["a new access token (line 7)", "Bitbucket ended app passwords on 2026-07-28"],
    );
    check(&with("username: ci-bot\npassword: secret"), &["Bitbucket ended app passwords"]);
    check(&with(""), &["there is no credential beside it", "BITBUCKET_TOKEN: an access token"]);
    check(&with("api_key: ${BB:fallback}"), &["{ env: BB }", "the default behind its name is not"]);
    check(&with("api_key: Bearer ${BB}"), &["{ env: BITBUCKET_TOKEN }", "put it into the variable"]);
    let with = |lines: &str| format!("application: bitbucket_server\nurl: https://git.acme.dev\n{lines}");
    check(
        &with("username: ci\npassword: secret"),
        &["- basic: { username: { env: BITBUCKET_USERNAME }, password: { env: BITBUCKET_PASSWORD } }"],
    );
    check(&with("username: ci\napi_key: secret"), &["- access_token:", "if the key is a password"]);
}

#[test]
fn what_is_served_comes_from_the_url_p6_8() {
    let with = |url: &str| format!("application: bitbucket_server\nurl: {url}\napi_key: x");
    check(
        &with("https://bitbucket.org/acme"),
        &["type: bitbucket_cloud", "is Bitbucket Cloud, whatever `application` says"],
    );
    check(&with("https://bitbucket.org"), &["workspace: my-workspace", "the URL names no workspace"]);
    check(
        &with("https://me:pw@bitbucket.org/acme"),
        &["url: https://bitbucket.org/acme", "the login in it was left out"],
    );
    check(&with("https://git.acme.dev/projects/PAY"), &["workspace: PAY", "only this one is discovered"]);
    check(
        &with("https://git.acme.dev/scm/pay/api.git"),
        &["test_repository: pay/api.git", "url: https://git.acme.dev\n"],
    );
    check(&with("http://git.acme.dev"), &["allow_http: true", "in the clear"]);
    check(&with("http://127.0.0.1:7990/bitbucket"), &["url: http://127.0.0.1:7990/bitbucket\n"]);
    check("url: https://bitbucket.org/acme\napi_key: x", &["type: bitbucket_cloud"]);
    check(&with("git@git.acme.dev:7999/PAY/api.git"), &["url: https://git.acme.dev\n", "this is an SSH URL"]);
    check(&with("git@bitbucket.org:acme/api.git"), &["url: https://bitbucket.org/acme\n", "this is an SSH URL"]);
}

#[test]
fn what_is_fetched_becomes_kinds_and_filters_p6_8() {
    let with = |metadata: &str| {
        format!("application: bitbucket\nurl: https://bitbucket.org/acme\napi_key: x\nmetadata: {metadata}")
    };
    check(&with("{ fetch_prs: false, fetch_commits: 'FALSE' }"), &["secondary_kinds: {}"]);
    check(
        &with("{ fetch_prs: false, fetch_pr_reviews: true }"),
        &["commits: { first_sync", "metadata.fetch_pr_reviews: what it hangs on is not fetched"],
    );
    check(&with("{ fetch_commit_files: true }"), &["commit_files: { per_sync: 500 }"]);
    let of_data_center =
        with("{ fetch_pr_reviews: true, fetch_commit_files: true }").replace("bitbucket.org/acme", "git.acme.dev");
    check(&of_data_center, &["reviews: { per_sync: 500 }", "commit_files: { per_sync: 500 }"]);
    check(&with("{ repos: '' }"), &["include: [\"*\"]"]);
    check(&with("{ projects: 'PAY, SHOP' }"), &["projects: [PAY, SHOP]"]);
    check(&with("{ projects: [PAY], repos: [api, web] }"), &["projects: [PAY]", "include: [api, web]"]);
    check(&with("{ projects: [Payments Team] }"), &["metadata.projects: some are no keys of projects"]);
    check(&with("{ fetch_pr: true }"), &["line 7, integrations[0].metadata.fetch_pr: did you mean `fetch_prs`?"]);
    check(&with("{ fetch_prs: '${PRS}' }"), &["metadata.fetch_prs: its value is not in this file"]);
}

#[test]
fn several_integrations_stay_apart_or_become_one_p6_8() {
    let (translation, config) = taken(
        "\
satellite: { proxy: { host: proxy.acme.dev, port: 3128, all_traffic: true } }
integrations:
  - { application: bitbucket, url: https://bitbucket.org/acme, api_key: one, metadata: { repos: api } }
  - { application: bitbucket, url: https://bitbucket.org/beta, api_key: two, name: The Beta, description: \"beta: 'all'\", tags: [b] }
  - { application: bitbucket, url: https://bitbucket.org/Acme, api_key: one, metadata: { repos: web } }
  - { application: bitbucket_server, url: https://git.acme.dev/projects/PAY, api_key: '${DC}' }
  - { application: bitbucket_server, url: https://git.acme.dev, api_key: three, metadata: { repos: SHOP/web } }
  - { application: jira, url: https://acme.atlassian.net, api_key: four }
jira: { allow_unsafe_ssl: true }
bitbucket: { allow_unsafe_ssl: true }
zebra: 1
",
    );
    insta::assert_snapshot!(body(&translation), @r#"
        connectors:
          acme:
            type: bitbucket_cloud
            url: https://bitbucket.org/acme
            auth:
              - access_token: { env: BITBUCKET_TOKEN_ACME }
            proxy: http://proxy.acme.dev:3128
          beta:
            type: bitbucket_cloud
            url: https://bitbucket.org/beta
            auth:
              - access_token: { env: BITBUCKET_TOKEN_BETA }
            proxy: http://proxy.acme.dev:3128
          git-acme-dev:
            type: bitbucket_data_center
            url: https://git.acme.dev
            auth:
              - access_token: { env: BITBUCKET_TOKEN_GIT_ACME_DEV }
              - access_token: { env: DC }
            proxy: http://proxy.acme.dev:3128
        catalogs:
          main:
            directory:
        integrations:
          - name: acme
            connector: acme
            workspace: acme
            repositories:
              include: [api, web]
              exclude: []
              projects: []
            rules: bitbucket-cloud
            secondary_kinds:
              pull_requests: { first_sync: 50, per_sync: 5000 }
              commits: { first_sync: 50, per_sync: 5000 }
            update_every: 3h
          - name: the-beta
            description: "beta: 'all'"
            connector: beta
            workspace: beta
            repositories:
              include: ["*"]
              exclude: []
              projects: []
            rules: bitbucket-cloud
            secondary_kinds:
              pull_requests: { first_sync: 50, per_sync: 5000 }
              commits: { first_sync: 50, per_sync: 5000 }
            update_every: 3h
            tags: [b]
          - name: git-acme-dev
            connector: git-acme-dev
            repositories:
              include: ["PAY/*", SHOP/web]
              exclude: []
              projects: []
              archived: false
            rules: bitbucket-data-center
            secondary_kinds:
              pull_requests: { first_sync: 50, per_sync: 5000 }
              commits: { first_sync: 50, per_sync: 5000 }
            update_every: 3h
        "#);
    insta::assert_snapshot!(told(&translation), @r#"
        taken over with a difference:
          line 5, integrations[2]: one integration serves a workspace, so this is part of `acme`, which takes what either took
          line 6, integrations[3].url: the URL names a project: only this one is discovered
          line 7, integrations[4]: one integration serves a workspace, so this is part of `git-acme-dev`, which takes what either took
        does not apply:
          line 8, integrations[5]: not Bitbucket's (jira)
          line 9, jira: it is about another application
          line 10, bitbucket: certificates are always verified: name your authority's under `ca_bundle` of the connector
        not known, and not taken over:
          line 11, zebra
        set:
          BITBUCKET_TOKEN_ACME: the access token (line 3)
          BITBUCKET_TOKEN_BETA: the access token (line 4)
          BITBUCKET_TOKEN_GIT_ACME_DEV: the HTTP access token (line 7)
          DC: the HTTP access token (line 6)
        "#);
    assert_eq!(config.integrations.len(), 3);
}

#[test]
fn a_proxy_is_one_for_bitbucket_with_all_traffic_only_p6_7_p6_8() {
    let with = |proxy: &str| {
        let (translation, _) = taken(&format!(
            "satellite:\n  proxy: {proxy}\nintegrations: [{{ application: bitbucket, url: https://bitbucket.org/a, api_key: x }}]"
        ));
        format!("{}\n{}", body(&translation), told(&translation))
    };
    assert!(with("{ host: proxy, port: 3128 }").contains("satellite.proxy: without `all_traffic: true`"));
    assert!(with("{ host: proxy, port: 3128, all_traffic: true }").contains("proxy: http://proxy:3128"));
    let login = with("{ host: proxy, port: 3128, all_traffic: true, username: u, password: hunter2 }");
    assert!(login.contains("satellite.proxy.password: a proxy's login") && !login.contains("proxy: http"), "{login}");
    assert!(read("satellite: { proxy: { host: 'http://x', all_traffic: true } }\nintegrations: []").is_err());
}

#[test]
fn a_personal_project_that_is_named_is_taken_p2_3_p6_8() {
    let of_one = |metadata: &str| {
        taken(&format!(
            "satellite: {{}}\nintegrations: [{{ application: bitbucket_server, url: 'https://git.acme.dev', api_key: x, metadata: {metadata} }}]"
        ))
    };
    let more = "other personal projects";
    for (metadata, personal, takes_more) in [
        ("{ projects: '~jdoe, PAY' }", true, false),
        ("{ projects: PAY }", false, false),
        ("{ repos: '~jdoe/dotfiles, PAY/api' }", true, false),
        ("{ repos: '~jdoe/dotfiles, api' }", true, true),
    ] {
        let (translation, config) = of_one(metadata);
        assert_eq!(config.integrations[0].repositories.personal, personal, "{metadata}");
        assert_eq!(told(&translation).contains(more), takes_more, "{metadata}\n{}", told(&translation));
    }
    // Integrations that become one, in either order.
    let one = "{ application: bitbucket_server, url: 'https://git.acme.dev/users/jdoe', api_key: x }";
    let all = "{ application: bitbucket_server, url: 'https://git.acme.dev', api_key: x }";
    let pay = "{ application: bitbucket_server, url: 'https://git.acme.dev', api_key: x, metadata: { projects: PAY } }";
    for (list, takes_more) in
        [(vec![one], false), (vec![one, all], true), (vec![all, one], true), (vec![pay, one], false)]
    {
        let text = format!("satellite: {{}}\nintegrations: [{}]", list.join(", "));
        let (translation, config) = taken(&text);
        assert_eq!(config.integrations.len(), 1, "{text}");
        assert!(config.integrations[0].repositories.personal, "{text}\n{}", body(&translation));
        assert_eq!(told(&translation).matches(more).count(), usize::from(takes_more), "{text}\n{}", told(&translation));
    }
}

#[test]
fn long_names_of_hosts_make_variables_that_are_taken_p6_8() {
    let host = "bitbucket.internal.platform.acme-corporation.example.com";
    let (translation, config) = taken(&format!(
        "satellite: {{}}\nintegrations:
  - {{ application: bitbucket_server, url: 'https://{host}/one', username: u, password: x }}
  - {{ application: bitbucket_server, url: 'https://{host}/two', username: v, password: y }}
  - {{ application: bitbucket, url: 'https://bitbucket.org/acme', api_key: '${{ATOA_{0}_{0}_{0}_{0}}}' }}
",
        "BITBUCKET_TOKEN"
    ));
    assert_eq!(config.connectors.len(), 3);
    let names: Vec<&str> = translation.variables.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(names[..4].iter().all(|name| name.len() <= 64), "{names:?}");
}

#[test]
fn what_yaml_reads_as_something_else_is_quoted_p6_8() {
    for name in ["null", "true", "no", "on"] {
        let (translation, config) = taken(&format!(
            "satellite: {{}}\nintegrations: [{{ application: bitbucket, url: 'https://bitbucket.org/{name}', api_key: '${{NULL}}' }}]"
        ));
        assert_eq!((config.integrations[0].name.as_str(), config.integrations[0].workspace.as_str()), (name, name));
        let text = &translation.text;
        assert!(text.contains(&format!("- name: \"{name}\"\n")), "{text}");
        assert!(text.contains(&format!("    connector: \"{name}\"\n")), "{text}");
        assert!(text.contains(&format!("  \"{name}\":\n")), "{text}");
    }
}
