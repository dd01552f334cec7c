//! `load("NAME")`.

use super::Running;
use crate::RunError;
use crate::engine::session::Session;
use crate::models;
use crate::report::saving_step;

pub(super) fn run(session: &mut Session<'_>, name: &str, at: Running<'_>) -> Result<(), RunError> {
    let Running { stage, summary, .. } = at;
    summary.saved_by = saving_step(session.recipe, name);
    let (path, meta) = (session.folder.model_path(name)?, session.meta(stage.state.size));
    let network = models::load_model(session.learner.network().clone(), &meta, &path, session.saved_model(name))?;
    session.learner.replace(network);
    session.look = None;
    Ok(())
}
