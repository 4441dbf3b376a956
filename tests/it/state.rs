//! The store: check, export, import, in use; and that nothing is written anywhere else.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use catalog_sync::clock::Clock;
use catalog_sync::store::sled::SledStore;
use serde_json::Value;

use crate::harness::{Bench, output, output_of_input, text};

#[test]
fn the_state_is_checked_exported_and_imported_p7_5() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    bench.sync();
    bench.run(&["discovered", "import", "payments-api"]).ok();
    bench.run(&["discovered", "ignore", "web-shop"]).ok();
    let report = bench.json(&["store", "check"]);
    assert_eq!(report["faults"], Value::Array(Vec::new()));
    let out = bench.run(&["store", "export", "backup.jsonl"]).ok();
    out.shows(&["records", "backup.jsonl"]);
    let mode = std::fs::metadata(bench.path("backup.jsonl")).expect("an export").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert_eq!(std::fs::metadata(bench.path("data")).expect("a store").permissions().mode() & 0o777, 0o700);
    let lines = bench.read("backup.jsonl");
    assert!(!lines.contains(crate::harness::TOKEN), "no credential in an export");

    // Into a store that is not empty: refused, nothing changed.
    let before = bench.export();
    bench.run(&["store", "import", "backup.jsonl"]).exits(1).says(&["empty", "mend:"]);
    assert_eq!(bench.export(), before);
    // Into a new one: the same, and the next sync goes on from there.
    std::fs::rename(bench.path("data"), bench.path("old")).expect("moved");
    bench.run(&["store", "import", "backup.jsonl"]).ok();
    assert_eq!(bench.export(), before);
    assert_eq!(bench.json(&["imported", "list"])[0]["entity"], "component:default/payments-api");
    let record = bench.sync_exits(0);
    assert_eq!(record["sweep"], false, "a delta: {record:#}");
    assert_eq!(record["repositories"]["new"], 0);
    // By stdin, into a third; a torn export is refused with its line and leaves nothing.
    std::fs::remove_dir_all(bench.path("data")).expect("a store");
    let torn = format!("{}\n{{\"book\":\"rec", lines.lines().take(5).collect::<Vec<_>>().join("\n"));
    let refused = output_of_input(&mut bench.command(&["store", "import", "-"]), &torn).exits(1);
    refused.says(&["line 6"]);
    let left = bench.json(&["sync", "history"]);
    assert_eq!(left, Value::Array(Vec::new()));
    output_of_input(&mut bench.command(&["store", "import", "-"]), &lines).ok();
    assert_eq!(bench.export(), before);
    bench.run(&["store", "import", "nowhere.jsonl"]).exits(2).says(&["nowhere.jsonl"]);
}

#[test]
fn a_store_in_use_is_named_p7_5() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let held = runtime.block_on(SledStore::open(&bench.path("data"), &Clock::System)).expect("a store");
    for args in [["sync", "now"].as_slice(), &["discovered", "list"], &["store", "check"]] {
        let refused = bench.run(args).exits(4);
        assert_eq!(refused.stdout, "");
        refused.says(&["in use", "data", "mend:"]);
    }
    bench.run(&["check"]).exits(4).shows(&["unusable", "in use"]);
    drop(held);
    bench.sync_exits(0);
}

#[test]
fn a_store_that_is_no_store_is_refused_untouched() {
    let bench = Bench::of(&["payments-api"]);
    bench.file("data", "not a directory");
    bench.run(&["sync", "now"]).exits(1).says(&["data", "mend:"]);
    assert_eq!(bench.read("data"), "not a directory");
}

