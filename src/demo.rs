//! `demo`: no account, no config. A simulated workspace behind a real HTTP server in this process, a
//! sample catalog in a scratch directory, real syncs over HTTP.

use std::io::Write;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::local::{self, Local};
use crate::cli::output::{Format, Screen};
use crate::cli::remote::{self, RunFile};
use crate::cli::{Start, render};
use crate::commands::request::{Answer, DiscoveredFilter, ImportOptions, Request, Selection};
use crate::commands::{App, Exit, Failure, execute};
use crate::config::{Config, Environment, LoadOptions, Loaded, Stamp};
use crate::error::Report;
use crate::model::{Action, Outcome};
use crate::server::access;
use crate::simulator::{Simulator, SimulatorOptions, World};

/// The sample catalog: a few hand-written files, comments and all.
const CATALOG: &[(&str, &str)] = &[
    ("payments/catalog-info.yaml", include_str!("../fixtures/demo/catalog/payments/catalog-info.yaml")),
    ("shop/web-shop.yaml", include_str!("../fixtures/demo/catalog/shop/web-shop.yaml")),
    ("shop/components.yaml", include_str!("../fixtures/demo/catalog/shop/components.yaml")),
    ("platform/all.yaml", include_str!("../fixtures/demo/catalog/platform/all.yaml")),
];
/// Small caps, so that the first sync leaves a backlog and the next ones shrink it.
const CONFIG: &str = include_str!("../fixtures/demo/catalog-sync.yaml");
/// The token the simulator wants.
const TOKEN: &str = "demo-token-of-the-simulated-workspace";

