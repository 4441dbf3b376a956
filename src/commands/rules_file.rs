//! An integration's rules file: its text, and writing it, which only `server.edit_rules` allows.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::request::Answer;
use super::{App, Exit, Failure};
use crate::config::RulesRef;
use crate::correlate::{BUILTIN, Rules};
use crate::error::{Report, shown};

/// Held between looking at a file and writing it.
static WRITING: Mutex<()> = Mutex::new(());
/// Larger texts are refused.
const MAX_BYTES: usize = 64 * 1024;

/// The rules of an integration, as they stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RulesText {
    /// Name of the integration.
    pub integration: String,
    /// Of a shipped file, or the path of one.
    pub name: String,
    /// Whether it is shipped: then it is never written.
    pub is_shipped: bool,
    /// Whether it may be written by this.
    pub is_writable: bool,
    /// The text.
    pub text: String,
    /// Tells this text from another: whoever writes says what they saw.
    pub version: String,
}

pub(super) async fn show(app: &App, integration: &str) -> Result<Answer, Failure> {
    let integration = app.integration(integration)?;
    let text = match &integration.rules {
        RulesRef::Builtin(name) => {
            let text = BUILTIN.iter().find(|(builtin, _)| builtin == name).map_or("", |(_, text)| text);
            RulesText {
                integration: integration.name.clone(),
                name: name.clone(),
                is_shipped: true,
                is_writable: false,
                text: text.to_owned(),
                version: version(text),
            }
        }
        RulesRef::File { path, .. } => {
            let text = read(path)?;
            RulesText {
                integration: integration.name.clone(),
                name: shown(path),
                is_shipped: false,
                is_writable: app.config.server.edit_rules && !is_others(app, path),
                version: version(&text),
                text,
            }
        }
    };
    Ok(Answer::RulesText(Box::new(text)))
}

/// Writes the file, if it still says what the writer saw.
pub(super) async fn write(app: &App, integration: &str, text: &str, instead_of: &str) -> Result<Answer, Failure> {
    let of = app.integration(integration)?;
    let RulesRef::File { path, .. } = &of.rules else {
        return Err(Failure::refused(
            format!("{} uses shipped rules, which are never written", of.name),
            "copy them into a file of your own, and name it under `rules` of the integration",
        ));
    };
    if !app.config.server.edit_rules {
        return Err(Failure::refused(
            "rules are not written from here",
            "set `edit_rules: true` under `server` in the config, or put the changed text into the file",
        ));
    }
    if is_others(app, path) {
        return Err(Failure::refused(
            format!("{} is used by an integration that you may not see, and was not written", shown(path)),
            "whoever may see all of them changes it; or give the integration a rules file of its own",
        ));
    }
    if text.len() > MAX_BYTES {
        return Err(Failure::usage("the rules are larger than 64 KiB", "leave some out"));
    }
    let text = text.replace("\r\n", "\n");
    let name = shown(path);
    Rules::parse(&text, &name).map_err(|faults| Failure {
        report: Report {
            what: "the rules have faults, and were not written".to_owned(),
            because: faults.iter().map(|fault| fault.in_file(&name)).collect(),
            mend: Some("mend the lines named".to_owned()),
        },
        exit: Exit::Usage,
    })?;
    // Of two who saw the same, one is told that it is another by now.
    let _turn = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let present = read(path)?;
    if version(&present) != instead_of {
        return Err(Failure::refused(
            format!("{name} was changed meanwhile, and was not written"),
            "look at it again, and change what it says now",
        ));
    }
    replace(path, &text).map_err(|error| {
        let mend = Some("check permissions and free space of its folder".to_owned());
        Failure::failed(Report::new(format!("{name} could not be written"), &error, mend))
    })?;
    Ok(Answer::RulesText(Box::new(RulesText {
        integration: of.name.clone(),
        name,
        is_shipped: false,
        is_writable: true,
        version: version(&text),
        text,
    })))
}

/// Whether an integration that the caller does not see lives by this file as well: then it is not theirs to change.
fn is_others(app: &App, path: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let file = real(path);
    app.config.integrations.iter().filter(|of| !app.caller.sees(&of.name)).any(|of| match &of.rules {
        RulesRef::File { path, .. } => real(path) == file,
        RulesRef::Builtin(_) => false,
    })
}

pub(super) fn version(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..16])
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        let mend = Some("check `rules` of the integration, and the file's permissions".to_owned());
        Failure::failed(Report::new(format!("{} cannot be read", shown(path)), &error, mend))
    })
}

/// Beside its place, then renamed; its mode is kept.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // A link stays one: what it points to is written.
    let path = std::fs::canonicalize(path)?;
    let mode = std::fs::metadata(&path)?.permissions().mode();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("rules");
    let aside = path.with_file_name(format!(".{name}.{:016x}.part", rand::random::<u64>()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        std::fs::rename(&aside, &path)
    })();
    if written.is_err() {
        // Left behind it would only be litter.
        let _ = std::fs::remove_file(&aside);
    }
    written
}
