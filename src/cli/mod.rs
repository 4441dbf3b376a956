//! The command line: arguments in, one command, its answer out. Goes through the running sidecar when
//! there is one on the same store.

pub mod args;
pub mod output;
pub mod progress;
pub mod remote;
pub mod render;

mod ask;
mod browser;
mod credential;
mod elsewhere;
mod init;
pub mod local;
mod login;
mod prompt;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::CommandFactory;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::args::{Cli, Command, ConfigCommand, Global, Rules, Store};
use self::ask::request;
use self::local::Local;
use self::output::{Format, Screen};
use self::progress::ProgressView;
use crate::commands::answer::{CheckRow, CredentialDeletion};
use crate::commands::request::{Answer, DiscoveredFilter, Request, StateFilter};
use crate::commands::{Exit, Failure, check, execute, rules};
use crate::config::{Config, Environment};
use crate::error::{Report, escape_control, escape_lines, shown};
use crate::store::{ExportOf, SealedCredential};

/// What the program was started with, read once in `main`.
#[derive(Clone)]
pub struct Start {
    /// The arguments.
    pub cli: Cli,
    /// The environment.
    pub environment: Environment,
    /// Where relative paths begin.
    pub working_directory: PathBuf,
    /// Cancelled by SIGINT and SIGTERM.
    pub stop: CancellationToken,
}

/// Runs one command.
///
/// Boxed here: a future is compiled where it is driven, and the whole program would be compiled a second time
/// in the binary.
///
/// # Errors
/// [`Failure`], to be printed to stderr; its exit code is the program's.
pub fn run(start: Start) -> futures::future::LocalBoxFuture<'static, Result<Exit, Failure>> {
    Box::pin(dispatch(start))
}

async fn dispatch(start: Start) -> Result<Exit, Failure> {
    let screen = Screen::new(format(&start.cli.global), has_color(&start));
    let command = start.cli.command.clone();
    elsewhere::refuse_local(&start)?;
    match command {
        Command::Demo(demo) => crate::demo::run(&start, &screen, demo.serve).await,
        Command::Init(of) => init::init(&start, of.from.as_deref()),
        Command::Check(of) => checked(&start, &screen, &of.integrations, of.offline).await,
        Command::Run(of) => local::run_sidecar(&start, of.listen.as_deref()).await,
        Command::Rules(Rules::Check(of)) => check_rules(&start, &screen, of).await,
        Command::Rules(Rules::Preview(of)) => preview_rules(&start, &screen, of).await,
        Command::Report(of) => report(&start, &screen, of).await,
        Command::Store(Store::Import { file }) => local::import_store(&start, &screen, &file).await,
        Command::Store(Store::Export { file, with_credentials }) => {
            let of = if with_credentials { ExportOf::WithCredentials } else { ExportOf::WithoutCredentials };
            local::export_store(&start, &screen, &file, of).await
        }
        Command::Credential(args::Credential::Add(of)) => credential::add(&start, &screen, of).await,
        Command::Credential(args::Credential::Login(of)) => login::login(&start, &screen, of).await,
        Command::Credential(args::Credential::Update(of)) => credential::update(&start, &screen, of).await,
        Command::Credential(args::Credential::Rekey(of)) => credential::rekey(&start, &screen, of).await,
        Command::Simulate(of) => local::simulate(&start, of).await,
        Command::Config(ConfigCommand::Schema) => {
            let schema = crate::config::schema::schema();
            // The schema is JSON whatever --output says: editors read it.
            let json = Screen { format: Format::Json, ..screen };
            printed(json.print(&schema, |_| String::new()), Exit::Done)
        }
        Command::Completions { shell } => {
            // Written by ourselves: a generator that meets a closed pipe panics.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "catalog-sync", &mut script);
            printed(io::stdout().lock().write_all(&script), Exit::Done)
        }
        Command::Man => printed(clap_mangen::Man::new(Cli::command()).render(&mut io::stdout()), Exit::Done),
        Command::Version => {
            let version = serde_json::json!({ "name": "catalog-sync", "version": env!("CARGO_PKG_VERSION") });
            printed(screen.print(&version, |_| format!("catalog-sync {}", env!("CARGO_PKG_VERSION"))), Exit::Done)
        }
        Command::Sync(_)
        | Command::Discovered(_)
        | Command::Imported(_)
        | Command::Integration(_)
        | Command::Webhook(_)
        | Command::Activity(_)
        | Command::Credential(_)
        | Command::Audit(_)
        | Command::Store(Store::Check) => answered(&start, &screen, request(&start.cli)?).await,
    }
}

