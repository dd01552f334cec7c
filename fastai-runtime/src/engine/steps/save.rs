//! `save("NAME")`, and the models that every run saves.

use std::path::PathBuf;

use burn::module::Module;

use crate::RunError;
use crate::engine::session::Session;
use crate::models::{self, ModelDigest};

/// Saves the current network, for images of `size` pixels; returns the file and its digest.
pub(in crate::engine) fn run(session: &Session<'_>, name: &str, size: u32) -> Result<(PathBuf, ModelDigest), RunError> {
    let path = session.folder.model_path(name)?;
    let digest = models::save_model(&session.learner.network().valid(), &session.meta(size), &path)?;
    Ok((path, digest))
}
