//! `tta(..)`: test-time augmentation on the validation images.

use super::{Running, precompute};
use crate::RunError;
use crate::activations::Part;
use crate::data::Traversal;
use crate::engine::measured::Look;
use crate::engine::session::Session;

pub(super) fn run(session: &mut Session<'_>, n_aug: u32, at: Running<'_>) -> Result<(), RunError> {
    let Running { index, stage, summary } = at;
    precompute::prepare(session, &stage.state, summary)?;
    let Some(loss) = &session.valid_loss else {
        session.note("tta: there are no validation images".to_string());
        return Ok(());
    };
    let loss = loss.clone();
    let size = stage.state.size;
    // The preceding fit has computed these predictions already.
    let plain = match &session.look {
        Some(look) => look.probabilities.clone(),
        None => session.predict(Part::Valid, size, &Traversal::Plain, "images, plain prediction")?,
    };
    let mean = session.augmented(Part::Valid, &plain, n_aug, size)?;
    let look = Look::averaged(mean, n_aug, Some(&loss))?;
    let evaluation = session.show(&look, loss.truth(), index);
    let values: Vec<String> = evaluation.metrics.iter().map(|m| format!("{} {:.6}", m.name, m.value)).collect();
    session.progress.note(&format!("{}: {}", look.made, values.join(", ")));
    summary.evaluation = Some(evaluation.clone());
    session.summary.tta = Some(evaluation);
    session.averaged = Some(look.probabilities);
    Ok(())
}
