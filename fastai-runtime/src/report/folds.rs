//! The folds of a run that holds out several parts in turn: their figures, in `summary.json` and on the report's page.

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::numbers::{duration, grouped, metric, rates};
use super::{Counts, Evaluation, Ruin};
use crate::metrics::{Thresholds, mean_and_deviation, number_or_nan};

/// The complete folds of a run, and what they have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Folds {
    /// Folds in all.
    pub count: usize,
    /// Those that are complete, in their order.
    pub each: Vec<FoldSummary>,
    /// The probabilities above which the ensemble predicts tags: those of the predictions of all folds.
    #[serde(alias = "threshold")]
    pub thresholds: Option<Thresholds>,
}

/// One fold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FoldSummary {
    /// Images used.
    pub counts: Counts,
    /// The evaluation of its last stage on its own validation images.
    pub r#final: Option<Evaluation>,
    /// The evaluation with test-time augmentation, if the recipe has a `tta` step.
    pub tta: Option<Evaluation>,
    /// Rates that `lr_find` suggested, in order.
    pub found_rates: Vec<f64>,
    /// Wall time of its run, seconds.
    pub seconds: f64,
    /// Whether it wrote a report.
    pub report: bool,
    /// How its run was ruined, if it was; unknown in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostFold>,
}

/// How the run of a fold was ruined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LostFold {
    /// What ruined it.
    pub ruin: Ruin,
    /// That in words, with what helps: the beginning of [`lost`](super::Summary::lost), without what came of it.
    pub verdict: String,
}

/// A metric over the folds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Column name, `f2`; `loss` for the loss.
    pub name: String,
    /// Mean over the folds.
    #[serde(deserialize_with = "number_or_nan")]
    pub mean: f64,
    /// Standard deviation over the folds (with n - 1), of two and more.
    pub deviation: Option<f64>,
}

impl FoldSummary {
    /// Its own best figures: those with test-time augmentation, if there are any.
    fn evaluation(&self) -> Option<&Evaluation> {
        self.tta.as_ref().or(self.r#final.as_ref())
    }
}

impl Folds {
    /// Whether the figures of its folds are those with test-time augmentation.
    pub fn is_augmented(&self) -> bool {
        self.each.iter().any(|fold| fold.tta.is_some())
    }

    /// Mean and deviation of each metric and of the loss over the complete folds, with test-time augmentation if the recipe has
    /// it.
    pub fn spread(&self) -> Vec<Spread> {
        let all: Vec<&Evaluation> = self.each.iter().filter_map(FoldSummary::evaluation).collect();
        let Some(first) = all.first() else { return Vec::new() };
        let of = |name: &str, values: Vec<f64>| {
            let (mean, deviation) = mean_and_deviation(&values);
            Spread { name: name.to_string(), mean, deviation }
        };
        let value = |e: &&Evaluation, index: usize| e.metrics.get(index).map_or(f64::NAN, |metric| metric.value);
        let metrics = first.metrics.iter().enumerate();
        let metrics = metrics.map(|(i, metric)| of(&metric.name, all.iter().map(|e| value(e, i)).collect()));
        metrics.chain([of("loss", all.iter().map(|e| e.val_loss).collect())]).collect()
    }
}

/// The section of the report's page.
pub(super) fn section(folds: &Folds) -> Markup {
    let spread = folds.spread();
    let finds = folds.each.iter().any(|fold| !fold.found_rates.is_empty());
    let fails = folds.each.iter().any(|fold| fold.lost.is_some());
    let augmented = folds.is_augmented();
    html! {
        h2 { "Folds" @if augmented { ", with test-time augmentation" } }
        p.soft {
            "Each fold holds out its own part and trains on the others. The figures above are those of all these predictions "
            "together, each by the network that had not seen the image: " code { "out_of_fold.csv" }
            @if augmented { ", and with test-time augmentation " code { "out_of_fold_tta.csv" } } ". "
            @if augmented { "The figures of the folds, their mean and their deviation are those of " code { "tta()" } ". " }
            code { "predict" } " and " code { "submit" } " average the networks of all folds; how good that average is, these "
            "figures do not say: on images that no fold has seen it is seldom worse."
        }
        div.wide { table.narrow {
            thead { tr {
                th.n { "fold" } th.n { "training" } th.n { "validation" }
                @for column in &spread { th.n { (column.name) } }
                @if finds { th { "rates found" } }
                th.n { "time" }
                @if fails { th { "" } }
            } }
            tbody {
                @for (index, fold) in folds.each.iter().enumerate() { tr {
                    td.n {
                        @if fold.report { a href=(format!("./folds/{}/report.html", index + 1)) { (index + 1) } }
                        @else { (index + 1) }
                    }
                    td.n { (grouped(fold.counts.train as u64)) }
                    td.n { (grouped(fold.counts.valid as u64)) }
                    @for (column, _) in spread.iter().enumerate() {
                        td.n { @if let Some(evaluation) = fold.evaluation() {
                            (metric(evaluation.metrics.get(column).map_or(evaluation.val_loss, |metric| metric.value)))
                        } }
                    }
                    @if finds { td { (rates(&fold.found_rates)) } }
                    td.n { (duration(fold.seconds)) }
                    @if fails { td { @if let Some(lost) = &fold.lost { span.note { (lost.ruin.to_string()) } } } }
                } }
                @if !spread.is_empty() {
                    tr.first {
                        td { "mean" } td {} td {}
                        @for column in &spread { td.n { strong { (metric(column.mean)) } } }
                        @if finds { td {} }
                        td.n { (duration(folds.each.iter().map(|fold| fold.seconds).sum())) }
                        @if fails { td {} }
                    }
                    tr {
                        td { "deviation" } td {} td {}
                        @for column in &spread { td.n { @if let Some(deviation) = column.deviation { (metric(deviation)) } } }
                        @if finds { td {} }
                        td {}
                        @if fails { td {} }
                    }
                }
            }
        } }
    }
}

#[cfg(test)]
mod tests {
    use fastai_dsl::Direction;

