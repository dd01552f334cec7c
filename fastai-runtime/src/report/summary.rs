//! The results of a run: the content of `summary.json` and of the report.

use std::path::{Path, PathBuf};

use fastai_dsl::{Direction, MetricKind, StepKind, TaskKind, blank_is_none};
use serde::{Deserialize, Serialize};

use super::{ByClass, Counts, DataFingerprint, Evaluation, FoldSummary, Folds, InitialWeights, LostFold};
use crate::data::figures::figure;
use crate::device::HalfFloat;
use crate::metrics::number_or_nan;
use crate::summary_file::RunFailure;
use crate::train::Judgement;
use crate::{RunError, summary_file};

/// How far a run came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is going on, or was killed.
    #[default]
    Running,
    /// All steps are through.
    Complete,
    /// Ctrl-C or SIGTERM ended it.
    Stopped,
    /// An error ended it.
    Failed,
}

/// The content of `summary.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Version of this layout.
    pub format: u32,
    /// How far the run came.
    pub status: Status,
    /// Why it failed; `None` unless it did, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<RunFailure>,
    /// True for `run --smoke`: two batches per stage, so the figures are meaningless.
    pub smoke: bool,
    /// The recipe's name.
    pub name: String,
    /// The recipe's doc comment.
    pub doc: Option<String>,
    /// The text of the recipe that the run keeps, [`Recipe::kept_text`](fastai_dsl::Recipe::kept_text).
    pub recipe: String,
    /// What a label is.
    pub task: TaskKind,
    /// Seed of the run.
    pub seed: u64,
    /// The working directory of the run, which the recipe's relative paths refer to; `None` if it was not known. What is no
    /// UTF-8 in it is replaced.
    #[serde(default, deserialize_with = "blank_is_none::deserialize", skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// The device, in words.
    pub device: String,
    /// The reason for the choice of the device.
    pub device_reason: String,
    /// The 16-bit floats of the convolutions in training; `None` = 32-bit floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half: Option<HalfFloat>,
    /// CPU threads.
    pub threads: usize,
    /// Class or tag names, in the order of the outputs.
    pub classes: Vec<String>,
    /// Images used.
    pub counts: Counts,
    /// Digests of the data when the run began, of a run of folds those of its first fold; `None` of an earlier version's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataFingerprint>,
    /// What the body began with; `None` of an earlier version's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<InitialWeights>,
    /// One per stage reached, in order.
    pub stages: Vec<StageSummary>,
    /// The last `tta`.
    pub tta: Option<Evaluation>,
    /// The last stage's evaluation: never the best of several, unless the recipe says `keep_best`.
    pub r#final: Option<Evaluation>,
    /// The evaluation on a labelled test set, measured once at the end; nothing was selected on it.
    #[serde(default)]
    pub test: Option<Evaluation>,
    /// The evaluation on the test set with test-time augmentation, if the recipe has a `tta` step.
    #[serde(default)]
    pub test_tta: Option<Evaluation>,
    /// The scores of each class or tag in the last predictions for the validation set, those of `tta` if it is the last step to
    /// predict; `None` for regressions, and before the first predictions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_class: Option<ByClass>,
    /// Rates that `lr_find` suggested, in order.
    pub found_rates: Vec<f64>,
    /// The baseline: the best constant answer (the most frequent class, or the best constant tag set on the training part).
    pub baseline: Option<Baseline>,
    /// The folds of a recipe that holds out several in turn; the run itself then has no stages, and its evaluations are those
    /// of all folds' validation images together, each predicted by the network that did not train on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<Folds>,
    /// Wall time of the whole run, seconds.
    pub seconds: f64,
    /// Notices of the run (merged batches, cache hits).
    pub notes: Vec<String>,
}

impl Summary {
    /// What a run of folds keeps of this run of one; `report` says whether it wrote a page.
    pub(crate) fn of_fold(&self, report: bool) -> FoldSummary {
        FoldSummary {
            lost: self.ruined().map(|ruined| LostFold { ruin: ruined.ruin, verdict: ruined.verdict }),
            counts: self.counts,
            r#final: self.r#final.clone(),
            tta: self.tta.clone(),
            found_rates: self.found_rates.clone(),
            seconds: self.seconds,
            report,
        }
    }

    /// The working directory of this process, as [`directory`](Self::directory) states it.
    pub(crate) fn working_directory() -> Option<PathBuf> {
        // Only UTF-8 can stand in JSON.
        std::env::current_dir().ok().map(|folder| folder.display().to_string().into())
    }

    /// The name of the file in a run folder that [`read`](Self::read) reads.
    pub const FILE: &str = summary_file::SUMMARY;

    /// Version of `summary.json`.
    pub(crate) const FORMAT: u32 = 1;

    /// The text of `summary.json`.
    pub(super) fn sealed(&self) -> serde_json::Result<String> {
        summary_file::sealed(self)
    }

    /// Reads `summary.json` of the run folder `folder`.
    ///
    /// # Errors
    /// If the file does not exist, is not a summary, or was changed after it was written.
    pub fn read(folder: &Path) -> Result<Summary, RunError> {
        summary_file::read(folder)
    }
}

