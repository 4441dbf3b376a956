//! Preflight: each finding with its mend and a curl command without the secret (P6.9).

use super::*;
use crate::source::FindingCode;

/// A server on which everything works, but for what `differs` answers.
async fn workspace(differs: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static) -> Server {
    Server::start(move |seen, _| {
        if let Some(response) = differs(seen) {
            return response;
        }
        match seen.path.as_str() {
            "/2.0/repositories/acme" => ok(json!({"size": 42, "values": [repo_row(1)]})),
            "/2.0/workspaces/acme/projects" => ok(json!({"values": [{"key": "PAY"}]})),
            "/2.0/repositories/acme/payments-api" => ok(json!({"uuid": "{p}", "full_name": "acme/payments-api"})),
            path if path.ends_with("/pullrequests") => ok(json!({"size": 3})),
            _ => status(404, r#"{"error":{"message":"not here"}}"#),
        }
    })
    .await
}

fn shown(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { code, subject, message, mend, curl } in findings {
        text.push_str(&format!("{code:?} | {subject} | {message}\n"));
        text.extend(mend.iter().map(|mend| format!("  mend: {mend}\n")));
        text.extend(curl.iter().map(|curl| format!("  {curl}\n")));
    }
    text
}

async fn look(server: &Server, settings: CloudSettings) -> String {
    let findings = BitbucketCloud::new(settings).unwrap().preflight().await;
    let text = shown(&findings).replace(server.base.as_str(), "https://BASE/2.0");
    assert!(!text.contains("sesame"), "{text}");
    text
}

#[tokio::test]
async fn a_good_connector_is_proved_right_by_right() {
    let server = workspace(|_| None).await;
    let text =
        look(&server, CloudSettings { test_repository: Some("payments-api.git".to_owned()), ..server.settings() })
            .await;
    insta::assert_snapshot!(text, @r#"
    Ok | credential 1 | authenticated (access_token); it sees 42 repositories in the workspace acme
      curl -sS -H "Authorization: Bearer $TOKEN" 'https://BASE/2.0/repositories/acme?sort=created_on&pagelen=1'
    Ok | projects (credential 1) | projects can be read
      curl -sS -H "Authorization: Bearer $TOKEN" 'https://BASE/2.0/workspaces/acme/projects?pagelen=1'
    Ok | test repository payments-api (credential 1) | it can be read
      curl -sS -H "Authorization: Bearer $TOKEN" 'https://BASE/2.0/repositories/acme/payments-api?fields=uuid,full_name'
    Ok | pull requests of payments-api (credential 1) | they can be read
      curl -sS -H "Authorization: Bearer $TOKEN" 'https://BASE/2.0/repositories/acme/payments-api/pullrequests?pagelen=1&fields=size'
    "#);
}

// P6.3: without a test repository, the first one seen serves.
#[tokio::test]
async fn without_a_test_repository_the_first_seen_serves() {
    let server = workspace(|_| None).await;
    let text = look(&server, server.settings()).await;
    assert!(text.contains("Ok | pull requests of repo-1 (credential 1)"), "{text}");
}

// P6.9: members are looked at where they will be read, and what they need is named.
#[tokio::test]
async fn members_are_looked_at_where_they_are_wanted() {
    for is_open in [true, false] {
        let server = workspace(move |seen| {
            let answer = if is_open { ok(json!({"values": []})) } else { status(403, r#"{"type":"error"}"#) };
            seen.path.ends_with("/members").then_some(answer)
        })
        .await;
        let text = look(&server, CloudSettings { reads_users: true, ..server.settings() }).await;
        let wanted = if is_open { "Ok | users (credential 1)" } else { "InvalidPermissions | users (credential 1)" };
        assert!(text.contains(wanted) && text.contains("/workspaces/acme/members?pagelen=1"), "{text}");
        assert!(is_open || text.contains("the scope account"), "{text}");
        let text = look(&server, server.settings()).await;
        assert!(!text.contains("users ("), "{text}");
    }
}

// P6.9: the five codes, each with its mend.
#[tokio::test]
async fn what_is_wrong_has_its_code() {
    let check = |name: &'static str, at: &'static str, code: u16, body: &'static str, wanted: &'static str| async move {
        let server = workspace(move |seen| (seen.path == at).then(|| status(code, body))).await;
        let settings = CloudSettings { test_repository: Some("payments-api".to_owned()), ..server.settings() };
        let text = look(&server, settings).await;
        let found = text.lines().find(|line| line.contains(" | ") && !line.starts_with("Ok")).unwrap_or_default();
        assert!(found.starts_with(wanted), "{name}: {text}");
        assert!(text.contains("mend: ") && text.contains("curl -sS -H \"Authorization: Bearer $TOKEN\""), "{text}");
        text
    };
    let list = "/2.0/repositories/acme";
    let forbidden = r#"{"error":{"message":"no","detail":{"required":["project"],"granted":["repository"]}}}"#;
    check("bad token", list, 401, "", "InvalidCredentials | credential 1").await;
    check("no scope", list, 403, forbidden, "InvalidPermissions | credential 1").await;
    check("nothing", list, 200, r#"{"size":0,"values":[]}"#, "NoResources | credential 1").await;
    check("no workspace", list, 404, r#"{"error":{"message":"x"}}"#, "NotFound | credential 1").await;
    check("removed", list, 410, r#"{"error":{"message":"x"}}"#, "NotFound | credential 1").await;
    check("proxy page", list, 200, "<html><title>Sign in</title>", "Unreachable | credential 1").await;
    let text =
        check("projects", "/2.0/workspaces/acme/projects", 403, forbidden, "InvalidPermissions | projects").await;
    assert!(text.contains("it needs project and was granted repository"), "{text}");
    check(
        "test repository",
        "/2.0/repositories/acme/payments-api",
        404,
        "{}",
        "NotFound | test repository payments-api",
    )
    .await;
    check(
        "pull requests",
        "/2.0/repositories/acme/payments-api/pullrequests",
        403,
        "{}",
        "InvalidPermissions | pull requests of payments-api",
    )
    .await;
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = workspace(|_| None).await;
    let mut settings = server.settings();
    settings.api_url = Url::parse(&format!("http://127.0.0.1:{port}/2.0")).unwrap();
    let findings = BitbucketCloud::new(settings).unwrap().preflight().await;
    assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), [FindingCode::Unreachable]);
    assert!(findings[0].mend.as_ref().unwrap().contains("proxy"));
}

// P6.4: a repository-level token on an account connector is recognised.
#[tokio::test]
async fn a_repository_level_token_is_recognised() {
    let server = workspace(|seen| match seen.path.as_str() {
        "/2.0/repositories/acme" => Some(ok(json!({"size": 1, "values": [repo_row(1)]}))),
        "/2.0/workspaces/acme/projects" => Some(status(403, "{}")),
        _ => None,
    })
    .await;
    let text = look(&server, server.settings()).await;
    assert!(text.contains("InvalidPermissions | projects (credential 1) | this is a repository-level token"), "{text}");
}

// P6.5: several credentials that do not see the same.
#[tokio::test]
async fn credentials_that_see_different_things_are_named() {
    let server = workspace(|seen| {
        let is_second = seen.authorization == "Bearer sesame-two";
        (is_second && seen.path == "/2.0/repositories/acme").then(|| ok(json!({"size": 40, "values": [repo_row(1)]})))
    })
    .await;
    let second = CredentialSettings {
        name: "credential 2".to_owned(),
        credential: Credential::AccessToken(FixedSecret::shared("sesame-two")),
        expires: None,
    };
    let mut settings = server.settings();
    settings.credentials.push(second);
    let text = look(&server, settings).await;
    assert!(
        text.contains(
            "Warning | credentials | the credentials do not see the same repositories: \
        credential 1 sees 42, credential 2 sees 40"
        ),
        "{text}"
    );
}

// P6.11: a credential that expires soon is announced.
#[tokio::test]
async fn expiry_is_announced() {
    let server = workspace(|_| None).await;
    for (expires, wanted) in [
        ("2026-11-20", "expired on 2026-11-20"),
        ("2026-11-21", "expires today"),
        ("2026-11-22", "expires tomorrow"),
        ("2026-11-28", "expires in 7 days"),
        ("2026-12-21", "expires in 30 days"),
    ] {
        let mut settings = server.settings();
        settings.credentials[0].expires = Some(expires.parse().unwrap());
        let text = look(&server, settings).await;
        assert!(text.contains(&format!("Warning | credential 1 | {wanted}")), "{text}");
    }
    let mut settings = server.settings();
    settings.credentials[0].expires = Some("2026-12-22".parse().unwrap());
    assert!(!look(&server, settings).await.contains("Warning"));
}

// A person who looks again after mending is not told about the past.
#[tokio::test]
async fn looking_again_asks_again() {
    let server = workspace(|seen| (seen.number == 1).then(|| status(401, ""))).await;
    let cloud = server.cloud();
    assert_eq!(cloud.preflight().await[0].code, FindingCode::InvalidCredentials);
    assert!(cloud.preflight().await.iter().all(|finding| finding.code == FindingCode::Ok));
}
