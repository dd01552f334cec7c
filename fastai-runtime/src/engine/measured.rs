//! Converts predictions into the content of the summary and the report.

use fastai_dsl::{LossSpec, Metric, MetricKind, Source, TaskKind, Threshold};
use rand::Rng;

use crate::data::{Dataset, Finding, FindingKind, Health, Item, Target};
use crate::error::SuppliedError;
use crate::metrics::{
    self, Measure, Probabilities, Thresholds, Truth, absolute_errors, bootstrap, by_chance, class_table, confusion,
    constant_answer, constant_number, f2_of_images, mean, tag_table, thresholds_by,
};
use crate::models::DEFAULT_THRESHOLD;
use crate::predict::{TtaWeights, tag_separator};
use crate::random::{Stream, bits};
use crate::report::{Bars, Baseline, ByClass, ClassCount, DataOverview, Evaluation, MeasuredSet, Record, Summary};
use crate::train::Loss;

/// Predictions of a part, with the information that their evaluation needs.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) probabilities: Probabilities,
    pub(super) loss: f64,
    pub(super) trn_loss: Option<f64>,
    /// How the predictions were computed, in words.
    pub(super) made: String,
    /// What was selected on these images besides thresholds, such as the best epoch.
    pub(super) chosen: Option<String>,
}

impl Look {
    /// One plain prediction per image, with this mean loss.
    pub(super) fn plain(probabilities: Probabilities, loss: f64) -> Self {
        Look { probabilities, loss, trn_loss: None, made: "plain".to_string(), chosen: None }
    }

    /// The mean over plain predictions and `n_aug` augmented ones.
    ///
    /// # Errors
    /// A loss that does not give each image a number.
    pub(super) fn averaged(
        probabilities: Probabilities,
        n_aug: u32,
        loss: Option<&Loss>,
    ) -> Result<Self, SuppliedError> {
        let loss = loss.map_or(Ok(f64::NAN), |loss| loss.of_predictions(&probabilities))?;
        Ok(Look { probabilities, loss, trn_loss: None, made: TtaWeights::new(n_aug).describe(), chosen: None })
    }

    /// The predictions of all folds, one after the other; `None` if their outputs differ. The loss is the mean over the images,
    /// each with the weights of its fold.
    pub(super) fn out_of_fold(folds: &[&Look]) -> Option<Self> {
        let parts: Vec<&Probabilities> = folds.iter().map(|fold| &fold.probabilities).collect();
        let probabilities = Probabilities::concat(&parts)?;
        let sum: f64 = folds.iter().map(|fold| fold.loss * fold.probabilities.len() as f64).sum();
        let (loss, first) = (sum / probabilities.len() as f64, folds.first()?);
        let made = format!("{}, out of fold", first.made);
        Some(Look { probabilities, loss, trn_loss: None, made, chosen: first.chosen.clone() })
    }
}

/// Returns the labels of images; `None` if some have no label.
pub(super) fn truth_of(items: &[Item], classes: usize, task: TaskKind) -> Option<Truth> {
    if task == TaskKind::SingleLabel {
        let class = |item: &Item| match item.target {
            Target::Class(class) => Some(class),
            _ => None,
        };
        return items.iter().map(class).collect::<Option<_>>().map(Truth::Classes);
    }
    if task == TaskKind::Regression {
        return items.iter().map(|item| item.target.value()).collect::<Option<_>>().map(Truth::Values);
    }
    let mut cells = vec![false; items.len() * classes];
    for (item, row) in items.iter().zip(cells.chunks_exact_mut(classes)) {
        let Target::Tags(tags) = &item.target else { return None };
        tags.iter().for_each(|&tag| row[tag as usize] = true);
    }
    Some(Truth::Tags { cells, tags: classes })
}