    use super::*;
    use crate::metrics::MetricValue;
    use crate::train::Course;

    #[test]
    fn mean_and_deviation_are_over_the_folds() {
        let metric = |value| {
            let direction = Direction::Higher;
            MetricValue { name: "accuracy".into(), direction, value, interval: None, n: 9, chosen_here: None }
        };
        let evaluation = |accuracy: f64, val_loss: f64| Evaluation {
            val_loss,
            metrics: vec![metric(accuracy)],
            ..Evaluation::default()
        };
        let fold = |accuracy, tta: Option<f64>| FoldSummary {
            r#final: Some(evaluation(accuracy, 1.0)),
            tta: tta.map(|tta| evaluation(tta, 0.5)),
            ..FoldSummary::default()
        };
        let folds = |each| Folds { count: 3, each, thresholds: None };
        let spread = folds(vec![fold(0.8, None), fold(0.9, None), fold(1.0, None)]).spread();
        assert_eq!((spread.len(), spread[0].name.as_str(), spread[1].name.as_str()), (2, "accuracy", "loss"));
        assert!((spread[0].mean - 0.9).abs() < 1e-12 && (spread[0].deviation.unwrap() - 0.1).abs() < 1e-12);
        assert_eq!((spread[1].mean, spread[1].deviation), (1.0, Some(0.0)));
        let spread = folds(vec![fold(0.8, Some(0.7))]).spread();
        assert_eq!((spread[0].mean, spread[0].deviation, spread[1].mean), (0.7, None, 0.5));
        assert!(folds(Vec::new()).spread().is_empty());
    }

    #[test]
    fn the_table_says_whether_its_figures_are_of_test_time_augmentation_and_which_folds_failed() {
        let found = |val_loss| Some(Evaluation { val_loss, ..Evaluation::default() });
        let page = |fold: FoldSummary| section(&Folds { count: 1, each: vec![fold], thresholds: None }).into_string();
        let plain = FoldSummary { r#final: found(0.5), ..FoldSummary::default() };
        let of_plain = page(plain.clone());
        assert!(of_plain.contains("0.5000") && !of_plain.contains("tta"), "{of_plain}");
        let of_tta = page(FoldSummary { tta: found(0.25), ..plain.clone() });
        for part in
            ["0.2500", "<h2>Folds, with test-time augmentation</h2>", "<code>tta()</code>", "out_of_fold_tta.csv"]
        {
            assert!(of_tta.contains(part), "{part}: {of_tta}");
        }
        assert!(!of_plain.contains("diverged"));
        let ruin = Ruin { step: 1, course: Course::Diverged, epoch: 0 };
        let lost = Some(LostFold { ruin, verdict: "take a tenth of it".into() });
        let failed = page(FoldSummary { lost, ..plain });
        assert!(failed.contains("<span class=\"note\">diverged at epoch 0 of step 2</span>"), "{failed}");
    }
}
