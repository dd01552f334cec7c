//! Derives a learning rate from the finder's curve.

use fastai_dsl::Suggest;

use super::recorder::SmoothedLoss;

/// Smallest number of points for a suggestion.
const FEWEST: usize = 8;
/// Smallest fall of the loss, relative to its start, for a suggestion.
const LEAST_FALL: f64 = 0.05;
/// Smallest fall in standard errors of the curve: noise alone drifts by about four, seldom by more.
const LEAST_ERRORS: f64 = 6.0;
/// The share of the fall at which `valley` picks the rate. At three quarters, the heads of two of ten pairs of a set and a network
/// got less than a third of the best rate (`tools/finder_table.py`).
const DONE: f64 = 0.85;
/// Lower bound of the loss relative to its start: below it, only noise remains, which the logarithm would magnify.
const FLOOR: f64 = 0.02;
/// Batches at the start that no plot and no search looks at, as in the original's plot; a short sweep leaves out a quarter.
const SKIPPED: usize = 10;
/// The loss rises when it exceeds its level at the start by this share of the level.
const RISEN: f64 = 0.5;
/// Batches of the interval that `slide` moves, and the difference of the slopes at its ends, per batch, at which it stops.
const SLIDE: (usize, f64) = (15, 0.005);
/// Batches at the end that `slide` leaves out.
const SLIDE_END: usize = 5;
/// A loss that falls nowhere clearly suggests the rate from which it rises, divided by this. A tenth of that rate can lie
/// beyond the cliff: on three of five sets, with rates in the ratio .01 : .1 : 1, it was 4 to 5 times the largest rate that still
/// trained the body as well as any (`tools/finder_table.py`).
const BELOW_RISE: f64 = 20.0;

/// A rate that a sweep suggests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suggestion {
    /// The rate.
    pub rate: f64,
    /// What it follows from.
    pub basis: Basis,
}

/// What a suggested rate follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The fall of the loss.
    Fall,
    /// The rise of a loss that falls nowhere clearly, as that of a trained network: the rate lies well below where it rises.
    Rise,
}

impl Suggestion {
    /// What chose the rate, in words: the rule, or a share of the rate from which the loss rises.
    pub fn chosen_by(&self, rule: Suggest) -> String {
        match self.basis {
            Basis::Fall => rule.word().to_string(),
            Basis::Rise => format!("1/{BELOW_RISE} of the rise"),
        }
    }
}

/// The number of batches at the start of a sweep of `n` that say nothing: their losses are those of single batches, and
/// their rates too small to train.
pub fn skipped(n: usize) -> usize {
    SKIPPED.min(n / 4)
}

/// The means of the losses over a centred window of a tenth of the sweep, with the index of the batch at the centre of the
/// first window.
pub fn windowed(losses: &[f64]) -> (Vec<f64>, usize) {
    let half = (losses.len() / 20).max(1);
    (losses.windows(2 * half + 1).map(|w| w.iter().sum::<f64>() / w.len() as f64).collect(), half)
}

/// Returns the rate that a sweep suggests. `rates` rise; `losses` are those of individual batches, not smoothed.
///
/// The losses are averaged over a centred window of a tenth of the sweep, which does not lag behind the rate, unlike the
/// table's moving average; only complete windows count, and none of the first ten batches (of a quarter of a short sweep), unless
/// the loss falls clearly among them.
/// The curve ends where it exceeds its level at the start by half and by more than the noise of the batches. The relevant
/// fall is the one from the highest point to the lowest point after it. If it is at least 5 % and beyond the noise:
///
/// * `valley`: the first rate at which 85 % of the fall in log loss are done (from 2.0 to 0.02, that is 0.04).
///   The loss still falls clearly there, and the minimum, beyond which it soon explodes, is some way off. The length of the
///   plateau before the fall and the position of the lowest point, which noise moves along a flat minimum, have little
///   influence.
/// * `steepest`: the rate at which the loss falls fastest over the logarithm of the rate.
/// * `minimum`: a tenth of the rate with the lowest loss.
/// * `slide`: the rule of fastai v2 on its curve, the moving average of the losses without the first ten batches and the last
///   five. From the end, an interval of 15 batches moves towards lower rates until the average changes as fast at both of its
///   ends, to within 0.005 a batch; its lower end is the rate.
///
/// A network that is trained already has no clear fall. If its loss rises in the end, every rule suggests a twentieth of
/// the rate at which it begins to. Fewer than 8 batches, or a loss that neither falls nor rises, suggest no rate.
///
/// Multiplying all losses by a constant does not change the rate, except that of `slide`.
pub fn suggest(rule: Suggest, rates: &[f64], losses: &[f64]) -> Option<Suggestion> {
    let n = rates.len().min(losses.len());
    if n < FEWEST || losses[..n].iter().any(|l| !l.is_finite()) {
        return None;
    }
    let (whole, half) = windowed(&losses[..n]);
    let first = skipped(n).saturating_sub(half);
    let width = ((2 * half + 1) as f64).sqrt();
    let rise = first + rise(&whole[first..], &losses[first..n], width);
    // A fall that is over after the first batches is one too, if it is beyond their noise.
    let falls = [first, 0]
        .iter()
        .find_map(|&from| fall(rule, &whole[from.min(rise)..rise], &rates[from + half..n], &losses[from..n], half));
    let falls = if rule == Suggest::Slide { falls.and_then(|_| slide(&rates[..n], &losses[..n])) } else { falls };
    falls.map(|rate| Suggestion { rate, basis: Basis::Fall }).or_else(|| {
        let rates = &rates[first + half..n];
        let rate = rates.get(rise - first).filter(|_| rise < whole.len())? / BELOW_RISE;
        // Below the sweep's own plateau nothing is known.
        (rate >= rates[0]).then_some(Suggestion { rate, basis: Basis::Rise })
    })
}

