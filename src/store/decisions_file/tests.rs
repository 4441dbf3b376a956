use chrono::TimeZone;
use tempfile::TempDir;

use super::*;

fn at(minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 9, minute, 0).single().expect("an instant")
}

fn decided(id: &str, full_name: &str, kind: DecisionKind, minute: u32) -> (String, Decision) {
    let decision = Decision {
        repo: RepoKey::cloud(id),
        full_name: full_name.to_owned(),
        kind,
        at: at(minute),
        by: "cli".to_owned(),
        reason: None,
    };
    ("main".to_owned(), decision)
}

fn entity(name: &str) -> EntityRef {
    EntityRef::backstage("component", "default", name)
}

fn file() -> (TempDir, DecisionsFile) {
    let folder = TempDir::new().expect("a temporary folder");
    let file = DecisionsFile::open(folder.path().join("decisions.yaml"));
    (folder, file)
}

fn all_kinds() -> Vec<(String, Decision)> {
    vec![
        decided("{1}", "acme/web: \"the\" #1", DecisionKind::Ignored, 1),
        decided("{2}", "acme/api", DecisionKind::Unlinked { entity: entity("api"), also: vec![] }, 2),
        decided("{3}", "acme/yes", DecisionKind::Undone { entity: entity("yes"), also: vec![] }, 3),
        ("second".to_owned(), decided("{1}", "acme/web", DecisionKind::Target { entity: entity("w") }, 4).1),
    ]
}

#[test]
fn it_reads_well_and_in_a_stable_order() {
    let (_folder, file) = file();
    let mut decisions = all_kinds();
    decisions.reverse();
    file.save(&decisions).expect("saves");
    let text = fs::read_to_string(file.path()).expect("reads");
    insta::assert_snapshot!(text, @r#"
    # What people decided about repositories: ignored, unlinked, undone, chosen targets.
    # catalog-sync writes this file with each decision and reads it when it starts. Keep it in git.
    # A row that is deleted here takes its decision back; comments stay.
    decisions:
    - catalog: main
      full_name: acme/api
      repository: bitbucket.org/{2}
      decision: unlinked
      entity: component:default/api
      at: 2026-11-21T09:02:00Z
      by: cli
    - catalog: main
      full_name: 'acme/web: "the" #1'
      repository: bitbucket.org/{1}
      decision: ignored
      at: 2026-11-21T09:01:00Z
      by: cli
    - catalog: main
      full_name: acme/yes
      repository: bitbucket.org/{3}
      decision: undone
      entity: component:default/yes
      at: 2026-11-21T09:03:00Z
      by: cli
    - catalog: second
      full_name: acme/web
      repository: bitbucket.org/{1}
      decision: target
      entity: component:default/w
      at: 2026-11-21T09:04:00Z
      by: cli
    "#);
}

/// Invariant 3: decisions come back into a new store.
#[test]
fn what_was_saved_is_loaded() {
    let (_folder, file) = file();
    assert_eq!(file.load().expect("no file is no decision"), []);
    file.save(&all_kinds()).expect("saves");
    assert_eq!(file.load().expect("loads"), all_kinds());
    file.save(&[]).expect("saves");
    assert_eq!(file.load().expect("loads"), []);
    for text in ["", "# nothing yet\n\n", "decisions: []\n"] {
        fs::write(file.path(), text).expect("writes");
        assert_eq!(file.load().expect("loads"), [], "{text:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_survives(name in "\\PC*", id in "[^/]{1,20}", catalog in "[a-z]{1,5}", entity in "\\PC*") {
        let (_folder, file) = file();
        let mut row = decided(&id, &name, DecisionKind::Target { entity: EntityRef::from_canonical(entity) }, 1);
        row.0 = catalog;
        file.save(std::slice::from_ref(&row)).expect("saves");
        proptest::prop_assert_eq!(file.load().expect("loads"), vec![row]);
    }
}

/// A merge in git may leave two decisions about one repository.
#[test]
fn the_newest_decision_counts() {
    let (_folder, file) = file();
    let older = decided("{1}", "acme/web", DecisionKind::Ignored, 1);
    let newer = decided("{1}", "acme/web", DecisionKind::Target { entity: entity("web") }, 2);
    for both in [[older.clone(), newer.clone()], [newer.clone(), older.clone()]] {
        file.save(&both).expect("saves");
        assert_eq!(file.load().expect("loads"), std::slice::from_ref(&newer));
    }
}

#[track_caller]
fn check_malformed(text: &str, line: usize, because: &str) {
    let (_folder, file) = file();
    fs::write(file.path(), text).expect("writes");
    let error = file.load().expect_err("malformed");
    let DecisionsFileError::Malformed { line: told, message, .. } = &error else { panic!("{error:?}") };
    assert!(message.contains(because), "{message}");
    assert_eq!(*told, Some(line), "{message}");
    assert!(error.mend().is_some());
}

#[test]
fn a_malformed_file_is_refused_with_its_line() {
    let (_folder, file) = file();
    file.save(&all_kinds()).expect("saves");
    let good = fs::read_to_string(file.path()).expect("reads");
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    check_malformed("decisions: [", 2, "did not find expected");
    check_malformed("- what: is this\n", 1, "invalid type");
    check_malformed(&with("decision: undone", "decision: removed"), 21, "unknown variant `removed`");
    check_malformed(&with("repository: bitbucket.org/{2}", "repository: nonsense"), 5, "no repository's id");
    check_malformed(&with("  entity: component:default/api\n", ""), 5, "`entity` is missing");
    check_malformed(&with("  by: cli\n", "  by: cli\n  because: so\n"), 12, "unknown field `because`");
    check_malformed(&with("at: 2026", "at: yesterday 2026"), 10, "invalid characters");
}

#[cfg(unix)]
#[test]
fn mode_and_symbolic_link_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (folder, file) = file();
    let target = folder.path().join("in-git.yaml");
    fs::write(&target, "decisions: []\n").expect("writes");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).expect("sets");
    symlink(&target, file.path()).expect("links");
    file.save(&all_kinds()).expect("saves");
    assert!(fs::symlink_metadata(file.path()).expect("is there").is_symlink());
    assert_eq!(fs::metadata(&target).expect("is there").permissions().mode() & 0o777, 0o640);
    assert_eq!(file.load().expect("loads"), all_kinds());
    let names: Vec<_> = fs::read_dir(folder.path()).expect("lists").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 2, "no temporary file stays: {names:?}");
}

