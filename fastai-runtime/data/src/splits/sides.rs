//! Checks that a split leaves enough images for training and for validation.

use fastai_dsl::{Dealing, TaskKind, Valid};

use crate::Dataset;
use crate::finding::{DataPart, FindingKind};
use crate::findings::{Findings, names, number, part_of};
use crate::splits::better::{Lack, Remedy};
use crate::splits::holdout;

/// What to do where no class has two images.
const NO_SPLIT: &str = "each image is the only one of its class, so that no split can help: give each class several \
                        images (or is another column that of the classes, or the task another?)";

/// Whether the split holds all images of a group or block out or none.
fn keeps_parts(valid: &Valid) -> bool {
    let together = |dealing: &Dealing| matches!(dealing, Dealing::Grouped(_) | Dealing::Blocks(_));
    match valid {
        Valid::Grouped { .. } | Valid::Blocks { .. } => true,
        Valid::Folds { dealing, .. } => together(dealing),
        _ => false,
    }
}

impl Dataset {
    /// Checks the two parts as a whole. `absent` counts held-out rows without an image, which were left out before; `remedy`
    /// is what helps, as [`remedy`](super::better::remedy) says.
    pub(crate) fn checked(mut self, absent: usize, remedy: Remedy, mut findings: Findings) -> (Dataset, Findings) {
        // Of folds that cannot be dealt, none is held out.
        let undealt = matches!(self.split, Valid::Folds { .. }) && findings.has(&FindingKind::Split);
        if findings.all_read() && !undealt {
            self.check_split(absent, &remedy, &mut findings);
            if self.task != TaskKind::Regression {
                self.check_trained_classes(&remedy, &mut findings);
            }
        }
        (self, findings)
    }

    fn check_split(&self, absent: usize, remedy: &Remedy, findings: &mut Findings) {
        let (valid, better) = (&self.split, remedy.better.as_ref());
        let in_a_fold = remedy.lack == Some(Lack::Measured);
        let split = valid.in_short();
        let too_few = |part| FindingKind::TooFew { part };
        let all = self.train.len() + self.valid.len();
        if all == 0 {
            // Without rows, the cause has been reported, except for empty folders.
            if findings.is_empty() {
                findings.push(too_few(DataPart::Train), format!("no images in {}", self.root.display()));
            }
        } else if self.train.is_empty() {
            let (images, are) = (part_of(all, all, "image", "images"), if all == 1 { "is" } else { "are" });
            let text = format!("{images} {are} held out (`valid: {split}`): none is left to train on");
            findings.push(too_few(DataPart::Train), text);
        } else if self.valid.is_empty() && absent > 0 {
            let text = format!(
                "`valid: {split}` holds out {}, and none has an image: `corrupt: skip` leaves nothing to measure with; hold \
                 out others",
                number(absent, "row", "rows")
            );
            findings.push(too_few(DataPart::Valid), text);
        } else if (self.valid.is_empty() || in_a_fold)
            && *valid != Valid::None
            // A list or folder that has findings holds out nothing for that reason.
            && (findings.is_empty() || !holdout::is_chosen(valid))
            // With the images that are not there it may hold some out.
            && !findings.lack_images()
        {
            // However large the part, a class's only image stays.
            let drew = match valid {
                Valid::Stratified { share, .. } => all as f64 * share >= 1.0,
                valid => holdout::deals_classes(valid),
            };
            let advice = match (valid, better) {
                (_, Some(better)) if drew => {
                    let better = better.in_short();
                    format!("each image that it draws is the only one of a class, so say `valid: {better}`")
                }
                (_, None) if drew && self.task == TaskKind::SingleLabel => NO_SPLIT.to_string(),
                (Valid::Stratified { share, .. }, None) if drew => {
                    format!("each image that it draws is the only one of a class, so say `valid: random({share})`")
                }
                (valid, Some(better)) if keeps_parts(valid) => format!("say `valid: {}`", better.in_short()),
                (Valid::Blocks { size, .. }, _) if *size as usize >= all => {
                    "all of them are in one block, so say smaller blocks".to_string()
                }
                (Valid::Blocks { .. }, _) => "say smaller blocks, or give a larger part".to_string(),
                (Valid::Folds { count, .. }, _) if *count > 2 => "take fewer folds".to_string(),
                (Valid::Folds { .. }, _) => "add images".to_string(),
                _ => "give a larger part".to_string(),
            };
            let images = number(all, "image", "images");
            let holds_out = if in_a_fold { "has a fold that holds out" } else { "holds out" };
            // Whether the recipe could measure nothing is not known here, so that `valid: all` is not proposed.
            findings.push(too_few(DataPart::Valid), format!("`valid: {split}` {holds_out} none of {images}; {advice}"));
        }
    }

