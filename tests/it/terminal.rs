//! Questions on a terminal (contract, section 2), on a pseudo terminal made by `script`.

use std::process::Command;

use crate::harness::{Bench, output_of_input};

/// The program on a terminal on which somebody types `typed`; `None` where there is no `script` to make one.
pub fn on_a_terminal(bench: &Bench, args: &str, typed: &str) -> Option<(Option<i32>, String)> {
    let has_script = Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_script {
        println!("skipped: there is no `script` (util-linux) here to make a terminal with");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_catalog-sync");
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--echo", "never", "--command"])
        .arg(format!("'{program}' --config '{}' {args}", bench.path("catalog-sync.yaml").display()))
        .arg("/dev/null")
        .envs(bench.env.iter().map(|(name, value)| (name, value)))
        .env("TERM", "xterm")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .current_dir(bench.dir.path());
    let said = output_of_input(&mut command, typed);
    Some((said.status, said.stdout + &said.stderr))
}

#[test]
fn a_question_is_asked_on_a_terminal_and_takes_yes_or_no() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "payments-api"]).ok();
    let delete = "integration delete acme";
    // Without a terminal it is refused, with the way out.
    bench.run(&["integration", "delete", "acme"]).exits(4).says(&["no terminal to ask on", "--yes"]);
    for no in ["n\n", "\n", "nonsense\n"] {
        let Some((status, said)) = on_a_terminal(&bench, delete, no) else { return };
        assert_eq!(status, Some(4), "{no:?}: {said}");
        assert!(said.contains("Forget acme: 1 repositories and 1 links") && said.contains("[y/N]"), "{said}");
        assert!(said.contains("not confirmed, nothing was done"), "{said}");
        assert_eq!(bench.json(&["imported", "list"]).as_array().map(Vec::len), Some(1), "nothing was done");
    }
    let files = bench.files("catalog");
    let Some((status, said)) = on_a_terminal(&bench, delete, "y\n") else { return };
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(bench.json(&["imported", "list"]).as_array().map(Vec::len), Some(0));
    assert_eq!(bench.files("catalog"), files, "entities and files stay");
    // An import asks nothing, on a terminal either: it does what it is told.
    bench.sync_exits(0);
    let Some((status, said)) = on_a_terminal(&bench, "discovered import --all --dry-run", "") else { return };
    assert_eq!(status, Some(0), "{said}");
    assert!(!said.contains("[y/N]"), "{said}");
}
