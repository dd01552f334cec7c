//! Whether the answers of a network differ from image to image, and whether they do as the labels do.

use crate::metrics::{Probabilities, Truth};

/// Answers whose log-odds differ by less than this are alike, as are numbers that differ by less than a thousandth of their
/// range. Where units died, answers differ by rounding only.
const ALIKE: [f32; 2] = [0.01, 1e-3];
/// Log-odds beyond this say no more in 32 bits: answers as sure as that are not alike, however large what led to them was.
const SURE: f32 = 15.0;
/// Standard errors by which answers must follow the labels. The columns of two classes say the same twice, which makes the
/// difference look 1.4 times as certain.
const BEYOND_CHANCE: f64 = 4.0;
/// Smallest difference, of a probability, that counts: answers that are alike up to rounding may follow the labels by chance.
const LEAST: f64 = 0.01;

/// Whether the answers for all images are alike; false for fewer than two images. Ends at the first that differs.
pub(super) fn are_alike(answers: &Probabilities, truth: &Truth) -> bool {
    let mut rows = answers.rows();
    let Some(first) = rows.next().filter(|_| rows.len() > 0) else { return false };
    match truth {
        Truth::Classes(_) | Truth::Tags { .. } => {
            let odds = |p: &f32| (p / (1.0 - p)).ln().clamp(-SURE, SURE);
            let first: Vec<f32> = first.iter().map(odds).collect();
            let is_sure = first.iter().all(|odds| odds.abs() >= SURE);
            !is_sure && rows.all(|row| row.iter().zip(&first).all(|(p, first)| (odds(p) - first).abs() <= ALIKE[0]))
        }
        // A network that has yet to reach numbers far from zero says small ones, which differ by little beside them.
        Truth::Values(labels) => {
            let least = labels.iter().copied().fold(f32::INFINITY, f32::min);
            let most = labels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let within = ALIKE[1] * (most - least).min(first[0].abs());
            rows.all(|row| (row[0] - first[0]).abs() <= within)
        }
    }
}

/// Whether the answers follow the labels beyond chance: a class or tag is more probable for its own images than for the others,
/// on average; a number is larger where the label is. Losses do not tell: those of a network that is too sure of itself are as
/// high as those of one that knows nothing.
pub(super) fn follow_labels(answers: &Probabilities, truth: &Truth) -> bool {
    let has = |image: usize, column: usize| match truth {
        Truth::Classes(classes) => classes[image] as usize == column,
        Truth::Tags { cells, tags } => cells[image * tags + column],
        Truth::Values(_) => false,
    };
    if let Truth::Values(labels) = truth {
        return correlated(answers.values(), labels);
    }
    // Of each column, for the other images and for its own.
    let mut moments: Vec<[Scatter; 2]> = (0..answers.classes()).map(|_| Default::default()).collect();
    for (image, row) in answers.rows().enumerate() {
        for (column, (moments, p)) in moments.iter_mut().zip(row).enumerate() {
            moments[usize::from(has(image, column))].add(f64::from(*p));
        }
    }
    let (mut columns, mut difference, mut variance) = (0.0, 0.0, 0.0);
    for [others, own] in moments.iter().filter(|moments| moments.iter().all(|moments| moments.count > 0.0)) {
        columns += 1.0;
        difference += own.mean() - others.mean();
        variance += own.variance_of_mean() + others.variance_of_mean();
    }
    difference > LEAST * columns && difference > BEYOND_CHANCE * variance.sqrt()
}

/// Whether numbers rise with the labels beyond chance, by Fisher's transformation of their correlation.
fn correlated(answers: &[f32], labels: &[f32]) -> bool {
    let pairs = || answers.iter().zip(labels).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let (a, b): (Scatter, Scatter) = (pairs().map(|p| p.0).collect(), pairs().map(|p| p.1).collect());
    let together: f64 = pairs().map(|p| (p.0 - a.mean()) * (p.1 - b.mean())).sum();
    let r = together / (a.squares() * b.squares()).sqrt();
    // Rounding leads beyond 1, where there is no such number.
    r.clamp(-1.0, 1.0).atanh() * (a.count - 3.0).max(0.0).sqrt() > BEYOND_CHANCE
}

/// Count, sum and sum of squares of numbers.
#[derive(Default)]
struct Scatter {
    count: f64,
    sum: f64,
    sum_of_squares: f64,
}

impl Scatter {
    fn add(&mut self, number: f64) {
        self.count += 1.0;
        self.sum += number;
        self.sum_of_squares += number * number;
    }

    fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// The sum of the squared deviations from the mean.
    fn squares(&self) -> f64 {
        (self.sum_of_squares - self.sum * self.mean()).max(0.0)
    }

