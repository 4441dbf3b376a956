//! Processes that are timed, and their size.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Result, load, wrong};

/// How often a running process is looked at for its peak memory and its processor time.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A process that has ended.
pub struct Run {
    pub wall: Duration,
    pub cpu: Duration,
    pub peak_kib: u64,
    /// What it printed, where that was JSON.
    pub answer: Value,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (wall, cpu, peak) = (self.wall.as_secs_f64(), self.cpu.as_secs_f64(), self.peak_kib / 1024);
        write!(f, "{wall:.2} s, {cpu:.2} s of processor, peak memory {peak} MiB, load {}", load())
    }
}

/// Runs a process to its end and watches its size.
pub fn measured(mut command: Command) -> Result<Run> {
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(wrong("start a process"))?;
    let mut out = child.stdout.take().ok_or("no output")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut out, &mut text).map(|_| text)
    });
    let (mut peak_kib, mut cpu) = (0, Duration::ZERO);
    let status = loop {
        let (peak_now, cpu_now) = size_of(child.id());
        (peak_kib, cpu) = (peak_kib.max(peak_now), cpu.max(cpu_now));
        if let Some(status) = child.try_wait().map_err(wrong("wait for a process"))? {
            break status;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let wall = began.elapsed();
    let text = reader.join().map_err(|_| "a reader panicked")?.map_err(wrong("read what a process said"))?;
    if !status.success() {
        return Err(format!("{command:?} ended with {status}: {text}"));
    }
    Ok(Run { wall, cpu, peak_kib, answer: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
}

/// Peak resident memory in KiB, and processor time so far.
fn size_of(process: u32) -> (u64, Duration) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which may hold blanks; user and system time in hundredths of a second.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let ticks: u64 = behind.split_whitespace().skip(11).take(2).filter_map(|number| number.parse::<u64>().ok()).sum();
    (peak.unwrap_or(0), Duration::from_millis(ticks * 10))
}