#[test]
fn an_equal_save_leaves_the_file_alone() {
    let (_folder, file) = file();
    file.save(&all_kinds()).expect("saves");
    let inode = |file: &DecisionsFile| fs::metadata(file.path()).expect("is there").modified().expect("told");
    let before = inode(&file);
    file.save(&all_kinds()).expect("saves");
    assert_eq!(inode(&file), before);
}

#[test]
fn a_folder_that_is_not_there_is_an_error_with_a_mend() {
    let (folder, _) = file();
    let file = DecisionsFile::open(folder.path().join("missing").join("decisions.yaml"));
    let error = file.save(&all_kinds()).expect_err("no folder");
    assert!(matches!(&error, DecisionsFileError::Io { doing: "written", .. }), "{error:?}");
    assert!(error.mend().is_some());
}

/// The file is people's as well: what they wrote beside rows stays, wherever we add, change or remove one.
#[test]
fn comments_of_people_survive_our_writes() {
    let (_folder, file) = file();
    file.save(&all_kinds()).expect("saves");
    let ours = fs::read_to_string(file.path()).expect("reads");
    let theirs = ours
        .replace("decisions:\n", "decisions: # ask the platform team\n# --- payments\n")
        .replace("  decision: unlinked\n", "  decision: unlinked   # see ticket 7\n")
        .replace("- catalog: main\n  full_name: acme/yes", "\n# never again\n- catalog: main\n  full_name: acme/yes")
        + "# the end, don't 'remove'\n";
    fs::write(file.path(), &theirs).expect("writes");
    file.save(&all_kinds()).expect("saves");
    assert_eq!(fs::read_to_string(file.path()).expect("reads"), theirs, "the same says nothing new");

    let mut decisions = all_kinds();
    decisions[1] = decided("{2}", "acme/api", DecisionKind::Ignored, 9);
    decisions.remove(2);
    decisions.push(decided("{0}", "acme/aaa", DecisionKind::Ignored, 8));
    decisions.push(decided("{9}", "acme/zzz", DecisionKind::Ignored, 8));
    file.save(&decisions).expect("saves");
    insta::assert_snapshot!(fs::read_to_string(file.path()).expect("reads"), @r#"
    # What people decided about repositories: ignored, unlinked, undone, chosen targets.
    # catalog-sync writes this file with each decision and reads it when it starts. Keep it in git.
    # A row that is deleted here takes its decision back; comments stay.
    decisions: # ask the platform team
    - catalog: main
      full_name: acme/aaa
      repository: bitbucket.org/{0}
      decision: ignored
      at: 2026-11-21T09:08:00Z
      by: cli
    # --- payments
    # see ticket 7
    - catalog: main
      full_name: acme/api
      repository: bitbucket.org/{2}
      decision: ignored
      at: 2026-11-21T09:09:00Z
      by: cli
    - catalog: main
      full_name: 'acme/web: "the" #1'
      repository: bitbucket.org/{1}
      decision: ignored
      at: 2026-11-21T09:01:00Z
      by: cli

    # never again
    - catalog: main
      full_name: acme/zzz
      repository: bitbucket.org/{9}
      decision: ignored
      at: 2026-11-21T09:08:00Z
      by: cli
    - catalog: second
      full_name: acme/web
      repository: bitbucket.org/{1}
      decision: target
      entity: component:default/w
      at: 2026-11-21T09:04:00Z
      by: cli
    # the end, don't 'remove'
    "#);
    decisions.sort_by(|a, b| (&a.0, &a.1.repo).cmp(&(&b.0, &b.1.repo)));
    assert_eq!(file.load().expect("loads"), decisions);

    file.save(&[]).expect("saves");
    let text = fs::read_to_string(file.path()).expect("reads");
    for note in
        ["# ask the platform team", "# --- payments", "# see ticket 7", "# never again", "# the end, don't 'remove'"]
    {
        assert_eq!(text.matches(note).count(), 1, "{note}\n{text}");
    }
    file.save(&decisions).expect("saves");
    assert_eq!(file.load().expect("loads"), decisions);
}

/// Whatever way it is written in.
#[test]
fn comments_survive_in_texts_of_another_style() {
    for text in [
        "# mine\ndecisions: [] # none\n",
        "# mine\n# none\n",
        "decisions:\n  # mine\n  - { catalog: main, full_name: acme/web, repository: 'bitbucket.org/{1}', decision: ignored, at: 2026-11-21T09:00:00Z, by: cli } # none\n",
        "decisions: [ # mine\n  {catalog: main, full_name: acme/web, repository: 'bitbucket.org/{1}',\n   decision: ignored, at: 2026-11-21T09:00:00Z, by: cli}, # none\n]",
    ] {
        let (_folder, file) = file();
        fs::write(file.path(), text).expect("writes");
        for decisions in [all_kinds(), Vec::new(), all_kinds()] {
            file.save(&decisions).expect("saves");
            assert_eq!(file.load().expect("loads"), decisions, "{text}");
            let now = fs::read_to_string(file.path()).expect("reads");
            assert!(now.contains("# mine") && now.contains("# none"), "{text}\n{now}");
        }
    }
}

#[test]
fn a_file_that_says_nothing_tells_nothing() {
    let (_folder, file) = file();
    assert_eq!(file.load_if_there().expect("loads"), None);
    for (text, told) in
        [("", None), ("# soon\n", None), ("decisions: []\n", Some(vec![])), ("decisions:\n", Some(vec![]))]
    {
        fs::write(file.path(), text).expect("writes");
        assert_eq!(file.load_if_there().expect("loads"), told, "{text:?}");
    }
}