    /// The variance of the mean. One number alone has none to tell, so the largest of a probability stands for it.
    fn variance_of_mean(&self) -> f64 {
        if self.count < 2.0 { 0.25 } else { self.squares() / (self.count - 1.0) / self.count }
    }
}

impl FromIterator<f64> for Scatter {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        let mut all = Scatter::default();
        numbers.into_iter().for_each(|number| all.add(number));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, uniform};

    #[test]
    fn answers_that_differ_by_rounding_are_alike() {
        let classes = |second: [f32; 2]| {
            let probabilities = Probabilities::new([[0.62, 0.38], second].concat(), 2);
            are_alike(&probabilities, &Truth::Classes(vec![0, 1]))
        };
        assert!(classes([0.620_01, 0.379_99]));
        assert!(!classes([0.63, 0.37]) && !classes([f32::NAN, 0.38]));
        let sure =
            |p: f32| are_alike(&Probabilities::new(vec![1e-5, 0.999_99, p, 1.0 - p], 2), &Truth::Classes(vec![0, 1]));
        assert!(sure(1e-5) && !sure(3e-4), "nearly sure of both, but not equally");
        let surer_than_32_bits_tell = Probabilities::new(vec![0.0, 1.0, 0.0, 1.0], 2);
        assert!(!are_alike(&surer_than_32_bits_tell, &Truth::Classes(vec![0, 1])));
        let numbers = |said: [f32; 3]| {
            are_alike(&Probabilities::new(said.to_vec(), 1), &Truth::Values(vec![20_000.0, 500_000.0, 90_000.0]))
        };
        assert!(numbers([60_000.0, 60_000.004, 60_000.0]) && numbers([0.0; 3]));
        assert!(!numbers([1.2, 1.3, 0.9]), "on its way to large numbers");
        assert!(!numbers([60_000.0, 90_000.0, 30_000.0]));
    }

    #[test]
    fn one_answer_is_like_no_other() {
        assert!(!are_alike(&Probabilities::new(vec![0.5, 0.5], 2), &Truth::Classes(vec![0])));
        assert!(!are_alike(&Probabilities::new(vec![], 2), &Truth::Classes(vec![])));
    }

    /// Answers of which a share is sure and right, a share sure and wrong, for `n` images of two classes in turn.
    fn two_classes(n: usize, right: f64) -> (Probabilities, Truth) {
        let labels: Vec<u32> = (0..n as u32).map(|image| image % 2).collect();
        let mut rng = Stream::new(7, "answers").at(&[]);
        let said = labels.iter().flat_map(|label| {
            let is_right = uniform(&mut rng, 0.0, 1.0) < right;
            let p = if is_right == (*label == 1) { 0.999 } else { 0.001 };
            [1.0 - p, p]
        });
        (Probabilities::new(said.collect(), 2), Truth::Classes(labels))
    }

    #[test]
    fn a_network_that_is_too_sure_follows_the_labels_and_a_coin_does_not() {
        let follows = |n, right| {
            let (answers, truth) = two_classes(n, right);
            follow_labels(&answers, &truth)
        };
        assert!(follows(100, 0.77) && follows(400, 0.65) && follows(24, 1.0));
        assert!(!follows(100, 0.5) && !follows(400, 0.5) && !follows(6, 0.7));
        assert!(!follows(100, 0.2), "the opposite of the labels");
        let constant = Probabilities::new([0.9, 0.1].repeat(50), 2);
        assert!(!follow_labels(&constant, &two_classes(50, 1.0).1));
        assert!(!follow_labels(&Probabilities::new(vec![f32::NAN; 100], 2), &two_classes(50, 1.0).1));
    }

    #[test]
    fn chance_seldom_follows_the_labels() {
        let mut found = 0;
        for seed in 0..500 {
            let mut rng = Stream::new(seed, "chance").at(&[]);
            let cells: Vec<bool> = (0..60 * 5).map(|_| uniform(&mut rng, 0.0, 1.0) < 0.3).collect();
            let said = (0..60 * 5).map(|_| uniform(&mut rng, 0.0, 1.0) as f32).collect();
            found += usize::from(follow_labels(&Probabilities::new(said, 5), &Truth::Tags { cells, tags: 5 }));
        }
        assert!(found <= 1, "{found} of 500");
    }

    #[test]
    fn numbers_follow_numbers() {
        let labels: Vec<f32> = (0..40).map(|k| 1000.0 + k as f32).collect();
        let of = |said: Vec<f32>| follow_labels(&Probabilities::new(said, 1), &Truth::Values(labels.clone()));
        assert!(of((0..40).map(|k| 3.0 * k as f32 + if k % 2 == 0 { 20.0 } else { -20.0 }).collect()));
        assert!(!of((0..40).map(|k| if k % 2 == 0 { 20.0 } else { -20.0 }).collect()));
        assert!(!of(vec![5.0; 40]) && !of((0..40).map(|k| -(k as f32)).collect()));
    }
}
