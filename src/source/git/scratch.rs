//! Scratch repositories: bare, commits alone, kept between syncs so that only what is new has to come. They are a cache:
//! whatever is wrong with one, it is thrown away and fetched anew.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::GitError;
use super::error::words;
use super::log::{self, Row};
use super::process::size_of;
use super::remote::{self, Remote};
use super::ssh::make_folder;
use sha2::{Digest as _, Sha256};

use crate::model::{IntegrationKey, RepoKey, Repository};

/// Each fetch leaves a pack; with so many the repository is fetched anew.
const MOST_PACKS: usize = 50;
/// A fetch deeper than before is this much deeper.
const DEEPER: u64 = 4;
const NOT_OUR_REF: &str = "not our ref ";
const NO_SUCH_BRANCH: &str = "couldn't find remote ref";
const FILTER_IGNORED: &str = "filtering not recognized by server";

/// What is remembered beside git's own files.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct State {
    /// How many commits of each path were asked for.
    depth: u64,
}

/// What a fetch found out about a server, kept between syncs.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Learned {
    /// When it was seen to send whole files though only commits were asked for.
    pub unfiltered_at: Option<DateTime<Utc>>,
}

/// What came of a fetch.
#[derive(Debug)]
pub(super) enum Fetched {
    Whole,
    /// The server has no branch of that name.
    NoSuchBranch,
    /// The server does not know these commits; the others came.
    Unknown(Vec<String>),
}

/// One scratch repository.
pub(super) struct Scratch {
    pub path: PathBuf,
    first_depth: u64,
}

/// Rows as far as they are sure.
pub(super) struct Rows {
    pub rows: Vec<Row>,
    /// Nothing follows.
    pub is_end: bool,
    /// What follows is not here yet.
    pub needs_deeper: bool,
}

impl Scratch {
    pub fn of(folder: &Path, key: &RepoKey, first_depth: u64) -> Self {
        Self { path: folder.join(format!("{}.git", file_name(key))), first_depth }
    }

    pub fn is_there(&self) -> bool {
        self.state().is_some()
    }

    fn state(&self) -> Option<State> {
        read_json(&self.path.join("catalog-sync.json"))
    }

    fn failure_file(&self) -> PathBuf {
        self.path.with_extension("failed")
    }

    /// When git failed for it last.
    pub fn failed_at(&self) -> Option<DateTime<Utc>> {
        read_json(&self.failure_file())
    }

    pub fn remember_failure(&self, now: DateTime<Utc>) {
        // Forgotten, it costs another attempt.
        let _ = write_json(&self.failure_file(), &now);
    }

    /// Throws it away.
    pub fn remove(&self) {
        let _ = fs::remove_dir_all(&self.path);
    }

