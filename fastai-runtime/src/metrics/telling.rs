//! Images worth a look: fastai's `most_correct`, `most_incorrect`, `most_uncertain`.

use super::probabilities::Probabilities;

/// Images of `class` that were said to be of it, the most probable first: at most `n`.
pub fn most_correct(probabilities: &Probabilities, truth: &[u32], class: usize, n: usize) -> Vec<usize> {
    ranked(probabilities, truth, class, n, |image, p| (probabilities.top(image) == class).then(|| -p))
}

/// Images of `class` that were said to be of another, the least probable first: at most `n`.
pub fn most_incorrect(probabilities: &Probabilities, truth: &[u32], class: usize, n: usize) -> Vec<usize> {
    ranked(probabilities, truth, class, n, |image, p| (probabilities.top(image) != class).then_some(p))
}

/// Images of `class`, those first whose probability of it is nearest to `1 / classes`: at most `n`.
pub fn most_uncertain(probabilities: &Probabilities, truth: &[u32], class: usize, n: usize) -> Vec<usize> {
    let even = 1.0 / probabilities.classes().max(1) as f64;
    ranked(probabilities, truth, class, n, |_, p| Some((p - even).abs()))
}

/// The images of `class` that `order` gives a number, by that number; of equals the first image comes first.
fn ranked(
    probabilities: &Probabilities,
    truth: &[u32],
    class: usize,
    n: usize,
    order: impl Fn(usize, f64) -> Option<f64>,
) -> Vec<usize> {
    let of_class = truth.iter().enumerate().filter(|(_, t)| **t as usize == class);
    let mut found: Vec<(f64, usize)> = of_class
        .filter_map(|(image, _)| Some((order(image, f64::from(probabilities.row(image)[class]))?, image)))
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    found.truncate(n);
    found.into_iter().map(|(_, image)| image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_ranked_as_fastai_ranks_them() {
        let p = Probabilities::new(vec![0.9, 0.1, 0.6, 0.4, 0.3, 0.7, 0.05, 0.95, 0.2, 0.8], 2);
        let truth = [0, 0, 0, 0, 1];
        assert_eq!(most_correct(&p, &truth, 0, 4), [0, 1]);
        assert_eq!(most_incorrect(&p, &truth, 0, 4), [3, 2]);
        assert_eq!(most_uncertain(&p, &truth, 0, 3), [1, 2, 0]);
        assert_eq!(most_correct(&p, &truth, 1, 4), [4]);
        assert_eq!(most_incorrect(&p, &truth, 0, 1), [3]);
    }
}
