//! A world's commits as git keeps them: the same commits over the REST API and over the git protocol, hash for hash.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::{fs, io};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::{Digest as _, Sha1};

use super::history::{Commit, History};
use super::world::{Person, World};

/// The tree without entries, which every git knows; the world's repositories hold no files.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// The hash git gives a commit.
pub(super) fn hash(commit: &Commit, history: &History, people: &[Person]) -> String {
    hex::encode(Sha1::digest(framed("commit", &body(commit, history, people))))
}

fn body(commit: &Commit, history: &History, people: &[Person]) -> Vec<u8> {
    let parents: String = commit.parents.iter().map(|at| format!("parent {}\n", history.commits[*at].hash)).collect();
    let (name, email) = people
        .get(commit.author.0)
        .map_or(("Nobody", "nobody@example.org"), |person| (person.name.as_str(), person.email.as_str()));
    let (seconds, offset) = (commit.date.timestamp(), commit.date.format("%z"));
    let signed = format!("{name} <{email}> {seconds} {offset}");
    let (nonce, message) = (commit.nonce, &commit.message);
    // git keeps headers that it does not know.
    format!("tree {EMPTY_TREE}\n{parents}author {signed}\ncommitter {signed}\nnonce {nonce:016x}\n\n{message}")
        .into_bytes()
}

fn framed(kind: &str, body: &[u8]) -> Vec<u8> {
    let mut object = format!("{kind} {}\0", body.len()).into_bytes();
    object.extend_from_slice(body);
    object
}

fn write(objects: &Path, hash: &str, object: &[u8]) -> io::Result<()> {
    let folder = objects.join(&hash[..2]);
    fs::create_dir_all(&folder)?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(object)?;
    fs::write(folder.join(&hash[2..]), encoder.finish()?)
}

impl World {
    /// Names all commits, those made from now on included, by the hashes git gives them, so that
    /// [`World::write_git`] makes repositories with the same commits.
    pub fn use_git_hashes(&mut self) {
        self.has_git_hashes = true;
        for at in 0..self.repositories.len() {
            if !self.repositories[at].deleted {
                self.hash_as_git(at);
            }
        }
    }

    /// Parents come before their children, so one pass does.
    pub(super) fn hash_as_git(&mut self, at: usize) {
        // One made from a seed is written down with the people it knows.
        self.written(at);
        let people = std::mem::take(&mut self.people);
        let written = self.written(at);
        let mut renamed = HashMap::new();
        for place in 0..written.history.commits.len() {
            let new = hash(&written.history.commits[place], &written.history, &people);
            let old = std::mem::replace(&mut written.history.commits[place].hash, new.clone());
            renamed.insert(old, new);
        }
        for pull_request in &mut written.pull_requests {
            let named =
                [&mut pull_request.source_commit, &mut pull_request.target_commit, &mut pull_request.merge_commit];
            for hash in named.into_iter().flatten() {
                if let Some(new) = renamed.get(hash) {
                    hash.clone_from(new);
                }
            }
        }
        self.people = people;
    }

    /// Writes a repository as a bare git repository, in place of what is there: each commit the server knows, and the
    /// branches. Ask for [`World::use_git_hashes`] first.
    ///
    /// # Errors
    /// The file system's.
    #[track_caller]
    pub fn write_git(&self, repository: &str, path: &Path) -> io::Result<()> {
        let repository = &self.repositories[self.at(repository)];
        let history = self.history(repository);
        if path.exists() {
            fs::remove_dir_all(path)?;
        }
        let (objects, heads) = (path.join("objects"), path.join("refs/heads"));
        fs::create_dir_all(&objects)?;
        fs::create_dir_all(&heads)?;
        fs::write(path.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
        let default = repository.default_branch.as_deref().unwrap_or("main");
        fs::write(path.join("HEAD"), format!("ref: refs/heads/{default}\n"))?;
        write(&objects, EMPTY_TREE, &framed("tree", b""))?;
        for commit in &history.commits {
            write(&objects, &commit.hash, &framed("commit", &body(commit, &history, &self.people)))?;
        }
        for (branch, head) in &history.branches {
            let file = heads.join(branch);
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(file, format!("{}\n", history.commits[*head].hash))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::simulator::GenerateOptions;

    #[test]
    fn git_reads_what_is_written_and_agrees_about_the_hashes() {
        let options = GenerateOptions {
            repositories: 2,
            commits_per_repository: 14,
            pull_requests_per_repository: 3,
            ..GenerateOptions::default()
        };
        let mut world = World::generate(5, &options);
        world.use_git_hashes();
        let name = world.full_name(world.repositories().next().unwrap());
        world.push_commits(&name, 2);
        world.force_push(&name, 1, 1);
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a.git");
        world.write_git(&name, &path).unwrap();
        let git = |arguments: &[&str]| {
            let said = Command::new("git").arg("--git-dir").arg(&path).args(arguments).output().unwrap();
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
            String::from_utf8(said.stdout).unwrap()
        };
        git(&["fsck", "--no-dangling"]);
        let history = world.history_of(&name);
        let branch = world.repository(&name).unwrap().default_branch.clone().unwrap();
        let mut wanted = history.log(&branch);
        let listed = git(&["rev-list", "--date-order", "HEAD"]);
        let mut seen: Vec<&str> = listed.lines().collect();
        assert_eq!(seen.first(), wanted.first());
        seen.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(seen, wanted);
        let pull_requests = world.pull_requests_of(&name);
        let of_pull_request = pull_requests.iter().filter_map(|it| it.target_commit.clone()).next().unwrap();
        assert!(history.commits().iter().any(|commit| commit.hash == of_pull_request));
    }
}
