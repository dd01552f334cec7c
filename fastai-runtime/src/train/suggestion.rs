//! Reads a learning rate off the finder's curve.

use fastai_dsl::Suggest;

/// Fewer points than this say nothing.
const FEWEST: usize = 8;
/// The loss must fall by this share of its start, or nothing is suggested.
const LEAST_FALL: f64 = 0.05;
/// This share of the fall still counts as the plateau before it.
const PLATEAU: f64 = 0.1;

/// The rate that a sweep suggests: `rates` rise, `losses` are those of the single batches, not smoothed.
///
/// The losses are first averaged over a centred window of a tenth of the sweep, which, unlike the moving average of the
/// table, does not lag behind the rate. If they never fall by at least 5 %, or there are fewer than 8, nothing is
/// suggested. Otherwise, with everything behind the lowest point left out:
///
/// * `valley`: two thirds along the long fall (counted in batches, so in powers of the rate), which begins where the
///   curve has left its plateau by a tenth of the fall and ends at the bottom: well inside, and well before the bottom;
/// * `steep`: where the loss falls fastest over the logarithm of the rate;
/// * `minimum`: a tenth of the rate with the lowest loss.
pub fn suggest(rule: Suggest, rates: &[f64], losses: &[f64]) -> Option<f64> {
    let n = rates.len().min(losses.len());
    if n < FEWEST || losses[..n].iter().any(|l| !l.is_finite()) {
        return None;
    }
    let curve = centred_mean(&losses[..n], (n / 20).max(1));
    let lowest = (0..n).fold(0, |best, i| if curve[i] < curve[best] { i } else { best });
    if curve[0] - curve[lowest] < LEAST_FALL * curve[0].abs() {
        return None;
    }
    match rule {
        Suggest::Valley => valley(&curve[..=lowest]).map(|i| rates[i]),
        Suggest::Steep => {
            let slope = |i: usize| (curve[i + 1] - curve[i]) / (rates[i + 1] / rates[i]).ln();
            (0..lowest).min_by(|&a, &b| slope(a).total_cmp(&slope(b))).map(|i| rates[i])
        }
        Suggest::Minimum => Some(rates[lowest] / 10.0),
    }
}

/// Mean over up to `half` points on either side.
fn centred_mean(values: &[f64], half: usize) -> Vec<f64> {
    (0..values.len())
        .map(|i| {
            let half = half.min(i).min(values.len() - 1 - i);
            let window = &values[i - half..=i + half];
            window.iter().sum::<f64>() / window.len() as f64
        })
        .collect()
}

/// Two thirds along the fall: it begins at the last point that is within a tenth of it from the top.
fn valley(curve: &[f64]) -> Option<usize> {
    let end = curve.len().checked_sub(1)?;
    let top = curve.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let begun = top - PLATEAU * (top - curve[end]);
    let start = curve.iter().rposition(|loss| *loss >= begun)?;
    Some(start + (end - start) * 2 / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let valley = suggest(Suggest::Valley, &rates, &losses).unwrap();
            let steep = suggest(Suggest::Steep, &rates, &losses).unwrap();
            let minimum = suggest(Suggest::Minimum, &rates, &losses).unwrap();
            assert!((0.01..0.3).contains(&valley), "valley {valley}");
            assert!((0.001..1.0).contains(&steep), "steep {steep}");
            assert!((0.05..0.2).contains(&minimum), "minimum {minimum}");
        }
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        let rates: Vec<f64> = (1..40).map(f64::from).collect();
        let flat = vec![1.0; 39];
        let rising: Vec<f64> = (1..40).map(f64::from).collect();
        for rule in [Suggest::Valley, Suggest::Steep, Suggest::Minimum] {
            assert_eq!(suggest(rule, &rates, &flat), None);
            assert_eq!(suggest(rule, &rates, &rising), None);
            assert_eq!(suggest(rule, &rates[..5], &[5.0, 4.0, 3.0, 2.0, 1.0]), None);
        }
    }
}