/// One stage of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageSummary {
    /// 0-based index of the recipe's step.
    pub step: usize,
    /// The step without its arguments.
    pub kind: StepKind,
    /// The step as the recipe's author reads it, `fit(lr / 10.0, 3, cycle_len = 1)`.
    pub text: String,
    /// Image side, pixels.
    pub size: u32,
    /// `the head, on cached activations`, `the last 2 of 3 layer groups, on images`, ..; `None` if the step trains nothing.
    #[serde(default, deserialize_with = "blank_is_none::deserialize", skip_serializing_if = "Option::is_none")]
    pub trains: Option<String>,
    /// Whether more than the head trains.
    #[serde(default)]
    pub trains_body: bool,
    /// For a `fit` that trained more than the head: whether it made the first metric worse than before, on the same images by
    /// more than chance explains.
    #[serde(default)]
    pub body_lost: bool,
    /// Wall time, seconds.
    pub seconds: f64,
    /// Images (or cached features) processed in training.
    pub images: u64,
    /// `images / seconds` of the training part.
    pub images_per_s: f64,
    /// For a `fit`: the evaluation of the last epoch. For `tta`: that of the averaged predictions.
    pub evaluation: Option<Evaluation>,
    /// For a `fit`: the epoch (from 0) after which the validation loss rose while the training loss kept falling, if any.
    pub turned_at: Option<u64>,
    /// For a `fit`: the name of the course that its losses took up to the weights that it ends with, if there is one to warn of.
    #[serde(default)]
    pub judgement: Option<Judgement>,
    /// For a `fit`: whether it began with weights that an earlier one had lost and did not bring them back. Its losses then tell
    /// nothing of its own settings, and it has no `judgement`.
    #[serde(default)]
    pub stays_lost: bool,
    /// For a `load`: the `save`, by its step from 0, that wrote the model; `None` of a model of a `fit`'s cycle, and in records of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_by: Option<usize>,
    /// For `lr_find`: the suggested rate.
    pub suggestion: Option<f64>,
    /// For a stage with cached activations: the use of the cache.
    pub cache: Option<CacheUse>,
}

/// A stage's use of the activation cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CacheUse {
    /// Folder of the cache.
    pub path: String,
    /// True if the features came from the cache.
    pub found: bool,
    /// True if it could not take all of them as it should, so that the next run has something to compute or to write.
    #[serde(default)]
    pub incomplete: bool,
    /// Seconds to build (or open) it.
    pub seconds: f64,
}

/// The best constant answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The answer: a class, tags with the recipe's separator between them (or another one, where a tag holds that), or a number.
    pub says: String,
    /// What it is measured by.
    pub metric: MetricKind,
    /// Its value on the validation set.
    #[serde(deserialize_with = "number_or_nan")]
    pub value: f64,
    /// The final network's score in the baseline's metric; `None` if nothing was trained.
    #[serde(default)]
    pub reached: Option<f64>,
    /// The 95 % interval of how much better that score is than the constant answer's, negative if it is worse: bootstrapped over
    /// the images, the same for both. `None` if nothing was trained, if there are fewer than five images on which another answer
    /// would be better than the constant one and the score is not clearly worse, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<[f64; 2]>,
}

/// How a network that is no better than a constant answer on the measured images stands to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortfall {
    /// The 95 % interval of the gain ends at or below 0.
    NoBetter,
    /// It reaches above 0, but not to a tenth of what is left to gain.
    NotShownBetter,
}

impl Shortfall {
    /// How a network stands to the constant answer that follows.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Shortfall::NoBetter => "no better than",
            Shortfall::NotShownBetter => "not shown to be better than",
        }
    }
}

/// A gain of this share of what is left between a constant answer and a perfect one is hardly any.
const HARDLY: f64 = 0.1;

impl Baseline {
    /// The answer `says` with its value, which no network is held against yet.
    pub(crate) fn new(says: String, metric: MetricKind, value: f64) -> Self {
        Baseline { says, metric, value, reached: None, gain: None }
    }

    /// The best value of its metric.
    pub(crate) fn perfect(&self) -> f64 {
        match self.metric.direction() {
            Direction::Higher => 1.0,
            Direction::Lower => 0.0,
        }
    }

    /// How the network falls short of the baseline: it is not better on the measured images, and the 95 % interval of the gain
    /// ends below a tenth of what is left to gain. `None` if it does not, or if that is not certain.
    pub(crate) fn shortfall(&self) -> Option<Shortfall> {
        let (reached, direction) = (self.reached?, self.metric.direction());
        // No number is no better, on however few images.
        if reached.is_nan() {
            return Some(Shortfall::NoBetter);
        }
        let hardly = HARDLY * direction.gain(self.value, self.perfect());
        let [_, most] = self.gain.filter(|_| direction.gain(self.value, reached) <= 0.0)?;
        if most <= 0.0 {
            return Some(Shortfall::NoBetter);
        }
        (most < hardly).then_some(Shortfall::NotShownBetter)
    }

