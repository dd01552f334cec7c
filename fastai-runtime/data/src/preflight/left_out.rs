//! Images that preflight leaves out of a split, and the check of the remainder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fastai_dsl::{TaskKind, Valid};

use super::health::Health;
use crate::finding::{DataPart, FindingKind};
use crate::findings::{Findings, names, shorten};
use crate::splits::holdout;
use crate::{Dataset, DecodeError, Item};

/// The number of images that a message names for each reason.
const NAMED: usize = 3;

/// Why an image is left out.
enum Reason {
    /// It cannot be decoded, for this reason.
    Broken(DecodeError),
    /// This validation image has the same bytes.
    Twin(PathBuf),
}

/// The images of both parts that were left out.
#[derive(Default)]
pub(crate) struct LeftOut {
    train: Vec<(Item, Reason)>,
    valid: Vec<(Item, Reason)>,
}

impl LeftOut {
    /// Removes the broken images from the data set, each with its reason.
    pub(crate) fn broken(&mut self, dataset: &mut Dataset, broken: &[(PathBuf, DecodeError)]) {
        let reasons: HashMap<&Path, &DecodeError> =
            broken.iter().map(|(path, reason)| (path.as_path(), reason)).collect();
        let reason = |item: &Item| reasons.get(item.path.as_path()).copied();
        for (side, left) in [(&mut dataset.train, &mut self.train), (&mut dataset.valid, &mut self.valid)] {
            for item in std::mem::take(side) {
                match reason(&item) {
                    None => side.push(item),
                    Some(reason) => left.push((item, Reason::Broken(reason.clone()))),
                }
            }
        }
        dataset.test.retain(|item| reason(item).is_none());
    }

    /// Records a training image with the bytes of a validation image.
    pub(crate) fn twin(&mut self, item: Item, of: &Path) {
        self.train.push((item, Reason::Twin(of.to_path_buf())));
    }

    /// Checks what remains: an empty part, or a class that would be measured but never trained, is a finding. `health`
    /// names the other classes that were lost.
    ///
    /// If only part of the data set is examined, the classes are not checked; if rows were not read, nothing is.
    pub(crate) fn check(&self, dataset: &Dataset, part: bool, health: &mut Health, findings: &mut Findings) {
        if !findings.all_read() {
            return;
        }
        let split = &dataset.split;
        if dataset.valid.is_empty() && !self.valid.is_empty() {
            let text = format!(
                "no image is left to measure with: all {} that `valid: {}` holds out are left out: {}; replace \
                 them, or hold out others",
                self.valid.len(),
                split.in_short(),
                reasons(self.valid.iter(), &dataset.root)
            );
            findings.push(FindingKind::TooFew { part: DataPart::Valid }, text);
        }
        // Batch norm needs two images.
        if dataset.train.len() < 2 && dataset.train.len() + self.train.len() >= 2 {
            let left = if dataset.train.is_empty() { "no training image is" } else { "one training image alone is" };
            let (why, advice) = (reasons(self.train.iter(), &dataset.root), self.advice(split));
            findings.push(FindingKind::TooFew { part: DataPart::Train }, format!("{left} left: {why}; {advice}"));
            return;
        }
        if dataset.task != TaskKind::Regression {
            self.check_classes(dataset, part, health, findings);
        }
    }

    fn check_classes(&self, dataset: &Dataset, part: bool, health: &mut Health, findings: &mut Findings) {
        let mut lost = vec![false; dataset.classes.len()];
        let classes = self.train.iter().flat_map(|(item, _)| item.target.classes());
        classes.for_each(|class| lost[*class as usize] = true);
        let counts = dataset.class_counts();
        let lost: Vec<usize> = (0..lost.len()).filter(|class| lost[*class] && counts[*class] == 0).collect();
        if lost.is_empty() {
            return;
        }
        let name = |class: &usize| dataset.classes[*class].clone();
        health.untrained = lost.iter().map(name).collect();
        if part {
            return;
        }
        let why = |classes: &[usize]| {
            let is_of = |item: &Item| item.target.classes().iter().any(|own| classes.contains(&(*own as usize)));
            reasons(self.train.iter().filter(|(item, _)| is_of(item)), &dataset.root)
        };
        let trained: Vec<&String> =
            dataset.classes.iter().zip(&counts).filter(|(_, n)| **n > 0).map(|(class, _)| class).collect();
        if let ([only], TaskKind::SingleLabel) = (trained.as_slice(), dataset.task) {
            let text = format!(
                "only images of {only:?} are left to train on, and a classifier needs at least two classes: {}; {}",
                why(&lost),
                self.advice(&dataset.split)
            );
            findings.push(FindingKind::OneClass { class: only.to_string() }, text);
            return;
        }
        let measured = dataset.measured();
        let wrong: Vec<usize> = lost.into_iter().filter(|class| measured[*class]).collect();
        if holdout::is_chosen(&dataset.split) && !wrong.is_empty() {
            let named: Vec<String> = wrong.iter().map(name).collect();
            let text = format!(
                "no training image is left of {}, which `valid: {}` measures: {}; {}",
                names(&named, 20),
                dataset.split.in_short(),
                why(&wrong),
                self.advice(&dataset.split)
            );
            findings.push(FindingKind::Untrained { classes: named }, text);
        }
    }

    /// Returns the advice about training images that were left out.
    fn advice(&self, split: &Valid) -> String {
        if self.train.iter().any(|(_, reason)| matches!(reason, Reason::Twin(_))) {
            format!(
                "hold out images that are not trained on (`valid: {}` holds out copies of them), or say \
                 `duplicates: keep` to train on them all the same",
                split.in_short()
            )
        } else {
            "replace the broken files".to_string()
        }
    }
}

/// Counts the images left out by reason and names the first few of each; paths are relative to `root`.
fn reasons<'a>(left: impl Iterator<Item = &'a (Item, Reason)>, root: &Path) -> String {
    let below = |path: &'a Path| path.strip_prefix(root).unwrap_or(path).display();
    let (mut broken, mut twins) = (Vec::new(), Vec::new());
    for (item, reason) in left {
        match reason {
            Reason::Broken(reason) => broken.push(format!("{}: {reason}", below(&item.path))),
            Reason::Twin(of) => twins.push(format!("{} and {}", below(&item.path), below(of))),
        }
    }
    let mut text = Vec::new();
    if !broken.is_empty() {
        text.push(format!("{} cannot be decoded (`corrupt: skip`): {}", broken.len(), shorten(&broken, NAMED)));
    }
    if !twins.is_empty() {
        text.push(format!(
            "{} have the very bytes of a validation image (`duplicates: drop`): {}",
            twins.len(),
            shorten(&twins, NAMED)
        ));
    }
    text.join("; ")
}
