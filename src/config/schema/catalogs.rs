//! `catalogs`.

use super::shapes::{OneOrMany, blocks, words};
use crate::model::EntityFormat;

blocks! {
    /// Where entities live.
    Catalog {
        /// A directory of YAML files: matched and written.
        directory: Option<Directory>,
        /// Matched, and names there are taken; never written.
        also_read: Option<OneOrMany<AlsoRead>>,
        /// A git repository. Not in this version.
        git: Option<serde_json::Map<String, serde_json::Value>>,
        /// A live Backstage. Not in this version.
        backstage: Option<serde_json::Map<String, serde_json::Value>>,
        /// A live Harness IDP. Not in this version.
        harness: Option<serde_json::Map<String, serde_json::Value>>,
    }

    /// A directory of YAML files: every `*.yaml` and `*.yml` beneath.
    Directory {
        /// The directory.
        path: String,
        /// Folder of new files, below `path`.
        #[schemars(extend("default" = "bitbucket"))]
        new_entities: Option<String>,
        /// Format of new entities. Left out: that of most documents, else backstage.
        format: Option<EntityFormat>,
        /// Backstage: namespace of new entities.
        #[schemars(extend("default" = "default"))]
        namespace: Option<String>,
        /// Harness: org of new entities.
        org: Option<String>,
        /// Harness: project of new entities.
        project: Option<String>,
        /// What is done with git after writing. Only `off` in this version.
        #[schemars(extend("default" = "off"))]
        git: Option<GitMode>,
    }

    /// A place that is only read.
    AlsoRead {
        /// A directory.
        directory: Option<String>,
        /// Not in this version.
        git: Option<serde_json::Value>,
        /// Not in this version.
        backstage: Option<serde_json::Value>,
        /// Not in this version.
        harness: Option<serde_json::Value>,
    }
}

words! {
    /// What is done with git after writing.
    GitMode {
        /// Nothing.
        Off,
        /// Commits. Not in this version.
        Commit,
        /// Commits and pushes. Not in this version.
        Push,
    }
}
