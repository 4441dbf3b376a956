//! A real browser (Debian's Chromium, headless) over WebDriver.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::layout::root;

/// How long a page may take to become what a walk waits for.
const PATIENCE: Duration = Duration::from_secs(20);
/// The key by which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Size and colours of a window.
#[derive(Clone, Copy)]
pub struct Window {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

impl Window {
    pub const DESK: Self = Self { width: 1280, height: 860, dark: false };
    pub const NIGHT: Self = Self { dark: true, ..Self::DESK };
    pub const PHONE: Self = Self { width: 390, height: 844, dark: false };
}

/// A browser with a profile of its own; both go when it is dropped.
pub struct Browser {
    runtime: Runtime,
    client: reqwest::Client,
    session: String,
    driver: Child,
    _profile: TempDir,
}

/// Where a program is, if it is installed.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

impl Browser {
    /// Opens one; `None`, and a word about it, where none is installed.
    pub fn open(window: Window) -> Option<Self> {
        let (Some(chromium), Some(driver)) = (installed("chromium"), installed("chromedriver")) else {
            println!("skipped: chromium and chromedriver are not installed (bash scripts/test installs them as root)");
            return None;
        };
        Some(Self::start(&chromium, &driver, window))
    }

    fn start(chromium: &Path, driver: &Path, window: Window) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let profile = tempfile::tempdir().expect("a profile");
        let log = profile.path().join("driver.log");
        let mut command = Command::new(driver);
        command
            .args(["--port=0", "--allowed-ips=127.0.0.1"])
            .arg(format!("--log-path={}", profile.path().join("wire.log").display()));
        let out = std::fs::File::create(&log).expect("a log");
        let driver = command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null()).spawn().expect("chromedriver");
        let port = until("chromedriver listens", || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let (_, rest) = said.split_once("successfully on port ")?;
            rest.split_once('.').and_then(|(port, _)| port.parse::<u16>().ok())
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut browser =
            Self { runtime, client, session: format!("http://127.0.0.1:{port}/session"), driver, _profile: profile };
        let mut flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
        ]
        .map(str::to_owned)
        .to_vec();
        flags.push(format!("--user-data-dir={}", browser._profile.path().join("chromium").display()));
        flags.push(format!("--window-size={},{}", window.width, window.height));
        let options = json!({ "binary": chromium, "args": flags });
        let wanted = json!({
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": 30_000, "pageLoad": 30_000 },
        });
        let made = browser.post("", json!({ "capabilities": { "alwaysMatch": wanted } }));
        let id = made["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("{}/{id}", browser.session);
        browser.resize(window);
        browser
    }

