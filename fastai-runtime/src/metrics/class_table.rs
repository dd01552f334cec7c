//! How the predictions did on each class or tag alone.

use serde::{Deserialize, Serialize};

use super::confusion::Confusion;
use super::f_beta::Score;
use super::f2::TagCounts;
use super::interval::{wilson, wilson_of_share};
use super::probabilities::{Probabilities, Truth};
use super::thresholds::Thresholds;

/// Weight of recall in the table of classes.
const BETA_OF_CLASSES: f64 = 1.0;
/// Weight of recall in the table of tags: a missed tag costs more than a wrong one, as in the metric `f2`.
const BETA_OF_TAGS: f64 = 2.0;

/// A score of one class, in `[0, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// The value.
    pub value: f64,
    /// 95 % interval of the value.
    pub interval: [f64; 2],
}

/// How the predictions did on one class or tag.
///
/// A score that would divide by zero is `None` here, and 0 in averages over classes and in scikit-learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassRow {
    /// The class or tag.
    pub name: String,
    /// Images that have it.
    pub support: u64,
    /// The probability above which a tag is said; `None` for a class, which is said where it is the most probable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Images that were said to have it.
    pub said: u64,
    /// Share of the said ones that have it, with Wilson's interval; `None` where it was never said.
    pub precision: Option<ClassScore>,
    /// Share of those that have it that were said to, with Wilson's interval; `None` where none has it.
    pub recall: Option<ClassScore>,
    /// F-beta of this class alone; `None` where none has it and it was never said.
    ///
    /// The interval is Wilson's for as many images as make a share vary as F-beta does. That of F1 follows exactly from
    /// Wilson's interval of the share of hits among the images that have the class or were said to.
    pub f_beta: Option<ClassScore>,
}

/// The scores of each class or tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassTable {
    /// Weight of recall in F-beta: 1 for classes, 2 for tags.
    pub beta: f64,
    /// One per class or tag, in the order of the outputs.
    pub rows: Vec<ClassRow>,
    /// Rows that [`keep_worst`](Self::keep_worst) has removed.
    #[serde(default)]
    pub left_out: usize,
}

impl ClassTable {
    /// The name of its F-beta: `F1` or `F2`.
    pub fn f_name(&self) -> String {
        format!("F{}", self.beta)
    }

    /// The rows, the lowest F-beta first; of equals first the one with the most images, and what has no image
    /// last.
    pub fn worst_first(&self) -> Vec<&ClassRow> {
        self.order().into_iter().map(|row| &self.rows[row]).collect()
    }

    /// Removes all but the `most` worst rows.
    pub fn keep_worst(&mut self, most: usize) {
        if self.rows.len() <= most {
            return;
        }
        let mut kept = self.order();
        kept.truncate(most);
        kept.sort_unstable();
        self.left_out += self.rows.len() - kept.len();
        self.rows = kept.into_iter().map(|row| self.rows[row].clone()).collect();
    }

    fn order(&self) -> Vec<usize> {
        let measured = |row: &ClassRow| row.f_beta.filter(|_| row.support > 0);
        let value = |row: &ClassRow| measured(row).map_or(f64::INFINITY, |score| score.value);
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (&self.rows[a], &self.rows[b]);
            value(a).total_cmp(&value(b)).then(b.support.cmp(&a.support))
        });
        order
    }
}

/// Precision, recall and F1 of each class over all images, the most probable class of each being said.
pub fn class_table(confusion: &Confusion) -> ClassTable {
    let mut counts = vec![TagCounts::default(); confusion.classes.len()];
    for &(truth, said, n) in &confusion.cells {
        if truth == said {
            counts[truth as usize].hits += n;
        } else {
            counts[truth as usize].missed += n;
            counts[said as usize].wrong += n;
        }
    }
    let rows = confusion.classes.iter().zip(counts);
    let rows = rows.map(|(name, counts)| row(name, None, counts, BETA_OF_CLASSES)).collect();
    ClassTable { beta: BETA_OF_CLASSES, rows, left_out: 0 }
}

/// Precision, recall and F2 of each tag over all images, a tag being said above its threshold.
pub fn tag_table(
    probabilities: &Probabilities,
    truth: &Truth,
    thresholds: &Thresholds,
    names: &[String],
) -> ClassTable {
    let mut counts = vec![TagCounts::default(); names.len()];
    for (image, row) in probabilities.rows().enumerate() {
        for (number, ((&p, &tag), counts)) in row.iter().zip(truth.tags_of(image)).zip(&mut counts).enumerate() {
            counts.add(thresholds.are_exceeded(number, p), tag);
        }
    }
    let rows = names.iter().zip(counts).enumerate();
    let rows = rows.map(|(tag, (name, counts))| row(name, Some(thresholds.of_tag(tag)), counts, BETA_OF_TAGS));
    ClassTable { beta: BETA_OF_TAGS, rows: rows.collect(), left_out: 0 }
}

fn row(name: &str, threshold: Option<f64>, counts: TagCounts, beta: f64) -> ClassRow {
    let TagCounts { hits, missed, wrong } = counts;
    let (support, said) = (hits + missed, hits + wrong);
    let share = |whole: u64| {
        (whole > 0).then(|| ClassScore { value: hits as f64 / whole as f64, interval: wilson(hits, whole) })
    };
    ClassRow {
        name: name.to_string(),
        support,
        threshold,
        said,
        precision: share(said),
        recall: share(support),
        f_beta: f_beta(counts, beta),
    }
}

