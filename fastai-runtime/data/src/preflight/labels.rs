//! The numbers that a regression is to learn: whether a network can learn them as they are.

use fastai_dsl::TaskKind;
use serde::Serialize;

use crate::finding::FindingKind;
use crate::findings::Findings;
use crate::{Dataset, Item};

/// A mean farther from 0 than so many deviations is far from the answers that a network begins with.
const FARTHEST: f64 = 5.0;
/// Deviations that the steps of common rates fit.
const FITTING: std::ops::RangeInclusive<f64> = 0.03..=30.0;

/// Where the labels of a regression lie, if that is far from 0 or if they scatter far more or less than 1: training then takes
/// very long or diverges.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FarLabels {
    /// The name of the measured quantity.
    pub name: String,
    /// The mean of the labels of the training and validation images.
    pub mean: f64,
    /// Their standard deviation, positive.
    pub deviation: f64,
}

impl FarLabels {
    /// Those of `dataset`; `None` if a network can learn its labels as they are.
    pub(super) fn of(dataset: &Dataset) -> Option<Self> {
        if dataset.task != TaskKind::Regression {
            return None;
        }
        let values: Vec<f64> = values(&dataset.train).chain(values(&dataset.valid)).map(f64::from).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        let is_far = mean.abs() > FARTHEST * deviation || !FITTING.contains(&deviation);
        let name = dataset.classes.first().cloned().unwrap_or_default();
        (deviation > 0.0 && is_far).then_some(FarLabels { name, mean, deviation })
    }

    /// Where they lie, and what helps.
    pub(super) fn note(&self) -> String {
        // Three digits of the deviation, and the mean as exactly.
        let decimals = (2 - self.deviation.log10().floor() as i32).max(0) as usize;
        let [mean, deviation] = [self.mean.abs(), self.deviation].map(|figure| format!("{figure:.decimals$}"));
        let (sign, less, plus) = if self.mean < 0.0 { ("-", "+", "-") } else { ("", "-", "+") };
        let name = &self.name;
        format!(
            "the labels, `{name}`, lie around {sign}{mean} with a deviation of {deviation}, and a network learns numbers \
             around 0 with a deviation of 1 best, others slowly or not at all: write a column \
             `({name} {less} {mean}) / {deviation}`, train on it, and turn predictions back by \
             `prediction * {deviation} {plus} {mean}`"
        )
    }
}

/// Checks that the labels of the training images of a regression differ.
pub(super) fn check(dataset: &Dataset, findings: &mut Findings) {
    let mut trained = values(&dataset.train);
    let Some(value) = trained.next() else { return };
    // One image alone is another matter.
    if dataset.task != TaskKind::Regression || dataset.train.len() < 2 || trained.any(|other| other != value) {
        return;
    }
    let text = if values(&dataset.valid).all(|other| other == value) {
        let images = dataset.train.len();
        format!("all {images} training images have the label {value}: a regression needs labels that differ")
    } else {
        let split = dataset.split.in_short();
        format!(
            "`valid: {split}` leaves only images with the label {value} to train on, and a regression needs labels that \
             differ: hold out others"
        )
    };
    findings.push(FindingKind::OneValue { value }, text);
}

fn values(items: &[Item]) -> impl Iterator<Item = f32> {
    items.iter().filter_map(|item| item.target.value())
}
