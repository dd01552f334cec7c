//! Steps of an optimizer over the numbers of one tensor, in one pass over memory.

use rayon::prelude::*;

/// Numbers that a thread takes at least.
const SHARE: usize = 1 << 15;

/// One step of SGD: `velocity <- momentum velocity + (gradient + decay weight)`, `weight <- weight - rate velocity`, each
/// operation rounded as written. A `fresh` velocity counts as 0 whatever it holds.
///
/// # Panics
/// If the lengths differ.
pub fn sgd(weight: &mut [f32], gradient: &[f32], velocity: &mut [f32], fresh: bool, step: SgdStep) {
    assert!(weight.len() == gradient.len() && weight.len() == velocity.len(), "numbers of one tensor");
    let SgdStep { rate, decay, momentum } = step;
    let shares = weight.par_chunks_mut(SHARE).zip(gradient.par_chunks(SHARE)).zip(velocity.par_chunks_mut(SHARE));
    shares.for_each(|((weight, gradient), velocity)| {
        for ((weight, gradient), velocity) in weight.iter_mut().zip(gradient).zip(velocity) {
            let gradient = if decay == 0.0 { *gradient } else { gradient + *weight * decay };
            *velocity = if fresh { gradient } else { *velocity * momentum + gradient };
            *weight -= *velocity * rate;
        }
    });
}

/// Factors of a step of SGD.
#[derive(Clone, Copy, Debug)]
pub struct SgdStep {
    /// Learning rate.
    pub rate: f32,
    /// L2 decay.
    pub decay: f32,
    /// Share of the velocity that is kept.
    pub momentum: f32,
}