    /// Returns a warning if the run ended no better than the baseline, or if a gain of a tenth of what is left can be excluded and
    /// none is shown.
    pub fn unbeaten(&self) -> Option<String> {
        let (shortfall, reached) = self.shortfall().zip(self.reached)?;
        let gain = self.gain.map_or_else(String::new, |[least, most]| {
            let gain = self.metric.direction().gain(self.value, reached);
            format!("; gain {gain:+.4}, 95 % from {least:+.4} to {most:+.4}")
        });
        let so = if shortfall == Shortfall::NoBetter { ": nothing useful was learned" } else { "" };
        let is = shortfall.words();
        Some(format!(
            "the run ended with {} {}, {is} always saying `{}` ({}{gain}){so}. \
             Look at the learning rates and at the labels; few images need more epochs or smaller batches",
            self.metric.word(),
            figure(reached, 4),
            self.says,
            figure(self.value, 4)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_summary_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        let summary = Summary { name: "A".into(), seconds: 0.1 + 0.2, ..Summary::default() };
        let text = summary.sealed().unwrap();
        std::fs::write(&path, &text).unwrap();
        assert_eq!(Summary::read(folder.path()).unwrap(), summary);
        for edited in [text.replace("\"A\"", "\"B\""), text.replace("0.30000000000000004", "0.3"), text.clone() + " "] {
            assert_ne!(edited, text);
            std::fs::write(&path, edited).unwrap();
            let error = Summary::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("summary.json: ") && error.contains("does not match its digest"), "{error}");
        }
    }

    #[test]
    fn what_earlier_versions_left_empty_is_none() {
        let stages = vec![StageSummary { trains: Some("the head, on images".into()), ..StageSummary::default() }];
        let whole = Summary { directory: Some("/work".into()), stages, ..Summary::default() };
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), whole);
        let earlier = text.replace("\"/work\"", "\"\"").replace("\"the head, on images\"", "\"\"");
        let bare = Summary { directory: None, stages: vec![StageSummary::default()], ..Summary::default() };
        assert_eq!(serde_json::from_str::<Summary>(&earlier).unwrap(), bare);
        let now = serde_json::to_string(&bare).unwrap();
        assert!(!now.contains("\"directory\"") && !now.contains("\"trains\""), "{now}");
        assert_eq!(serde_json::from_str::<Summary>(&now).unwrap(), bare);
    }

    #[test]
    fn a_result_is_held_against_the_constant_answer() {
        let unbeaten = |metric: &str, value, reached, gain| {
            let metric = MetricKind::parse(metric).unwrap();
            Baseline { reached, gain, ..Baseline::new("x".into(), metric, value) }.unbeaten().is_some()
        };
        assert!(!unbeaten("accuracy", 0.5, None, None));
        assert!(!unbeaten("accuracy", 0.5, Some(0.51), Some([0.002, 0.018])));
        assert!(unbeaten("accuracy", 0.5, Some(0.5), Some([0.0, 0.0])), "the constant answer itself");
        assert!(unbeaten("accuracy", 0.5, Some(0.49), Some([-0.05, 0.03])), "a tenth of the way would be 0.05");
        assert!(!unbeaten("accuracy", 0.5, Some(0.45), Some([-0.3, 0.2])), "twenty images");
        assert!(!unbeaten("accuracy", 0.9, Some(0.89), Some([-0.04, 0.02])), "and 0.01 here");
        assert!(!unbeaten("accuracy", 0.5, Some(0.3), None), "too few images");
        assert!(unbeaten("f2", 0.6, Some(0.4), Some([-0.3, -0.1])));
        assert!(!unbeaten("mae", 0.2, Some(0.1), Some([0.08, 0.12])));
        assert!(unbeaten("mae", 0.2, Some(0.3), Some([-0.12, -0.08])));
        assert!(!unbeaten("mae", 0.2, Some(0.21), Some([-0.06, 0.04])));
        assert!(unbeaten("mae", 0.2, Some(f64::NAN), None));
    }

    #[test]
    fn nothing_learned_is_said_only_where_no_gain_is_possible() {
        let said = |gain| {
            let baseline = Baseline::new("x".into(), MetricKind::F2, 0.8);
            Baseline { reached: Some(0.76), gain: Some(gain), ..baseline }.unbeaten()
        };
        let worse = said([-0.0959, -0.0131]).unwrap();
        assert!(
            worse.contains(
                "f2 0.7600, no better than always saying `x` (0.8000; gain -0.0400, 95 % from -0.0959 to -0.0131)"
            ),
            "{worse}"
        );
        assert!(worse.contains("nothing useful was learned"), "{worse}");
        let open = said([-0.0959, 0.0131]).unwrap();
        assert!(
            open.contains("f2 0.7600, not shown to be better than always saying `x` (0.8000; gain -0.0400"),
            "{open}"
        );
        assert!(open.contains("to +0.0131)") && !open.contains("nothing useful"), "{open}");
        assert_eq!(said([-0.0959, 0.0231]), None, "a tenth of what is left is 0.02");
    }
}