/// The rate that a clear fall suggests; `curve` and `rates` begin together, `losses` half a window before them.
fn fall(rule: Suggest, curve: &[f64], rates: &[f64], losses: &[f64], half: usize) -> Option<f64> {
    let lowest = (0..curve.len()).min_by(|&a, &b| curve[a].total_cmp(&curve[b]))?;
    let highest = (0..=lowest).max_by(|&a, &b| curve[a].total_cmp(&curve[b]))?;
    let fall = curve[highest] - curve[lowest];
    let error = noise(&losses[..losses.len().min(lowest + 2 * half + 1)]) / ((2 * half + 1) as f64).sqrt();
    if fall < LEAST_FALL * curve[highest].abs() || fall < LEAST_ERRORS * error {
        return None;
    }
    match rule {
        // For `slide`, only whether there is a fall matters.
        Suggest::Valley | Suggest::Slide => {
            let height = |i: usize| curve[i].max(FLOOR * curve[highest]).ln();
            let level = height(highest) - DONE * (height(highest) - height(lowest));
            (highest..=lowest).find(|&i| height(i) <= level).map(|i| rates[i])
        }
        Suggest::Steepest => {
            let slope = |i: usize| (curve[i + 1] - curve[i]) / (rates[i + 1] / rates[i]).ln();
            (highest..lowest).min_by(|&a, &b| slope(a).total_cmp(&slope(b))).map(|i| rates[i])
        }
        Suggest::Minimum => Some(rates[lowest] / 10.0),
    }
}

/// The rate of fastai v2's `slide`; `None` for a sweep that is shorter than its interval.
fn slide(rates: &[f64], losses: &[f64]) -> Option<f64> {
    let mut average = SmoothedLoss::default();
    let smoothed: Vec<f64> = losses.iter().map(|loss| average.add(*loss)).collect();
    let part = skipped(losses.len())..losses.len().checked_sub(SLIDE_END)?;
    let (rates, curve) = (rates.get(part.clone())?, smoothed.get(part)?);
    let last = curve.len().checked_sub(1)?;
    let (width, alike) = SLIDE;
    // Central differences, and one-sided ones at the ends, as numpy's `gradient`.
    let slope = |i: usize| {
        let (before, after) = (i.saturating_sub(1), (i + 1).min(last));
        (curve[after] - curve[before]) / (after - before) as f64
    };
    let mut left = last.checked_sub(width)?;
    let mut found = left;
    while (slope(left + width) - slope(left)).abs() > alike {
        found = left;
        let Some(next) = left.checked_sub(1) else { break };
        left = next;
    }
    Some(rates[found])
}

/// The index at which the curve rises above its level at the start, or its length. The level is the highest of the
/// first third, where the rates are small; it rises where it exceeds the level by half and by six standard errors of the batches.
fn rise(curve: &[f64], losses: &[f64], width: f64) -> usize {
    let third = (curve.len() / 3).max(1).min(curve.len());
    let Some(level) = curve[..third].iter().copied().reduce(f64::max) else { return curve.len() };
    let error = noise(&losses[..losses.len().min(third.max(4))]) / width;
    let top = level + (RISEN * level.abs()).max(LEAST_ERRORS * error);
    curve.iter().position(|loss| *loss > top).unwrap_or(curve.len())
}

