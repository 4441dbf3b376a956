//! Preflight: each finding with its mend and a curl command without the secret (P6.9).

use super::*;
use crate::source::FindingCode;

/// An instance on which everything works, but for what `differs` answers.
async fn instance(differs: impl Fn(&Seen, &str) -> Option<Response> + Send + Sync + 'static) -> Server {
    Server::stranger(move |seen, path| {
        if let Some(response) = differs(seen, path) {
            return response;
        }
        match path {
            "/application-properties" => ok(json!({"version": "9.4.0", "displayName": "Bitbucket"})),
            "/profile/recent/repos" => ok(page(&[], None)),
            "/repos" | "/projects/PAY/repos" => ok(page(&[row(1, "PAY", "api"), row(2, "PAY", "web")], Some(2))),
            "/projects" | "/projects/PAY" | "/users" => ok(page(&[], None)),
            "/projects/PAY/repos/payments" => ok(row(3, "PAY", "payments")),
            path if path.ends_with("/pull-requests") => ok(page(&[], None)),
            _ => error(404, "NoSuchObjectException", "not here"),
        }
    })
    .await
}

async fn look(server: &Server, settings: DataCenterSettings) -> String {
    let mut text = String::new();
    for Finding { code, subject, message, mend, curl } in BitbucketDataCenter::new(settings).unwrap().preflight().await
    {
        text.push_str(&format!("{code:?} | {subject} | {message}\n"));
        text.extend(mend.iter().map(|mend| format!("  mend: {mend}\n")));
        text.extend(curl.iter().map(|curl| format!("  {curl}\n")));
    }
    let text = text.replace(server.base.as_str(), "https://BASE/bitbucket");
    assert!(!text.contains("sesame") && !text.contains("BBDC-"), "{text}");
    text
}