#[test]
fn writes_stay_under_store_and_catalog_without_home_p7_9() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    let tree = |bench: &Bench| {
        let mut files = bench.files("");
        files.retain(|name, _| !name.starts_with("data/") && !name.starts_with("catalog/"));
        files
    };
    let before = tree(&bench);
    // A working directory where even root can make nothing, no HOME (the bench clears the environment), and a user
    // id that is nobody's.
    let is_root = std::fs::metadata(bench.dir.path()).expect("it").uid() == 0;
    if is_root {
        std::fs::create_dir(bench.path("data")).expect("a store");
        for name in ["data", "catalog", "catalog/payments-api.yaml"] {
            std::os::unix::fs::chown(bench.path(name), Some(54_321), Some(54_321)).expect("an owner");
        }
        std::fs::set_permissions(bench.dir.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    for args in [
        ["check"].as_slice(),
        &["sync", "now"],
        &["discovered", "import", "--all"],
        &["sync", "now"],
        &["imported", "list"],
        &["integration", "suspend", "acme"],
    ] {
        let mut command = bench.command(args);
        command.current_dir("/proc");
        if is_root {
            command.uid(54_321).gid(54_321);
        }
        output(&mut command).ok();
    }
    assert_eq!(tree(&bench), before);
    assert!(bench.path("catalog/bitbucket/acme/pay/web-shop.yaml").exists() || bench.files("catalog").len() == 2);
}

// P7.9: looking before there is a store needs no place to write at all, not even for scratch.
#[test]
fn looking_without_a_store_writes_nowhere_p7_9() {
    let bench = Bench::of(&["payments-api"]);
    let before = bench.files("");
    for (args, exit) in [
        (["sync", "history"].as_slice(), 0),
        (&["discovered", "list"], 0),
        (&["discovered", "show", "payments-api"], 2),
        (&["imported", "list"], 0),
        (&["integration", "list"], 0),
        (&["activity", "commits", "payments-api"], 2),
        (&["credential", "list"], 0),
        (&["store", "export", "-"], 0),
        (&["store", "check"], 2),
    ] {
        let mut command = bench.command(args);
        command.env("TMPDIR", "/proc/nowhere").current_dir("/proc");
        let run = output(&mut command).exits(exit);
        assert!(!run.stderr.contains("could not"), "{args:?}: {}", run.stderr);
    }
    assert_eq!(bench.files(""), before);
}

#[test]
fn a_read_only_catalog_is_found_by_check_and_breaks_nothing() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    bench.sync();
    let before = bench.files("catalog");
    let is_root = std::fs::metadata(bench.dir.path()).expect("it").uid() == 0;
    let mode =
        |mode| std::fs::set_permissions(bench.path("catalog"), std::fs::Permissions::from_mode(mode)).expect("a mode");
    if is_root {
        for name in bench.files("data").keys() {
            std::os::unix::fs::chown(bench.path("data").join(name), Some(54_321), None).expect("an owner");
        }
        for name in ["data", "data/blobs"] {
            std::os::unix::fs::chown(bench.path(name), Some(54_321), None).expect("an owner");
        }
        std::fs::set_permissions(bench.dir.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    mode(0o555);
    let run = |args: &[&str]| {
        let mut command = bench.command(args);
        if is_root {
            command.uid(54_321).gid(54_321);
        }
        output(&mut command)
    };
    run(&["check"]).exits(4).shows(&["read_only", "mend:"]);
    let report = run(&["discovered", "import", "--all", "--output", "json"]).exits(1).json();
    for row in report["rows"].as_array().expect("rows") {
        assert_eq!(row["result"], "failed");
        assert!(text(row, "/reason").contains("could not be written"), "{row:#}");
    }
    assert_eq!(bench.files("catalog"), before);
    assert_eq!(
        serde_json::from_str::<Value>(&run(&["imported", "list", "--output", "json"]).ok().stdout).expect("JSON"),
        Value::Array(Vec::new())
    );
    mode(0o755);
}

/// Every write beyond `blocks` KiB into one file fails, as on a full disk.
fn confined(bench: &Bench, blocks: u64, args: &[&str]) -> std::process::Command {
    let inner = bench.command(args);
    let mut command = std::process::Command::new("bash");
    command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(bench.dir.path());
    command.env_clear().envs(bench.env.iter().map(|(name, value)| (name, value)));
    command.stdin(std::process::Stdio::null());
    command
}

#[test]
fn a_place_that_cannot_be_written_fails_its_rows_alone() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    bench.file("catalog/bitbucket", "a file where new entities would go");
    bench.sync();
    let report = bench.run(&["discovered", "import", "--all", "--output", "json"]).exits(3).json();
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!((&rows[0]["result"], &rows[1]["result"]), (&"done".into(), &"failed".into()), "{rows:#?}");
    assert!(text(&rows[1], "/reason").contains("bitbucket"), "{rows:#?}");
    assert_eq!(bench.files("catalog").len(), 2, "nothing half-written");
    std::fs::remove_file(bench.path("catalog/bitbucket")).expect("a file");
    bench.run(&["discovered", "import", "--all"]).ok();
    assert_eq!(bench.json(&["imported", "list"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_full_disk_below_the_store_is_said_and_survived() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.sync();
    let before = bench.export();
    let ended = output(&mut confined(&bench, 0, &["sync", "now"]));
    assert_ne!(ended.status, Some(0), "{ended:?}");
    assert!(ended.status.is_some() && !ended.stderr.contains("panicked"), "{ended:?}");
    ended.says(&["error:"]);
    bench.run(&["store", "check"]).ok();
    let books = |lines: &[Value]| lines.iter().filter(|line| line["book"] == "records").count();
    assert_eq!(books(&bench.export()), books(&before));
    bench.sync_exits(0);
}

// P4.10, P2.12: the catalog's disk is really full. Each row says so, every file is as it was, nothing half-written is
// left, and with room again the import is done.
#[test]
fn a_full_disk_below_the_catalog_is_said_and_survived_p4_10() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    bench.sync();
    std::fs::rename(bench.path("catalog"), bench.path("seed")).expect("renamed");
    std::fs::create_dir(bench.path("catalog")).expect("a catalog");
    // A mount namespace of its own: the small disk goes with the process.
    let script = "mount -t tmpfs -o size=64k,mode=755 tmpfs catalog || exit 77\n\
        cp -a seed/. catalog/\n\
        dd if=/dev/zero of=catalog/filler bs=4k 2>/dev/null\n\
        \"$@\"; code=$?\n\
        rm catalog/filler; cp -a catalog full\n\
        [ $code = 1 ] || exit $code\n\
        \"$@\" > again.json 2> again.log; echo $? > again.code\n\
        cp -a catalog done\n\
        exit $code";
    let import = bench.command(&["discovered", "import", "--all", "--output", "json"]);
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(import.get_program())
        .args(import.get_args());
    command.envs(bench.env.iter().map(|(name, value)| (name, value))).current_dir(bench.dir.path());
    let Ok(ended) = command.output() else {
        return println!("skipped: there is no `unshare` here to mount a small disk with");
    };
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    if ended.status.code() == Some(77) || said.contains("unshare:") {
        return println!("skipped: a small disk cannot be mounted here: {said}");
    }
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let report: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    for row in report["rows"].as_array().expect("rows") {
        assert_eq!(row["result"], "failed", "{row:#}");
        assert!(text(row, "/reason").contains("No space left"), "{row:#}");
        assert!(text(row, "/reason").contains("mend: check free space"), "{row:#}");
    }
    assert_eq!(bench.files("full"), bench.files("seed"), "as it was, and nothing beside it");
    assert_eq!(bench.read("again.code").trim(), "0", "{}", bench.read("again.log"));
    assert_eq!(bench.files("done").len(), 2);
}

// P7.5: a record that says to be about something else than its key, or a repository without its raw record, is refused.
#[test]
fn an_export_that_contradicts_itself_is_refused_p7_5() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    bench.component("web-shop");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "--all"]).ok();
    bench.run(&["sync", "now"]).ok();
    bench.run(&["store", "export", "backup.jsonl"]).ok();
    std::fs::rename(bench.path("data"), bench.path("old")).expect("moved");
    let lines: Vec<Value> =
        bench.read("backup.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    let edited = |edit: &dyn Fn(&mut Value)| -> Vec<Value> {
        let mut lines = lines.clone();
        lines.iter_mut().for_each(edit);
        lines
    };
    let other = "bitbucket.org/{00000000-0000-4000-8000-000000000000}";
    let other = serde_json::json!({ "instance": "bitbucket.org", "id": other.rsplit('/').next() });
    let with = |book: &'static str, pointer: &'static str, value: Value| {
        edited(&move |line| {
            if line["book"] == book
                && let Some(at) = line["value"].pointer_mut(pointer)
            {
                *at = value.clone();
            }
        })
    };
    let mut without_raw = lines.clone();
    without_raw.retain(|line| line["book"] != "records");
    let count = without_raw.len() - 2;
    *without_raw.last_mut().expect("a footer") = serde_json::json!({ "records": count });
    let item_twice = edited(&|line| {
        if let (true, Some(items)) = (line["book"] == "secondary", line["value"].as_array_mut()) {
            items.insert(0, items[0].clone());
        }
    });
    let broken = [
        ("an item twice", item_twice),
        ("a wrong count of items", with("coverage", "/stored", 99.into())),
        ("a link to another entity", with("links", "/entity", "component:default/zzz".into())),
        ("a repository of another id", with("repositories", "/repository/key", other.clone())),
        ("coverage of another kind", with("coverage", "/repo", other)),
        ("a sync of another id", with("syncs", "/record/id", "01ZZZ".into())),
        ("repositories without raw records", without_raw),
    ];
    for (what, lines) in broken {
        assert_ne!(lines, edited(&|_| {}), "{what}: the edit changes something");
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let refused = output_of_input(&mut bench.command(&["store", "import", "-"]), &text);
        assert_eq!(refused.status, Some(1), "{what}: {refused:?}");
        assert!(refused.stderr.contains("line ") && refused.stderr.contains("mend:"), "{what}: {}", refused.stderr);
        assert_eq!(bench.json(&["sync", "history"]), Value::Array(Vec::new()), "{what}: nothing is left");
        // Looking at what is not there makes no store.
        let _ = std::fs::remove_dir_all(bench.path("data"));
    }
    output_of_input(&mut bench.command(&["store", "import", "-"]), &bench.read("backup.jsonl")).ok();
}

// P7.5: a sidecar that was killed leaves its address, and another program may listen there since.
#[test]
fn another_program_on_the_port_of_a_killed_sidecar_is_no_sidecar_p7_5() {
    use std::io::{Read as _, Write as _};
    let bench = Bench::of(&["payments-api"]);
    bench.sync_exits(0);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\n<html/>\n");
        }
    });
    let token = "0".repeat(64);
    bench.file("data/run.json", &format!(r#"{{"address":"http://{address}","token":"{token}","pid":1}}"#));
    let rows = bench.json(&["integration", "list"]);
    assert_eq!(text(&rows[0], "/name"), "acme");
}