/// Says which classes or tags a metric cannot measure on images of these labels.
///
/// # Errors
/// A metric that can measure none of them.
pub(super) fn left_out(
    metrics: &[Box<dyn Measure>],
    set: &str,
    truth: &Truth,
    names: &[String],
) -> Result<Vec<String>, Finding> {
    let mut notes = Vec::new();
    for metric in metrics {
        let (name, unmeasured) = (metric.column(), metric.unmeasured(truth, names.len()));
        if unmeasured.len() == names.len() && !names.is_empty() {
            let text = format!(
                "`{name}` cannot be measured on the {set} images: it needs a class or tag that some of them have and others \
                 have not, and there is none"
            );
            return Err(Finding::new(FindingKind::Unmeasurable { metric: name }, text));
        }
        if !unmeasured.is_empty() {
            let listed: Vec<&str> = unmeasured.iter().map(|&class| names[class].as_str()).collect();
            notes.push(format!(
                "{name} of the {set} images leaves out {}, which all or none of them have",
                listed.join(", ")
            ));
        }
    }
    Ok(notes)
}

/// The set's metrics with intervals; `counters` key the bootstrap.
pub(super) fn evaluation(
    set: MeasuredSet,
    look: &Look,
    truth: &Truth,
    metrics: &[Box<dyn Measure>],
    seed: u64,
    counters: &[u64],
) -> Evaluation {
    let value = |(index, metric): (usize, &dyn Measure)| {
        let mut key = counters.to_vec();
        key.push(index as u64);
        let mut rng = Stream::new(seed, "bootstrap").at(&key);
        let mut value = metrics::measured(metric, &look.probabilities, truth, &mut || rng.next_u64());
        if let Some(chosen) = &look.chosen {
            value.chosen_here = Some(match value.chosen_here {
                Some(other) => format!("{other}; {chosen}"),
                None => chosen.clone(),
            });
        }
        value
    };
    Evaluation {
        set,
        predictions: look.made.clone(),
        n: truth.len(),
        trn_loss: look.trn_loss,
        val_loss: look.loss,
        metrics: metrics.iter().map(AsRef::as_ref).enumerate().map(value).collect(),
    }
}

/// Fills in the confusion matrix and the scores of each class or tag, and returns the thresholds for predicting tags.
pub(super) fn describe(
    record: &mut Record,
    summary: &mut Summary,
    look: &Look,
    truth: &Truth,
    metrics: &[Metric],
    names: &[String],
) -> Option<Thresholds> {
    let probabilities = &look.probabilities;
    let (table, thresholds) = match truth {
        Truth::Classes(classes) => {
            let found = record.confusion.insert(confusion(probabilities, classes, names));
            (class_table(found), None)
        }
        Truth::Tags { .. } => {
            let thresholds = thresholds(probabilities, truth, metrics);
            (tag_table(probabilities, truth, &thresholds, names), Some(thresholds))
        }
        Truth::Values(_) => return None,
    };
    summary.by_class = Some(ByClass::new(&look.made, table));
    thresholds
}

/// The thresholds that the first metric with a rule for predicting tags names, or that it finds on these images; a number takes
/// precedence over a search.
fn thresholds(probabilities: &Probabilities, truth: &Truth, metrics: &[Metric]) -> Thresholds {
    let fixed = metrics.iter().find_map(Metric::fixed_threshold);
    let rule = fixed.map(Threshold::Fixed).or_else(|| metrics.iter().find_map(Metric::threshold));
    thresholds_by(rule.unwrap_or(Threshold::Fixed(DEFAULT_THRESHOLD)), probabilities, truth)
}

/// Returns the score of the best constant answer on the validation set. Its tags are separated as predictions of `source` are.
pub(super) fn baseline(train: &Truth, valid: &Truth, names: &[String], source: &Source) -> Option<Baseline> {
    if let (Truth::Values(train), Truth::Values(valid)) = (train, valid) {
        let (says, value) = constant_number(train, valid)?;
        return Some(Baseline::new(says.to_string(), MetricKind::MeanAbsError, value));
    }
    let answer = constant_answer(train, valid)?;
    let says: Vec<&str> = answer.says.iter().map(|&c| names[c].as_str()).collect();
    let metric = if matches!(train, Truth::Classes(_)) { MetricKind::Accuracy } else { MetricKind::F2 };
    Some(Baseline::new(says.join(tag_separator(source, names)), metric, answer.value))
}

