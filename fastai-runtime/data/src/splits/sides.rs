//! Checks that a split leaves enough images for training and for validation.

use fastai_dsl::{Dealing, TaskKind, Valid};

use crate::finding::{DataPart, FindingKind};
use crate::findings::{Findings, names, number};
use crate::splits::better::written;
use crate::splits::holdout;
use crate::{Dataset, Target};

/// What to do where no class has two images.
const NO_SPLIT: &str = "each image is the only one of its class, so that no split can help: give each class several \
                        images (or is another column that of the classes, or the task another?)";

/// What to do where no draw of a split helps that holds all images of a group out or none; `None` for other splits.
fn whole(valid: &Valid) -> Option<&'static str> {
    match valid {
        Valid::Grouped { .. } | Valid::Folds { dealing: Dealing::Grouped(_), .. } => {
            Some("its images lie in too few groups for a split that keeps groups together: add images of other groups")
        }
        Valid::Blocks { .. } | Valid::Folds { dealing: Dealing::Blocks(_), .. } => Some(
            "its images lie in too few blocks for a split that keeps blocks together: say smaller ones, or add images",
        ),
        _ => None,
    }
}

impl Dataset {
    /// Checks the two parts as a whole. `absent` counts held-out rows without an image, which were left out before; `better` is
    /// the split to propose, as [`better_split`](super::better::better_split) says.
    pub(crate) fn checked(
        mut self,
        absent: usize,
        better: Option<Valid>,
        mut findings: Findings,
    ) -> (Dataset, Findings) {
        if findings.all_read() {
            self.check_split(absent, better.as_ref(), &mut findings);
            if self.task != TaskKind::Regression {
                self.check_trained_classes(better.as_ref(), &mut findings);
            }
        }
        (self, findings)
    }

    fn check_split(&self, absent: usize, better: Option<&Valid>, findings: &mut Findings) {
        let valid = &self.split;
        let too_few = |part| FindingKind::TooFew { part };
        let all = self.train.len() + self.valid.len();
        if all == 0 {
            // Without rows, the cause has been reported, except for empty folders.
            if findings.is_empty() {
                findings.push(too_few(DataPart::Train), format!("no images in {}", self.root.display()));
            }
        } else if self.train.is_empty() {
            let text = format!("all {all} images are held out (`valid: {valid}`): none is left to train on");
            findings.push(too_few(DataPart::Train), text);
        } else if self.valid.is_empty() && absent > 0 {
            let text = format!(
                "`valid: {valid}` holds out {}, and none has an image: `corrupt: skip` leaves nothing to measure with; hold \
                 out others, or say `valid: all` to train on everything",
                number(absent, "row", "rows")
            );
            findings.push(too_few(DataPart::Valid), text);
        } else if self.valid.is_empty()
            && *valid != Valid::None
            // A list or folder that has findings holds out nothing for that reason.
            && (findings.is_empty() || !holdout::is_chosen(valid))
        {
            // However large the part, a class's only image stays.
            let drew = match valid {
                Valid::Stratified { share, .. } => all as f64 * share >= 1.0,
                valid => holdout::deals_classes(valid),
            };
            let advice = match (valid, better) {
                (_, Some(better)) if drew => {
                    let better = written(better);
                    format!("each image that it draws is the only one of a class, so say `valid: {better}`")
                }
                (_, None) if drew && self.task == TaskKind::SingleLabel => NO_SPLIT.to_string(),
                (Valid::Stratified { share, .. }, None) if drew => {
                    format!("each image that it draws is the only one of a class, so say `valid: random({share})`")
                }
                (valid, Some(better)) if whole(valid).is_some() => format!("say `valid: {}`", written(better)),
                (Valid::Folds { .. }, _) => "take fewer folds".to_string(),
                _ => "give a larger part".to_string(),
            };
            let text = format!(
                "`valid: {valid}` holds out none of {all} images; {advice}, or say `valid: all` to train on everything"
            );
            findings.push(too_few(DataPart::Valid), text);
        }
    }

    fn check_trained_classes(&mut self, better: Option<&Valid>, findings: &mut Findings) {
        let counts = self.class_counts();
        let empty: Vec<&String> = self.classes.iter().zip(&counts).filter(|(_, n)| **n == 0).map(|(c, _)| c).collect();
        if empty.is_empty() || self.train.is_empty() {
            return;
        }
        let text = format!(
            "{} of {} classes have no training image and cannot be learned: {}",
            empty.len(),
            self.classes.len(),
            names(&empty, 5)
        );
        let measured = self.measured();
        let held_out: Vec<&str> =
            (0..counts.len()).filter(|c| counts[*c] == 0 && measured[*c]).map(|c| self.classes[c].as_str()).collect();
        if holdout::is_chosen(&self.split) && !held_out.is_empty() {
            let classes = held_out.iter().map(ToString::to_string).collect();
            findings.push(FindingKind::Untrained { classes }, self.untrained(&held_out));
            return;
        }
        let advice = match (self.task, better) {
            _ if held_out.is_empty() => String::new(),
            (TaskKind::MultiLabel, Some(better)) if matches!(better, Valid::Stratified { .. }) => {
                format!("; `valid: {}` holds out a share of each set of tags", written(better))
            }
            (_, Some(better)) => {
                let when = if better.turns().is_some() { " in every fold" } else { "" };
                format!("; `valid: {}` keeps some of each class for training{when}", written(better))
            }
            (task, None) => match (whole(&self.split), task) {
                (Some(whole), _) => format!("; {whole}"),
                (None, TaskKind::SingleLabel) => format!("; {NO_SPLIT}"),
                (None, _) => String::new(),
            },
        };
        let trained: Vec<&String> =
            self.classes.iter().zip(&counts).filter(|(_, n)| **n > 0).map(|(class, _)| class).collect();
        match (self.task, trained.as_slice()) {
            (TaskKind::SingleLabel, [only]) if !held_out.is_empty() => findings.push(
                FindingKind::OneClass { class: only.to_string() },
                format!(
                    "`valid: {}` leaves only images of {only:?} to train on, and a classifier needs at least two \
                     classes{advice}",
                    self.split
                ),
            ),
            _ => self.notes.push(text + &advice),
        }
    }

    /// The message about classes or tags that occur only in validation images that were listed individually.
    fn untrained(&self, classes: &[&str]) -> String {
        let (all, never) = match self.task {
            TaskKind::MultiLabel => ("all images with the tag", "a tag that is never trained would never be found"),
            _ => ("all images of", "a class that is never trained would always be wrong"),
        };
        format!(
            "`valid: {}` holds out {all} {}: {never}; leave some of its images for training, or none in the data",
            self.split,
            names(classes, 20)
        )
    }

    /// For each class or tag, whether a validation image has it.
    pub(crate) fn measured(&self) -> Vec<bool> {
        let mut measured = vec![false; self.classes.len()];
        for item in &self.valid {
            match &item.target {
                Target::Class(class) => measured[*class as usize] = true,
                Target::Tags(tags) => tags.iter().for_each(|tag| measured[*tag as usize] = true),
                Target::Value(_) | Target::Unlabelled => {}
            }
        }
        measured
    }
}