    /// Whether so many fetches went into it that it is better made anew.
    pub fn is_worn(&self) -> bool {
        let packs = fs::read_dir(self.path.join("objects/pack")).into_iter().flatten().flatten();
        packs.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "pack")).count()
            >= MOST_PACKS
    }

    /// An empty bare repository, as `git init` makes one but for what nobody reads.
    fn init(&self) -> Result<(), GitError> {
        self.remove();
        make_folder(&self.path)?;
        let made = || {
            fs::create_dir(self.path.join("objects"))?;
            fs::create_dir(self.path.join("refs"))?;
            fs::write(self.path.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
            fs::write(self.path.join("HEAD"), "ref: refs/heads/none\n")
        };
        made().map_err(|source| GitError::Folder { path: self.path.clone(), source })
    }

    /// Brings a branch's newest commits, as deep as before.
    pub async fn fetch_branch(&self, remote: &mut Remote<'_>, reference: &str) -> Result<(Fetched, bool), GitError> {
        let depth = self.state().map_or(self.first_depth, |state| state.depth);
        self.fetch(remote, &[format!("+{reference}:refs/catalog-sync/tip")], depth).await
    }

    /// Brings these commits, and what is beneath them.
    pub async fn fetch_commits(&self, remote: &mut Remote<'_>, hashes: &[String]) -> Result<(Fetched, bool), GitError> {
        let depth = self.state().map_or(self.first_depth, |state| state.depth);
        self.fetch_at(remote, hashes, depth).await
    }

    /// Brings what is beneath these commits, deeper than before.
    pub async fn deepen(&self, remote: &mut Remote<'_>, hashes: &[String]) -> Result<(Fetched, bool), GitError> {
        let depth = self.state().map_or(self.first_depth, |state| state.depth).saturating_mul(DEEPER);
        self.fetch_at(remote, hashes, depth).await
    }

    async fn fetch_at(
        &self,
        remote: &mut Remote<'_>,
        hashes: &[String],
        depth: u64,
    ) -> Result<(Fetched, bool), GitError> {
        let mut wanted: Vec<String> = hashes.to_vec();
        let mut unknown = Vec::new();
        let mut is_unfiltered = false;
        while !wanted.is_empty() {
            let refs: Vec<String> = wanted.iter().map(|hash| format!("+{hash}:refs/catalog-sync/at/{hash}")).collect();
            match self.fetch(remote, &refs, depth).await {
                Ok((fetched, ignored)) => {
                    is_unfiltered |= ignored;
                    match fetched {
                        // The server names one at a time.
                        Fetched::Unknown(named) => {
                            wanted.retain(|hash| !named.contains(hash));
                            unknown.extend(named);
                        }
                        fetched if unknown.is_empty() => return Ok((fetched, is_unfiltered)),
                        _ => break,
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok((Fetched::Unknown(unknown), is_unfiltered))
    }

    /// What came, and whether the server sent files, too.
    async fn fetch(&self, remote: &mut Remote<'_>, refs: &[String], depth: u64) -> Result<(Fetched, bool), GitError> {
        if !self.is_there() {
            self.init()?;
        }
        // What is here as a whole stays whole; the rest is bounded by its depth.
        let is_whole = self.is_there() && self.boundary().is_empty();
        let deep = format!("--depth={depth}");
        let mut arguments = vec![
            "-c",
            "gc.auto=0",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "fetch.unpackLimit=1",
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-auto-maintenance",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--filter=tree:0",
        ];
        if !is_whole {
            arguments.push(&deep);
        }
        arguments.extend(["--", "origin"]);
        arguments.extend(refs.iter().map(String::as_str));
        let limits = remote.settings.limits;
        let watched = Some((self.path.clone(), limits.bytes));
        let result = remote.ask(Some(&self.path), &arguments, limits.fetch, watched).await;
        let done = match result {
            Ok(done) => done,
            Err(GitError::Failed { message, .. }) if message.contains(NOT_OUR_REF) => {
                let named = message.split(NOT_OUR_REF).skip(1);
                let mut named: Vec<String> = named
                    .filter_map(|rest| rest.split(|c: char| !c.is_ascii_hexdigit()).next())
                    .filter(|hash| log::is_hash(hash))
                    .map(str::to_owned)
                    .collect();
                named.sort_unstable();
                named.dedup();
                if named.is_empty() {
                    return Err(GitError::Failed { url: remote.url.clone(), message });
                }
                return Ok((Fetched::Unknown(named), false));
            }
            Err(GitError::Failed { message, .. }) if message.contains(NO_SUCH_BRANCH) => {
                return Ok((Fetched::NoSuchBranch, false));
            }
            Err(error) => {
                // What a fetch that was cut off left behind.
                if matches!(error, GitError::TooLarge { .. } | GitError::TimedOut { .. }) {
                    self.remove();
                }
                return Err(error);
            }
        };
        if size_of(&self.path) > limits.bytes {
            self.remove();
            return Err(GitError::TooLarge { url: remote.url.clone(), limit_bytes: limits.bytes });
        }
        write_json(&self.path.join("catalog-sync.json"), &State { depth })
            .map_err(|source| GitError::Folder { path: self.path.clone(), source })?;
        let is_unfiltered = done.stderr.contains(FILTER_IGNORED);
        Ok((Fetched::Whole, is_unfiltered))
    }

    /// The newest date at which what these commits reach is cut off; `None`: nowhere.
    async fn floor(
        &self,
        remote: &Remote<'_>,
        boundary: &HashSet<String>,
        commits: &[&[String]],
    ) -> Result<Option<i64>, GitError> {
        if boundary.is_empty() {
            return Ok(None);
        }
        // To git, a commit whose parents are not here has none.
        let mut arguments = vec!["log", "--max-parents=0", "--format=%H %ct"];
        arguments.extend(commits.iter().copied().flatten().map(String::as_str));
        arguments.push("--");
        let done = remote::local(remote, &self.path, &arguments).await?;
        if !done.is_success {
            return Err(GitError::Failed { url: remote.url.clone(), message: words(&done.stderr) });
        }
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let roots = text.lines().filter_map(|line| line.split_once(' '));
        Ok(roots.filter(|(hash, _)| boundary.contains(*hash)).filter_map(|(_, date)| date.parse().ok()).max())
    }

    /// Commits whose parents are not here.
    fn boundary(&self) -> HashSet<String> {
        let text = fs::read_to_string(self.path.join("shallow")).unwrap_or_default();
        text.lines().map(str::trim).filter(|line| log::is_hash(line)).map(str::to_owned).collect()
    }

    /// Where the branch stood at the last fetch.
    pub fn tip(&self) -> Option<String> {
        let text = fs::read_to_string(self.path.join("refs/catalog-sync/tip")).ok()?;
        Some(text.trim().to_owned()).filter(|hash| log::is_hash(hash))
    }

    /// Which of these commits are not here.
    pub async fn missing(&self, remote: &Remote<'_>, hashes: &[String]) -> Result<Vec<String>, GitError> {
        let mut missing = Vec::new();
        for hash in hashes {
            let object = format!("{hash}^{{commit}}");
            if !self.is_there() || !remote::local(remote, &self.path, &["cat-file", "-e", &object]).await?.is_success {
                missing.push(hash.clone());
            }
        }
        Ok(missing)
    }

    /// Rows of a walk, newest first, children before their parents; `None`: it names commits that are not here.
    pub async fn rows(
        &self,
        remote: &Remote<'_>,
        repo: &Repository,
        (heads, exclude): (&[String], &[String]),
        most: usize,
    ) -> Result<Option<Rows>, GitError> {
        if !self.is_there() {
            return Ok(None);
        }
        let count = format!("--max-count={}", most + 1);
        let excluded: Vec<String> = exclude.iter().map(|hash| format!("^{hash}")).collect();
        let mut arguments = vec!["log", "-z", "--date-order", log::FORMAT, "--encoding=UTF-8", &count];
        arguments.extend(heads.iter().chain(&excluded).map(String::as_str));
        arguments.push("--");
        let done = remote::local(remote, &self.path, &arguments).await?;
        if !done.is_success {
            return Ok(None);
        }
        let failed = |message| GitError::Failed { url: remote.url.clone(), message };
        let mut rows = log::rows(&done.stdout, repo).map_err(failed)?;
        let is_end = rows.len() <= most;
        rows.truncate(most);
        // Beneath the cut there may be commits that are newer than what follows here, or that leave it out.
        let boundary = self.boundary();
        let floor = self.floor(remote, &boundary, &[heads, exclude]).await?;
        let is_above = |row: &Row, floor| row.seconds > floor || row.seconds == floor && exclude.is_empty();
        let is_sure =
            |row: &Row| floor.is_none_or(|floor| is_above(row, floor)) && !boundary.contains(&row.commit.hash);
        let sure = rows.iter().take_while(|row| is_sure(row)).count();
        let needs_deeper = sure < rows.len();
        rows.truncate(sure);
        Ok(Some(Rows { rows, is_end: is_end && !needs_deeper, needs_deeper }))
    }
}

/// The folder of an integration's scratch repositories: a name for people, and what makes it this one's.
pub fn folder_name(key: &IntegrationKey) -> String {
    let plain: String =
        key.workspace.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(40).collect();
    let digest = Sha256::digest(format!("{}\0{}\0{}", key.instance, key.workspace, key.catalog));
    let name = if plain.is_empty() { "all" } else { &plain };
    format!("{name}-{}", hex::encode(&digest[..8]))
}

/// What was learned about the server of these repositories.
pub(super) fn learned(folder: &Path) -> Learned {
    read_json(&folder.join("server.json")).unwrap_or_default()
}

pub(super) fn remember(folder: &Path, learned: Learned) {
    // Forgotten, it costs another attempt.
    let _ = write_json(&folder.join("server.json"), &learned);
}

/// Removes the scratch repositories of all but these.
///
/// # Errors
/// The file system's; a folder that is not there is fine.
pub fn keep_only(folder: &Path, keys: &[&RepoKey]) -> std::io::Result<()> {
    let kept: BTreeSet<String> = keys.iter().map(|key| file_name(key)).collect();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("git") if !kept.contains(&stem) => fs::remove_dir_all(&path)?,
            Some("failed") if !kept.contains(&stem) => fs::remove_file(&path)?,
            _ => {}
        }
    }
    Ok(())
}

/// The id without its braces: Cloud's uuids and Data Center's numbers are fit for a file name.
fn file_name(key: &RepoKey) -> String {
    let plain: String = key.id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let is_plain = plain.len() + 2 >= key.id.len() && !plain.is_empty();
    if is_plain { plain } else { hex::encode(key.id.as_bytes()) }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> std::io::Result<()> {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, serde_json::to_vec(value)?)?;
    fs::rename(fresh, path)
}