/// Asks and prints; deleting asks the person first.
async fn answered(start: &Start, screen: &Screen, request: Request) -> Result<Exit, Failure> {
    if let Request::IntegrationDelete { name, .. } = &request
        && !start.cli.global.yes
    {
        let lost = ask(start, &Request::IntegrationDelete { name: name.clone(), dry_run: true }).await?;
        if let Answer::Deleted(lost) = lost {
            let question = format!(
                "Forget {name}: {} repositories and {} links, with their history? Entities, files and people's decisions stay.",
                lost.repositories, lost.links
            );
            confirm(&question, &render::deleted(&lost))?;
        }
    }
    if let Request::CredentialDelete { name, .. } = &request
        && !start.cli.global.yes
    {
        let lost = ask(start, &Request::CredentialDelete { name: name.clone(), dry_run: true }).await?;
        if let Answer::CredentialDeleted(CredentialDeletion { used_by, .. }) = lost
            && !used_by.is_empty()
        {
            confirm(&format!("Forget the credential {name}?"), &format!("{name} is used by {}", used_by.join(", ")))?;
        }
    }
    let answer = ask(start, &request).await?;
    match (&request, &answer) {
        // Not that there is nothing: that this was not found.
        (Request::ImportedList { search: Some(search), .. }, Answer::Links(rows)) if rows.is_empty() => {
            printed(screen.print(rows, |_| render::nothing_matches(search)), Exit::Done)
        }
        (Request::DiscoveredList(DiscoveredFilter { search: Some(search), .. }), Answer::Discovered(rows))
            if rows.is_empty() =>
        {
            printed(screen.print(rows, |_| render::nothing_matches(search)), Exit::Done)
        }
        (Request::DiscoveredList(DiscoveredFilter { state: Some(state), .. }), Answer::Discovered(rows))
            if rows.is_empty()
                && matches!(state, StateFilter::Ignored | StateFilter::Hidden | StateFilter::Inaccessible) =>
        {
            let state = match state {
                StateFilter::Ignored => "ignored",
                StateFilter::Hidden => "hidden by a filter",
                _ => "listed and may not be read",
            };
            printed(screen.print(rows, |_| render::none_in_state(state)), Exit::Done)
        }
        // Not that the config has none: that the token sees none.
        (Request::IntegrationList { name: None }, Answer::Integrations(rows))
            if rows.is_empty() && elsewhere::named(start)?.is_some() =>
        {
            printed(screen.print(rows, |_| render::none_to_be_seen()), Exit::Done)
        }
        (Request::IntegrationList { name: Some(_) }, Answer::Integrations(rows)) => {
            let each = |screen: &Screen| rows.iter().map(|row| render::integration(screen, row)).collect::<Vec<_>>();
            printed(screen.print(rows, |screen| each(screen).join("\n\n")), Exit::Done)
        }
        // Looking at the past succeeds, whatever happened then.
        (Request::SyncHistory { .. }, Answer::Syncs(records)) => {
            printed(screen.print(records, |screen| render::history(screen, records)), Exit::Done)
        }
        (Request::SyncShow { .. }, _) => printed(render::print(screen, &answer), Exit::Done),
        _ => printed(render::print(screen, &answer), Exit::of(&answer)),
    }
}

async fn ask(start: &Start, request: &Request) -> Result<Answer, Failure> {
    if let Some(elsewhere) = elsewhere::named(start)? {
        let view = ProgressView::new(start.cli.global.quiet);
        let answer = elsewhere.ask(request, &|progress| view.show(&progress)).await;
        view.clear();
        return answer;
    }
    Asking::new(start, local::load(start)?).ask(request).await
}

/// Through the running sidecar when there is one, else by ourselves, over a store that stays open between questions.
struct Asking<'a> {
    start: &'a Start,
    config: Config,
    local: Option<Local>,
    /// Whether a running sidecar answered.
    is_remote: bool,
}

impl<'a> Asking<'a> {
    fn new(start: &'a Start, config: Config) -> Self {
        Self { start, config, local: None, is_remote: false }
    }

