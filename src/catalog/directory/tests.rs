//! The catalog as its users meet it: real directories, real files.

mod cases;
mod corpus;
mod disturbed;
mod invented;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::model::{ImportAction, RepoKey};
use crate::plan::step::EditPurpose;
use crate::plan::{Change, Edit, FieldChange, FieldPath, NewEntity, Work};

pub(super) const PLAIN: &str =
    "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: pay # ours\nspec:\n  type: service\n";

pub(super) struct Scratch {
    pub dir: tempfile::TempDir,
    pub catalog: DirectoryCatalog,
}

impl Scratch {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        Self::with(files, |_| {})
    }

    pub(super) fn with(files: &[(&str, &str)], adjust: impl FnOnce(&mut DirectorySettings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            put(&dir.path().join(name), text);
        }
        let mut settings = DirectorySettings::new("main", dir.path());
        settings.new_entities = Some(PathBuf::from("bitbucket"));
        adjust(&mut settings);
        Self { catalog: DirectoryCatalog::open(settings), dir }
    }

    /// Looks at the whole catalog again before each new file.
    fn impatient(files: &[(&str, &str)]) -> Self {
        let scratch = Self::new(files);
        let settings = scratch.catalog.inner.settings.clone();
        Self { catalog: DirectoryCatalog::open_with(settings, steps::QUIET, 0), ..scratch }
    }

    pub(super) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    pub(super) fn put(&self, name: &str, text: &str) {
        put(&self.dir.path().join(name), text);
    }

    /// Names beneath the root that are not catalog files: there should be none after a step.
    pub(super) fn strays(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if name.starts_with(".catalog-sync") {
                    found.push(name);
                }
            }
        }
        found
    }
}

pub(super) fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Written aside and renamed, with an old date: no test has to wait until a file counts as quiet.
    let aside = path.with_extension("aside");
    fs::write(&aside, text).unwrap();
    let file = fs::File::options().write(true).open(&aside).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)).unwrap();
    fs::rename(&aside, path).unwrap();
}

pub(super) fn reference(name: &str) -> EntityRef {
    EntityRef::backstage("component", "default", name)
}

pub(super) fn set(path: &[&str], before: Option<Value>, value: Value) -> FieldChange {
    FieldChange { path: FieldPath::of(path), before, change: Change::Set { value }, is_mark: false }
}

pub(super) fn edit_step(name: &str, file: &str, fields: Vec<FieldChange>) -> Step {
    let place = Place { file: PathBuf::from(file), document: 0, line: 1, read_only_under: None };
    step(name, Work::Edit(Edit { place, fields, purpose: EditPurpose::Merge }))
}

fn step(name: &str, work: Work) -> Step {
    Step {
        repo: RepoKey::cloud("{u}"),
        full_name: format!("acme/{name}"),
        entity: reference(name),
        rule: None,
        action: ImportAction::Merge,
        work,
    }
}

fn register_step(name: &str, file: &str) -> Step {
    let document = json!({"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": name},
        "spec": {"type": "service", "lifecycle": "production", "owner": "unknown"}});
    let format = EntityFormat::Backstage;
    let new = NewEntity {
        format,
        kind: "Component".to_owned(),
        file: PathBuf::from(file),
        document,
        header: vec!["Made by catalog-sync.".to_owned()],
    };
    step(name, Work::Register(new))
}

fn mark() -> FieldChange {
    set(&["metadata", "annotations", "catalog-sync.dev/repository"], None, json!("bitbucket.org/{u}"))
}

