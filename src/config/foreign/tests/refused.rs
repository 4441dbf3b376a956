use super::read;

#[track_caller]
fn refusal(text: &str) -> String {
    match read(text) {
        Ok(translation) => panic!("it is taken over:\n{}", translation.text),
        Err(faults) => faults.to_string(),
    }
}

#[test]
fn what_is_none_of_the_files_is_refused_with_what_was_looked_for_p6_8() {
    let texts = [
        ("empty", ""),
        ("comments", "# nothing\n"),
        ("a list", "- a\n- b\n"),
        ("a text", "hello\n"),
        ("some keys", "a: 1\nb: 2\n"),
        ("our own", "connectors: {}\ncatalogs: {}\nintegrations: []\n"),
        ("an entity", "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: { name: x }\n"),
        ("a ConfigMap", "apiVersion: v1\nkind: ConfigMap\ndata:\n  config.yml: |\n    satellite: {}\n"),
        ("another satellite", "satellite: {}\nintegrations:\n  - { application: jira, url: x }\n"),
        ("an empty satellite", "satellite: {}\n"),
        ("another Backstage", "app: {}\nintegrations: { github: [] }\ncatalog: { providers: { github: {} } }\n"),
    ];
    let all: Vec<String> = texts.iter().map(|(what, text)| format!("{what}:\n{}", refusal(text))).collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
        empty:
        error: the file says nothing
          --> theirs.yaml
          mend: a satellite.yml of Harness SEI has `satellite` and a list `integrations`; a Backstage app-config.yaml has `integrations` and `catalog`, mappings of keys

        comments:
        error: the file says nothing
          --> theirs.yaml
          mend: a satellite.yml of Harness SEI has `satellite` and a list `integrations`; a Backstage app-config.yaml has `integrations` and `catalog`, mappings of keys

        a list:
        error: this is none of the files that can be read
          --> theirs.yaml:1:3
          mend: a satellite.yml of Harness SEI has `satellite` and a list `integrations`; a Backstage app-config.yaml has `integrations` and `catalog`, mappings of keys

        a text:
        error: this is none of the files that can be read
          --> theirs.yaml:1:1
          mend: a satellite.yml of Harness SEI has `satellite` and a list `integrations`; a Backstage app-config.yaml has `integrations` and `catalog`, mappings of keys

        some keys:
        error: this is none of the files that can be read
          --> theirs.yaml:1:1
          mend: a satellite.yml of Harness SEI has `satellite` and a list `integrations`; a Backstage app-config.yaml has `integrations` and `catalog`, mappings of keys

        our own:
        error: this is none of the files that can be read
          --> theirs.yaml:1:1
          because it is a config of catalog-sync already
          mend: use it as it is: `catalog-sync check`

        an entity:
        error: this is none of the files that can be read
          --> theirs.yaml:1:1
          because it is an entity or a manifest
          mend: a satellite.yml of Harness SEI has `satellite` and a list `integrations`; a Backstage app-config.yaml has `integrations` and `catalog`, mappings of keys

        a ConfigMap:
        error: this is none of the files that can be read
          --> theirs.yaml:1:1
          because it is a manifest of Kubernetes
          mend: take the file out that stands below `data`, and name that one

        another satellite:
        error: there is no Bitbucket in this satellite.yml; its integrations are jira
          --> theirs.yaml:3:3
          mend: an integration with `application: bitbucket_server` (or bitbucket) is looked for

        an empty satellite:
        error: there is no Bitbucket in this satellite.yml; it has no integrations
          --> theirs.yaml:1:1
          mend: an integration with `application: bitbucket_server` (or bitbucket) is looked for

        another Backstage:
        error: there is no Bitbucket in this app-config.yaml
          --> theirs.yaml:1:1
          mend: looked for `integrations.bitbucketCloud`, `.bitbucketServer` and `.bitbucket`, `catalog.providers.bitbucketCloud` and `.bitbucketServer`, and `catalog.locations` of type `bitbucket-discovery`
        "#);
}