    fn has_no_store(&self) -> bool {
        self.local.is_none() && local::StorePlace::new(&self.config.store).is_empty()
    }

    async fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let view = ProgressView::new(self.start.cli.global.quiet);
        let report = |progress| view.show(&progress);
        if self.local.is_none()
            && let Some(run) = remote::RunFile::read(&self.config.store)
            && run.is_of(&self.config.path)?
            && let Some(answer) = remote::ask(&run, local::user(self.start), request, &report).await
        {
            view.clear();
            self.is_remote = true;
            if !run.store.as_os_str().is_empty() && run.store != self.config.store {
                warn!(
                    "the running sidecar works on {}; `store` in the config takes effect when it is started again",
                    shown(&run.store)
                );
            }
            return answer;
        }
        if request.only_reads() && self.has_no_store() {
            return local::answer_of_nothing(self.start, self.config.clone(), request).await;
        }
        let local = match self.local.take() {
            Some(local) => local,
            None => Local::open(self.start, self.config.clone()).await?,
        };
        let answer = execute(&local.app, request.clone(), &report).await;
        self.local = Some(local);
        view.clear();
        answer
    }

    /// The sealed credentials.
    async fn credentials(&mut self) -> Result<BTreeMap<String, SealedCredential>, Failure> {
        if self.has_no_store() && remote::RunFile::read(&self.config.store).is_none() {
            return Ok(BTreeMap::new());
        }
        match self.ask(&Request::CredentialRecords).await? {
            Answer::CredentialRecords(records) => Ok(records),
            _ => Err(Failure::failed(Report::plain("the sidecar answered something else", None))),
        }
    }
}

/// Asks yes or no on the terminal; where there is none, the refusal says what it was about.
fn confirm(question: &str, at_stake: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let mut refused = Failure::refused("this needs a yes, and there is no terminal to ask on", "add `--yes`");
        refused.report.because.push(at_stake.to_owned());
        return Err(refused);
    }
    eprintln!("{}", escape_lines(at_stake));
    eprint!("{} [y/N] ", escape_control(question));
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    match (read, line.trim().to_lowercase().as_str()) {
        (Ok(_), "y" | "yes") => Ok(()),
        _ => Err(Failure::refused("not confirmed, nothing was done", "answer `y`, or add `--yes`")),
    }
}

async fn checked(start: &Start, screen: &Screen, names: &[String], offline: bool) -> Result<Exit, Failure> {
    let config = local::load(start)?;
    let asks = login::AsksHolder { start: start.clone(), config: config.clone() };
    let assembler = local::assembler(start, &config).renewing(Arc::new(asks));
    let mut without_credentials = None;
    if !offline && config.uses_credentials() {
        match Asking::new(start, config.clone()).credentials().await {
            Ok(records) => assembler.vault().refresh(records),
            Err(failure) => {
                without_credentials = Some(check::failed("credentials", "unusable", "the credential store", &failure));
            }
        }
    }
    let secrets = assembler.secrets();
    // A connector without its secrets is told at their line; asking with them would only say it again.
    let lacking = if offline { BTreeSet::new() } else { config.lacking_secrets(secrets) };
    if !offline && io::stdin().is_terminal() && io::stderr().is_terminal() {
        for host in check::unknown_hosts(&config, &assembler, names).await {
            accept_host(&host);
        }
    }
    let mut rows = check::check(&config, &assembler, names, offline, &lacking).await?;
    if !offline {
        if !lacking.is_empty() {
            rows[0].message = "every setting is understood; not every secret is there".to_owned();
        }
        rows.splice(1..1, config.check_secrets(secrets).iter().map(|fault| check::of_fault(&config, fault)));
        rows.extend(without_credentials);
        rows.extend(local::check_store(start, &config).await);
    }
    let is_bad = |row: &CheckRow| row.code != "ok" && row.code != "warning";
    let exit = if rows.iter().any(is_bad) { Exit::Refused } else { Exit::Done };
    printed(screen.print(&rows, |screen| render::check(screen, &rows)), exit)
}

