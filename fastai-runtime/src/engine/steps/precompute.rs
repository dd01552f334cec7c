//! `precompute(on)`, and the preparation of every step that uses the network.

use std::path::PathBuf;
use std::time::Instant;

use fastai_dsl::{BodyState, State};

use crate::RunError;
use crate::activations::{CacheKey, Features, Purpose};
use crate::engine::session::Session;
use crate::engine::sets::{Cached, Part};
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
    summary.cache = opened.map(|(folder, found)| CacheUse {
        path: folder.display().to_string(),
        found,
        seconds: started.elapsed().as_secs_f64(),
    });
    Ok(())
}

/// Makes the features of all parts available for the current network at `size`; `None` if they already are.
///
/// Returns the folder and whether it contained everything.
fn open(session: &mut Session<'_>, size: u32) -> Result<Option<(PathBuf, bool)>, RunError> {
    let network = session.learner.network();
    let preparation = session.sets.preparation.at_size(size);
    let body = models::body_digest(network);
    let key = CacheKey::new(&body, &preparation.signature());
    let purpose = Purpose {
        recipe: session.recipe.name().to_string(),
        directory: session.summary.directory.clone(),
        network: network.arch().to_string(),
        body,
        preparation: preparation.signature(),
        ..Purpose::default()
    };
    let folder = session.cache.folder(&key);
    if session.sets.cached.as_ref().is_some_and(|cached| cached.folder == folder) {
        return Ok(None);
    }
    let (mut found, mut images) = (true, 0);
    let mut features = Vec::with_capacity(Part::ALL.len());
    for part in Part::ALL {
        let files = session.sets.images[part as usize].files();
        if files.is_empty() {
            features.push(Features::in_memory(Vec::new(), network.head_input()));
            continue;
        }
        let examples = session.sets.images(part, size);
        let purpose = Purpose { part: part.word().to_string(), images: files.len(), ..purpose.clone() };
        let watch = Watch { progress: &mut *session.progress, stop: &session.stop };
        let opened = session.cache.open(&key, &files, &examples, &session.learner, &purpose, watch)?;
        found &= opened.found;
        images += opened.features.rows();
        features.push(opened.features);
    }
    if let Ok(features) = features.try_into() {
        session.sets.cached = Some(Cached { folder: folder.clone(), features });
    }
    let did = if found { "found" } else { "made" };
    session.note(format!("{did} the cache of activations of {images} images at {size} pixels: {}", folder.display()));
    Ok(Some((folder, found)))
}
