//! The numbers that a regression is to learn: whether a network can learn them as they are.

use fastai_dsl::TaskKind;
use serde::Serialize;

use crate::finding::FindingKind;
use crate::findings::{Findings, number};
use crate::names::first_names;
use crate::{Dataset, Item};

/// A mean farther from 0 than so many deviations is far from the answers that a network begins with.
const FARTHEST: f64 = 5.0;
/// Deviations that the steps of common rates fit.
const FITTING: std::ops::RangeInclusive<f64> = 0.03..=30.0;
/// A label farther from the median than so many times the median distance from it stands out.
const OUTSTANDING: f64 = 50.0;
/// More than one of so many labels do not stand out; a single one does among ten or more.
const ONE_OF: usize = 100;
/// The fewest labels among which one stands out.
const FEWEST: usize = 10;
/// The number of images with labels that stand out that a note names.
const NAMED: usize = 5;

/// Where the labels of a regression lie, if that is far from 0 or if they scatter far more or less than 1: training then takes
/// very long or diverges.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FarLabels {
    /// The name of the measured quantity.
    pub name: String,
    /// The mean of the labels of the training and validation images, without those that stand out.
    pub mean: f64,
    /// Their standard deviation, positive.
    pub deviation: f64,
    /// The images whose labels stand out, with these: single ones that are far from all others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outliers: Vec<(String, f32)>,
}

impl FarLabels {
    /// Those of `dataset`; `None` if a network can learn its labels as they are.
    pub(super) fn of(dataset: &Dataset) -> Option<Self> {
        if dataset.task != TaskKind::Regression {
            return None;
        }
        let values: Vec<f64> = values(&dataset.train).chain(values(&dataset.valid)).map(f64::from).collect();
        let (mean, deviation) = mean_and_deviation(&values);
        let is_far = mean.abs() > FARTHEST * deviation || !FITTING.contains(&deviation);
        if values.is_empty() || deviation <= 0.0 || !is_far {
            return None;
        }
        let name = dataset.classes.first().cloned().unwrap_or_default();
        let Some([least, most]) = ordinary(&values) else {
            return Some(FarLabels { name, mean, deviation, outliers: Vec::new() });
        };
        let is_ordinary = |value: f64| (least..=most).contains(&value);
        let others: Vec<f64> = values.into_iter().filter(|value| is_ordinary(*value)).collect();
        let labelled = |item: &Item| Some((item.id.clone(), item.target.value()?));
        let outliers = dataset.train.iter().chain(&dataset.valid).filter_map(labelled);
        let outliers = outliers.filter(|(_, value)| !is_ordinary(f64::from(*value))).collect();
        let (mean, deviation) = mean_and_deviation(&others);
        Some(FarLabels { name, mean, deviation, outliers })
    }

    /// Where they lie, and what helps.
    pub(super) fn note(&self) -> String {
        // Three digits of the deviation, and the mean as exactly.
        let decimals = (2 - self.deviation.log10().floor() as i32).max(0) as usize;
        let [mean, deviation] = [self.mean.abs(), self.deviation].map(|figure| format!("{figure:.decimals$}"));
        let (sign, less, plus) = if self.mean < 0.0 { ("-", "+", "-") } else { ("", "-", "+") };
        let name = &self.name;
        if !self.outliers.is_empty() {
            let labels = number(self.outliers.len(), "label", "labels");
            let (stands, it, images) = match self.outliers.len() {
                1 => ("stands", "it", "image"),
                _ => ("stand", "them", "images"),
            };
            let named = first_names(self.outliers.iter().map(|(id, value)| format!("{value} of {id:?}")), NAMED);
            return format!(
                "{labels} of `{name}` {stands} far apart from the others, which lie around {sign}{mean} with a deviation of \
                 {deviation}: {named}; a network that learns {it} hardly learns the others, so correct {it}, or leave out the \
                 {images}"
            );
        }
        format!(
            "the labels, `{name}`, lie around {sign}{mean} with a deviation of {deviation}, and a network learns numbers \
             around 0 with a deviation of 1 best, others slowly or not at all: write a column \
             `({name} {less} {mean}) / {deviation}`, train on it, and turn predictions back by \
             `prediction * {deviation} {plus} {mean}`"
        )
    }
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt())
}

/// The least and the largest label that does not stand out, if one or a few do.
fn ordinary(values: &[f64]) -> Option<[f64; 2]> {
    let median = |mut values: Vec<f64>| {
        let middle = values.len() / 2;
        *values.select_nth_unstable_by(middle, f64::total_cmp).1
    };
    if values.len() < FEWEST {
        return None;
    }
    let middle = median(values.to_vec());
    let reach = OUTSTANDING * median(values.iter().map(|value| (value - middle).abs()).collect());
    let count = values.iter().filter(|value| (*value - middle).abs() > reach).count();
    let are_few = count == 1 || count * ONE_OF <= values.len();
    // Where most labels are equal, all others would stand out.
    (reach > 0.0 && count > 0 && are_few).then_some([middle - reach, middle + reach])
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