/// Shows a host's keys and asks, once. Whatever is answered, the check goes on and says how things are.
fn accept_host(host: &check::UnknownHost) {
    let keys: Vec<String> = host.keys.iter().map(|key| format!("  {}", key.fingerprint)).collect();
    let at_stake = format!(
        "The SSH host key of {} (connector {}) is not known. The host shows:\n{}\nCompare with what its administrator tells, or https://bitbucket.org/site/ssh for Bitbucket Cloud.",
        host.ssh.host_name(),
        host.connector,
        keys.join("\n")
    );
    let file = host.ssh.known_hosts.as_ref().map_or_else(String::new, |file| shown(file));
    if confirm(&format!("Trust it from now on (written to {file})?"), &at_stake).is_ok()
        && let Err(error) = host.ssh.accept(&host.keys)
    {
        eprintln!("{}", Report::new("the host key was not written", &error, Some(error.mend())));
    }
}

/// The text of a rules file, and what people call it.
fn rules_file(start: &Start, file: &Path) -> Result<(String, String), Failure> {
    let name = shown(file);
    match std::fs::read_to_string(start.working_directory.join(file)) {
        Ok(text) => Ok((text, name)),
        Err(error) => Err(Failure {
            report: Report::new(format!("{name} could not be read"), &error, Some("check the path".to_owned())),
            exit: Exit::Usage,
        }),
    }
}

/// By itself, and with what is stored where there is something: no config is needed for the rest.
async fn check_rules(start: &Start, screen: &Screen, of: args::RulesCheck) -> Result<Exit, Failure> {
    let (text, name) = rules_file(start, &of.file)?;
    let mut report = rules::read(&text, &name);
    let wants_store = of.integration.is_some() || start.cli.global.config.is_some();
    if report.faults.is_empty() {
        match local::load(start) {
            Ok(config) => {
                let mut asking = Asking::new(start, config);
                if of.integration.is_some()
                    || !asking.has_no_store()
                    || remote::RunFile::read(&asking.config.store).is_some()
                {
                    let request = Request::RulesCheck { text, name, integration: of.integration };
                    if let Answer::RulesChecked(compared) = asking.ask(&request).await? {
                        report = compared;
                    }
                }
            }
            Err(failure) if wants_store => return Err(failure),
            Err(_) => {}
        }
    }
    let is_bad = !report.faults.is_empty() || report.findings.iter().any(|one| one.level == rules::Level::Error);
    let exit = if is_bad { Exit::Usage } else { Exit::Done };
    printed(screen.print(&report, |_| render::rules::report(&report)), exit)
}

async fn preview_rules(start: &Start, screen: &Screen, of: args::RulesPreview) -> Result<Exit, Failure> {
    let (text, name) = rules_file(start, &of.file)?;
    let limit = of.limit.or((start.cli.global.output == args::Output::Table).then_some(50));
    let request = Request::RulesPreview { text, name: Some(name), integration: of.integration, limit };
    answered(start, screen, request).await
}

/// Exit 3 where too little is imported: done, and not as it should be.
async fn report(start: &Start, screen: &Screen, of: args::Reporting) -> Result<Exit, Failure> {
    let answer = ask(start, &Request::Report { integrations: of.integrations }).await?;
    let Answer::Reported(reports) = &answer else { return printed(render::print(screen, &answer), Exit::Done) };
    let least = of.fail_under.unwrap_or(0.0);
    let under: Vec<_> = reports.iter().filter(|one| one.percent < least).collect();
    for one in &under {
        warn!("{}: {:.1} % imported, less than {least} %", one.integration, one.percent);
    }
    let exit = if under.is_empty() { Exit::Done } else { Exit::Partly };
    printed(render::print(screen, &answer), exit)
}

/// A closed pipe ends quietly.
fn printed(result: io::Result<()>, exit: Exit) -> Result<Exit, Failure> {
    match result {
        Ok(()) => Ok(exit),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit),
        Err(error) => Err(Failure::failed(Report::new("the result could not be printed", &error, None))),
    }
}

fn format(global: &Global) -> Format {
    match global.output {
        args::Output::Table => Format::Table,
        args::Output::Json => Format::Json,
        args::Output::Yaml => Format::Yaml,
    }
}

fn has_color(start: &Start) -> bool {
    match start.cli.global.color {
        args::Color::Always => true,
        args::Color::Never => false,
        args::Color::Auto => io::stdout().is_terminal() && start.environment.get("NO_COLOR").is_none_or(str::is_empty),
    }
}
