//! Files replaced so that neither a crash nor another writer loses anything.
//!
//! A new text is written to a dot-named file beside its target, flushed, and *exchanged* with the target
//! in one system call. What was taken out is looked at afterwards: if it is not the very file and text
//! the edit was made from (somebody saved in between), the two are exchanged back, and the edit starts
//! over from that version. So the file in place is at any moment either theirs or theirs plus our patch.
//!
//! What remains: a program that had opened the old file before the exchange and writes into it after
//! we looked. [`super::late`] keeps the old file open and looks again later. Where the file system
//! cannot exchange (some network mounts), the old text is compared right before a plain rename, which
//! leaves the moment between the two calls.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, File, Metadata, MetadataExt as _, OpenOptions};
use rustix::fs::{AtFlags, FlockOperation, RenameFlags, flock};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

/// Names of our temporary files begin and end so.
const PREFIX: &str = ".catalog-sync-";
const SUFFIX: &str = ".tmp";

/// SHA-256 of a file's bytes.
pub(super) type Hash = [u8; 32];

/// Of a text.
pub(super) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Whether a name is exactly one that [`Temporary::write`] gives: `new-` or the hashes of two texts, then a
/// random number, each of 16 digits.
pub(super) fn is_temporary(name: &str) -> bool {
    let Some(inner) = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(SUFFIX)) else { return false };
    let is_number =
        |part: &str| part.len() == 16 && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match inner.split('-').collect::<Vec<_>>()[..] {
        ["new", random] => is_number(random),
        [old, new, random] => [old, new, random].into_iter().all(is_number),
        _ => false,
    }
}

/// A lock that says that a process works with a file. It ends with the process, however that ends.
struct InUse<'a>(Option<&'a File>);

impl<'a> InUse<'a> {
    /// Shared, and only where it can be had: nobody waits for it.
    fn mark(file: &'a File) -> Self {
        Self(flock(file, FlockOperation::NonBlockingLockShared).is_ok().then_some(file))
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.0 {
            let _ = flock(file, FlockOperation::Unlock);
        }
    }
}

/// A file as it was read: the handle stays on it, whatever its name will stand for later.
#[derive(Debug)]
pub(super) struct Original {
    /// Where it lies, and its name there.
    pub dir: Dir,
    /// See `dir`.
    pub name: PathBuf,
    /// Open on the file itself.
    pub file: File,
    /// Its text.
    pub bytes: Vec<u8>,
    metadata: Metadata,
}

impl Original {
    /// Opens and reads; `None` when it is larger than `cap`.
    pub(super) fn open(dir: Dir, name: &Path, cap: u64) -> io::Result<Option<Self>> {
        if !dir.symlink_metadata(name)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "not a regular file"));
        }
        let file = dir.open(name)?;
        let metadata = file.metadata()?;
        let Some(bytes) = read_capped(&file, cap)? else { return Ok(None) };
        Ok(Some(Self { dir, name: name.to_owned(), file, bytes, metadata }))
    }

    /// Whether name and text are still what they were.
    fn is_unchanged(&self) -> io::Result<bool> {
        let now = match self.dir.symlink_metadata(&self.name) {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(same_file(&now, &self.metadata) && self.holds_same_text()?)
    }

    /// Whether the file we opened still holds the text we read.
    pub(super) fn holds_same_text(&self) -> io::Result<bool> {
        Ok(reread(&self.file, self.bytes.len() as u64 + 1)?.as_deref() == Some(&self.bytes[..]))
    }

    /// How long ago it was last written, by the machine's clock; `None` when that lies ahead.
    pub(super) fn age(&self) -> Option<std::time::Duration> {
        self.file.metadata().ok()?.modified().ok()?.into_std().elapsed().ok()
    }
}

fn same_file(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// At most `cap` bytes; `None` when there are more.
pub(super) fn read_capped(mut file: &File, cap: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    io::Read::by_ref(&mut file).take(cap + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= cap).then_some(bytes))
}

/// The same from its beginning, without regard to where the handle stands.
pub(super) fn reread(file: &File, cap: u64) -> io::Result<Option<Vec<u8>>> {
    use std::os::unix::fs::FileExt as _;
    let file = file.try_clone()?.into_std();
    let mut bytes = vec![0; usize::try_from(cap).unwrap_or(usize::MAX).saturating_add(1)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok((bytes.len() as u64 <= cap).then_some(bytes))
}

/// How a replacement ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    /// The new text is in place.
    Done,
    /// Somebody else wrote meanwhile; theirs is in place.
    TheirsIsNewer,
}