/// Returns the mean loss of a constant answer on the training images: of the shares of the labels, or of the median or the mean
/// number, whichever is better. For the losses of the tasks it is the best one: the entropy of the labels, or the mean distance
/// from the median. Losses with class weights count the classes equally.
///
/// # Errors
/// A loss that does not give each image a number.
pub(super) fn constant_loss(loss: &Loss, spec: LossSpec, classes: usize, weighted: bool) -> Result<f64, SuppliedError> {
    let train = loss.truth();
    if spec != LossSpec::of_task(train.task()) {
        return Ok(constant_loss_of(loss, spec, classes, weighted)?.max(1e-6));
    }
    let entropy = |share: f64| if share > 0.0 { -share * share.ln() } else { 0.0 };
    let loss = match train {
        Truth::Classes(_) if weighted => (classes as f64).ln(),
        Truth::Classes(labels) => {
            let mut counts = vec![0usize; classes];
            labels.iter().for_each(|&class| counts[class as usize] += 1);
            counts.iter().map(|&n| entropy(n as f64 / labels.len().max(1) as f64)).sum()
        }
        Truth::Tags { cells, tags } => {
            let rows = (cells.len() / tags.max(&1)).max(1) as f64;
            let share =
                |tag: usize| cells.iter().skip(tag).step_by((*tags).max(1)).filter(|cell| **cell).count() as f64 / rows;
            let each = (0..*tags).map(share).map(|p| entropy(p) + entropy(1.0 - p));
            each.sum::<f64>() / (*tags).max(1) as f64
        }
        Truth::Values(values) => constant_number(values, values).map_or(0.0, |(_, distance)| distance),
    };
    // One class, or equal numbers: any answer is right, and no loss is high.
    Ok(loss.max(1e-6))
}

/// [`constant_loss`] of a loss that has no formula, on an even sample of large sets.
fn constant_loss_of(loss: &Loss, spec: LossSpec, classes: usize, weighted: bool) -> Result<f64, SuppliedError> {
    /// Cells of the sample.
    const CELLS: usize = 1 << 22;
    let truth = loss.truth();
    let every = (truth.len() * classes.max(1)).div_ceil(CELLS).max(1);
    let sample = loss.on(truth.select(&(0..truth.len()).step_by(every).collect::<Vec<_>>()));
    let count = sample.truth().len().max(1) as f64;
    let of = |row: &[f32]| sample.of_all(&row.repeat(sample.truth().len()));
    let logit = |share: f64| {
        let share = share.clamp(1e-6, 1.0 - 1e-6);
        if spec == LossSpec::Bce || truth.task() == TaskKind::MultiLabel {
            (share / (1.0 - share)).ln() as f32
        } else {
            share.ln() as f32
        }
    };
    match sample.truth() {
        Truth::Classes(labels) => {
            let mut counts = vec![0f64; classes];
            labels.iter().for_each(|&class| counts[class as usize] += 1.0);
            let share = |n: &f64| if weighted { 1.0 / classes as f64 } else { n / count };
            of(&counts.iter().map(|n| logit(share(n))).collect::<Vec<_>>())
        }
        Truth::Tags { cells, tags } => {
            let has = |tag: usize| cells.iter().skip(tag).step_by((*tags).max(1)).filter(|cell| **cell).count() as f64;
            of(&(0..*tags).map(|tag| logit(has(tag) / count)).collect::<Vec<_>>())
        }
        Truth::Values(values) => {
            let median = constant_number(values, values).map_or(0.0, |(median, _)| median);
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
            Ok(of(&[median])?.min(of(&[mean as f32])?))
        }
    }
}

/// Fewest images on which another answer would be better than the constant one: none of them recognized is seldom chance.
const FEWEST_TO_GAIN: usize = 5;
/// On fewer, a network is worse than the constant answer if chance explains its score with a probability below this.
const LEAST_PROBABLE: f64 = 0.05;

