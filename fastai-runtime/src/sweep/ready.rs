//! What a sweep needs before it trains.

use fastai_dsl::{Valid, Weights};

use super::obstacle::Obstacle;
use super::{Candidate, SweepSpec, memory, sources};
use crate::RunError;
use crate::data::{DataError, DataPart, Finding, FindingKind};
use crate::engine::RunOptions;
use crate::models::{self, weights};
use crate::progress::Progress;

/// Returns what is known to fail before anything trains, each reason once: candidates that cannot be compared, data that is not
/// there, weights that are missing or of another network, and networks that do not fit into the memory of `options`, or else of
/// the machine. Notes what is remarkable about the data, and where batches pass the body in parts. What else is wrong with data
/// and devices is for the trials to say.
pub fn check(spec: &SweepSpec, options: &RunOptions, progress: &mut dyn Progress) -> Vec<Obstacle> {
    let mut found: Vec<Obstacle> = comparable(spec).err().into_iter().map(Obstacle::of_all).collect();
    found.extend(sources::check(spec));
    let mut seen: Vec<(&Weights, &str, u32)> = Vec::new();
    for key in spec.own_trials() {
        let model = spec.recipe(key).model();
        let wanted = (&model.weights, model.arch.name(), model.cut);
        if !seen.contains(&wanted) {
            seen.push(wanted);
            found.extend(has_weights(wanted, progress).err().map(Obstacle::of_all));
        }
    }
    found.extend(memory::check(spec, options, progress));
    found
}

/// # Errors
/// Those with which a run of these weights begins.
fn has_weights((wanted, arch, cut): (&Weights, &str, u32), progress: &mut dyn Progress) -> Result<(), RunError> {
    if let Some(found) = models::resolve(wanted, arch, progress)? {
        weights::check(&found.path, arch, cut)?;
    }
    Ok(())
}

/// # Errors
/// If the candidates do not share the metric that compares them, or have no images to measure on.
pub(super) fn comparable(spec: &SweepSpec) -> Result<(), RunError> {
    let Some(first) = spec.candidates.first() else {
        let text = "a sweep without candidates: give each key a value, `--over lr=1e-3,1e-2`";
        return Err(DataError::one(Finding::new(FindingKind::NoCandidates, text)).into());
    };
    let metric = |candidate: &Candidate| candidate.recipe.metrics().first().copied();
    if let Some((candidate, other)) = spec.candidates.iter().enumerate().find(|(_, c)| metric(c) != metric(first)) {
        let text = format!(
            "the candidates are compared by the first of their metrics, and it is not the same for all: `{}` and `{}`",
            first.describe(),
            other.describe()
        );
        return Err(DataError::one(Finding::new(FindingKind::OtherMetric { candidate }, text)).into());
    }
    match spec.candidates.iter().flat_map(|c| &c.folds).find(|r| r.data().valid == Valid::None) {
        Some(_) => {
            let text = "candidates are compared on validation images, and `valid: none` holds out none: say \
                        `valid: stratified(0.2)`";
            Err(DataError::one(Finding::new(FindingKind::TooFew { part: DataPart::Valid }, text)).into())
        }
        None => Ok(()),
    }
}
