//! `precompute(on)`, and the preparation of every step that uses the network.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Instant;

use fastai_dsl::{BodyState, State};

use crate::RunError;
use crate::activations::{CacheKey, Features, Part, Purpose};
use crate::atomic::FileError;
use crate::engine::session::Session;
use crate::engine::sets::Cached;
use crate::models;
use crate::progress::Watch;
use crate::report::{CacheUse, StageSummary};

/// Freezes the layer groups that the state freezes, and opens or drops the cached activations.
pub(in crate::engine) fn prepare(
    session: &mut Session<'_>,
    state: &State,
    summary: &mut StageSummary,
) -> Result<(), RunError> {
    session.learner.change(|network| network.set_frozen(state.first_trainable, state.bn_frozen));
    if state.body != BodyState::Precomputed {
        session.sets.cached = None;
        return Ok(());
    }
    let started = Instant::now();
    let opened = open(session, state.size)?;
    summary.cache = opened.map(|CacheState { folder, found, failure, .. }| CacheUse {
        path: folder.display().to_string(),
        found,
        incomplete: failure.is_some(),
        seconds: started.elapsed().as_secs_f64(),
    });
    Ok(())
}

/// The activations of all parts in the cache.
struct CacheState {
    folder: PathBuf,
    size: u32,
    images: usize,
    /// Whether the cache contained everything before.
    found: bool,
    /// Images whose features only this run has.
    missing: usize,
    /// Why a part, the first of them, has no file of its own, if one has none.
    failure: Option<FileError>,
}

impl CacheState {
    /// Says what was found or made, and warns, once for all parts, if the cache does not take it.
    fn tell(&self, session: &mut Session<'_>) {
        let CacheState { images, size, .. } = self;
        let folder = self.folder.display();
        match (&self.failure, self.missing) {
            (None, _) => {
                let did = if self.found { "found" } else { "made" };
                session.note(format!("{did} the cache of activations of {images} images at {size} pixels: {folder}"));
            }
            (Some(error), 0) => session.warn(format!(
                "{error}: the activations of {images} images at {size} pixels are kept, but not in a file for each set: the \
                 next run that needs them completes the cache in {folder} if it can"
            )),
            (Some(error), missing) => session.warn(format!(
                "{error}: the activations of {missing} of {images} images at {size} pixels stay in memory, and the next run \
                 computes them again: {}, or name another folder with `--cache`",
                remedy(error.error.kind(), &folder)
            )),
        }
    }
}

/// What helps a cache that cannot be written.
fn remedy(kind: ErrorKind, folder: &impl Display) -> String {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!("make room for {folder}"),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!("allow this user to write {folder}"),
        _ => "put that right".to_string(),
    }
}

/// Makes the features of all parts available for the current network at `size`; `None` if they already are.
fn open(session: &mut Session<'_>, size: u32) -> Result<Option<CacheState>, RunError> {
    let network = session.learner.network();
    let preparation = session.sets.preparation.at_size(size);
    let body = models::body_digest(network);
    let key = CacheKey::new(&body, &preparation.signature());
    let folder = session.cache.folder(&key);
    if session.sets.cached.as_ref().is_some_and(|cached| cached.folder == folder) {
        return Ok(None);
    }
    let mut state = CacheState { folder: folder.clone(), size, images: 0, found: true, missing: 0, failure: None };
    let mut features = Vec::with_capacity(Part::ALL.len());
    for part in Part::ALL {
        let files = session.sets.images[part as usize].files();
        if files.is_empty() {
            features.push(Features::in_memory(Vec::new(), network.head_input()));
            continue;
        }
        let examples = session.sets.images(part, size);
        let purpose = Purpose {
            recipe: session.recipe.name().to_string(),
            directory: session.summary.directory.as_ref().map(|folder| folder.display().to_string()),
            part,
            images: files.len(),
            network: network.arch().to_string(),
            body: body.clone(),
            preparation: preparation.signature(),
        };
        let watch = Watch { progress: &mut *session.progress, stop: &session.stop };
        let opened = session.cache.open(&key, &files, &examples, &session.learner, &purpose, watch)?;
        state.found &= opened.found;
        state.images += opened.features.rows();
        state.missing += opened.missing;
        state.failure = state.failure.or(opened.failure);
        features.push(opened.features);
    }
    if let Ok(features) = features.try_into() {
        session.sets.cached = Some(Cached { folder, features });
    }
    state.tell(session);
    Ok(Some(state))
}
