//! What is acknowledged is kept: through kill -9, and when the disk is full.

use std::collections::HashSet;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{CLOUD, SECRET, Sender, bench_of, body, deliveries, waiting};
use crate::sidecar::process::Sidecar;
use catalog_sync::server::webhooks::signature::sign;

const SENDERS: usize = 16;

// P6.12, P2.12, issue 4: killed under load, none of the acknowledged is lost; all of them are worked afterwards.
#[test]
fn none_of_the_acknowledged_is_lost_p6_12() {
    let names: Vec<String> = (0..20).map(|number| format!("repo-{number}")).collect();
    let bench = bench_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    bench.sync_exits(0);
    let bodies: Vec<String> = names.iter().map(|name| body(&bench.simulator, &format!("acme/{name}"), 0)).collect();
    let acknowledged: Mutex<HashSet<String>> = Mutex::default();
    let sent = AtomicUsize::new(0);
    let mut rate = 0.0;
    for round in 0..3 {
        let sidecar = Sidecar::start(&bench);
        let address = sidecar.address();
        let is_over = AtomicBool::new(false);
        let begun = Instant::now();
        let before = acknowledged.lock().expect("not poisoned").len();
        std::thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| {
                    let mut sender = Sender::to(&address);
                    while !is_over.load(Ordering::SeqCst) {
                        let number = sent.fetch_add(1, Ordering::SeqCst);
                        let body =
                            bodies[number % bodies.len()].replace("\"number\":0", &format!("\"number\":{number}"));
                        let (id, signature) = (format!("{round}-{number}"), sign(SECRET, body.as_bytes()));
                        let headers = [
                            ("X-Event-Key", "repo:updated"),
                            ("X-Request-UUID", id.as_str()),
                            ("X-Hub-Signature", signature.as_str()),
                        ];
                        match sender.try_post(CLOUD, &headers, body.as_bytes()) {
                            Some((202, _)) => drop(acknowledged.lock().expect("not poisoned").insert(id)),
                            Some((status, text)) => panic!("{status}: {text}"),
                            None => return,
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(1_500 + 400 * round));
            sidecar.killed();
            is_over.store(true, Ordering::SeqCst);
        });
        let taken = acknowledged.lock().expect("not poisoned").len() - before;
        rate = f64::max(rate, taken as f64 / begun.elapsed().as_secs_f64());
    }
    let acknowledged = acknowledged.into_inner().expect("not poisoned");
    let kept: HashSet<String> = deliveries(&bench).into_iter().map(|delivery| delivery.id).collect();
    let lost = acknowledged.difference(&kept).count();
    println!(
        "{} sent, {} acknowledged, {lost} lost, {rate:.0} a second at best",
        sent.into_inner(),
        acknowledged.len()
    );
    assert_eq!(lost, 0);
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());

    let sidecar = Sidecar::start(&bench);
    sidecar.until("nothing waits", || waiting(&bench) == 0);
    sidecar.stopped();
    let waiting = deliveries(&bench).into_iter().filter(|delivery| delivery.is_waiting()).count();
    assert_eq!(waiting, 0, "of {}", kept.len());
}

// P6.12, issue 4: while the disk is full, a webhook is answered 503, and nothing is acknowledged that is not kept.
#[test]
fn a_full_disk_acknowledges_nothing_p6_12() {
    let bench = bench_of(&["web"]);
    bench.sync_exits(0);
    // The store's files may not grow much beyond what they are.
    let largest = bench.files("data").values().map(Vec::len).max().unwrap_or(0);
    let blocks = largest / 1024 + 1_500;
    let program = bench.command(&["run", "--listen", "127.0.0.1:0"]);
    let mut limited = Command::new("bash");
    limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
    limited.arg(program.get_program()).args(program.get_args());
    limited.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.env("PATH", "/usr/bin:/bin").current_dir(bench.dir.path()).arg0("bash");
    limited.stdin(Stdio::null()).stdout(Stdio::null());
    let sidecar = Sidecar::of(&bench, limited);
    let mut sender = Sender::to(&sidecar.address());
    let mut acknowledged = HashSet::new();
    let mut refused = 0;
    for number in 0..20_000 {
        let mut body = body(&bench.simulator, "acme/web", number);
        body.pop();
        body.push_str(",\"filler\":true}");
        let (id, signature) = (format!("{number}-{}", "x".repeat(100)), sign(SECRET, body.as_bytes()));
        let headers =
            [("X-Event-Key", "repo:updated"), ("X-Request-UUID", id.as_str()), ("X-Hub-Signature", &signature)];
        match sender.try_post(CLOUD, &headers, body.as_bytes()) {
            Some((202, _)) => drop(acknowledged.insert(id)),
            Some((503, _)) => refused += 1,
            other => panic!("{other:?}\n{}", sidecar.log()),
        }
        if refused == 10 {
            break;
        }
    }
    sidecar.killed();
    let kept: HashSet<String> = deliveries(&bench).into_iter().map(|delivery| delivery.id).collect();
    println!("{} acknowledged before the disk was full, then {refused} refused", acknowledged.len());
    assert_eq!(refused, 10);
    assert_eq!(acknowledged.difference(&kept).count(), 0);
}
