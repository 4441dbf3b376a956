//! A real git server on loopback: `git http-backend` behind a small bridge, with a login and bad manners to order.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use catalog_sync::simulator::World;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Runtime;

/// Repositories beneath a folder, served over http.
pub struct GitServer {
    root: TempDir,
    url: String,
    site: Arc<Site>,
    _runtime: Runtime,
}

struct Site {
    root: PathBuf,
    /// `Authorization` headers that are let in; none: everybody is.
    logins: Vec<String>,
    filters: AtomicBool,
    hangs: AtomicBool,
    /// `GET /acme/web.git/info/refs?service=git-upload-pack`
    asked: Mutex<Vec<String>>,
}

impl GitServer {
    /// An empty one that lets in who bears one of these `Authorization` headers.
    pub fn new(logins: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let site = Arc::new(Site {
            root: root.path().to_owned(),
            logins: logins.iter().map(|login| (*login).to_owned()).collect(),
            filters: AtomicBool::new(true),
            hangs: AtomicBool::new(false),
            asked: Mutex::default(),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let app = axum::Router::new().fallback(bridge).with_state(site.clone());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { root, url, site, _runtime: runtime }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it understands `--filter`.
    pub fn filters(&self, filters: bool) {
        self.site.filters.store(filters, Ordering::Relaxed);
    }

    /// Whether it takes requests and never answers.
    pub fn hangs(&self, hangs: bool) {
        self.site.hangs.store(hangs, Ordering::Relaxed);
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// What was asked since the last time.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.site.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where a repository lies: `acme/web`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(format!("{name}.git"))
    }

    /// Serves what a world holds now, of every repository.
    pub fn serve(&self, world: &World) {
        for repository in world.repositories() {
            let name = world.full_name(repository);
            world.write_git(&name, &self.path(&name)).expect("a repository");
        }
    }

    /// The same where a Data Center has them: beneath the project's key, in small letters.
    pub fn serve_by_project(&self, world: &World) {
        for repository in world.repositories() {
            let path = format!("{}/{}", world.project(repository).key.to_lowercase(), repository.slug);
            world.write_git(&world.full_name(repository), &self.path(&path)).expect("a repository");
        }
    }
}

/// Runs git on a repository of the test's own.
#[track_caller]
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let said = std::process::Command::new("git")
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args(["-c", "user.name=Ann Other", "-c", "user.email=ann@example.org"])
        .args(arguments)
        .output()
        .expect("git");
    assert!(said.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

async fn bridge(State(site): State<Arc<Site>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
    site.asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{} {path}?{query}", head.method));
    if site.hangs.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    let text = |headers: &HeaderMap, name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let login = text(&head.headers, "authorization");
    if !site.logins.is_empty() && !site.logins.contains(&login) {
        let refused = Response::builder().status(StatusCode::UNAUTHORIZED);
        return refused.header("www-authenticate", "Basic realm=\"git\"").body(Body::empty()).expect("a response");
    }
    let body = to_bytes(body, 64 << 20).await.expect("a body");
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &site.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "2")
        .env("GIT_CONFIG_KEY_0", "uploadpack.allowFilter")
        .env("GIT_CONFIG_VALUE_0", site.filters.load(Ordering::Relaxed).to_string())
        .env("GIT_CONFIG_KEY_1", "safe.directory")
        .env("GIT_CONFIG_VALUE_1", "*")
        .env("PATH_INFO", path.trim_start_matches("/scm"))
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", head.method.as_str())
        .env("CONTENT_TYPE", text(&head.headers, "content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text(&head.headers, "content-encoding"))
        .env("GIT_PROTOCOL", text(&head.headers, "git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("git http-backend");
    let mut stdin = child.stdin.take().expect("a pipe");
    let sending = async move {
        // It may answer without reading all of it.
        let _ = stdin.write_all(&body).await;
    };
    let ((), output) = tokio::join!(sending, child.wait_with_output());
    let output = output.expect("an answer").stdout;
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(0);
    let (headers, content) =
        (String::from_utf8_lossy(&output[..end]).into_owned(), output[(end + 4).min(output.len())..].to_vec());
    let mut response = Response::builder();
    for line in headers.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        response = match name {
            "Status" => response.status(value.split(' ').next().unwrap_or("500")),
            _ => response.header(name, value),
        };
    }
    response.body(Body::from(content)).expect("a response")
}