/// Puts `text` in the place of `original`, unless that has changed since.
pub(super) fn replace(original: &Original, text: &[u8]) -> io::Result<Replaced> {
    let dir = &original.dir;
    // After the exchange it lies under our temporary name.
    let _in_use = InUse::mark(&original.file);
    let ours = Temporary::write(dir, &original.name, text, Some((&original.metadata, &original.bytes)))?;
    if !original.is_unchanged()? {
        return Ok(Replaced::TheirsIsNewer);
    }
    match exchange(dir, &ours.name, &original.name) {
        Ok(()) => {}
        Err(error) if cannot_exchange(&error) => {
            dir.rename(&ours.name, dir, &original.name)?;
            ours.forget();
            return settle_renamed(original);
        }
        // Deleted or moved away meanwhile: nothing is recreated.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Replaced::TheirsIsNewer),
        Err(error) => return Err(error),
    }
    // Under our temporary name now lies what was in place.
    let taken = dir.symlink_metadata(&ours.name)?;
    if same_file(&taken, &original.metadata) && original.holds_same_text()? {
        sync_dir(dir)?;
        return Ok(Replaced::Done);
    }
    put_back(dir, &original.name, ours, text)?;
    Ok(Replaced::TheirsIsNewer)
}

/// Takes a file away, unless it has changed since it was read: moved aside, looked at, and only then removed. Whoever
/// saves it meanwhile gets it back.
pub(super) fn take_away(original: &Original) -> io::Result<Replaced> {
    let dir = &original.dir;
    let _in_use = InUse::mark(&original.file);
    if !original.is_unchanged()? {
        return Ok(Replaced::TheirsIsNewer);
    }
    // Its name tells the text it holds: after a kill right here, whoever tidies up knows that nothing is lost with it.
    let short = hex::encode(&hash(&original.bytes)[..8]);
    let aside = PathBuf::from(format!("{PREFIX}{short}-{short}-{:016x}{SUFFIX}", rand::random::<u64>()));
    match dir.rename(&original.name, dir, &aside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Replaced::TheirsIsNewer),
        Err(error) => return Err(error),
    }
    let taken = dir.symlink_metadata(&aside)?;
    if same_file(&taken, &original.metadata) && original.holds_same_text()? {
        dir.remove_file(&aside)?;
        sync_dir(dir)?;
        return Ok(Replaced::Done);
    }
    // Somebody saved it between our look and our grip: it goes back, unless they made another one by now.
    match rustix::fs::renameat_with(dir, &aside, dir, &original.name, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::EXIST) => {}
        Err(_) => drop(rustix::fs::linkat(dir, &aside, dir, &original.name, AtFlags::empty())),
    }
    sync_dir(dir)?;
    Ok(Replaced::TheirsIsNewer)
}

/// What we took out was not what we had read, so it goes back. If meanwhile somebody even wrote over
/// ours, that is the newest and goes back in its turn; each round needs another writer within
/// microseconds.
fn put_back(dir: &Dir, name: &Path, mut aside: Temporary, ours: &[u8]) -> io::Result<()> {
    let mut newest = aside.metadata.clone();
    let mut newest_bytes = ours.to_owned();
    for _ in 0..64 {
        let going_in = dir.symlink_metadata(&aside.name)?;
        let going_in_bytes = read_capped(&dir.open(&aside.name)?, u64::MAX - 1)?.unwrap_or_default();
        match exchange(dir, &aside.name, name) {
            Ok(()) => {}
            // They deleted what was in place (ours): then theirs goes where it belongs.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                dir.rename(&aside.name, dir, name)?;
                aside.forget();
                return sync_dir(dir);
            }
            Err(error) => {
                aside.keep();
                return Err(error);
            }
        }
        let taken = dir.symlink_metadata(&aside.name)?;
        let taken_bytes = read_capped(&dir.open(&aside.name)?, u64::MAX - 1)?.unwrap_or_default();
        if same_file(&taken, &newest) && taken_bytes == newest_bytes {
            return sync_dir(dir);
        }
        (newest, newest_bytes) = (going_in, going_in_bytes);
    }
    aside.keep();
    Err(io::Error::other("somebody writes it without pause"))
}

/// After a plain rename the old file has no name any more; what was written into it meanwhile is taken
/// up by [`super::late`].
fn settle_renamed(original: &Original) -> io::Result<Replaced> {
    sync_dir(&original.dir)?;
    Ok(Replaced::Done)
}

fn exchange(dir: &Dir, a: &Path, b: &Path) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(dir, a, dir, b, RenameFlags::EXCHANGE)?)
}

fn cannot_exchange(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(errno, Some(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP))
}

/// How a creation ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Created {
    /// The file is there.
    Done,
    /// There was one already; it is untouched.
    Exists,
}

