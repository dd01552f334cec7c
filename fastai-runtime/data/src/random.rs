//! Named random streams of one seed.
//!
//! Every random draw of a run uses a generator that is addressed by its purpose: the seed, the name of a stream, and a few
//! counters such as stage, epoch and image. No generator is shared, so results depend neither on the number of threads nor
//! on the order of draws.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A named family of generators under one seed.
///
/// Streams in use: `order` and `sampler` (stage, epoch); `transform` (stage, epoch, image, repetition), `tta` (digest
/// of the pixels, view), each with a generator a part ([`Address`]); `erase` (its
/// seed is a draw of one of these); `init` (part, its number, index of the weight); `dropout` and `mixing` (stage, batch;
/// while a rate is looked for, the sweep and its batch); `bootstrap` (stage, metric); `paired test` (metric).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    seed: u64,
    name: &'static str,
}

impl Stream {
    /// The stream `name` of the run's `seed`.
    pub const fn new(seed: u64, name: &'static str) -> Self {
        Stream { seed, name }
    }

    /// Returns the generator at these counters. Its numbers do not depend on the time or thread of the call.
    ///
    /// The key is BLAKE3 of the seed, the name (length first) and the counters, so neighbours are unrelated.
    pub fn at(&self, counters: &[u64]) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.address(counters).key)
    }

    /// Returns the address at these counters, for an object whose parts draw independently.
    pub fn address(&self, counters: &[u64]) -> Address {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.seed.to_le_bytes());
        hash.update(&(self.name.len() as u64).to_le_bytes());
        hash.update(self.name.as_bytes());
        for counter in counters {
            hash.update(&counter.to_le_bytes());
        }
        Address { key: *hash.finalize().as_bytes() }
    }
}

/// One address in a [`Stream`], such as one image of one epoch. Each part of the object has its own generator, so neither
/// the draws of a part nor its presence affect the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    key: [u8; 32],
}

impl Address {
    /// Returns the generator of part number `number` of this kind. It always yields the same numbers.
    ///
    /// All parts share one key, which costs one hash, and each has its own ChaCha stream, which costs nothing.
    pub fn part(&self, kind: u32, number: u32) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::from_seed(self.key);
        rng.set_stream((u64::from(kind) << 32) | u64::from(number));
        rng
    }
}

/// 64 uniform bits.
pub fn bits(rng: &mut ChaCha8Rng) -> u64 {
    rng.next_u64()
}

/// A number from `[0, 1)` in steps of 2^-53.
pub fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (-53f64).exp2()
}

/// A number from `[lo, hi)`; `lo` where the range is empty.
pub fn uniform(rng: &mut ChaCha8Rng, lo: f64, hi: f64) -> f64 {
    lo + (hi - lo) * unit(rng)
}

/// True with probability `p`.
pub fn chance(rng: &mut ChaCha8Rng, p: f64) -> bool {
    unit(rng) < p
}

/// The factors of dropout: 0 with probability `p`, otherwise `1 / (1 - p)`, so that the mean stays. `p` lies in [0, 1).
pub fn dropout(rng: &mut ChaCha8Rng, count: usize, p: f64) -> Vec<f32> {
    let (below, kept) = ((p * f64::from(u32::MAX)) as u32, (1.0 / (1.0 - p)) as f32);
    (0..count).map(|_| if rng.next_u32() < below { 0.0 } else { kept }).collect()
}

/// A uniform integer from `0..n`. `n` must not be 0.
pub fn below(rng: &mut ChaCha8Rng, n: u64) -> u64 {
    assert!(n > 0, "nothing to draw from");
    // Draws above the largest multiple of n would favour the small numbers.
    let limit = u64::MAX - u64::MAX % n;
    loop {
        let draw = rng.next_u64();
        if draw < limit {
            return draw % n;
        }
    }
}

/// `count` normal variates with mean 0, by the Box-Muller transform.
pub fn normal(rng: &mut ChaCha8Rng, count: usize, deviation: f64) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        // 1 - unit lies in (0, 1], so its logarithm is finite.
        let radius = (-2.0 * (1.0 - unit(rng)).ln()).sqrt() * deviation;
        let (sin, cos) = (TAU * unit(rng)).sin_cos();
        values.push((radius * cos) as f32);
        values.push((radius * sin) as f32);
    }
    values.truncate(count);
    values
}

/// A number from `[0, 1]` of the Beta distribution with both parameters `alpha`, above 0.
///
/// The quotient of one of two Gamma variates and their sum. For small parameters most values are close to 0 or 1, and the
/// variates themselves underflow a double, so their logarithms are drawn.
pub fn beta(rng: &mut ChaCha8Rng, alpha: f64) -> f64 {
    let (one, other) = (log_gamma_number(rng, alpha), log_gamma_number(rng, alpha));
    1.0 / (1.0 + (other - one).exp())
}