/// F-beta with its interval; `None` where nothing is true and nothing was said.
///
/// By the delta method, F-beta has the variance `F (1 - F) / n` of a share of `n = whole / ((1 + beta^2) (1 - F) + weight F)`
/// images, where a missed one weighs `beta^2`, a wrong one 1, and `weight` is the mean weight of a mistake, by weight. A
/// bootstrap would find no width at all for a class with few images and no mistake.
fn f_beta(counts: TagCounts, beta: f64) -> Option<ClassScore> {
    let [hits, missed, wrong] = [counts.hits, counts.missed, counts.wrong].map(|n| n as f64);
    let square = beta * beta;
    let whole = (1.0 + square) * hits + square * missed + wrong;
    if whole == 0.0 {
        return None;
    }
    let value = Score::FBeta(beta).of(hits, hits + wrong, hits + missed);
    // A mistake of each kind more: few mistakes that happen to be of the light kind do not say that all are.
    let (missed, wrong) = (missed + 1.0, wrong + 1.0);
    let weight = (square * square * missed + wrong) / (square * missed + wrong);
    let images = whole / ((1.0 + square) * (1.0 - value) + weight * value);
    Some(ClassScore { value, interval: wilson_of_share(value, images) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn counts_a_tag() {
        let p = Probabilities::new(vec![0.9, 0.0, 0.9, 0.0, 0.1, 0.0, 0.9, 0.0], 2);
        let cells = vec![true, false, false, false, true, false, true, false];
        let truth = Truth::Tags { cells, tags: 2 };
        let table = tag_table(&p, &truth, &Thresholds::All(0.2), &names(&["haze", "snow"]));
        assert_eq!((table.f_name().as_str(), table.left_out), ("F2", 0));
        let [haze, snow] = &table.rows[..] else { panic!("two tags") };
        assert_eq!((haze.support, haze.said, haze.threshold), (3, 3, Some(0.2)));
        let value = |score: &Option<ClassScore>| score.map(|score| score.value);
        assert_eq!(value(&haze.precision), Some(2.0 / 3.0));
        assert_eq!(value(&haze.recall), Some(2.0 / 3.0));
        assert_eq!(value(&haze.f_beta), Some(10.0 / 15.0));
        assert_eq!((snow.support, snow.said), (0, 0));
        assert_eq!((snow.precision, snow.recall, snow.f_beta), (None, None, None));
    }

    /// Cats: one right, one called a dog. No dog, no bird is said, no fox exists.
    fn pets() -> ClassTable {
        class_table(&Confusion {
            classes: names(&["cat", "dog", "bird", "fox"]),
            cells: vec![(0, 0, 1), (0, 1, 1), (2, 0, 3)],
        })
    }

    #[test]
    fn a_class_without_images_has_no_recall_and_one_never_said_no_precision() {
        let table = pets();
        assert_eq!(table.f_name(), "F1");
        let counts: Vec<(u64, u64)> = table.rows.iter().map(|row| (row.support, row.said)).collect();
        assert_eq!(counts, [(2, 4), (0, 1), (3, 0), (0, 0)]);
        let [cat, dog, bird, fox] = &table.rows[..] else { panic!("four classes") };
        assert_eq!(cat.precision.unwrap().value, 0.25);
        assert_eq!(cat.recall.unwrap().value, 0.5);
        assert_eq!(cat.f_beta.unwrap().value, 2.0 / 6.0);
        assert_eq!((dog.recall, dog.precision.unwrap().value, dog.f_beta.unwrap().value), (None, 0.0, 0.0));
        assert_eq!((bird.precision, bird.recall.unwrap().value, bird.f_beta.unwrap().value), (None, 0.0, 0.0));
        assert_eq!((fox.precision, fox.recall, fox.f_beta), (None, None, None));
    }

    #[test]
    fn the_worst_class_comes_first_and_what_has_no_value_last() {
        let mut table = pets();
        let order = |table: &ClassTable| -> Vec<String> {
            table.worst_first().into_iter().map(|row| row.name.clone()).collect()
        };
        // No image is a dog, though one was called so.
        assert_eq!(order(&table), ["bird", "cat", "dog", "fox"]);
        table.keep_worst(4);
        assert_eq!((table.rows.len(), table.left_out), (4, 0));
        table.keep_worst(3);
        let kept: Vec<&str> = table.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!((kept, table.left_out), (vec!["cat", "dog", "bird"], 1));
        assert_eq!(order(&table), ["bird", "cat", "dog"]);
    }

    #[test]
    fn few_images_without_a_mistake_leave_a_wide_interval() {
        for beta in [BETA_OF_CLASSES, BETA_OF_TAGS] {
            let one = f_beta(TagCounts { hits: 1, ..TagCounts::default() }, beta).unwrap();
            assert!(one.value == 1.0 && one.interval[1] == 1.0 && one.interval[0] < 0.4, "{one:?}");
            let many = f_beta(TagCounts { hits: 1000, ..TagCounts::default() }, beta).unwrap();
            assert!(many.interval[0] > 0.99, "{many:?}");
            let none = f_beta(TagCounts { missed: 1, ..TagCounts::default() }, beta).unwrap();
            assert!(none.value == 0.0 && none.interval[0] == 0.0 && none.interval[1] > 0.6, "{none:?}");
        }
    }

    #[test]
    fn an_interval_contains_its_value_and_stays_in_the_unit_interval() {
        for counts in (0..6).flat_map(|h| (0..6).flat_map(move |m| (0..6).map(move |w| [h, m, w]))) {
            let [hits, missed, wrong] = counts;
            for beta in [BETA_OF_CLASSES, BETA_OF_TAGS] {
                let Some(score) = f_beta(TagCounts { hits, missed, wrong }, beta) else {
                    assert_eq!(counts, [0, 0, 0]);
                    continue;
                };
                let [low, high] = score.interval;
                assert!(
                    0.0 <= low && low <= score.value && score.value <= high && high <= 1.0,
                    "{counts:?}: {score:?}"
                );
            }
        }
    }
}