/// Standard deviation of the losses of single batches around their trend, from neighbours.
fn noise(losses: &[f64]) -> f64 {
    let squares: f64 = losses.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum();
    (squares / (2 * losses.len().max(2) - 2) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, uniform};

    /// Flat until 1e-3, falling until 1, then exploding.
    fn curve(noise: f64) -> (Vec<f64>, Vec<f64>) {
        let rates: Vec<f64> = (0..100).map(|k| 1e-5 * 1e6f64.powf(f64::from(k) / 100.0)).collect();
        let mut wobble = 1.0;
        let losses = rates
            .iter()
            .map(|r| {
                wobble = -wobble;
                let fall = ((r.log10() + 3.0) / 3.0).clamp(0.0, 1.0);
                let rise = (r.log10() * 4.0).max(0.0).exp() - 1.0;
                2.0 - 1.5 * fall + rise + noise * wobble
            })
            .collect();
        (rates, losses)
    }

    #[test]
    fn every_rule_lands_inside_the_fall() {
        for noise in [0.0, 0.05] {
            let (rates, losses) = curve(noise);
            let valley = suggest(Suggest::Valley, &rates, &losses).unwrap().rate;
            let steepest = suggest(Suggest::Steepest, &rates, &losses).unwrap().rate;
            let minimum = suggest(Suggest::Minimum, &rates, &losses).unwrap().rate;
            assert!((0.1..0.7).contains(&valley), "valley {valley}");
            assert!((0.001..1.0).contains(&steepest), "steepest {steepest}");
            assert!((0.05..0.2).contains(&minimum), "minimum {minimum}");
        }
    }

    /// A sweep of `n` batches from 1e-5 to 10: a plateau, a fall by `depth` (in logarithms) between the rates `from` and
    /// `to`, an explosion soon after, and noise on every batch.
    fn sweep(n: u32, depth: f64, from: f64, to: f64, noise: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = Stream::new(seed, "noise").at(&[]);
        let rates: Vec<f64> = (0..n).map(|k| 1e-5 * 1e6f64.powf(f64::from(k) / f64::from(n))).collect();
        let losses = rates.iter().map(|rate| {
            let done = ((rate / from).ln() / (to / from).ln()).clamp(0.0, 1.0);
            let blown = (rate / (2.0 * to)).max(1.0).powi(3) - 1.0;
            (-depth * done).exp() * (1.0 + noise * uniform(&mut rng, -1.0, 1.0)) + blown
        });
        let losses = losses.collect();
        (rates, losses)
    }

    /// Falls of several depths and places, quiet and noisy.
    fn sweeps() -> impl Iterator<Item = (f64, f64, Vec<f64>, Vec<f64>)> {
        (0..300u64).map(|seed| {
            let mut rng = Stream::new(seed, "sweep").at(&[]);
            let from = 10f64.powf(uniform(&mut rng, -4.5, -2.0));
            let to = from * 10f64.powf(uniform(&mut rng, 1.0, 2.0));
            let n = 40 + 20 * (seed % 5) as u32;
            let (depth, noise) = (uniform(&mut rng, 0.7, 4.0), uniform(&mut rng, 0.0, 0.2));
            let (rates, losses) = sweep(n, depth, from, to, noise, seed);
            (from, to, rates, losses)
        })
    }

    #[test]
    fn the_valley_lies_inside_the_fall_in_its_later_half() {
        for (from, to, rates, losses) in sweeps() {
            let Suggestion { rate, basis } = suggest(Suggest::Valley, &rates, &losses).unwrap();
            assert_eq!(basis, Basis::Fall);
            // Smoothing and noise move it by less than a tenth of the sweep.
            assert!(rate > (from * to).sqrt() / 2.0 && rate < 2.0 * to, "{rate:.2e} for {from:.2e} to {to:.2e}");
        }
    }

    #[test]
    fn units_do_not_matter_and_rates_scale() {
        for (_, _, rates, losses) in sweeps() {
            for rule in [Suggest::Valley, Suggest::Steepest, Suggest::Minimum] {
                let rate = suggest(rule, &rates, &losses).unwrap();
                let other: Vec<f64> = losses.iter().map(|l| l * 8.0).collect();
                assert_eq!(suggest(rule, &rates, &other), Some(rate));
                let other: Vec<f64> = rates.iter().map(|r| r * 4.0).collect();
                let scaled = suggest(rule, &other, &losses).unwrap();
                assert!((scaled.rate / rate.rate - 4.0).abs() < 1e-9, "{rule:?}");
            }
        }
    }

    #[test]
    fn what_comes_after_the_explosion_does_not_matter() {
        // A saturated batch may lose nothing at all on a network that is broken.
        for (_, _, mut rates, mut losses) in sweeps() {
            let rate = suggest(Suggest::Valley, &rates, &losses);
            rates.extend([20.0, 30.0, 40.0]);
            losses.extend([900.0, 0.0, 0.0]);
            let with = suggest(Suggest::Valley, &rates, &losses);
            assert!((with.unwrap().rate / rate.unwrap().rate).ln().abs() < 0.5, "{rate:?} {with:?}");
        }
    }

    /// A trained network: a flat loss with much noise, which explodes from `from` on.
    fn trained(n: u32, from: f64, noise: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = Stream::new(seed, "noise").at(&[]);
        let rates: Vec<f64> = (0..n).map(|k| 1e-5 * 1e6f64.powf(f64::from(k) / f64::from(n))).collect();
        let blown = |rate: f64| (rate / from).max(1.0).powi(2) - 1.0;
        let losses = rates.iter().map(|&r| 0.2 * (1.0 + noise * uniform(&mut rng, -1.0, 1.0) + blown(r))).collect();
        (rates, losses)
    }

    #[test]
    fn a_trained_network_gets_a_twentieth_of_the_rate_from_which_its_loss_rises() {
        let mut falls = 0;
        for seed in 0..200 {
            let mut rng = Stream::new(seed, "trained").at(&[]);
            let from = 10f64.powf(uniform(&mut rng, -2.0, -0.5));
            let n = 40 + 20 * (seed % 4) as u32;
            let (rates, losses) = trained(n, from, uniform(&mut rng, 0.1, 0.6), seed);
            for rule in [Suggest::Valley, Suggest::Steepest, Suggest::Minimum] {
                let found = suggest(rule, &rates, &losses).unwrap();
                if found.basis == Basis::Fall {
                    // Noise may look like a fall now and then.
                    falls += 1;
                    continue;
                }
                let near = found.rate > from / 40.0 && found.rate < from / 4.0;
                assert!(near, "seed {seed}: {found:?} for {from:.2e}");
            }
        }
        assert!(falls <= 18, "{falls} of 600");
    }

    #[test]
    fn a_rate_below_the_rise_says_how_far() {
        // Flat at 0.2, and twice that from a rate of 0.045 on: half of the window around its first batch is above.
        let rates: Vec<f64> = (0..60).map(|k| 1e-5 * 1e6f64.powf(f64::from(k) / 60.0)).collect();
        let losses: Vec<f64> = rates.iter().map(|rate| if *rate < 0.045 { 0.2 } else { 0.4 }).collect();
        let found = suggest(Suggest::Valley, &rates, &losses).unwrap();
        let said = found.chosen_by(Suggest::Valley);
        assert_eq!(said, "1/20 of the rise");
        let share: f64 = said.strip_prefix("1/").unwrap().split(' ').next().unwrap().parse().unwrap();
        let past = (found.rate * share / 0.045).ln() / (rates[1] / rates[0]).ln();
        assert!((0.0..=1.0).contains(&past), "the rise begins {past} batches before what is said");
        let fall = Suggestion { rate: 0.01, basis: Basis::Fall };
        assert_eq!(fall.chosen_by(Suggest::Slide), "slide");
    }

    #[test]
    fn wild_first_batches_do_not_matter() {
        for (_, _, rates, mut losses) in sweeps() {
            let rate = suggest(Suggest::Valley, &rates, &losses).unwrap();
            for (k, loss) in losses.iter_mut().take(8).enumerate() {
                *loss = if k % 2 == 0 { 0.001 } else { 9.0 };
            }
            let wild = suggest(Suggest::Valley, &rates, &losses).unwrap();
            // Where they hide a fall, what is left is the rise, ten times as high as the fall.
            let hidden = wild.basis != rate.basis;
            let found = if hidden { wild.rate * BELOW_RISE / 10.0 } else { wild.rate };
            assert!((found / rate.rate).ln().abs() < 1.2, "{rate:?} {wild:?}");
        }
    }

    #[test]
    fn noise_alone_suggests_nothing() {
        let suggested = (0..200).filter(|&seed| {
            let (rates, losses) = sweep(100, 0.0, 1.0, 2.0, 0.5, seed);
            suggest(Suggest::Valley, &rates[..80], &losses[..80]).is_some()
        });
        assert!(suggested.count() <= 6);
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        let rates: Vec<f64> = (1..40).map(f64::from).collect();
        let flat = vec![1.0; 39];
        let rising: Vec<f64> = (1..40).map(f64::from).collect();
        for rule in [Suggest::Valley, Suggest::Steepest, Suggest::Minimum] {
            assert_eq!(suggest(rule, &rates, &flat), None);
            assert_eq!(suggest(rule, &rates, &rising), None);
            assert_eq!(suggest(rule, &rates[..5], &[5.0, 4.0, 3.0, 2.0, 1.0]), None);
        }
    }
}
