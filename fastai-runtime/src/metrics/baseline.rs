//! What always saying the same thing would reach.

use super::f2::f2;
use super::probabilities::{Probabilities, Truth};

/// Subsets times distinct tag sets that are tried one by one; beyond, tags are added greedily.
const EXHAUSTIVE_WORK: usize = 200_000_000;
/// Most tags for which all subsets are tried.
const EXHAUSTIVE_TAGS: usize = 16;

/// The best constant answer on the training set, and what it reaches elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantAnswer {
    /// Indices of the class, or of the tags, that it always says.
    pub says: Vec<usize>,
    /// Accuracy (classes) or mean F2 (tags) on the measured set.
    pub value: f64,
}

/// Chooses the constant answer on `train` (most frequent class, or the tag set with the best mean F2) and measures it on
/// `measured`; `None` if either is empty.
///
/// Up to 16 tags every subset is tried; with more, the tag that helps most is added until none helps. Ties go to the
/// lower index.
pub fn constant_answer(train: &Truth, measured: &Truth) -> Option<ConstantAnswer> {
    if train.is_empty() || measured.is_empty() {
        return None;
    }
    match (train, measured) {
        (Truth::Classes(train), Truth::Classes(measured)) => {
            let classes = *train.iter().max()? as usize + 1;
            let mut counts = vec![0usize; classes];
            for &class in train {
                counts[class as usize] += 1;
            }
            let best = (1..classes).fold(0, |best, c| if counts[c] > counts[best] { c } else { best });
            let right = measured.iter().filter(|&&c| c as usize == best).count();
            Some(ConstantAnswer { says: vec![best], value: right as f64 / measured.len() as f64 })
        }
        (Truth::Tags { cells, tags }, Truth::Tags { .. }) => {
            let says = best_tags(cells, *tags);
            let row: Vec<f32> = (0..*tags).map(|tag| if says.contains(&tag) { 1.0 } else { 0.0 }).collect();
            let said = Probabilities::new(row.repeat(measured.len()), *tags);
            Some(ConstantAnswer { says, value: f2(&said, measured, 0.5) })
        }
        // The answer to numbers is no index: see `constant_number`.
        _ => None,
    }
}

/// The number with the smallest mean absolute error on `train`, which is the median, and its error on `measured`; `None`
/// if either is empty.
pub fn constant_number(train: &[f32], measured: &[f32]) -> Option<(f32, f64)> {
    let mut sorted = train.to_vec();
    sorted.sort_by(f32::total_cmp);
    let median = *sorted.get(sorted.len() / 2)?;
    let errors = measured.iter().map(|value| (f64::from(*value) - f64::from(median)).abs());
    (!measured.is_empty()).then(|| (median, errors.sum::<f64>() / measured.len() as f64))
}

fn best_tags(cells: &[bool], tags: usize) -> Vec<usize> {
    let rows = || cells.chunks_exact(tags);
    if tags <= EXHAUSTIVE_TAGS {
        let mut counts = std::collections::BTreeMap::<u32, u32>::new();
        for row in rows() {
            let mask = row.iter().enumerate().fold(0, |mask, (t, &has)| mask | (u32::from(has) << t));
            *counts.entry(mask).or_default() += 1;
        }
        if counts.len() << tags <= EXHAUSTIVE_WORK {
            return exhaustive(&counts.into_iter().collect::<Vec<_>>(), tags);
        }
    }
    greedy(&rows().collect::<Vec<_>>(), tags)
}

/// With `5 hits + 4 missed + wrong = 4 true + said`, only the intersection depends on both sides.
fn exhaustive(masks: &[(u32, u32)], tags: usize) -> Vec<usize> {
    let mut best = (0u32, f64::NEG_INFINITY);
    for said in 0..1u32 << tags {
        let size = said.count_ones();
        let value: f64 = masks
            .iter()
            .map(|&(truth, count)| {
                let hits = (truth & said).count_ones();
                if hits == 0 { 0.0 } else { f64::from(5 * hits * count) / f64::from(4 * truth.count_ones() + size) }
            })
            .sum();
        if value > best.1 {
            best = (said, value);
        }
    }
    (0..tags).filter(|t| best.0 >> t & 1 == 1).collect()
}

fn greedy(rows: &[&[bool]], tags: usize) -> Vec<usize> {
    let truths: Vec<u32> = rows.iter().map(|row| row.iter().map(|&t| u32::from(t)).sum()).collect();
    let mut hits = vec![0u32; rows.len()];
    let mut says = Vec::new();
    let mut reached = 0.0;
    loop {
        let size = says.len() as u32 + 1;
        let value = |tag: usize| -> f64 {
            let cells = rows.iter().zip(&hits).zip(&truths);
            cells.map(|((row, &h), &t)| f64::from(5 * (h + u32::from(row[tag]))) / f64::from(4 * t + size)).sum()
        };
        let mut best = (None, reached);
        for tag in (0..tags).filter(|t| !says.contains(t)) {
            let value = value(tag);
            if value > best.1 {
                best = (Some(tag), value);
            }
        }
        let (Some(tag), value) = best else { break };
        reached = value;
        says.push(tag);
        for (h, row) in hits.iter_mut().zip(rows) {
            *h += u32::from(row[tag]);
        }
    }
    says.sort_unstable();
    says
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_training_class_is_measured_on_the_other_set() {
        let answer = constant_answer(&Truth::Classes(vec![2, 0, 2, 1]), &Truth::Classes(vec![2, 2, 1, 0])).unwrap();
        assert_eq!(answer, ConstantAnswer { says: vec![2], value: 0.5 });
    }

    #[test]
    fn all_subsets_and_greedy_agree_on_an_easy_set() {
        let rows = ["1100", "1100", "1000", "1010", "0001"];
        let cells: Vec<bool> = rows.iter().flat_map(|r| r.bytes().map(|b| b == b'1')).collect();
        // A missed tag costs more than a wrong one, so saying everything is best here.
        assert_eq!(best_tags(&cells, 4), [0, 1, 2, 3]);
        assert_eq!(greedy(&cells.chunks(4).collect::<Vec<_>>(), 4), [0, 1, 2, 3]);
        let truth = Truth::Tags { cells, tags: 4 };
        let answer = constant_answer(&truth, &truth).unwrap();
        let expected = (3.0 * 10.0 / 12.0 + 2.0 * 5.0 / 8.0) / 5.0;
        assert!((answer.value - expected).abs() < 1e-12);
    }

    #[test]
    fn the_median_is_the_best_number() {
        assert_eq!(constant_number(&[5.0, 1.0, 100.0], &[4.0, 8.0]), Some((5.0, 2.0)));
        assert_eq!(constant_number(&[], &[4.0]), None);
        assert_eq!(constant_number(&[4.0], &[]), None);
    }

    #[test]
    fn no_images_no_baseline() {
        assert_eq!(constant_answer(&Truth::Classes(vec![]), &Truth::Classes(vec![0])), None);
    }
}