/// A new file, whole or not at all, never over another.
pub(super) fn create(dir: &Dir, name: &Path, text: &[u8]) -> io::Result<Created> {
    let ours = Temporary::write(dir, name, text, None)?;
    match rustix::fs::renameat_with(dir, &ours.name, dir, name, RenameFlags::NOREPLACE) {
        Ok(()) => ours.forget(),
        Err(rustix::io::Errno::EXIST) => return Ok(Created::Exists),
        Err(error) if cannot_exchange(&error.into()) => {
            match rustix::fs::linkat(dir, &ours.name, dir, name, AtFlags::empty()) {
                Ok(()) => {}
                Err(rustix::io::Errno::EXIST) => return Ok(Created::Exists),
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => return Err(error.into()),
    }
    sync_dir(dir)?;
    Ok(Created::Done)
}

fn sync_dir(dir: &Dir) -> io::Result<()> {
    // The handle of a `Dir` may be good for paths only; `.` opened for reading can be flushed.
    match dir.open(".")?.sync_all() {
        // Some file systems cannot flush a directory; the file itself is flushed.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

/// Whether files can be made, flushed and removed here.
pub(super) fn probe(dir: &Dir) -> io::Result<()> {
    Temporary::write(dir, Path::new("."), b"# a probe\n", None).map(drop)
}

/// A temporary file beside its target; removed when dropped.
struct Temporary<'a> {
    dir: &'a Dir,
    name: PathBuf,
    metadata: Metadata,
    remove: bool,
    /// Locked while we work with it, so that [`leftover`] of another process leaves it alone.
    _locked: File,
}

impl<'a> Temporary<'a> {
    /// Written and flushed. With the file it will replace: mode and, where we may, owner are taken over,
    /// and its name tells by hashes which two texts it may hold, so that [`leftover`] never takes away a third.
    fn write(dir: &'a Dir, target: &Path, text: &[u8], replaces: Option<(&Metadata, &[u8])>) -> io::Result<Self> {
        let short = |bytes: &[u8]| hex::encode(&hash(bytes)[..8]);
        let (random, name, mut file) = begin(dir)?;
        let written = (|| {
            file.write_all(text)?;
            if let Some((metadata, _)) = replaces {
                let own = file.metadata()?;
                if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
                    let (uid, gid) =
                        (rustix::fs::Uid::from_raw(metadata.uid()), rustix::fs::Gid::from_raw(metadata.gid()));
                    // Only root may give files away; the group at least may be one of ours.
                    let _ = rustix::fs::fchown(&file, Some(uid), Some(gid))
                        .or_else(|_| rustix::fs::fchown(&file, None, Some(gid)));
                }
                file.set_permissions(metadata.permissions())?;
            }
            file.sync_all()?;
            file.metadata()
        })();
        let mut ours = match written {
            Ok(metadata) => Self { dir, name, metadata, remove: true, _locked: file },
            Err(error) => {
                let _ = dir.remove_file(&name);
                return Err(io::Error::new(error.kind(), format!("writing beside {}: {error}", target.display())));
            }
        };
        if let Some((_, old)) = replaces {
            let whole = PathBuf::from(format!("{PREFIX}{}-{}-{random:016x}{SUFFIX}", short(old), short(text)));
            dir.rename(&ours.name, dir, &whole)?;
            ours.name = whole;
        }
        Ok(ours)
    }

    /// Its name stands for nothing any more.
    fn forget(mut self) {
        self.remove = false;
    }

    /// It may hold what nobody else does.
    fn keep(&mut self) {
        self.remove = false;
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.remove {
            let _ = self.dir.remove_file(&self.name);
        }
    }
}

/// A new and empty temporary file with the random part of its name, locked.
fn begin(dir: &Dir) -> io::Result<(u64, PathBuf, File)> {
    for _ in 0..8 {
        let random = rand::random::<u64>();
        let name = PathBuf::from(format!("{PREFIX}new-{random:016x}{SUFFIX}"));
        let file = dir.open_with(&name, OpenOptions::new().write(true).create_new(true))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Between making and locking it, somebody who tidies up may have taken it for a leftover.
            Err(Errno::WOULDBLOCK) => {}
            Ok(()) if file.metadata()?.nlink() == 0 => {}
            // Without locks nobody tidies up what is young.
            Ok(()) | Err(_) => return Ok((random, name, file)),
        }
    }
    Err(io::Error::other("somebody takes temporary files away as soon as they are made"))
}

/// What a temporary file is that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leftover {
    /// A live process works with it, or that cannot be told yet.
    InUse,
    /// Of a process that is gone; nothing is lost with it.
    Ours,
    /// It holds what its name does not tell: a person should look at it.
    Foreign,
}

/// Without locks, a file of this age belongs to no live process.
const OLD: std::time::Duration = std::time::Duration::from_secs(3600);

/// Looks at a temporary file; `remove` takes it away if it is a leftover of ours.
pub(super) fn leftover(dir: &Dir, name: &str, now: std::time::SystemTime, remove: bool) -> io::Result<Leftover> {
    let metadata = dir.symlink_metadata(name)?;
    if !metadata.is_file() {
        return Ok(Leftover::Foreign);
    }
    let file = dir.open(name)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(Leftover::InUse),
        Err(_) => {
            let age = now.duration_since(metadata.modified()?.into_std()).unwrap_or_default();
            if age < OLD {
                return Ok(Leftover::InUse);
            }
        }
    }
    let bytes = read_capped(&file, 64 << 20)?.unwrap_or_default();
    let short = hex::encode(&hash(&bytes)[..8]);
    let is_new = name.starts_with(".catalog-sync-new-") || bytes.is_empty();
    if !is_new && !name.contains(&short) {
        return Ok(Leftover::Foreign);
    }
    if remove && same_file(&dir.symlink_metadata(name)?, &file.metadata()?) {
        dir.remove_file(name)?;
    }
    Ok(Leftover::Ours)
}
