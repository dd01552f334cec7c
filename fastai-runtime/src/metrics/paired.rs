//! Two models on the same images: the difference of a metric, its interval, and whether chance explains it.

use super::interval::{RESAMPLES, bootstrap_of};
use super::statistic::resamples;
use super::{Measure, Probabilities, Truth};

/// Most numbers that [`by_chance`] adds up.
const WORK: usize = 50_000_000;
/// Fewest random exchanges of [`by_chance`].
const FEWEST: usize = 200;

/// The difference of a metric between two models that saw the same images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// The metric of the first model.
    pub first: f64,
    /// The metric of the second.
    pub second: f64,
    /// 95 % interval of `second - first`, bootstrapped over images.
    pub interval: Option<[f64; 2]>,
    /// The probability of a difference at least as large if both models were equally good: the share of random exchanges of
    /// the two predictions of an image that have one (an approximate randomization test, two-sided; it counts the
    /// observation, so it is never 0).
    pub p: f64,
    /// Number of random exchanges.
    pub exchanges: usize,
}

impl Paired {
    /// `second - first`.
    pub fn difference(&self) -> f64 {
        self.second - self.first
    }
}

/// Compares two models on the images that they share: row `i` of both is of image `i` of `truth`.
///
/// `draw` returns independent, uniform 64-bit numbers. `None` for fewer than two images, or where the metric has no value
/// for one of the models.
///
/// # Panics
/// If the three differ in their number of images, or the models in their number of classes.
pub fn paired(
    metric: &dyn Measure,
    first: &Probabilities,
    second: &Probabilities,
    truth: &Truth,
    draw: &mut dyn FnMut() -> u64,
) -> Option<Paired> {
    let n = truth.len();
    assert!(
        first.len() == n && second.len() == n && first.classes() == second.classes(),
        "the same images and classes"
    );
    let (a, b) = (metric.value(first, truth), metric.value(second, truth));
    let observed = (b - a).abs();
    if n < 2 || observed.is_nan() {
        return None;
    }
    let exchanges = resamples(first);
    // Equal up to rounding counts as equal: exchanges of images that both models see alike change the order of sums.
    let least = observed - 1e-12 * observed.max(1.0);
    let mut as_large = 0;
    let (mut x, mut y) = (first.clone(), second.clone());
    for _ in 0..exchanges {
        for (image, exchanged) in tosses(n, draw).enumerate() {
            let [left, right] = if exchanged { [second, first] } else { [first, second] };
            x.row_mut(image).copy_from_slice(left.row(image));
            y.row_mut(image).copy_from_slice(right.row(image));
        }
        let difference = (metric.value(&y, truth) - metric.value(&x, truth)).abs();
        // A draw without a value speaks for nothing; counting it is the cautious side.
        as_large += usize::from(difference.is_nan() || difference >= least);
    }
    let interval = bootstrap_of(n, exchanges, draw, |times| {
        let images: Vec<usize> =
            times.iter().enumerate().flat_map(|(image, &times)| std::iter::repeat_n(image, times as usize)).collect();
        let truth = truth.select(&images);
        let value = |of: &Probabilities| metric.value(&of.select(&images), &truth);
        Some(value(second) - value(first)).filter(|difference| !difference.is_nan())
    });
    let p = (1 + as_large) as f64 / (1 + exchanges) as f64;
    Some(Paired { first: a, second: b, interval, p, exchanges })
}

/// The probability of a mean of these differences at least as far from 0, if chance had decided which of the two numbers of each
/// image is which: the exchange test of [`paired`] for a number per image. It is two-sided, and at least `2 / 2^n`.
///
/// `draw` returns independent, uniform 64-bit numbers. `None` for fewer than two differences, or if one is not finite.
pub fn by_chance(differences: &[f64], draw: &mut dyn FnMut() -> u64) -> Option<f64> {
    let n = differences.len();
    if n < 2 || differences.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    let exchanges = (WORK / n).clamp(FEWEST, RESAMPLES);
    // Equal up to rounding counts as equal.
    let rounding = 1e-12 * differences.iter().map(|difference| difference.abs()).sum::<f64>();
    let least = differences.iter().sum::<f64>().abs() - rounding;
    let mut as_large = 0;
    for _ in 0..exchanges {
        let exchanged = differences.iter().zip(tosses(n, draw));
        let sum: f64 = exchanged.map(|(difference, exchanged)| if exchanged { -difference } else { *difference }).sum();
        as_large += usize::from(sum.abs() >= least);
    }
    Some((1 + as_large) as f64 / (1 + exchanges) as f64)
}