/// Compares `predicted`, for images of these labels, with the [`baseline`] on `train`, image by image in its metric; tags above
/// `thresholds` are predicted. The bootstrap draws by `seed`.
pub(super) fn hold_against(
    baseline: &mut Baseline,
    train: &Truth,
    (predicted, truth): (&Probabilities, &Truth),
    thresholds: Option<&Thresholds>,
    seed: u64,
) {
    let default = Thresholds::All(DEFAULT_THRESHOLD);
    let reached = scores(predicted, truth, thresholds.unwrap_or(&default));
    baseline.reached = Some(mean(&reached));
    let Some(constant) = constant_predictions(train, truth, predicted.classes()) else { return };
    let constant = scores(&constant, truth, &Thresholds::All(0.5));
    let direction = baseline.metric.direction();
    let gains: Vec<f64> = constant.iter().zip(&reached).map(|(old, new)| direction.gain(*old, *new)).collect();
    let mut rng = Stream::new(seed, "baseline").at(&[]);
    let to_gain = constant.iter().filter(|score| direction.gain(**score, baseline.perfect()) > 0.0).count();
    let interval = bootstrap(&gains, &mut || bits(&mut rng)).filter(|ends| ends.iter().all(|end| end.is_finite()));
    // A network that loses many images on which the constant answer is right needs no others to show that.
    let mut is_worse = |[_, most]: &[f64; 2]| {
        *most < 0.0 && by_chance(&gains, &mut || bits(&mut rng)).is_some_and(|p| p < LEAST_PROBABLE)
    };
    baseline.gain = interval.filter(|ends| to_gain >= FEWEST_TO_GAIN || is_worse(ends));
}

/// The best constant answer on `train`, as predictions for the images of `truth`: what it says is certain.
fn constant_predictions(train: &Truth, truth: &Truth, classes: usize) -> Option<Probabilities> {
    let row = match (train, truth) {
        (Truth::Values(train), Truth::Values(values)) => vec![constant_number(train, values)?.0],
        _ => {
            let says = constant_answer(train, truth)?.says;
            (0..classes).map(|class| f32::from(u8::from(says.contains(&class)))).collect()
        }
    };
    Some(Probabilities::new(row.repeat(truth.len()), classes))
}

/// The score of each image in the metric of [`baseline`]; tags above `thresholds` are predicted.
fn scores(predicted: &Probabilities, truth: &Truth, thresholds: &Thresholds) -> Vec<f64> {
    match truth {
        Truth::Classes(classes) => {
            let is_right = |(image, class): (usize, &u32)| predicted.top(image) == *class as usize;
            classes.iter().enumerate().map(|of_image| f64::from(u8::from(is_right(of_image)))).collect()
        }
        Truth::Tags { .. } => f2_of_images(predicted, truth, thresholds),
        Truth::Values(values) => absolute_errors(predicted, values),
    }
}

