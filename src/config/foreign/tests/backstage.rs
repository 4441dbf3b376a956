use super::super::{Origin, translate};
use super::{body, loaded, taken, told};
use crate::config::Auth;

const WHOLE: &str = "\
app: { title: Portal, baseUrl: http://localhost:3000 }
backend:
  auth: { keys: [{ secret: hunter2 }] }
integrations:
  github: [{ host: github.com, token: ghp_x }]
  bitbucketCloud:
    - username: ${BITBUCKET_USERNAME}
      token: { $env: BITBUCKET_CLOUD_TOKEN }
      commitSigningKey: secret
  bitbucketServer:
    - host: git.acme.dev
      apiBaseUrl: https://git.acme.dev/bitbucket/rest/api/1.0
      token: ${BITBUCKET_SERVER_TOKEN}
      throttling: { count: 5, interval: { seconds: 1 } }
catalog:
  rules: [{ allow: [Component] }]
  locations:
    - { type: file, target: ../../examples/entities.yaml }
    - { type: url, target: https://bitbucket.org/acme/catalog/src/main/all.yaml }
    - { type: url, target: https://github.com/acme/catalog/blob/main/all.yaml, rules: [{ allow: [User] }] }
  providers:
    github: { acme: {} }
    bitbucketCloud:
      payments:
        workspace: acme
        catalogPath: /catalog-info.yaml
        level: project
        filters: { projectKey: '^PAY$', repoSlug: '^service-.*$' }
        schedule: { frequency: { minutes: 30 }, timeout: { minutes: 3 }, initialDelay: PT15S, scope: global }
      shop:
        workspace: acme
        filters: { projectKey: '^SHOP$' }
        schedule: { frequency: PT2H, timeout: PT3M }
      beta:
        workspace: beta
        schedule: { frequency: { cron: '0 */6 * * *' } }
    bitbucketServer:
      main:
        host: git.acme.dev
        validateLocationsExist: true
        filters: { projectKey: '^(PAY|SHOP)$', repoSlug: '^(?!sandbox-).*$', skipArchivedRepos: false, branch: main }
        schedule: { frequency: 1 hour }
        retries: 3
techdocs: { builder: local }
";

#[test]
fn a_whole_file_is_taken_over_p6_8() {
    let (translation, config) = taken(WHOLE);
    assert_eq!(translation.origin, Origin::Backstage);
    insta::assert_snapshot!(translation.text);
    assert_eq!(config.integrations.len(), 3);
    assert_eq!(config.integrations[2].instance.0, "https://git.acme.dev/bitbucket");
    assert!(config.integrations[2].repositories.archived);
    assert_eq!(config.connectors["git-acme-dev"].requests_per_second, Some(5));
    assert!(matches!(config.connectors["bitbucket"].auth[0].auth, Auth::ApiToken { .. }));
}

/// A file, and parts of what comes of it and is told.
#[track_caller]
fn check(text: &str, parts: &[&str]) {
    let (translation, _) = taken(text);
    let all = format!("{}\n{}", body(&translation), told(&translation));
    for part in parts {
        assert!(all.contains(part), "no `{part}` in:\n{all}");
    }
}

fn provider(lines: &str) -> String {
    format!(
        "integrations: {{ bitbucketCloud: [{{ token: '${{T}}' }}] }}\ncatalog:\n  providers:\n    bitbucketCloud:\n      x: {{ workspace: acme, {lines} }}\n"
    )
}

#[test]
fn filters_become_globs_or_are_named_p2_3_p6_8() {
    // Of Cloud, an expression holds for the whole name.
    check(&provider("filters: { repoSlug: service }"), &["include: [service]"]);
    check(&provider("filters: { repoSlug: 'svc-.*' }"), &["include: [\"svc-*\"]"]);
    check(&provider("filters: { projectKey: '(PAY|SHOP)' }"), &["projects: [PAY, SHOP]"]);
    // As there: anchors are put at the ends of the text, and bind closer than the bar.
    check(&provider("filters: { projectKey: 'PAY|SHOP' }"), &["include: [\"*SHOP/*\", \"PAY*/*\"]"]);
    check(&provider("filters: { projectKey: 'PAY.*', repoSlug: 'a|b' }"), &["include: [\"PAY*/*b\", \"PAY*/a*\"]"]);
    check(
        &provider("filters: { repoSlug: 'svc-[a-z]+' }"),
        &["include: [\"svc-[a-z]*\"]", "line 5, catalog.providers.bitbucketCloud.x.filters.repoSlug: globs cannot say"],
    );
    check(&provider("filters: { repoSlug: '(?<=x)y' }"), &["include: [\"*\"]", "nothing is filtered by it"]);
    check(&provider("filters: { repoSlug: '^(?!old-).*$' }"), &["include: [\"*\"]", "exclude: [\"old-*\"]"]);
    check(&provider("filters: { projectKey: '^(?!OLD$).*$' }"), &["exclude: [\"OLD/*\"]"]);
    check(&provider("filters: { repoSlug: '${PATTERN}' }"), &["filters.repoSlug: its value is not in this file"]);
    check(&provider("filters: { repoSlugs: x }"), &["filters.repoSlugs: did you mean `repoSlug`?"]);
    // Of Data Center, it is searched for.
    let server = "catalog: { providers: { bitbucketServer: { host: git.acme.dev, filters: { repoSlug: service, skipArchivedRepos: true } } } }";
    check(server, &["include: [\"*service*\"]", "archived: false", "catalog-sync needs one"]);
}

#[test]
fn schedules_become_cadences_p2_4_p6_8() {
    let frequency = |value: &str| provider(&format!("schedule: {{ frequency: {value} }}"));
    check(&frequency("PT30M"), &["update_every: 30m"]);
    check(&frequency("P1D"), &["update_every: 1d"]);
    check(&frequency("{ hours: 1, minutes: 30 }"), &["update_every: 1h30m"]);
    check(&frequency("'45 minutes'"), &["update_every: 45m"]);
    check(&frequency("{ seconds: 10 }"), &["update_every: 1m", "the shortest interval is a minute"]);
    check(&frequency("{ cron: '*/10 * * * *' }"), &["cron: \"*/10 * * * *\"", "timezone: UTC", "server's time zone"]);
    check(&frequency("{ cron: '0 0 L * *' }"), &["update_every: 3h", "is not one of ours"]);
    check(&frequency("{ trigger: manual }"), &["update_every: 3h", "no trigger by hand alone"]);
    check(&frequency("'${EVERY}'"), &["update_every: 3h", "schedule.frequency: its value is not in this file"]);
    check(&provider(""), &["update_every: 3h"]);
}

#[test]
fn hosts_and_their_logins_become_connectors_p6_4_p6_8() {
    let cloud = |entry: &str| {
        format!(
            "integrations: {{ bitbucketCloud: [{entry}] }}\ncatalog: {{ providers: {{ bitbucketCloud: {{ workspace: acme }} }} }}"
        )
    };
    check(&cloud("{ token: secret }"), &["- access_token: { env: BITBUCKET_TOKEN }"]);
    check(&cloud("{ username: me@a.b, token: secret }"), &["- api_token: { email: { env: BITBUCKET_EMAIL }"]);
    check(&cloud("{ username: me, token: ATCTT3secret }"), &["- access_token:", "needs no user name"]);
    check(
        &cloud("{ clientId: id, clientSecret: '${OAUTH}', appPassword: x }"),
        &[
            "- oauth: { key: { env: BITBUCKET_OAUTH_KEY }, secret: { env: OAUTH } }",
            "appPassword: the credential beside it",
        ],
    );
    check(&cloud("{ username: u, appPassword: '${APP}' }"), &["{ env: BITBUCKET_TOKEN }", "ended app passwords"]);
    check(&cloud("{ username: u }"), &["username: what belongs to it is not there", "catalog-sync needs one"]);
    check(&cloud("{ token: { $file: ./token.txt } }"), &["{ file: token.txt }"]);
    check(&cloud("{ token: { $include: s.yaml#token } }"), &["{ env: BITBUCKET_TOKEN }", "put it into the variable"]);
    check(&cloud("{ token: x, host: bitbucket.org, apiBaseUrl: https://api.bitbucket.org/2.0 }"), &["token"]);
    // The older way: one list, told apart by the host.
    check(
        "integrations:
  bitbucket:
    - { host: bitbucket.org, apiBaseUrl: http://127.0.0.1:9/2.0, token: x }
    - { host: git.acme.dev:7990, username: u, appPassword: p }
    - { host: git.beta.dev, token: t, username: u }
catalog: { providers: { bitbucketCloud: { workspace: acme } } }",
        &["api_url: http://127.0.0.1:9/2.0", "url: https://git.acme.dev:7990", "basic:", "url: https://git.beta.dev"],
    );
    // Without a provider, each host gets an integration.
    let (_, config) = taken("integrations: { bitbucketServer: [{ host: git.acme.dev, token: x }] }");
    assert_eq!(config.integrations[0].workspace, "*");
    check(
        "integrations: { bitbucketCloud: [{ token: x }] }",
        &["url: https://bitbucket.org/my-workspace", "line 1, integrations: no provider names a workspace"],
    );
    check(
        "integrations: { bitbucketServer: [{ host: \"${BB_HOST}\", token: x }] }\ncatalog: { providers: { bitbucketServer: { m: { host: \"${BB_HOST}\" } } } }",
        &["url: https://bitbucket.example.com", "bitbucketServer[0].host: the host is not in this file", "- name: m"],
    );
    check(&provider("schedule: {}").replace("acme", "'${WS}'"), &["the workspace is what the variable WS holds"]);
    check(
        "catalog: { providers: { bitbucketCloud: { x: { workspace: a } } } }",
        &["x: `integrations` has no credential"],
    );
    check(
        "integrations: { bitbucketServer: [{ host: g.b.c, token: x, throttling: { count: 1, interval: PT3S } }] }",
        &["requests_per_second: 1", "rounded to whole requests"],
    );
}

#[test]
fn locations_are_named_and_older_discovery_is_taken_over_p6_8() {
    let locations =
        |list: &str| format!("integrations: {{ bitbucketCloud: [{{ token: x }}] }}\ncatalog:\n  locations:\n{list}");
    let text = locations(
        "    - { type: bitbucket-discovery, target: 'https://bitbucket.org/workspaces/acme/projects/apis-*/repos/service-*?catalogPath=/x' }
    - { type: bitbucket-discovery, target: 'https://git.acme.dev/projects/*/repos/*/catalog-info.yaml' }
    - { type: url, target: https://bitbucket.org/acme/catalog/src/main/all.yaml }
    - { type: file, target: ../../examples/org.yaml }
    - { type: file, target: /mnt/catalog/*.yaml }
    - { type: gcs }
",
    );
    let (translation, config) = taken(&text);
    insta::assert_snapshot!(body(&translation), @r#"
        connectors:
          bitbucket:
            type: bitbucket_cloud
            url: https://bitbucket.org/acme
            auth:
              - access_token: { env: BITBUCKET_TOKEN }
          git-acme-dev:
            type: bitbucket_data_center
            url: https://git.acme.dev
            auth:
              - access_token: { env: BITBUCKET_TOKEN_GIT_ACME_DEV }
        catalogs:
          main:
            directory:
              format: backstage
        integrations:
          - name: acme
            connector: bitbucket
            workspace: acme
            repositories:
              include: ["apis-*/service-*"]
              exclude: []
              projects: []
            rules: bitbucket-cloud
            secondary_kinds:
              pull_requests: { first_sync: 50, per_sync: 5000 }
              commits: { first_sync: 50, per_sync: 5000 }
            update_every: 3h
          - name: git-acme-dev
            connector: git-acme-dev
            repositories:
              include: ["*"]
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
          line 4, catalog.locations[0].target: what follows its `?` was left out
          line 5, catalog.locations[1].target: `integrations` has no credential for it, and catalog-sync needs one
        does not apply:
          line 6, catalog.locations[2].target: catalog-sync reads catalogs from folders: clone the repository and name its folder under `catalogs`
          line 7, catalog.locations[3].target: Backstage reads entities there; if catalog-sync should, too, put the commented `also_read` into use
          line 8, catalog.locations[4].target: Backstage reads entities there; if catalog-sync should, too, name its folder under `catalogs`
          line 9, catalog.locations[5]: it has no target
        set:
          BITBUCKET_TOKEN: the access token (line 1)
          BITBUCKET_TOKEN_GIT_ACME_DEV: an access token (line 5)
        "#);
    assert_eq!(config.integrations.len(), 2);
    assert!(translation.text.contains("# also_read: [{ directory: ./examples }]"), "{}", translation.text);
}

#[test]
fn paths_begin_at_the_file_that_was_read_p6_8() {
    let text = "integrations: { bitbucketServer: [{ host: g.b.c, token: { $file: ./t } }, { host: h.b.c, token: { $file: /abs } }] }";
    let translation = translate(text.as_bytes(), "x".as_ref(), "/etc/backstage".as_ref()).unwrap();
    assert!(translation.text.contains("{ file: /etc/backstage/t }"), "{}", translation.text);
    assert!(translation.text.contains("{ file: /abs }"), "{}", translation.text);
    loaded(&translation.text);
}

#[test]
fn long_expressions_and_hosts_are_no_tokens_p6_8() {
    let keys = (0..30).map(|n| format!("PAY{n}")).collect::<Vec<_>>();
    let long = format!("^({})$", keys.join("|"));
    check(&provider(&format!("filters: {{ projectKey: '{long}' }}")), &["projects: [PAY0, PAY1, PAY10"]);
    let slugs = "^(payments|orders)-(api|web|worker|batch|gateway|migrations|deployment)$";
    check(&provider(&format!("filters: {{ repoSlug: '{slugs}' }}")), &["orders-gateway", "payments-migrations"]);
    check(
        &provider("filters: { projectKey: ATOAPLATFORM, repoSlug: 'ATBB-(api|web)' }"),
        &["ATOAPLATFORM", "ATBB-api"],
    );
    let host = format!("{}.example.com", ["bitbucket"; 8].join("."));
    check(
        &format!("integrations: {{ bitbucketServer: [{{ host: {host}, token: x }}] }}"),
        &[&format!("url: https://{host}")],
    );
}

#[test]
fn a_filter_of_empty_text_is_none_p2_3_p6_8() {
    for key in ["repoSlug", "projectKey"] {
        let with = |pattern: &str| provider(&format!("filters: {{ {key}: '{pattern}' }}"));
        let all = "include: [\"*\"]\n      exclude: []\n      projects: []";
        check(&with(""), &[all, &format!("filters.{key}: this is empty: nothing is filtered by it")]);
        check(&with("^$"), &[all, "does not apply:", &format!("filters.{key}: it holds for no name")]);
        check(&with("^(?!$).*$"), &[all]);
    }
    check(&provider("filters: { repoSlug: '^(a|)$' }"), &["include: [a]"]);
    check(&provider("filters: { projectKey: '^(A|)$' }"), &["projects: [A]"]);
}
