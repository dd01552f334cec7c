//! Steps of an optimizer over the numbers of one tensor, in one pass over memory.

use rayon::prelude::*;

/// Numbers that a thread takes at least.
const SHARE: usize = 1 << 15;

/// One step of SGD: `velocity <- momentum velocity + (gradient + decay weight)`, `weight <- weight - rate velocity`, each
/// operation rounded as written; with `nesterov`, `weight <- weight - rate (gradient + decay weight + momentum velocity)`.
///
/// # Panics
/// If the lengths differ.
pub fn sgd(weight: &mut [f32], gradient: &[f32], velocity: &mut [f32], step: SgdStep) {
    assert!(weight.len() == gradient.len() && weight.len() == velocity.len(), "numbers of one tensor");
    let SgdStep { rate, decay, momentum, nesterov } = step;
    let shares = weight.par_chunks_mut(SHARE).zip(gradient.par_chunks(SHARE)).zip(velocity.par_chunks_mut(SHARE));
    shares.for_each(|((weight, gradient), velocity)| {
        for ((weight, gradient), velocity) in weight.iter_mut().zip(gradient).zip(velocity) {
            let gradient = if decay == 0.0 { *gradient } else { gradient + *weight * decay };
            *velocity = *velocity * momentum + gradient;
            let direction = if nesterov { gradient + *velocity * momentum } else { *velocity };
            *weight -= direction * rate;
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
    /// Whether the step looks ahead along the velocity.
    pub nesterov: bool,
}

/// One step of Adam over a tensor: `m <- beta1 m + (1 - beta1) g`, `v <- beta2 v + (1 - beta2) g^2`,
/// `weight <- weight - rate (m / correction1) / (sqrt(v / correction2) + eps)`. The decay goes into the gradient, or, if
/// `decoupled`, shrinks the weight by `rate decay` before.
///
/// # Panics
/// If the lengths differ.
pub fn adam(weight: &mut [f32], gradient: &[f32], m: &mut [f32], v: &mut [f32], step: AdamStep) {
    assert!([gradient.len(), m.len(), v.len()] == [weight.len(); 3], "numbers of one tensor");
    let (into_gradient, shrink) = step.decays();
    let shares = weight.par_chunks_mut(SHARE).zip(gradient.par_chunks(SHARE));
    let shares = shares.zip(m.par_chunks_mut(SHARE).zip(v.par_chunks_mut(SHARE)));
    shares.for_each(|((weight, gradient), (m, v))| {
        for (((weight, gradient), m), v) in weight.iter_mut().zip(gradient).zip(m).zip(v) {
            let gradient = gradient + *weight * into_gradient;
            *weight = *weight * shrink - step.rate * step.direction(gradient, m, v);
        }
    });
}

/// One step of LAMB over a tensor: the direction of [`adam`] plus `decay weight`, scaled, where there is a decay, by the norm
/// of the weights over that of the direction. `gradient` becomes the direction.
///
/// The norms are sums over equal parts of the tensor, the same on any number of threads.
///
/// # Panics
/// If the lengths differ.
pub fn lamb(weight: &mut [f32], gradient: &mut [f32], m: &mut [f32], v: &mut [f32], step: AdamStep) {
    assert!([gradient.len(), m.len(), v.len()] == [weight.len(); 3], "numbers of one tensor");
    let shares = weight.par_chunks(SHARE).zip(gradient.par_chunks_mut(SHARE));
    let shares = shares.zip(m.par_chunks_mut(SHARE).zip(v.par_chunks_mut(SHARE)));
    let squares: Vec<[f64; 2]> = shares
        .map(|((weight, gradient), (m, v))| {
            let mut sums = [0.0; 2];
            for (((weight, gradient), m), v) in weight.iter().zip(gradient).zip(m).zip(v) {
                *gradient = step.direction(*gradient, m, v) + step.decay * weight;
                sums[0] += f64::from(*weight) * f64::from(*weight);
                sums[1] += f64::from(*gradient) * f64::from(*gradient);
            }
            sums
        })
        .collect();
    let [weights, directions] = squares.iter().fold([0.0; 2], |[a, b], [c, d]| [a + c, b + d]);
    let trusted = step.decay != 0.0 && weights > 0.0 && directions > 0.0;
    let rate = if trusted { step.rate * (weights / directions).sqrt() as f32 } else { step.rate };
    weight.par_chunks_mut(SHARE).zip(gradient.par_chunks(SHARE)).for_each(|(weight, direction)| {
        weight.iter_mut().zip(direction).for_each(|(weight, direction)| *weight -= rate * direction);
    });
}

/// Factors of a step of Adam and LAMB.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Learning rate.
    pub rate: f32,
    /// Weight decay.
    pub decay: f32,
    /// Whether the decay shrinks the weight instead of entering the gradient.
    pub decoupled: bool,
    /// Shares of `m` and of `v` that are kept.
    pub betas: [f32; 2],
    /// `1 - beta^steps` of both.
    pub corrections: [f32; 2],
    /// Added to the root.
    pub eps: f32,
}

impl AdamStep {
    /// The part of the weight that is added to the gradient, and the factor of the weight.
    fn decays(&self) -> (f32, f32) {
        if self.decoupled { (0.0, 1.0 - self.rate * self.decay) } else { (self.decay, 1.0) }
    }

    #[inline(always)]
    fn direction(&self, gradient: f32, m: &mut f32, v: &mut f32) -> f32 {
        let ([beta1, beta2], [first, second]) = (self.betas, self.corrections);
        *m += (gradient - *m) * (1.0 - beta1);
        *v = *v * beta2 + gradient * gradient * (1.0 - beta2);
        *m / first / ((*v / second).sqrt() + self.eps)
    }
}

/// One step of RMSprop over a tensor: `v <- alpha v + (1 - alpha) (g + decay weight)^2`, `moving <- momentum moving +
/// g / (sqrt(v) + eps)`, `weight <- weight - rate moving`.
///
/// # Panics
/// If the lengths differ.
pub fn rmsprop(weight: &mut [f32], gradient: &[f32], v: &mut [f32], moving: &mut [f32], step: RmspropStep) {
    assert!([gradient.len(), moving.len(), v.len()] == [weight.len(); 3], "numbers of one tensor");
    let RmspropStep { rate, decay, alpha, eps, momentum } = step;
    let shares = weight.par_chunks_mut(SHARE).zip(gradient.par_chunks(SHARE));
    let shares = shares.zip(v.par_chunks_mut(SHARE).zip(moving.par_chunks_mut(SHARE)));
    shares.for_each(|((weight, gradient), (v, moving))| {
        for (((weight, gradient), v), moving) in weight.iter_mut().zip(gradient).zip(v).zip(moving) {
            let gradient = gradient + *weight * decay;
            *v = *v * alpha + gradient * gradient * (1.0 - alpha);
            *moving = *moving * momentum + gradient / (v.sqrt() + eps);
            *weight -= rate * *moving;
        }
    });
}

/// Factors of a step of RMSprop.
#[derive(Clone, Copy, Debug)]
pub struct RmspropStep {
    /// Learning rate.
    pub rate: f32,
    /// L2 decay.
    pub decay: f32,
    /// Share of the mean square that is kept.
    pub alpha: f32,
    /// Added to the root.
    pub eps: f32,
    /// Share of the moving step that is kept.
    pub momentum: f32,
}