/// Runs the demo and tells what it does.
///
/// # Errors
/// A scratch directory or a port that cannot be had.
pub async fn run(start: &Start, screen: &Screen, serve: bool) -> Result<Exit, Failure> {
    let scratch = Scratch::new().map_err(|error| {
        let mend = Some("set TMPDIR to a directory that can be written".to_owned());
        Failure::failed(Report::new("no scratch directory could be made", &error, mend))
    })?;
    let options = SimulatorOptions {
        credentials: vec![crate::simulator::Credential::token(TOKEN)],
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(World::demo(), options)
        .await
        .map_err(|error| Failure::failed(Report::new("the simulated workspace could not be started", &error, None)))?;
    let Loaded { config, stamp, .. } = prepare(&scratch, &simulator, &start.working_directory)?;
    let start = Start { environment: environment(), ..start.clone() };

    if serve {
        return served(&start, screen, &scratch, config, stamp).await;
    }
    let catalog = scratch.path.join("catalog");
    let app = Local::open(&start, config).await?.app;
    tell(screen, &app, &catalog).await?;
    drop(app);
    drop(simulator);
    Ok(Exit::Done)
}

/// Leaves the sidecar running, and says how to look at it: in a browser, by HTTP, from a terminal.
async fn served(
    start: &Start,
    screen: &Screen,
    scratch: &Scratch,
    config: Config,
    stamp: Stamp,
) -> Result<Exit, Failure> {
    let (path, store) = (config.path.clone(), config.store.clone());
    // Told below, in its place; later ones as they come. Also where nobody looks at a terminal: there is nothing behind
    // it but what was made up here.
    let (links, mut told) = tokio::sync::mpsc::unbounded_channel();
    let terminal: access::Terminal = Box::new(move |link| drop(links.send(link.to_owned())));
    let running = local::run_with(start, Some(ANY_PORT), config, stamp, Some(terminal));
    tokio::pin!(running);
    let run = tokio::select! {
        ended = &mut running => return ended,
        run = first_synced(&store) => run,
    };
    let (scratch, path, address) = (crate::error::shown(&scratch.path), crate::error::shown(&path), &run.address);
    say(screen, &format!("A simulated workspace and a sample catalog in {scratch}, synced once.\n"))?;
    say(screen, &format!("In a browser:   {address}/"))?;
    let mut is_first = true;
    let link_words = |link: &str| {
        format!(
            "  sign in:      {link}\n                (good once, for ten minutes; {address}/login shows a new one here)"
        )
    };
    if let Ok(link) = told.try_recv() {
        say(screen, &link_words(&link))?;
        is_first = false;
    }
    say(screen, "By HTTP, as in the README (\"The HTTP API\"):")?;
    say(screen, &format!("  export CATALOG_SYNC_API={address}/api/v1 CATALOG_SYNC_TOKEN={}", run.token))?;
    say(screen, "From another terminal:")?;
    say(screen, &format!("  CATALOG_SYNC_DEMO_TOKEN=any catalog-sync --config {path} discovered list"))?;
    say(screen, "\nStop it with Ctrl-C; nothing is left behind.")?;
    loop {
        tokio::select! {
            ended = &mut running => return ended,
            Some(link) = told.recv() => {
                let new = if is_first { link_words(&link) } else { format!("\nsign in (good once, for ten minutes): {link}") };
                say(screen, &new)?;
                is_first = false;
            }
        }
    }
}

/// Beside a sidecar that listens where sidecars do.
const ANY_PORT: &str = "127.0.0.1:0";
/// How often it is asked whether the first sync has ended.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Waits until commands can find the sidecar, and there is something to look at.
async fn first_synced(store: &Path) -> RunFile {
    let history = Request::SyncHistory { integration: None, limit: 1 };
    loop {
        if let Some(run) = RunFile::read(store)
            && let Some(Ok(Answer::Syncs(records))) = remote::ask(&run, None, &history, &|_| {}).await
            && records.first().is_some_and(|record| record.outcome != Outcome::Running)
        {
            return run;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// The story: a sync, what it found, one decision explained, an import, a second sync.
async fn tell(screen: &Screen, app: &App, catalog: &Path) -> Result<(), Failure> {
    if screen.format != Format::Table {
        // For scripts: the Discovered table alone, as data.
        ask(app, sync_now()).await?;
        let answer = ask(app, Request::DiscoveredList(DiscoveredFilter::default())).await?;
        return shown(render::print(screen, &answer));
    }
    say(screen, "A simulated Bitbucket workspace `acme`, a catalog of hand-written YAML, a first sync over HTTP:\n")?;
    show(screen, app, sync_now()).await?;
    say(screen, "\nWhat awaits a decision (catalog-sync discovered list):\n")?;
    show(screen, app, Request::DiscoveredList(DiscoveredFilter::default())).await?;
    say(screen, "\nWhy? Every decision explains itself (catalog-sync discovered show payments-api):\n")?;
    let explain = Request::DiscoveredShow { repository: "payments-api".to_owned(), integration: None };
    show(screen, app, explain).await?;
    say(screen, "\nImporting what is clear (catalog-sync discovered import --all --action merge):\n")?;
    let import = Request::DiscoveredImport {
        selection: Selection::Matching(DiscoveredFilter { action: Some(Action::Merge), ..DiscoveredFilter::default() }),
        options: ImportOptions::default(),
    };
    let answer = ask(app, import).await?;
    shown(render::print(screen, &answer))?;
    if let Answer::Imported(report) = &answer
        && let Some(file) = report.rows.iter().flat_map(|row| &row.files).next()
    {
        say(screen, "\nOne of the files, before and after: every comment is where it was.\n")?;
        say(screen, &file.diff)?;
    }
    say(screen, "\nThe caps of this demo are small: a backlog was left. A second sync takes more of it:\n")?;
    show(screen, app, sync_now()).await?;
    say(screen, &format!("\nThe catalog was in {}; it is removed now.", crate::error::shown(catalog)))?;
    say(screen, "Next: catalog-sync init, then catalog-sync check.")
}

fn sync_now() -> Request {
    Request::SyncNow { integrations: Vec::new(), dry_run: false, full: false }
}

async fn ask(app: &App, request: Request) -> Result<Answer, Failure> {
    execute(app, request, &|_| {}).await
}

async fn show(screen: &Screen, app: &App, request: Request) -> Result<(), Failure> {
    let answer = ask(app, request).await?;
    shown(render::print(screen, &answer))
}

fn say(_screen: &Screen, text: &str) -> Result<(), Failure> {
    shown(writeln!(std::io::stdout().lock(), "{text}"))
}

/// A reader that went away ends the demo quietly.
fn shown(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(Report::new("the demo could not be printed", &error, None)))
        }
        _ => Ok(()),
    }
}

/// The demo needs nothing of the real environment.
fn environment() -> Environment {
    Environment::new([("CATALOG_SYNC_DEMO_TOKEN", TOKEN)])
}

/// Writes catalog and config, and reads the config as any other.
fn prepare(scratch: &Scratch, simulator: &Simulator, working_directory: &Path) -> Result<Loaded, Failure> {
    let wrong =
        |error: std::io::Error| Failure::failed(Report::new("the sample catalog could not be written", &error, None));
    for (name, text) in CATALOG {
        let path = scratch.path.join("catalog").join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(wrong)?;
        }
        std::fs::write(path, text).map_err(wrong)?;
    }
    let path = scratch.path.join("catalog-sync.yaml");
    std::fs::write(&path, CONFIG.replace("{api_url}", simulator.api_url())).map_err(wrong)?;
    let environment = environment();
    let options = LoadOptions {
        config: Some(&path),
        store: None,
        listen: Some(ANY_PORT),
        environment: &environment,
        working_directory,
        now: crate::clock::Clock::System.now(),
    };
    Config::load(&options)
        .map_err(|error| Failure::failed(Report::new("the demo's own config has faults", &error, error.mend())))
}

/// A directory that goes when the demo ends.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("catalog-sync-demo-{:016x}", rand::random::<u64>()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left behind it is small and in the place for such things.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
