//! `webhook …`.

use clap::{Args, Subcommand};

/// `webhook …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Webhook {
    /// Make Bitbucket send its events to this sidecar, or bring our webhooks up to date
    ///
    /// Wants `server.public_url`, and `webhook_secrets` of the connector, of which the first signs. Done twice, it changes
    /// nothing; done after a new secret was put first, it hands that one over.
    Create(Integrations),
    /// The webhooks on Bitbucket that point to us
    List(Integrations),
    /// Remove them
    Delete(Integrations),
    /// What Bitbucket sent, newest first: where each says to look, and what became of it
    Deliveries(Deliveries),
}

/// `webhook deliveries`.
#[derive(Clone, Debug, Args)]
pub struct Deliveries {
    /// Only what is about repositories of this integration
    #[arg(long, short = 'i', value_name = "NAME")]
    pub integration: Option<String>,
    /// Only those that wait to be worked
    #[arg(long)]
    pub waiting: bool,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

/// Some integrations.
#[derive(Clone, Debug, Args)]
pub struct Integrations {
    /// Of these integrations [default: all that have webhook secrets]
    #[arg(value_name = "INTEGRATION")]
    pub integrations: Vec<String>,
}