    /// Size and colours, as a device of that kind has them.
    pub fn resize(&self, window: Window) {
        let metrics = json!({ "width": window.width, "height": window.height, "deviceScaleFactor": 1, "mobile": window.width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if window.dark { "dark" } else { "light" };
        let features = [
            json!({ "name": "prefers-color-scheme", "value": scheme }),
            json!({ "name": "prefers-reduced-motion", "value": "reduce" }),
        ];
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    /// Whether pages may run scripts.
    pub fn scripts(&self, on: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": !on }));
    }

    #[track_caller]
    fn post(&self, path: &str, body: Value) -> Value {
        self.try_post(path, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn try_post(&self, path: &str, body: Value) -> Result<Value, Value> {
        let request = self.client.post(format!("{}{path}", self.session)).json(&body);
        self.send(request)
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Value> {
        let answer = self.runtime.block_on(async {
            let answer = request.timeout(Duration::from_secs(60)).send().await?;
            answer.json::<Value>().await
        });
        let mut answer = answer.unwrap_or_else(|error| panic!("the driver does not answer: {error}"));
        let value = answer["value"].take();
        if value.get("error").is_some() { Err(value) } else { Ok(value) }
    }

    fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.session));
        self.send(request).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[track_caller]
    pub fn go(&self, url: &str) {
        self.post("/url", json!({ "url": url }));
    }

    pub fn url(&self) -> String {
        self.get("/url").as_str().expect("an address").to_owned()
    }

    /// What a function of these lines returns.
    #[track_caller]
    pub fn script(&self, lines: &str) -> Value {
        self.post("/execute/sync", json!({ "script": lines, "args": [] }))
    }

    /// The same for one that ends later: it calls `done`.
    #[track_caller]
    pub fn script_later(&self, lines: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1];\n{lines}");
        self.post("/execute/async", json!({ "script": script, "args": [] }))
    }

    /// The first element that fits and can be seen, once there is one.
    #[track_caller]
    pub fn find(&self, css: &str) -> Element<'_> {
        let found = waited(|| {
            let all = self.try_post("/elements", json!({ "using": "css selector", "value": css })).ok()?;
            let all: Vec<String> =
                all.as_array()?.iter().filter_map(|one| Some(one[ELEMENT].as_str()?.to_owned())).collect();
            all.into_iter().map(|id| Element { browser: self, id }).find(Element::is_shown)
        });
        found.unwrap_or_else(|| panic!("there is no {css} on {}\n{}", self.url(), self.text()))
    }

    /// A link, button or other element of these words, once there is one.
    #[track_caller]
    pub fn named(&self, css: &str, words: &str) -> Element<'_> {
        let found = waited(|| {
            let all = self.try_post("/elements", json!({ "using": "css selector", "value": css })).ok()?;
            let all: Vec<String> =
                all.as_array()?.iter().filter_map(|one| Some(one[ELEMENT].as_str()?.to_owned())).collect();
            let elements = all.into_iter().map(|id| Element { browser: self, id });
            elements.filter(Element::is_shown).find(|element| element.text().contains(words))
        });
        found.unwrap_or_else(|| panic!("no {css} says “{words}” on {}\n{}", self.url(), self.text()))
    }

    pub fn has(&self, css: &str) -> bool {
        self.count(css) > 0
    }

    pub fn count(&self, css: &str) -> usize {
        let all = self.post("/elements", json!({ "using": "css selector", "value": css }));
        all.as_array().map_or(0, Vec::len)
    }

    /// All that the page says.
    pub fn text(&self) -> String {
        self.script("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says this.
    #[track_caller]
    pub fn says(&self, words: &str) {
        if waited(|| self.text().contains(words).then_some(())).is_none() {
            panic!("{} never says “{words}”:\n{}", self.url(), self.text());
        }
    }

    /// Waits until the address holds this.
    #[track_caller]
    pub fn is_at(&self, part: &str) {
        if waited(|| self.url().contains(part).then_some(())).is_none() {
            panic!("at {} instead of …{part}…:\n{}", self.url(), self.text());
        }
    }

    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        if waited(|| is_so().then_some(())).is_none() {
            panic!("{what}: waited in vain on {}\n{}", self.url(), self.text());
        }
    }

    /// Presses keys wherever the focus is. Enter, Tab and so on by their WebDriver code.
    pub fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [
                    json!({ "type": "keyDown", "value": key.to_string() }),
                    json!({ "type": "keyUp", "value": key.to_string() }),
                ]
            })
            .collect();
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }));
    }

    /// What the console said since it was last asked, of errors and warnings.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({ "type": "browser" }));
        let entries = entries.as_array().cloned().unwrap_or_default();
        let loud = entries.iter().filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        loud.filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect()
    }

    /// The whole page as a picture in `target/screenshots/`, in a window that is as high as the page.
    pub fn picture(&self, name: &str) {
        let size = "const r = document.documentElement; return [r.clientWidth, Math.max(r.scrollHeight, innerHeight)]";
        let size = self.script(size);
        let (width, height) = (size[0].as_u64().unwrap_or(1_280), size[1].as_u64().unwrap_or(800).min(6_000));
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
        let shot = self.devtools("Page.captureScreenshot", json!({ "format": "png" }));
        use base64::Engine as _;
        let picture = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().expect("a picture"))
            .expect("base64");
        let folder = root().join("target/screenshots");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("a picture");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Also in a test that failed: nothing stays behind.
        let _ = self.send(self.client.delete(&self.session));
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// One element of a page.
pub struct Element<'a> {
    browser: &'a Browser,
    id: String,
}

impl Element<'_> {
    fn path(&self, what: &str) -> String {
        format!("/element/{}/{what}", self.id)
    }

    fn is_shown(&self) -> bool {
        let request = self.browser.client.get(format!("{}{}", self.browser.session, self.path("displayed")));
        self.browser.send(request).is_ok_and(|shown| shown == true)
    }

    pub fn text(&self) -> String {
        let request = self.browser.client.get(format!("{}{}", self.browser.session, self.path("text")));
        self.browser.send(request).ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    pub fn property(&self, name: &str) -> Option<String> {
        self.browser.get(&self.path(&format!("property/{name}"))).as_str().map(str::to_owned)
    }

    /// Into the middle of the window first: what sticks to its edges would be hit instead.
    #[track_caller]
    pub fn click(&self) {
        let script = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
        self.browser.post("/execute/sync", json!({ "script": script, "args": [{ ELEMENT: self.id }] }));
        self.browser.post(&self.path("click"), json!({}));
    }

    #[track_caller]
    pub fn write(&self, text: &str) {
        self.browser.post(&self.path("value"), json!({ "text": text }));
    }
}

fn waited<T>(look: impl Fn() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begun.elapsed() > PATIENCE {
            return None;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}

#[track_caller]
fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    waited(look).unwrap_or_else(|| panic!("{what}: waited in vain"))
}
