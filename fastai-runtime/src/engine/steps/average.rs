//! `average([..])`: the mean of saved models.

use super::{Running, precompute};
use crate::RunError;
use crate::activations::Part;
use crate::data::Traversal;
use crate::engine::session::Session;
use crate::models::{self, NetworkMean};
use crate::progress::Watch;
use crate::train::estimate_statistics;

pub(super) fn run(session: &mut Session<'_>, names: &[String], at: Running<'_>) -> Result<(), RunError> {
    let Running { index, stage, summary } = at;
    let state = &stage.state;
    let meta = session.meta(state.size);
    let mut mean = NetworkMean::default();
    for name in names {
        let path = session.folder.model_path(name)?;
        let like = session.learner.network().clone();
        mean.add(&models::load_model(like, &meta, &path, session.saved_model(name))?);
    }
    session.learner.change(|network| mean.network(network));
    session.look = None;
    let Some(group) = mean.first_different() else {
        session.note("average: the models have the same weights".to_string());
        return Ok(());
    };
    // Norms before the first difference see what they have always seen.
    let head = session.learner.network().groups() - 1;
    let cached = group == head && state.body == fastai_dsl::BodyState::Precomputed;
    if cached {
        precompute::prepare(session, state, summary)?;
    }
    session.learner.change(|network| network.set_frozen(group, state.bn_frozen));
    let examples = match cached {
        true => session.sets.examples(Part::Train, state.size),
        false => Box::new(session.sets.images(Part::Train, state.size)),
    };
    let pass = Traversal::Shuffled { stage: index as u64, epoch: 0 };
    let watch = Watch { progress: &mut *session.progress, stop: &session.stop };
    let device = session.learner.device().clone();
    let stream = (session.seed, index as u64);
    let network = estimate_statistics(session.learner.network(), &*examples, &pass, &device, stream, watch)?;
    drop(examples);
    session.learner.replace(network);
    Ok(())
}