/// Images of each class or tag.
pub(super) fn overview(dataset: &Dataset, health: &Health) -> DataOverview {
    let mut histograms = Bars::of_targets(dataset);
    histograms.extend(Bars::of_sizes(&health.sizes[0]));
    DataOverview { classes: ClassCount::of(dataset), histograms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::chance;

    fn held(predicted: &Probabilities, truth: &Truth, mut baseline: Baseline, seed: u64) -> Baseline {
        hold_against(&mut baseline, truth, (predicted, truth), None, seed);
        baseline
    }

    fn accuracy_of_constant() -> Baseline {
        Baseline::new("a".into(), MetricKind::Accuracy, 0.5)
    }

    /// How many of `networks`, each right of an image of two classes in this share, are said to be no better than a constant
    /// answer.
    fn unbeaten(networks: u64, images: usize, right: f64) -> usize {
        let truth = Truth::Classes((0..images as u32).map(|image| image % 2).collect());
        let is_unbeaten = |seed: &u64| {
            let mut rng = Stream::new(*seed, "network").at(&[]);
            let says_second = |image: usize| (image % 2 == 1) == chance(&mut rng, right);
            let said: Vec<bool> = (0..images).map(says_second).collect();
            let said = said.iter().flat_map(|second| if *second { [0.2, 0.8] } else { [0.8, 0.2] }).collect();
            held(&Probabilities::new(said, 2), &truth, accuracy_of_constant(), *seed).unbeaten().is_some()
        };
        (0..networks).filter(is_unbeaten).count()
    }

    #[test]
    fn chance_is_no_reason_to_call_a_network_no_better_than_a_constant() {
        // Those that are a little better, and those that know nothing, of which half do worse by chance.
        let (little, nothing) = (unbeaten(100, 20, 0.55), unbeaten(100, 20, 0.5));
        assert!(little <= 8 && nothing <= 12, "{little} and {nothing} of 100");
        let worse = unbeaten(40, 200, 0.3);
        assert!(worse >= 38, "{worse} of 40");
    }

    #[test]
    fn the_constant_answer_itself_is_no_better_if_there_was_something_to_gain() {
        let constant = |images: usize| {
            let truth = Truth::Classes((0..images as u32).map(|image| image % 2).collect());
            held(&Probabilities::new([0.8, 0.2].repeat(images), 2), &truth, accuracy_of_constant(), 1)
        };
        let twenty = constant(20);
        assert_eq!((twenty.reached, twenty.gain), (Some(0.5), Some([0.0, 0.0])));
        assert!(twenty.unbeaten().is_some());
        let eight = constant(8);
        assert_eq!((eight.reached, eight.gain, eight.unbeaten()), (Some(0.5), None, None), "four images to gain");
    }

    #[test]
    fn a_network_that_is_clearly_worse_is_said_to_be_however_few_images_there_are_to_gain() {
        // Of a second class there are `rare` images, and the network is wrong of the first `wrong` images of the first class.
        let of = |common: usize, rare: usize, wrong: usize| {
            let truth = Truth::Classes((0..common + rare).map(|image| u32::from(image >= common)).collect());
            let said =
                (0..common + rare).flat_map(|image| if image < wrong { [0.2, 0.8] } else { [0.8, 0.2] }).collect();
            let constant = Baseline::new("a".into(), MetricKind::Accuracy, common as f64 / (common + rare) as f64);
            held(&Probabilities::new(said, 2), &truth, constant, 1)
        };
        let half = of(45, 3, 22);
        assert!(half.gain.is_some_and(|[_, most]| most < 0.0) && half.unbeaten().is_some(), "{half:?}");
        assert_eq!(of(45, 3, 1).unbeaten(), None, "one mistake");
        assert_eq!(of(3, 1, 3).unbeaten(), None, "three of three wrong: a coin does that, too");
    }

    #[test]
    fn tags_and_numbers_are_held_against_their_constant_answers() {
        let cells = [[true, false], [true, true]].concat().repeat(10);
        let tags = Truth::Tags { cells: cells.clone(), tags: 2 };
        // Both tags for all is best: 5 / 6 where there is one, 1 where there are both.
        let answer = || Baseline::new("a b".into(), MetricKind::F2, 11.0 / 12.0);
        let all = held(&Probabilities::new(vec![0.9; 40], 2), &tags, answer(), 1);
        assert!((all.reached.unwrap() - 11.0 / 12.0).abs() < 1e-12 && all.gain == Some([0.0, 0.0]), "{all:?}");
        let right = cells.iter().map(|has| if *has { 0.9 } else { 0.1 }).collect();
        let right = held(&Probabilities::new(right, 2), &tags, answer(), 1);
        assert!(right.reached == Some(1.0) && right.gain.is_some_and(|[least, _]| least > 0.0), "{right:?}");
        // The median of 0 to 20 is 10, whose mean distance is 110 / 21.
        let values: Vec<f32> = (0..21).map(|value| value as f32).collect();
        let numbers = Truth::Values(values.clone());
        let answer = || Baseline::new("10".into(), MetricKind::MeanAbsError, 110.0 / 21.0);
        let median = held(&Probabilities::new(vec![10.0; 21], 1), &numbers, answer(), 1);
        assert!(median.gain == Some([0.0, 0.0]) && median.unbeaten().is_some(), "{median:?}");
        let near = values.iter().map(|value| value + 1.0).collect();
        let near = held(&Probabilities::new(near, 1), &numbers, answer(), 1);
        assert!(near.reached == Some(1.0) && near.unbeaten().is_none(), "{near:?}");
        let lost = held(&Probabilities::new(vec![f32::NAN; 21], 1), &numbers, answer(), 1);
        assert!(lost.gain.is_none() && lost.unbeaten().is_some(), "{lost:?}");
    }
}
