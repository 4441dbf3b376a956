//! The catalog as its users meet it: real directories, real files.

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