/// The logarithm of a Gamma variate with shape `alpha` and scale 1 (Marsaglia and Tsang, 2000).
fn log_gamma_number(rng: &mut ChaCha8Rng, alpha: f64) -> f64 {
    if alpha < 1.0 {
        // 1 - unit lies in (0, 1], so its logarithm is finite.
        let scale = (1.0 - unit(rng)).ln() / alpha;
        return log_gamma_number(rng, alpha + 1.0) + scale;
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = f64::from(normal(rng, 1, 1.0)[0]);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - unit(rng)).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d.ln() + v.ln();
        }
    }
}

/// A uniform permutation of `0..n` (Fisher-Yates).
pub fn permutation(rng: &mut ChaCha8Rng, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, below(rng, i as u64 + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_address_gives_the_same_numbers() {
        let a = Stream::new(42, "order").at(&[1, 2]).next_u64();
        assert_eq!(a, Stream::new(42, "order").at(&[1, 2]).next_u64());
    }

    #[test]
    fn any_other_address_gives_others() {
        let draw = |seed, name, counters: &[u64]| Stream::new(seed, name).at(counters).next_u64();
        let all = [
            draw(42, "order", &[1, 2]),
            draw(43, "order", &[1, 2]),
            draw(42, "init", &[1, 2]),
            draw(42, "order", &[2, 1]),
            draw(42, "order", &[1]),
            draw(42, "order", &[1, 2, 0]),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn parts_of_an_address_are_unrelated_and_do_not_change() {
        let part = |counter, kind, number| {
            let mut rng = Stream::new(42, "transform").address(&[counter]).part(kind, number);
            std::array::from_fn::<u64, 20, _>(|_| rng.next_u64())
        };
        let all = [part(1, 1, 0), part(1, 2, 0), part(1, 1, 1), part(1, 0, 1), part(2, 1, 0), part(1, 0, 0)];
        // Nor does one begin in the middle of another.
        let distinct: std::collections::HashSet<u64> = all.iter().flatten().copied().collect();
        assert_eq!(distinct.len(), all.len() * 20);
        assert_eq!(all[2], part(1, 1, 1));
    }

    #[test]
    fn a_permutation_holds_each_number_once() {
        let mut rng = Stream::new(1, "order").at(&[]);
        let mut order = permutation(&mut rng, 1000);
        assert!(order.windows(2).any(|w| w[0] > w[1]));
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(i, v)| i == *v));
        assert!(permutation(&mut rng, 0).is_empty());
        assert_eq!(permutation(&mut rng, 1), [0]);
    }

    #[test]
    fn permutations_are_about_equally_likely() {
        let mut counts = std::collections::HashMap::new();
        for i in 0..6000 {
            *counts.entry(permutation(&mut Stream::new(7, "order").at(&[i]), 3)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        // Five standard deviations of a binomial(6000, 1/6).
        assert!(counts.values().all(|n| (856..1144).contains(n)), "{counts:?}");
    }

    #[test]
    fn beta_has_the_wanted_moments() {
        for alpha in [0.05, 0.2, 0.4, 1.0, 3.0, 20.0] {
            let mut rng = Stream::new(5, "mixing").at(&[]);
            let draws: Vec<f64> = (0..20_000).map(|_| beta(&mut rng, alpha)).collect();
            assert!(draws.iter().all(|v| (0.0..=1.0).contains(v)));
            let mean = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|v| (v - 0.5).powi(2)).sum::<f64>() / 20_000.0;
            let wanted = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            // Five standard deviations of the mean, at most 0.5 / sqrt(20000) each.
            assert!((mean - 0.5).abs() < 0.018, "{alpha}: mean {mean}");
            assert!((variance / wanted - 1.0).abs() < 0.06, "{alpha}: variance {variance}, not {wanted}");
        }
    }

    #[test]
    fn uniform_stays_in_its_range_and_fills_it() {
        let mut rng = Stream::new(3, "transform").at(&[]);
        let draws: Vec<f64> = (0..2000).map(|_| uniform(&mut rng, -10.0, 10.0)).collect();
        assert!(draws.iter().all(|v| (-10.0..10.0).contains(v)));
        let mean = draws.iter().sum::<f64>() / 2000.0;
        assert!(mean.abs() < 0.65, "{mean}");
        assert!(draws.iter().any(|v| *v < -9.9) && draws.iter().any(|v| *v > 9.9));
    }
}
