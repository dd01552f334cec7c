//! Converts predictions into the content of the summary and the report.

use fastai_dsl::{LossSpec, Metric, MetricKind, TaskKind, Threshold};
use rand::Rng;

use crate::data::{Dataset, Finding, FindingKind, Health, Item, Target};
use crate::metrics::{
    self, Measure, Probabilities, Thresholds, Truth, accuracy, class_table, confusion, constant_answer,
    constant_number, f2, loss_of_predictions, tag_table, thresholds_by,
};
use crate::models::DEFAULT_THRESHOLD;
use crate::predict::TtaWeights;
use crate::random::Stream;
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
    pub(super) fn averaged(probabilities: Probabilities, n_aug: u32, loss: Option<&Loss>) -> Self {
        let loss = loss.map_or(f64::NAN, |loss| loss.of_predictions(&probabilities));
        Look { probabilities, loss, trn_loss: None, made: TtaWeights::new(n_aug).describe(), chosen: None }
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
        let value = |item: &Item| match item.target {
            Target::Value(value) => Some(value),
            _ => None,
        };
        return items.iter().map(value).collect::<Option<_>>().map(Truth::Values);
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
                 have not, and there is none; hold out other images, or measure something else"
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

/// Returns the score of the best constant answer on the validation set.
pub(super) fn baseline(train: &Truth, valid: &Truth, names: &[String]) -> Option<Baseline> {
    if let (Truth::Values(train), Truth::Values(valid)) = (train, valid) {
        let (says, value) = constant_number(train, valid)?;
        return Some(Baseline { says: says.to_string(), metric: MetricKind::MeanAbsError, value, reached: None });
    }
    let answer = constant_answer(train, valid)?;
    let says: Vec<&str> = answer.says.iter().map(|&c| names[c].as_str()).collect();
    let metric = if matches!(train, Truth::Classes(_)) { MetricKind::Accuracy } else { MetricKind::F2 };
    Some(Baseline { says: says.join(" "), metric, value: answer.value, reached: None })
}

/// Returns the mean loss of a constant answer on the training images: of the shares of the labels, or of the median or the mean
/// number, whichever is better. For the losses of the tasks it is the best one: the entropy of the labels, or the mean distance
/// from the median. Losses with class weights count the classes equally.
pub(super) fn constant_loss(loss: &Loss, spec: LossSpec, classes: usize, weighted: bool) -> f64 {
    let train = loss.truth();
    if spec != LossSpec::of_task(train.task()) {
        return constant_loss_of(loss, spec, classes, weighted).max(1e-6);
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
        Truth::Values(values) => {
            let mut sorted = values.clone();
            sorted.sort_by(f32::total_cmp);
            let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
            values.iter().map(|v| f64::from((v - median).abs())).sum::<f64>() / values.len().max(1) as f64
        }
    };
    // One class, or equal numbers: any answer is right, and no loss is high.
    loss.max(1e-6)
}

/// [`constant_loss`] of a loss that has no formula, on an even sample of large sets.
fn constant_loss_of(loss: &Loss, spec: LossSpec, classes: usize, weighted: bool) -> f64 {
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
            let mut sorted = values.clone();
            sorted.sort_by(f32::total_cmp);
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
            of(&[sorted.get(sorted.len() / 2).copied().unwrap_or_default()]).min(of(&[mean as f32]))
        }
    }
}

/// Returns the score of predictions in the metric of [`baseline`]; tags above `thresholds` are predicted.
pub(super) fn in_baselines_measure(
    probabilities: &Probabilities,
    truth: &Truth,
    thresholds: Option<&Thresholds>,
) -> f64 {
    match truth {
        Truth::Classes(classes) => accuracy(probabilities, classes),
        Truth::Tags { .. } => f2(probabilities, truth, thresholds.unwrap_or(&Thresholds::All(DEFAULT_THRESHOLD))),
        Truth::Values(_) => loss_of_predictions(probabilities, truth),
    }
}

/// Images of each class or tag.
pub(super) fn overview(dataset: &Dataset, health: &Health) -> DataOverview {
    let mut histograms = Bars::of_targets(dataset);
    histograms.extend(Bars::of_sizes(&health.sizes[0]));
    if dataset.task == TaskKind::Regression {
        return DataOverview { classes: Vec::new(), histograms };
    }
    let mut classes: Vec<ClassCount> =
        dataset.classes.iter().map(|name| ClassCount { name: name.clone(), train: 0, valid: 0 }).collect();
    let mut count = |items: &[Item], add: fn(&mut ClassCount)| {
        for item in items {
            match &item.target {
                Target::Class(class) => add(&mut classes[*class as usize]),
                Target::Tags(tags) => tags.iter().for_each(|&tag| add(&mut classes[tag as usize])),
                Target::Value(_) | Target::Unlabelled => {}
            }
        }
    };
    count(&dataset.train, |c| c.train += 1);
    count(&dataset.valid, |c| c.valid += 1);
    DataOverview { classes, histograms }
}
