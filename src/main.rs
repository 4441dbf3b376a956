//! Arguments → config → one command; the error report and the exit code.

use std::process::ExitCode;

use catalog_sync::cli::args::{Cli, Command, Global, LogFormat};
use catalog_sync::cli::{self, Start};
use catalog_sync::config::Environment;
use catalog_sync::error::Report;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// A sync takes and gives back millions of small pieces on several threads, and the system's allocator keeps much of
/// what is given back: a sweep over 100,000 repositories held up to 290 MiB with it, and holds 190 so. Bounds are set in
/// `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The store, files and the reading of JSON. None waits for another; each thread holds memory of its own.
const BLOCKING_THREADS: usize = 4;

/// What a shell expects after Ctrl-C.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    log(&cli.global, matches!(cli.command, Command::Run(_)));
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().max_blocking_threads(BLOCKING_THREADS).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return failed(&Report::new("the program could not start its threads", &error, None), 1),
        };
    let code = runtime.block_on(run(cli));
    // A thread that hangs in a system call must not keep the program.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    code
}

/// Help and version as they are; what is wrong with the arguments with them escaped.
fn refused(error: &clap::Error) -> ExitCode {
    let text = error.render();
    let has_control = |text: &str| text.contains(|c: char| c.is_control() && c != '\n');
    if error.use_stderr() && has_control(&text.to_string()) {
        eprint!("{}", catalog_sync::error::escape_lines(&text.to_string()));
    } else {
        // A closed pipe ends quietly.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

async fn run(cli: Cli) -> ExitCode {
    let working_directory = match std::env::current_dir() {
        Ok(directory) => directory,
        Err(error) => return failed(&Report::new("the working directory is gone", &error, None), 1),
    };
    let is_sidecar = matches!(cli.command, Command::Run(_) | Command::Simulate(_))
        || matches!(&cli.command, Command::Demo(demo) if demo.serve);
    let stop = CancellationToken::new();
    let interrupted = match stop_on_signals(stop.clone()) {
        Ok(interrupted) => interrupted,
        Err(error) => return failed(&Report::new("signals cannot be listened for", &error, None), 1),
    };
    let environment = Environment::new(std::env::vars_os().filter_map(|(name, value)| {
        // A variable that is no text cannot be one of ours.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    }));
    let result = cli::run(Start { cli, environment, working_directory, stop: stop.clone() }).await;
    let was_interrupted = interrupted.is_cancelled() && !is_sidecar;
    match result {
        Ok(_) if was_interrupted => ExitCode::from(INTERRUPTED),
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => failed(&failure.report, if was_interrupted { INTERRUPTED } else { failure.exit.code() }),
    }
}

/// The first SIGINT or SIGTERM asks for a stop at the next checkpoint, a second one ends at once.
fn stop_on_signals(stop: CancellationToken) -> std::io::Result<CancellationToken> {
    let interrupted = CancellationToken::new();
    let told = interrupted.clone();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => told.cancel(),
            _ = terminate.recv() => {}
        }
        stop.cancel();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(i32::from(INTERRUPTED));
    });
    Ok(interrupted)
}

fn failed(report: &Report, code: u8) -> ExitCode {
    eprintln!("{report}");
    ExitCode::from(code)
}

fn log(global: &Global, is_sidecar: bool) {
    let level = match (global.quiet, global.verbose, is_sidecar) {
        (true, _, _) => "error,rustls_platform_verifier=off",
        (_, 0, false) => "catalog_sync=warn,error,rustls_platform_verifier=off",
        (_, 0, true) | (_, 1, _) => "catalog_sync=info,warn,rustls_platform_verifier=off",
        (_, 2, _) => "catalog_sync=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::new(level);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match global.log_format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => lines.json().init(),
    }
}
