//! `load("NAME")`.

use crate::RunError;
use crate::engine::session::Session;
use crate::models;

pub(super) fn run(session: &mut Session<'_>, name: &str, size: u32) -> Result<(), RunError> {
    let (path, meta) = (session.folder.model_path(name)?, session.meta(size));
    let network = models::load_model(session.learner.network().clone(), &meta, &path, session.saved_model(name))?;
    session.learner.replace(network);
    session.look = None;
    Ok(())
}