    fn check_trained_classes(&mut self, remedy: &Remedy, findings: &mut Findings) {
        let split = self.split.in_short();
        let one_class = |only: &str, when: &str, advice: &str| {
            format!(
                "`valid: {split}` leaves only images of {only:?} to train on{when}, and a classifier needs at least two \
                 classes{advice}"
            )
        };
        if let Some(Lack::OtherClasses(only)) = &remedy.lack {
            let text = one_class(only, " in a fold", &self.advice(remedy));
            findings.push(FindingKind::OneClass { class: only.clone() }, text);
            return;
        }
        let counts = self.class_counts();
        let empty: Vec<&String> = self.classes.iter().zip(&counts).filter(|(_, n)| **n == 0).map(|(c, _)| c).collect();
        if empty.is_empty() || self.train.is_empty() {
            return;
        }
        let text = format!(
            "{} {} no training image and cannot be learned: {}",
            part_of(empty.len(), self.classes.len(), "class", "classes"),
            if empty.len() == 1 { "has" } else { "have" },
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
        let advice = if held_out.is_empty() { String::new() } else { self.advice(remedy) };
        let trained: Vec<&String> =
            self.classes.iter().zip(&counts).filter(|(_, n)| **n > 0).map(|(class, _)| class).collect();
        match (self.task, trained.as_slice()) {
            (TaskKind::SingleLabel, [only]) if !held_out.is_empty() => {
                findings.push(FindingKind::OneClass { class: only.to_string() }, one_class(only, "", &advice));
            }
            _ => self.notes.push(text + &advice),
        }
    }

    /// What helps where a class is measured and not trained.
    fn advice(&self, remedy: &Remedy) -> String {
        match (self.task, &remedy.better) {
            (TaskKind::MultiLabel, Some(better)) if matches!(better, Valid::Stratified { .. }) => {
                format!("; `valid: {}` holds out a share of each set of tags", better.in_short())
            }
            (_, Some(better)) => {
                let when = if better.turns().is_some() { " in every fold" } else { "" };
                format!("; `valid: {}` keeps some of each class for training{when}", better.in_short())
            }
            (task, None) => match (&remedy.hindrance, task) {
                (Some(hindrance), _) => format!("; {hindrance}"),
                (None, TaskKind::SingleLabel) => format!("; {NO_SPLIT}"),
                (None, _) => String::new(),
            },
        }
    }

    /// The message about classes or tags that occur only in validation images that were listed individually.
    fn untrained(&self, classes: &[&str]) -> String {
        let (all, never) = match self.task {
            TaskKind::MultiLabel => ("all images with the tag", "a tag that is never trained would never be found"),
            _ => ("all images of", "a class that is never trained would always be wrong"),
        };
        format!(
            "`valid: {}` holds out {all} {}: {never}; leave some of {} images for training, or none in the data",
            self.split.in_short(),
            names(classes, 20),
            if classes.len() == 1 { "its" } else { "their" }
        )
    }

    /// For each class or tag, whether a validation image has it.
    pub(crate) fn measured(&self) -> Vec<bool> {
        self.counts_of(&self.valid).iter().map(|count| *count > 0).collect()
    }
}
