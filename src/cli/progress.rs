//! Progress on stderr: bars on a terminal, plain lines otherwise, nothing with `-q`.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::Progress;
use crate::error::escape_control;

/// Plain lines come at most this often per stage: a log is no animation.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows what the engine reports.
pub struct ProgressView {
    bars: MultiProgress,
    mode: Mode,
    stages: Mutex<BTreeMap<String, Stage>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Bars,
    Lines,
    Quiet,
}

struct Stage {
    bar: ProgressBar,
    last_line: Option<Instant>,
    /// What that line said.
    said: Option<(u64, Option<u64>)>,
}

impl ProgressView {
    /// Looks at stderr once.
    pub fn new(quiet: bool) -> Self {
        let mode = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Mode::Quiet,
            (false, true) => Mode::Bars,
            (false, false) => Mode::Lines,
        };
        let target = if mode == Mode::Bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), mode, stages: Mutex::new(BTreeMap::new()) }
    }

    /// Shows one report.
    pub fn show(&self, progress: &Progress) {
        if self.mode == Mode::Quiet {
            return;
        }
        let name = escape_control(&format!("{} {}", progress.integration, progress.stage));
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let stage = stages.entry(name.clone()).or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_message(name.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            Stage { bar, last_line: None, said: None }
        });
        if let Some(total) = progress.total {
            if stage.bar.length().is_none()
                && let Ok(style) = ProgressStyle::with_template("{msg:32} {wide_bar} {pos}/{len} {eta}")
            {
                stage.bar.set_style(style);
            }
            stage.bar.set_length(total);
        }
        stage.bar.set_position(progress.done);
        let is_due = stage.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY);
        let says = (progress.done, progress.total);
        if self.mode == Mode::Lines && (is_due || progress.finished) && stage.said != Some(says) {
            (stage.last_line, stage.said) = (Some(Instant::now()), Some(says));
            match progress.total {
                Some(total) => eprintln!("{name}: {}/{total}", progress.done),
                None => eprintln!("{name}: {}", progress.done),
            }
        }
        if progress.finished {
            stage.bar.finish_and_clear();
            stages.remove(&name);
        }
    }

    /// Removes what is left on the screen.
    pub fn clear(&self) {
        // Fails only where the terminal is gone, and then there is nothing to clear.
        let _ = self.bars.clear();
    }
}