/// So many tosses of a coin.
fn tosses(n: usize, draw: &mut dyn FnMut() -> u64) -> impl Iterator<Item = bool> {
    let mut bits = 0;
    (0..n).map(move |toss| {
        if toss % 64 == 0 {
            bits = draw();
        }
        bits >> (toss % 64) & 1 == 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::interval::tests::generator;
    use crate::metrics::{Accuracy, LogLoss};

    /// Predictions of class 0 for all, which is right; `wrong` of them say class 1.
    fn right_but(wrong: std::ops::Range<usize>, n: usize) -> Probabilities {
        let rows = (0..n).flat_map(|i| if wrong.contains(&i) { [0.2, 0.8] } else { [0.7, 0.3] });
        Probabilities::new(rows.collect(), 2)
    }

    #[test]
    fn the_exchange_test_agrees_with_the_exact_one() {
        let truth = Truth::Classes(vec![0; 40]);
        // Discordant images: 8 that only the second has right, 1 that only the first has. The exact two-sided sign test
        // says 2 * (1 + 9) / 2^9 = 0.0390625.
        let (first, second) = (right_but(0..8, 40), right_but(8..9, 40));
        let compared = paired(&Accuracy, &first, &second, &truth, &mut generator()).unwrap();
        assert_eq!((compared.first, compared.second, compared.exchanges), (0.8, 0.975, 1000));
        assert!((compared.p - 0.0390625).abs() < 0.02, "{compared:?}");
        let [low, high] = compared.interval.unwrap();
        assert!(low < compared.difference() && compared.difference() < high && low > 0.0 && high < 0.4, "{compared:?}");
        // The other way round, all is mirrored.
        let back = paired(&Accuracy, &second, &first, &truth, &mut generator()).unwrap();
        assert_eq!(back.difference(), -compared.difference());
        assert!((back.p - compared.p).abs() < 1e-9);
    }

    #[test]
    fn differences_of_one_sign_are_hardly_chance_and_one_large_one_is() {
        let of = |differences: &[f64]| by_chance(differences, &mut generator());
        // Exact: 2 of 2^5 choices of the signs; a deviation of the share of 1000 draws is 0.008.
        let few = of(&[1.0, 2.0, 0.5, 3.0, 1.5]).unwrap();
        assert!((few - 2.0 / 32.0).abs() < 0.03, "{few}");
        assert!(of(&[0.1; 20]).unwrap() < 0.002);
        // One image of twenty against the others.
        let mut one = [-0.1; 20];
        one[7] = 4.0;
        assert!(of(&one).unwrap() > 0.2);
        assert_eq!(of(&[0.0; 9]), Some(1.0));
        assert_eq!((of(&[1.0]), of(&[1.0, f64::INFINITY])), (None, None));
    }

    #[test]
    fn a_model_does_not_differ_from_itself() {
        let truth = Truth::Classes((0..30).map(|i| i % 2).collect());
        let model = right_but(3..9, 30);
        for metric in [&Accuracy as &dyn Measure, &LogLoss] {
            let compared = paired(metric, &model, &model, &truth, &mut generator()).unwrap();
            assert_eq!((compared.difference(), compared.p, compared.interval), (0.0, 1.0, Some([0.0, 0.0])));
        }
        let one = Truth::Classes(vec![0]);
        assert_eq!(paired(&Accuracy, &right_but(0..0, 1), &right_but(0..1, 1), &one, &mut generator()), None);
    }
}
