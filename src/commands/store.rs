//! `store check` and `store export`. `store import` needs an empty store and so no running sidecar: the
//! CLI does it by itself.

use super::request::Answer;
use super::{App, Failure};
use crate::error::Report;
use crate::store::ExportOf;

pub(super) async fn check(app: &App) -> Result<Answer, Failure> {
    Ok(Answer::Store(app.store.check().await?))
}

pub(super) async fn export(app: &App, of: ExportOf) -> Result<Answer, Failure> {
    let mut lines = Vec::new();
    app.store.export(&mut lines, of).await?;
    let text = String::from_utf8(lines).map_err(|error| {
        Failure::failed(Report::new("the export is not text", &error, Some("please report this".to_owned())))
    })?;
    Ok(Answer::Export(text))
}