// P4.9, P4.12: the diff is what apply does; applying again changes nothing.
#[tokio::test]
async fn an_edit_changes_its_lines_only() {
    let scratch = Scratch::new(&[("a/pay.yaml", PLAIN)]);
    scratch.catalog.read().await.unwrap();
    let step = edit_step("pay", "a/pay.yaml", vec![mark()]);
    let shown = scratch.catalog.diff(&step).await.unwrap();
    assert_eq!(scratch.text("a/pay.yaml"), PLAIN);
    let done = scratch.catalog.apply(&step).await.unwrap();
    assert_eq!(shown, done);
    insta::assert_snapshot!(done.files[0].diff, @r#"
    --- a/a/pay.yaml
    +++ b/a/pay.yaml
    @@ -2,5 +2,7 @@
     kind: Component
     metadata:
       name: pay # ours
    +  annotations:
    +    catalog-sync.dev/repository: "bitbucket.org/{u}"
     spec:
       type: service
    "#);
    assert_eq!(scratch.strays(), Vec::<String>::new());
    assert_eq!(scratch.catalog.apply(&step).await.unwrap().files, []);
    let entity = scratch.catalog.entity(&reference("pay")).await.unwrap().unwrap();
    assert_eq!(entity.place.line, 1);
}

// P4.2: a new file, made once.
#[tokio::test]
async fn registering_twice_is_the_same_as_once() {
    let scratch = Scratch::new(&[("a/pay.yaml", PLAIN)]);
    let step = register_step("web", "bitbucket/acme/core/web.yaml");
    let shown = scratch.catalog.diff(&step).await.unwrap();
    let done = scratch.catalog.apply(&step).await.unwrap();
    assert_eq!(shown, done);
    assert!(scratch.text("bitbucket/acme/core/web.yaml").starts_with("# Made by catalog-sync.\napiVersion: "));
    assert_eq!(scratch.catalog.apply(&step).await.unwrap().files, []);
    assert_eq!(scratch.strays(), Vec::<String>::new());
    let reading = scratch.catalog.read().await.unwrap();
    assert_eq!(reading.entity_refs, [reference("pay"), reference("web")]);
}

fn problems(reading: &Reading) -> Vec<String> {
    let line = |line: Option<usize>| line.map_or_else(String::new, |line| format!(":{line}"));
    let fault = |is_fault| if is_fault { "fault" } else { "by design" };
    reading
        .problems
        .iter()
        .map(|problem| {
            format!("{}{} {}: {}", problem.file.display(), line(problem.line), fault(problem.is_fault), problem.reason)
        })
        .collect()
}

fn refs(refs: &[EntityRef]) -> Vec<&str> {
    refs.iter().map(EntityRef::as_str).collect()
}

// P7.7, security.md "parsing": one bad document takes no other along; what is left alone is named.
#[tokio::test]
async fn a_reading_names_what_it_leaves_alone() {
    let bomb = format!(
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n{}",
        PLAIN.replace("pay", "bomb")
    );
    let large = format!("{}# {}\n", PLAIN.replace("pay", "large"), "x".repeat(1 << 20));
    let harness = "apiVersion: harness.io/v1\nkind: Component\nidentifier: Web_1\norgIdentifier: o\n";
    let scratch = Scratch::new(&[
        ("bad.yaml", &format!("{PLAIN}---\nkind: [broken\n---\n{}", PLAIN.replace("pay", "after"))),
        ("bom.yml", &format!("\u{FEFF}{}", PLAIN.replace("pay", "bom"))),
        ("bomb.yaml", &bomb),
        ("deep.yaml", &"[".repeat(100_000)),
        ("duplicate-key.yaml", "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: x\n  name: y\n"),
        ("harness.yaml", harness),
        ("large.yaml", &large),
        (
            "location.yaml",
            "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata:\n  name: all\nspec:\n  targets: ['*.yaml']\n",
        ),
        ("nameless.yaml", "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: 12\n"),
        ("other.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n---\n- 1\n---\n# nothing\n"),
        (
            "skeleton/a.yaml",
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: ${{ values.name }}\n",
        ),
        (
            "skeleton/b.yaml",
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {{ cookiecutter.name }}\n",
        ),
        (
            "skeleton/c.yaml",
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: c\n  description: shows {{ x }}\nspec:\n  type: service\n",
        ),
        (".git/config.yaml", PLAIN),
        ("node/.git/x.yaml", PLAIN),
        (".#lock.yaml", PLAIN),
        ("notes.txt", PLAIN),
    ]);
    fs::write(scratch.dir.path().join("latin.yaml"), b"apiVersion: backstage.io/v1alpha1\nkind: \xE9\n").unwrap();
    let reading = scratch.catalog.read().await.unwrap();
    assert_eq!(
        refs(&reading.entity_refs),
        [
            "component:account.o/Web_1",
            "component:default/after",
            "component:default/bom",
            "component:default/c",
            "component:default/pay",
        ]
    );
    insta::assert_snapshot!(problems(&reading).join("\n"), @r#"
    bad.yaml:9 fault: did not find expected ',' or ']', while parsing a flow sequence
    bomb.yaml:1 fault: repetition limit exceeded
    deep.yaml:1 fault: nested too deeply
    duplicate-key.yaml:4 fault: metadata: duplicate entry with key "name"
    large.yaml fault: larger than 1048576 bytes
    latin.yaml:2 fault: not UTF-8
    location.yaml:1 by design: a Location is not an entity to link
    nameless.yaml:1 fault: `metadata.name` is missing or not a string
    skeleton/a.yaml:1 by design: a template: it holds placeholders where values belong
    skeleton/b.yaml:1 by design: a template: it holds placeholders where values belong
    "#);
    assert_eq!(scratch.catalog.read().await.unwrap(), reading);
}

// P2.13: entities of a file that no longer parses count as still there, in this process and the next.
#[tokio::test]
async fn entities_of_a_file_that_stopped_parsing_are_remembered() {
    let two = format!("{PLAIN}---\n{}", PLAIN.replace("pay", "web"));
    let scratch = Scratch::new(&[("a.yaml", &two), ("b.yaml", &PLAIN.replace("pay", "gone"))]);
    scratch.catalog.read().await.unwrap();
    let snapshot = scratch.catalog.snapshot();

    scratch
        .put("a.yaml", &two.replace("kind: Component\nmetadata:\n  name: web", "kind: [Comp\nmetadata:\n  name: web"));
    fs::remove_file(scratch.dir.path().join("b.yaml")).unwrap();
    for _ in 0..2 {
        let reading = scratch.catalog.read().await.unwrap();
        assert_eq!(refs(&reading.entity_refs), ["component:default/pay"]);
        assert_eq!(refs(&reading.unreadable), ["component:default/web"]);
    }
    let next = DirectoryCatalog::open(DirectorySettings::new("main", scratch.dir.path()));
    next.restore(&serde_json::json!({"version": 9}));
    next.restore(&snapshot);
    assert_eq!(refs(&next.read().await.unwrap().unreadable), ["component:default/web"]);
    // A third process learns it from the second one's snapshot.
    let third = DirectoryCatalog::open(DirectorySettings::new("main", scratch.dir.path()));
    third.restore(&next.snapshot());
    assert_eq!(refs(&third.read().await.unwrap().unreadable), ["component:default/web"]);

    scratch.put("a.yaml", PLAIN);
    assert_eq!(scratch.catalog.read().await.unwrap().unreadable, []);
}

// P2.13: a root that is not there is an error, never an empty catalog.
#[tokio::test]
async fn a_missing_root_is_no_empty_catalog() {
    let scratch =
        Scratch::with(&[("a.yaml", PLAIN)], |settings| settings.also_read = vec![settings.root.join("absent")]);
    assert!(matches!(scratch.catalog.read().await, Err(CatalogError::Unreadable { .. })));
    let gone = DirectoryCatalog::open(DirectorySettings::new("main", scratch.dir.path().join("absent")));
    assert!(matches!(gone.read().await, Err(CatalogError::Unreadable { .. })));
    assert!(matches!(gone.entities(None, 5).await, Err(CatalogError::Unreadable { .. })));
}

#[tokio::test]
async fn equal_versions_mean_nothing_changed() {
    let scratch = Scratch::new(&[("a.yaml", PLAIN), ("b/c.yaml", &PLAIN.replace("pay", "web"))]);
    let first = scratch.catalog.read().await.unwrap().version;
    assert_eq!(scratch.catalog.read().await.unwrap().version, first);
    let again = DirectoryCatalog::open(DirectorySettings::new("main", scratch.dir.path()));
    assert_eq!(again.read().await.unwrap().version, first);
    scratch.put("a.yaml", &PLAIN.replace("service", "library"));
    let second = scratch.catalog.read().await.unwrap().version;
    assert_ne!(second, first);
    // Our own writes count as well.
    scratch.catalog.apply(&edit_step("pay", "a.yaml", vec![mark()])).await.unwrap();
    assert_ne!(scratch.catalog.read().await.unwrap().version, second);
}

#[tokio::test]
async fn entities_come_in_order_by_pages() {
    let many: Vec<String> = (0..7).map(|n| PLAIN.replace("pay", &format!("e{n}"))).collect();
    let scratch = Scratch::new(&[("z.yaml", &many[..4].join("---\n")), ("a.yaml", &many[4..].join("---\n"))]);
    let reading = scratch.catalog.read().await.unwrap();
    let (mut seen, mut after): (Vec<EntityRef>, Option<EntityRef>) = (Vec::new(), None);
    loop {
        let page = scratch.catalog.entities(after.as_ref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.entity_ref.clone());
        seen.extend(page.into_iter().map(|entity| entity.entity_ref));
    }
    assert_eq!(seen, reading.entity_refs);
    let third = scratch.catalog.entity(&reference("e2")).await.unwrap().unwrap();
    assert_eq!((third.place.document, third.place.line), (2, 15));
    assert_eq!(scratch.catalog.entity(&reference("none")).await.unwrap(), None);
    assert_eq!(scratch.catalog.abilities().format, EntityFormat::Backstage);
}

// P7.7: `also_read` is matched, its names are taken, and it is never written.
#[tokio::test]
async fn also_read_is_never_written() {
    let other = Scratch::new(&[("x.yaml", &PLAIN.replace("pay", "theirs")), ("y.yaml", PLAIN)]);
    let scratch =
        Scratch::with(&[("a.yaml", PLAIN)], |settings| settings.also_read = vec![other.dir.path().to_owned()]);
    let reading = scratch.catalog.read().await.unwrap();
    assert_eq!(refs(&reading.entity_refs), ["component:default/pay", "component:default/theirs"]);
    assert_eq!(reading.duplicates.len(), 1);
    let theirs = scratch.catalog.entity(&reference("theirs")).await.unwrap().unwrap();
    assert!(!theirs.is_writable());
    assert!(scratch.catalog.entity(&reference("pay")).await.unwrap().unwrap().is_writable());

    let mut step = edit_step("theirs", "x.yaml", vec![mark()]);
    assert!(matches!(scratch.catalog.apply(&step).await, Err(CatalogError::Missing { .. })));
    if let Work::Edit(edit) = &mut step.work {
        edit.place = theirs.place.clone();
    }
    assert!(matches!(scratch.catalog.apply(&step).await, Err(CatalogError::ReadOnly { .. })));
    let taken = scratch.catalog.apply(&register_step("theirs", "bitbucket/theirs.yaml")).await;
    assert!(matches!(taken, Err(CatalogError::Exists { .. })));
    assert_eq!(other.text("x.yaml"), PLAIN.replace("pay", "theirs"));
}

#[tokio::test]
async fn duplicates_are_named_and_not_written() {
    let scratch = Scratch::new(&[("a.yaml", PLAIN), ("b.yaml", &format!("# copy\n{PLAIN}"))]);
    let reading = scratch.catalog.read().await.unwrap();
    assert_eq!(reading.duplicates, [(reference("pay"), vec!["a.yaml:1".to_owned(), "b.yaml:2".to_owned()])]);
    let result = scratch.catalog.apply(&edit_step("pay", "a.yaml", vec![mark()])).await;
    assert!(matches!(result, Err(CatalogError::Refused { .. })));
    assert_eq!(scratch.text("a.yaml"), PLAIN);
}

// security.md "paths": links inside are edited at their target, those that leave are refused.
#[tokio::test]
async fn links_are_followed_inside_only() {
    use std::os::unix::fs::symlink;
    let outside = Scratch::new(&[("secret.yaml", &PLAIN.replace("pay", "secret"))]);
    let scratch = Scratch::new(&[("real/pay.yaml", PLAIN), ("real/data", &PLAIN.replace("pay", "web"))]);
    let root = scratch.dir.path();
    symlink("real/pay.yaml", root.join("link.yaml")).unwrap();
    symlink("real/data", root.join("web.yaml")).unwrap();
    symlink(outside.dir.path().join("secret.yaml"), root.join("secret.yaml")).unwrap();
    symlink(outside.dir.path(), root.join("folder")).unwrap();
    symlink("nowhere", root.join("dangling.yaml")).unwrap();
    let reading = scratch.catalog.read().await.unwrap();
    assert_eq!(refs(&reading.entity_refs), ["component:default/pay", "component:default/web"]);
    assert_eq!(reading.duplicates, []);
    insta::assert_snapshot!(problems(&reading).join("\n"), @r#"
    dangling.yaml fault: a link that leads nowhere
    folder fault: a link that leads out of the catalog; not followed
    secret.yaml fault: a link that leads out of the catalog; not followed
    "#);

    scratch.catalog.apply(&edit_step("web", "web.yaml", vec![mark()])).await.unwrap();
    assert!(fs::symlink_metadata(root.join("web.yaml")).unwrap().is_symlink());
    assert!(scratch.text("real/data").contains("catalog-sync.dev/repository"));
    scratch.catalog.apply(&edit_step("pay", "link.yaml", vec![mark()])).await.unwrap();
    assert!(scratch.text("real/pay.yaml").contains("catalog-sync.dev/repository"));

    for place in
        ["secret.yaml", "folder/secret.yaml", "../secret.yaml", "/etc/passwd", ".git/x.yaml", "real/../../x.yaml"]
    {
        let result = scratch.catalog.apply(&edit_step("secret", place, vec![mark()])).await;
        assert!(
            matches!(result, Err(CatalogError::Refused { .. } | CatalogError::Missing { .. })),
            "{place}: {result:?}"
        );
    }
    assert!(!outside.text("secret.yaml").contains("catalog-sync"));
    symlink(outside.dir.path(), root.join("bitbucket")).unwrap();
    let result = scratch.catalog.apply(&register_step("new", "bitbucket/new.yaml")).await;
    assert!(result.is_err());
    assert!(!outside.dir.path().join("new.yaml").exists());
}

// P4.10: nothing is applied while somebody works in the git tree, nor after HEAD moved.
#[tokio::test]
async fn a_busy_git_tree_is_left_alone() {
    let scratch = Scratch::new(&[
        ("catalog/a.yaml", PLAIN),
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/refs/heads/main", "aaaa\n"),
    ]);
    let mut settings = DirectorySettings::new("main", scratch.dir.path().join("catalog"));
    settings.new_entities = Some(PathBuf::from("new"));
    let catalog = DirectoryCatalog::open(settings);
    catalog.read().await.unwrap();
    let edit = edit_step("pay", "a.yaml", vec![mark()]);
    let register = register_step("web", "new/web.yaml");
    let busy = |result: Result<Applied, CatalogError>| matches!(result, Err(error @ CatalogError::Busy { .. }) if error.is_transient());
    for sign in ["index.lock", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"] {
        scratch.put(&format!(".git/{sign}"), "");
        assert!(busy(catalog.apply(&edit).await), "{sign}");
        assert!(busy(catalog.apply(&register).await), "{sign}");
        fs::remove_file(scratch.dir.path().join(".git").join(sign)).unwrap();
    }
    scratch.put(".git/refs/heads/main", "bbbb\n");
    assert!(busy(catalog.apply(&edit).await));
    assert_eq!(scratch.text("catalog/a.yaml"), PLAIN);
    catalog.read().await.unwrap();
    assert_eq!(catalog.apply(&edit).await.unwrap().files.len(), 1);
    assert_eq!(catalog.apply(&register).await.unwrap().files.len(), 1);
}

// section 9 "Registering", security.md "paths": names taken, files there, and places nobody may name.
#[tokio::test]
async fn registering_never_overwrites_nor_leaves() {
    let scratch =
        Scratch::new(&[("a.yaml", PLAIN), ("bitbucket/Acme/x.yaml", ""), ("bitbucket/there.yaml", "# a note\n")]);
    let error = |result: Result<Applied, CatalogError>| match result.unwrap_err() {
        CatalogError::Exists { file } => format!("exists: {file}"),
        CatalogError::Invalid { because, .. } => format!("invalid: {because}"),
        other => format!("{other:?}"),
    };
    for (name, file, wanted) in [
        ("pay", "bitbucket/pay.yaml", "exists: component:default/pay in a.yaml:1"),
        ("new", "bitbucket/there.yaml", "exists: bitbucket/there.yaml"),
        ("new", "bitbucket/acme/new.yaml", "invalid: ./bitbucket/Acme is there already, which differs only in case"),
        ("new", "elsewhere/new.yaml", "invalid: it lies outside of `new_entities`"),
        ("new", "bitbucket/../new.yaml", "invalid: it leads elsewhere"),
        ("new", "bitbucket/.git/new.yaml", "invalid: a part of it is not `[a-z0-9][a-z0-9._-]{0,62}`"),
        ("new", "bitbucket/New.yaml", "invalid: a part of it is not `[a-z0-9][a-z0-9._-]{0,62}`"),
        ("new", "bitbucket/new.txt", "invalid: its name does not end in .yaml"),
        ("new", "bitbucket", "invalid: it leads elsewhere"),
    ] {
        assert_eq!(error(scratch.catalog.apply(&register_step(name, file)).await), wanted, "{file}");
        assert_eq!(error(scratch.catalog.diff(&register_step(name, file)).await), wanted, "{file}");
    }
    assert_eq!(scratch.text("bitbucket/there.yaml"), "# a note\n");
    // A step whose document is another entity's.
    let mut step = register_step("new", "bitbucket/new.yaml");
    step.entity = reference("other");
    assert!(matches!(scratch.catalog.apply(&step).await, Err(CatalogError::Invalid { .. })));
}

// A disk that does not take it: an error, and no half of anything.
#[tokio::test]
async fn what_cannot_be_written_leaves_nothing_behind() {
    let scratch = Scratch::new(&[("a.yaml", PLAIN), ("bitbucket", "a file where a folder should be")]);
    let result = scratch.catalog.apply(&register_step("web", "bitbucket/web.yaml")).await;
    assert!(
        matches!(&result, Err(error @ CatalogError::Io { .. }) if error.is_transient() && error.mend().is_some()),
        "{result:?}"
    );
    assert_eq!(scratch.strays(), Vec::<String>::new());
    scratch.catalog.probe_write().await.unwrap();
    assert_eq!(scratch.strays(), Vec::<String>::new());
    let read_only = DirectoryCatalog::open(DirectorySettings::new("main", "/proc/self"));
    assert!(matches!(read_only.probe_write().await, Err(CatalogError::Io { .. })));
}

// P4.10: the mode stays; what a crash left is cleaned up, unless it holds somebody's text.
#[tokio::test]
async fn modes_stay_and_crashes_are_cleaned_up_after() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new(&[("a.yaml", PLAIN)]);
    let file = scratch.dir.path().join("a.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    let step = edit_step("pay", "a.yaml", vec![mark()]);
    scratch.catalog.apply(&step).await.unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o604);

    // Left by processes that are gone, however short ago.
    let at = |name: &str| scratch.dir.path().join(name);
    let new = |n: u64| format!(".catalog-sync-new-{n:016x}.tmp");
    let hash = hex::encode(&write::hash(b"old")[..8]);
    let replaced = |n: u64| format!(".catalog-sync-{hash}-{:016x}-{n:016x}.tmp", 0xffff);
    fs::write(at(&new(1)), "half").unwrap();
    scratch.put(&format!("bitbucket/acme/{}", new(2)), "half");
    fs::write(at(&replaced(2)), "old").unwrap();
    // Not ours to take: another text, another name, a process at work.
    fs::write(at(&replaced(3)), "somebody's").unwrap();
    let theirs = [".catalog-sync-new-notes.tmp", ".catalog-sync-new-1.tmp.bak", ".catalog-sync.tmp"];
    theirs.iter().for_each(|name| fs::write(at(name), "theirs").unwrap());
    fs::write(at(&new(4)), "being written").unwrap();
    let at_work = fs::File::open(at(&new(4))).unwrap();
    at_work.lock().unwrap();

    let before = scratch.strays().len();
    let reading = scratch.catalog.read().await.unwrap();
    assert_eq!(scratch.strays().len(), before, "looking takes nothing away");
    assert_eq!(reading.problems.len(), 1, "{:?}", reading.problems);
    assert!(reading.problems[0].is_fault && reading.problems[0].file == Path::new(&replaced(3)));
    scratch.catalog.tidy().await.unwrap();
    let mut strays = scratch.strays();
    strays.sort();
    let mut stay: Vec<String> = theirs.map(str::to_owned).into();
    stay.extend([replaced(3), new(4)]);
    stay.sort();
    assert_eq!(strays, stay);
    // It was killed as well.
    drop(at_work);
    scratch.catalog.read().await.unwrap();
    scratch.catalog.tidy().await.unwrap();
    assert!(!at(&new(4)).exists());
}

// P4.2, P3.7: an entity that appeared since the reading is not doubled, wherever it lies.
#[tokio::test]
async fn an_entity_that_appeared_since_the_reading_is_not_doubled() {
    let scratch = Scratch::impatient(&[("a.yaml", PLAIN)]);
    scratch.catalog.read().await.unwrap();
    scratch.put("team/late.yaml", &PLAIN.replace("name: pay", "name: late"));
    let step = register_step("late", "bitbucket/acme/pay/late.yaml");
    let result = scratch.catalog.apply(&step).await;
    assert!(matches!(&result, Err(CatalogError::Exists { file }) if file.contains("team/late.yaml")), "{result:?}");
    assert!(!scratch.dir.path().join("bitbucket").exists());
    scratch.put("team/broken.yaml", "kind: Component\nmetadata:\n  name: web\n  x: [\n");
    let result = scratch.catalog.apply(&register_step("web", "bitbucket/acme/pay/web.yaml")).await;
    assert!(matches!(&result, Err(CatalogError::Claimed { .. })), "{result:?}");
}

// What is taken up file by file after writes is what a new reading finds.
#[tokio::test]
async fn the_index_after_writes_is_that_of_a_new_reading() {
    let both = format!("{PLAIN}---\n{}", PLAIN.replace("name: pay", "name: web"));
    let scratch = Scratch::new(&[("a.yaml", PLAIN), ("b.yaml", &both), ("c.yaml", "x: [")]);
    scratch.catalog.read().await.unwrap();
    for name in ["zebra", "ant", "mid"] {
        let file = format!("bitbucket/acme/pay/{name}.yaml");
        scratch.catalog.apply(&register_step(name, &file)).await.unwrap();
        scratch.catalog.apply(&edit_step(name, &file, vec![mark()])).await.unwrap();
    }
    scratch.catalog.apply(&edit_step("web", "b.yaml", vec![mark()])).await.unwrap();
    let known = scratch.catalog.entities(None, 100).await.unwrap();
    let anew = DirectoryCatalog::open(scratch.catalog.inner.settings.clone());
    let reading = anew.read().await.unwrap();
    assert_eq!(known, anew.entities(None, 100).await.unwrap());
    let again = scratch.catalog.read().await.unwrap();
    assert_eq!(reading, again);
    assert_eq!(again.duplicates.len(), 1);
}

// P4.9: what changed since the plan was made is not written over.
#[tokio::test]
async fn a_field_that_changed_since_is_theirs() {
    let scratch = Scratch::new(&[("a.yaml", PLAIN)]);
    scratch.catalog.read().await.unwrap();
    let step = edit_step("pay", "a.yaml", vec![set(&["spec", "type"], Some(json!("service")), json!("library"))]);
    scratch.put("a.yaml", &PLAIN.replace("service", "website"));
    let result = scratch.catalog.apply(&step).await;
    assert!(matches!(&result, Err(error @ CatalogError::Changed { .. }) if error.is_transient()), "{result:?}");
    assert_eq!(scratch.text("a.yaml"), PLAIN.replace("service", "website"));
    // A document that moved is found again by its name.
    fs::rename(scratch.dir.path().join("a.yaml"), scratch.dir.path().join("b.yaml")).unwrap();
    scratch.put("b.yaml", &format!("x: 1\n---\n{PLAIN}"));
    scratch.catalog.read().await.unwrap();
    scratch.catalog.apply(&step).await.unwrap();
    assert_eq!(scratch.text("b.yaml"), format!("x: 1\n---\n{}", PLAIN.replace("service", "library")));
}

// P4.9: a file that ends without a line break goes on doing so, also where an empty line stood before what went.
#[tokio::test]
async fn removing_the_last_list_leaves_the_end_of_the_file_as_it_was() {
    let text = format!("{}\n\n  l:\n    - one\n    - two", PLAIN.trim_end());
    let scratch = Scratch::new(&[("a.yaml", &text)]);
    scratch.catalog.read().await.unwrap();
    let gone = FieldChange {
        path: FieldPath::of(&["spec", "l"]),
        before: Some(json!(["one", "two"])),
        change: Change::Remove,
        is_mark: false,
    };
    scratch.catalog.apply(&edit_step("pay", "a.yaml", vec![gone])).await.unwrap();
    assert_eq!(scratch.text("a.yaml"), PLAIN.trim_end());
}

// P4.9: a block scalar goes whole, with the blank lines behind its text.
#[tokio::test]
async fn a_block_scalar_with_blank_lines_behind_it_can_be_removed() {
    let text = PLAIN.replace("spec:\n", "spec:\n  l: |\n    text\n    \n");
    let scratch = Scratch::new(&[("a.yaml", &text)]);
    scratch.catalog.read().await.unwrap();
    let before = scratch.catalog.entity(&reference("pay")).await.unwrap().unwrap().document["spec"]["l"].clone();
    let gone = FieldChange {
        path: FieldPath::of(&["spec", "l"]),
        before: Some(before),
        change: Change::Remove,
        is_mark: false,
    };
    scratch.catalog.apply(&edit_step("pay", "a.yaml", vec![gone])).await.unwrap();
    assert_eq!(scratch.text("a.yaml").replace("    \n", ""), PLAIN);
}
