//! `head(..)`: a new, untrained head.

use fastai_dsl::HeadSpec;

use crate::RunError;
use crate::engine::session::Session;

pub(super) fn run(session: &mut Session<'_>, spec: &HeadSpec) -> Result<(), RunError> {
    let classes = session.sets.dataset.classes.len();
    let (seed, number) = (session.seed, session.heads);
    let device = session.learner.device().clone();
    session.learner.change(|network| network.new_head(spec, classes, seed, number, &device));
    session.head = spec.clone();
    session.heads += 1;
    session.look = None;
    Ok(())
}
