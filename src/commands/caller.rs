//! Who asks, and what they may see and do.

use std::net::IpAddr;
use std::sync::Arc;

use globset::GlobSet;

use super::request::Request;
use super::{Exit, Failure};
use crate::config::{Integration, Role};
use crate::error::{Report, escape_control};
use crate::store::KnownBy;

/// Longer names of users are none.
const USER_CHARACTERS: usize = 64;

/// Who asks for a command.
#[derive(Clone, Debug)]
pub struct Caller {
    /// As history and audit name them: `cli (alice)`, the name of a token, a user the proxy told.
    pub name: String,
    /// By what they are known.
    pub known_by: KnownBy,
    /// What they may do.
    pub role: Role,
    /// What they may see.
    pub sees: Sees,
    /// From where, where it came over the network.
    pub from: Option<IpAddr>,
}

/// Which integrations somebody may see.
#[derive(Clone, Debug)]
pub enum Sees {
    /// All of them, and what belongs to none.
    Everything,
    /// Those whose name matches, and nothing of the others.
    Matching(Arc<GlobSet>),
}

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// A `view` token asks for a change (P7.4).
    #[error("{0} may look, not change")]
    Reads(String),
    /// A `view` token asks for what costs requests, which all share.
    #[error("{0} may look at what is known here, not ask Bitbucket")]
    Asks(String),
    /// A token of some integrations asks for what belongs to all.
    #[error("{0} may see some integrations only, and this concerns all of them")]
    Scoped(String),
}

impl Forbidden {
    /// What a person can do about it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Reads(_) | Self::Asks(_) => "use a token with `role: edit` (`server.tokens` in the config)",
            Self::Scoped(_) => "use a token with `integrations: [\"*\"]` (`server.tokens` in the config)",
        }
    }
}

impl From<Forbidden> for Failure {
    fn from(forbidden: Forbidden) -> Self {
        let mend = Some(forbidden.mend().to_owned());
        Self { report: Report::plain(forbidden.to_string(), mend), exit: Exit::Forbidden }
    }
}

impl Caller {
    /// Whoever has the store's folder: on this machine, at a terminal.
    pub fn at_the_terminal() -> Self {
        let name = "cli".to_owned();
        Self { name, known_by: KnownBy::Terminal, role: Role::Edit, sees: Sees::Everything, from: None }
    }

    /// The same with the user of the host that sits there, as far as the environment tells.
    pub fn at_the_terminal_of(user: Option<&str>) -> Self {
        let caller = Self::at_the_terminal();
        match user.map(str::trim).filter(|user| !user.is_empty() && user.chars().count() <= USER_CHARACTERS) {
            Some(user) => Self { name: format!("{} ({})", caller.name, escape_control(user)), ..caller },
            None => caller,
        }
    }

    /// Whether this is the same one, whatever they may do by now.
    pub fn is(&self, other: &Self) -> bool {
        (&self.name, self.known_by) == (&other.name, other.known_by)
    }

    /// Whether they may ask this at all; what they see of it is another question.
    ///
    /// # Errors
    /// Why not.
    pub fn may(&self, request: &Request) -> Result<(), Forbidden> {
        if !request.only_reads() && self.role != Role::Edit {
            return Err(Forbidden::Reads(self.name.clone()));
        }
        if request.asks_bitbucket() && self.role != Role::Edit {
            return Err(Forbidden::Asks(self.name.clone()));
        }
        if request.is_about_all() && !matches!(self.sees, Sees::Everything) {
            return Err(Forbidden::Scoped(self.name.clone()));
        }
        Ok(())
    }

    /// Whether an integration of this name is visible to them.
    pub fn sees(&self, integration: &str) -> bool {
        match &self.sees {
            Sees::Everything => true,
            Sees::Matching(names) => names.is_match(integration),
        }
    }

    /// Those of the config that are visible to them.
    pub fn visible<'a>(&self, all: &'a [Integration]) -> impl Iterator<Item = &'a Integration> {
        all.iter().filter(|integration| self.sees(&integration.name))
    }
}