#[tokio::test]
async fn a_good_connector_is_proved_right_by_right() {
    let server = instance(|_, _| None).await;
    let settings = DataCenterSettings {
        test_repository: Some("PAY/payments.git".to_owned()),
        reads_users: true,
        ..server.dc_settings()
    };
    insta::assert_snapshot!(look(&server, settings).await, @r#"
    Ok | server | Bitbucket 9.4.0 answers at https://BASE/bitbucket
      curl -sS -H "Authorization: Bearer $TOKEN" 'https://BASE/bitbucket/rest/api/1.0/application-properties'
    Ok | credential 1 | authenticated (access_token)
      curl -sS -H "Authorization: Bearer $TOKEN" 'https://BASE/bitbucket/rest/api/1.0/profile/recent/repos?limit=1'
    Ok | repositories (credential 1) | it sees repositories in the instance
      curl -sS -H "Authorization: Bearer $TOKEN" 'https://BASE/bitbucket/rest/api/1.0/repos?archived=ALL&limit=2'
    Ok | projects (credential 1) | projects can be read
      curl -sS -H "Authorization: Bearer $TOKEN" 'https://BASE/bitbucket/rest/api/1.0/projects?limit=1'
    Ok | test repository PAY/payments (credential 1) | it can be read
      curl -sS -H "Authorization: Bearer $TOKEN" 'https://BASE/bitbucket/rest/api/1.0/projects/PAY/repos/payments'
    Ok | pull requests of PAY/payments (credential 1) | they can be read
      curl -sS -H "Authorization: Bearer $TOKEN" 'https://BASE/bitbucket/rest/api/1.0/projects/PAY/repos/payments/pull-requests?state=ALL&limit=1'
    Ok | users (credential 1) | they can be read
      curl -sS -H "Authorization: Bearer $TOKEN" 'https://BASE/bitbucket/rest/api/1.0/users?limit=1'
    "#);
    let scoped = DataCenterSettings { project: Some("PAY".to_owned()), ..server.dc_settings() };
    let text = look(&server, scoped).await;
    assert!(
        text.contains("it sees repositories in the project PAY") && text.contains("/rest/api/1.0/projects/PAY'"),
        "{text}"
    );
    // P6.3: without a test repository, the first one seen serves.
    assert!(text.contains("Ok | pull requests of PAY/api (credential 1)") && !text.contains("users"), "{text}");
}

// P6.9: the codes, each with its mend.
#[tokio::test]
async fn what_is_wrong_has_its_code() {
    let check = |at: &'static str, answer: fn() -> Response, wanted: &'static str| async move {
        let server = instance(move |_, path| (path == at).then(answer)).await;
        let settings = DataCenterSettings {
            test_repository: Some("PAY/payments".to_owned()),
            reads_users: true,
            ..server.dc_settings()
        };
        let text = look(&server, settings).await;
        let found = text.lines().find(|line| line.contains(" | ") && !line.starts_with("Ok")).unwrap_or_default();
        assert!(found.starts_with(wanted), "{wanted}: {text}");
        assert!(text.contains("mend: ") && text.contains("curl -sS -H \"Authorization: Bearer $TOKEN\""), "{text}");
        text
    };
    let denied = || error(401, "AuthorisationException", "You are not permitted");
    let page_of_proxy = || status(200, "<html><title>Sign in</title>");
    check("/application-properties", || status(404, "{}"), "NotFound | server").await;
    check("/application-properties", page_of_proxy, "Unreachable | server").await;
    check("/application-properties", || ok(json!({"version": "6.10.1"})), "Warning | server | Bitbucket 6.10.1").await;
    check("/application-properties", || ok(json!({})), "Warning | server | something answers").await;
    check("/profile/recent/repos", denied, "InvalidCredentials | credential 1").await;
    check("/repos", || ok(page(&[], None)), "NoResources | repositories (credential 1)").await;
    check("/repos", denied, "InvalidPermissions | repositories").await;
    check("/projects", || error(403, "x", "no"), "InvalidPermissions | projects").await;
    let text =
        check("/projects/PAY/repos/payments", || status(404, "{}"), "NotFound | test repository PAY/payments").await;
    assert!(text.contains("PROJECT/SLUG"), "{text}");
    check("/projects/PAY/repos/payments/pull-requests", denied, "InvalidPermissions | pull requests of PAY/payments")
        .await;
    let text = check("/users", denied, "InvalidPermissions | users").await;
    assert!(text.contains("licence"), "{text}");
}

// Wrong context path, wrong project key, nobody there.
#[tokio::test]
async fn a_wrong_address_is_named() {
    let server = instance(|_, path| {
        (path == "/projects/NONE/repos").then(|| error(404, "project.NoSuchProjectException", "no"))
    })
    .await;
    let mut settings = server.dc_settings();
    settings.base_url.set_path("/stash");
    let text = look(&server, settings).await;
    assert!(text.starts_with("Unreachable | server") || text.starts_with("NotFound | server"), "{text}");
    let text = look(&server, DataCenterSettings { project: Some("NONE".to_owned()), ..server.dc_settings() }).await;
    assert!(text.contains("NotFound | repositories") && text.contains("/projects/KEY"), "{text}");
    for bad in ["payments", "PAY/..", ".."] {
        let text =
            look(&server, DataCenterSettings { test_repository: Some(bad.to_owned()), ..server.dc_settings() }).await;
        assert!(text.contains("NotFound | test repository") && text.contains("PROJECT/SLUG.git"), "{text}");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut settings = server.dc_settings();
    settings.base_url.set_port(Some(port)).unwrap();
    let findings = BitbucketDataCenter::new(settings).unwrap().preflight().await;
    assert_eq!(findings.iter().map(|it| it.code).collect::<Vec<_>>(), [FindingCode::Unreachable]);
    assert!(findings[0].mend.as_ref().unwrap().contains("proxy"));
}

// P6.4: a token for one repository is recognised, for the instance and for a project.
#[tokio::test]
async fn a_repository_level_token_is_recognised() {
    let denied = || error(401, "AuthorisationException", "You are not permitted");
    let server = instance(move |_, path| match path {
        "/repos" => Some(ok(page(&[row(1, "PAY", "api")], None))),
        "/projects/PAY" | "/projects/PAY/repos" => Some(denied()),
        _ => None,
    })
    .await;
    for project in [None, Some("PAY".to_owned())] {
        let text = look(&server, DataCenterSettings { project, ..server.dc_settings() }).await;
        assert!(text.contains("(credential 1) | this is a repository-level token"), "{text}");
        assert!(text.contains("InvalidPermissions"), "{text}");
    }
}

// P6.4, facts 2.3: a project's or repository's token is no password; Cloud's credentials are told apart.
#[tokio::test]
async fn a_401_says_what_was_probably_mixed_up() {
    let server = Server::stranger(|_, _| error(401, "auth.IncorrectPasswordAuthenticationException", "no")).await;
    let secret = |text: &str| FixedSecret::shared(text);
    let check = |credential: Credential, wanted: &'static str| {
        let mut settings = server.dc_settings();
        settings.credentials[0].credential = credential;
        let server = &server;
        async move {
            let text = look(server, settings).await;
            assert!(text.starts_with("InvalidCredentials | credential 1") && text.contains(wanted), "{text}");
        }
    };
    let basic = |password: &str| Credential::Basic { username: secret("me"), password: secret(password) };
    check(basic("BBDC-MDEyMzQ1"), "alone, without a username").await;
    check(basic("sesame-2"), "CAPTCHA").await;
    check(Credential::ApiToken { email: secret("a@b"), token: secret("sesame") }, "for Bitbucket Cloud").await;
    check(token("sesame"), "current").await;
}

// P6.5: several credentials that do not see the same; P6.11: one that expires.
#[tokio::test]
async fn credentials_that_differ_are_named() {
    let server = instance(|seen, path| {
        let is_second = seen.authorization == "Bearer sesame-two";
        (path == "/repos").then(|| match is_second {
            true => ok(page(&[row(1, "PAY", "api")], None)),
            false => ok(page(&[row(1, "PAY", "api"), row(2, "PAY", "web")], None)),
        })
    })
    .await;
    let mut settings = server.dc_settings();
    settings.credentials[0].expires = Some("2026-11-28".parse().unwrap());
    settings.credentials.push(CredentialSettings {
        name: "credential 2".to_owned(),
        credential: token("sesame-two"),
        expires: None,
    });
    let text = look(&server, settings).await;
    assert!(text.contains("credential 1 sees 2, credential 2 sees 1"), "{text}");
    assert!(text.contains("Warning | credential 1 | expires in 7 days"), "{text}");
}

// A lock-out is a finding of its own, and ends the look.
#[tokio::test]
async fn a_lock_out_is_a_finding() {
    let server = Server::stranger(|_, _| {
        let mut response = error(401, "auth.CaptchaRequiredAuthenticationException", "CAPTCHA required");
        response.headers_mut().insert("X-Authentication-Denied-Reason", "CAPTCHA_CHALLENGE".parse().unwrap());
        response
    })
    .await;
    let text = look(&server, server.dc_settings()).await;
    assert!(text.starts_with("InvalidCredentials | server") && text.contains("browser"), "{text}");
    assert_eq!(server.seen().len(), 1);
}