#[test]
fn broken_files_are_refused_with_their_lines_p6_8() {
    let bomb = {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        format!("{text}satellite: {{}}\n")
    };
    let texts = [
        ("broken", "satellite: {}\nintegrations: [\n  { application: bitbucket, api_key: \"hunter2 }\n"),
        (
            "twice",
            "satellite: {}\nintegrations:\n  - application: bitbucket\n    api_key: hunter2\n    api_key: hunter3\n",
        ),
        ("a bomb", &bomb),
        ("two documents", "satellite: {}\n---\nsatellite: {}\n"),
        ("a tab", "satellite:\n\ttenant: x\n"),
        ("no mapping", "satellite: {}\nintegrations: [hunter2]\n"),
        ("a list for a text", "satellite: {}\nintegrations: [{ application: bitbucket, url: [a, b] }]\n"),
        ("no url", "satellite: {}\nintegrations: [{ application: bitbucket }]\n"),
        ("no URL", "satellite: {}\nintegrations: [{ application: bitbucket, url: 'https://' }]\n"),
        (
            "the API",
            "satellite: {}\nintegrations: [{ application: bitbucket, url: 'https://api.bitbucket.org/2.0' }]\n",
        ),
        (
            "not filled in",
            "satellite: {}\nintegrations: [{ application: bitbucket, url: 'https://bitbucket.org/<TEAM>/<REPO>/src' }]\n",
        ),
        (
            "no boolean",
            "satellite: {}\nintegrations: [{ application: bitbucket, url: bitbucket.org/a, metadata: { fetch_prs: 7 } }]\n",
        ),
        ("a token", "catalog: { providers: { bitbucketCloud: { workspace: ATBBhunter2 } } }\n"),
        ("no workspace", "catalog: { providers: { bitbucketCloud: { workspace: a/b } } }\n"),
        ("no host", "catalog: { providers: { bitbucketServer: { x: {} } } }\n"),
        ("an URL for a host", "integrations: { bitbucketServer: [{ host: 'https://git.acme.dev' }] }\n"),
        ("no time", "catalog: { providers: { bitbucketCloud: { workspace: a, schedule: { frequency: hunter2 } } } }\n"),
        ("no section", "integrations: { bitbucketCloud: x }\ncatalog: [1]\n"),
        ("an empty secret", "integrations: { bitbucketCloud: [{ token: '' }] }\n"),
    ];
    let all: Vec<String> = texts.iter().map(|(what, text)| format!("{what}:\n{}", refusal(text))).collect();
    let all = all.join("\n");
    insta::assert_snapshot!(all, @r#"
        broken:
        error: this is not YAML: while scanning a quoted scalar, found unexpected end of stream
          --> theirs.yaml:3:38
          mend: check indentation, colons, quotes and brackets here and on the line above

        twice:
        error: the key `api_key` is there twice
          --> theirs.yaml:5:5
          because it is also on line 4
          mend: keep one of them

        a bomb:
        error: the file is too large once its aliases are expanded
          --> theirs.yaml:5:45
          because more than 100000 values are not read
          mend: write the values out, or use fewer aliases of aliases

        two documents:
        error: a second document begins here
          --> theirs.yaml:2:1
          because this file is one YAML document
          mend: remove the `---`, or move what follows into another file

        a tab:
        error: this is not YAML: tabs disallowed within this context (block indentation)
          --> theirs.yaml:2:2
          mend: check indentation, colons, quotes and brackets here and on the line above

        no mapping:
        error: integrations[0]: this must be a mapping of keys, and is a single value
          --> theirs.yaml:2:16
          mend: write `key: value` lines, indented below

        a list for a text:
        error: integrations[0].url: this must be a single value, and is a list
          --> theirs.yaml:2:47
          mend: write one

        no url:
        error: integrations[0]: this integration has no `url`
          --> theirs.yaml:2:16
          mend: write `url: https://bitbucket.org/WORKSPACE`

        no URL:
        error: integrations[0].url: this is no URL of Bitbucket
          --> theirs.yaml:2:47
          mend: write `https://bitbucket.org/WORKSPACE`

        the API:
        error: integrations[0].url: this is no URL of Bitbucket
          --> theirs.yaml:2:47
          mend: write `https://bitbucket.org/WORKSPACE`; the API's follows from it

        not filled in:
        error: integrations[0].url: this still holds what is to be filled in
          --> theirs.yaml:2:47
          mend: put the URL's parts where `<…>` stands

        no boolean:
        error: integrations[0].metadata.fetch_prs: this is neither true nor false
          --> theirs.yaml:2:87
          mend: write `true` or `false`

        a token:
        error: catalog.providers.bitbucketCloud.workspace: this looks like a token
          --> theirs.yaml:1:54
          mend: put it where it belongs; it is not shown here

        no workspace:
        error: catalog.providers.bitbucketCloud.workspace: this is no workspace
          --> theirs.yaml:1:54
          mend: write the name behind bitbucket.org/ in the browser

        no host:
        error: catalog.providers.bitbucketServer.x: this provider has no `host`
          --> theirs.yaml:1:47
          mend: write the host of one of `integrations.bitbucketServer`

        an URL for a host:
        error: integrations.bitbucketServer[0].host: this names no host
          --> theirs.yaml:1:43
          mend: write `host: git.example.com`, and `apiBaseUrl` where there is a context path

        no time:
        error: catalog.providers.bitbucketCloud.schedule.frequency: this is no length of time
          --> theirs.yaml:1:80
          mend: write `PT30M`, `{ minutes: 30 }`, `30 minutes` or `{ cron: "0 */3 * * *" }`

        no section:
        error: integrations.bitbucketCloud: this must be a mapping of keys, and is a single value
          --> theirs.yaml:1:33
          mend: write `key: value` lines, indented below

        error: catalog: this must be a mapping of keys, and is a list
          --> theirs.yaml:2:10
          mend: write `key: value` lines, indented below

        an empty secret:
        error: integrations.bitbucketCloud[0].token: this is empty
          --> theirs.yaml:1:43
          mend: write the secret, or the variable that holds it: `${NAME}`
        "#);
    assert!(!all.contains("hunter"), "{all}");
}

#[test]
fn bytes_that_are_no_text_are_refused_p6_8() {
    let refusal = |bytes: &[u8]| super::translate(bytes, "x".as_ref(), "".as_ref()).unwrap_err().to_string();
    assert!(refusal(b"satellite: \xff").contains("not UTF-8"));
    assert!(refusal(&vec![b'a'; 2 << 20]).contains("too large"));
    assert!(super::read("\u{feff}catalog: { providers: { bitbucketCloud: { workspace: a } } }").is_ok());
}
