//! The labels of a run's parts, and the losses against them.

use std::slice;
use std::sync::Arc;

use burn::tensor::Device;
use fastai_dsl::{Recipe, Source, TaskKind};

use super::measured;
use crate::data::{DataError, Dataset, Finding, FindingKind, Item};
use crate::error::SuppliedError;
use crate::metrics::{Measure, Truth};
use crate::report::Baseline;
use crate::train::{Criterion, Loss, criterion};

/// The labels of the parts of a data set; `None` of a part without images or labels.
pub(super) struct Truths {
    train: Truth,
    valid: Option<Truth>,
    test: Option<Truth>,
}

impl Truths {
    /// The labels of a data set, as images of `task`.
    ///
    /// # Errors
    /// A training image without a label.
    pub(super) fn of(dataset: &Dataset, task: TaskKind) -> Result<Self, DataError> {
        let truth = |items: &[Item]| measured::truth_of(items, dataset.classes.len(), task);
        let Some(train) = truth(&dataset.train) else {
            let mut without = dataset.train.iter().filter(|item| truth(slice::from_ref(*item)).is_none());
            let item = without.next().expect("an image without a label");
            let text =
                format!("{}: a training image has no label; give each one, or leave it out", item.path.display());
            return Err(DataError::one(Finding::new(FindingKind::Unlabelled { path: item.path.clone() }, text)));
        };
        let [valid, test] = [&dataset.valid, &dataset.test].map(|items| truth(items).filter(|t| !t.is_empty()));
        Ok(Truths { train, valid, test })
    }

    /// Says which of these classes or tags each metric cannot measure on the validation and test images.
    ///
    /// # Errors
    /// A metric that can measure none of them, unless the run is a `smoke` run.
    pub(super) fn left_out(
        &self,
        metrics: &[Box<dyn Measure>],
        classes: &[String],
        smoke: bool,
    ) -> Result<Vec<String>, DataError> {
        let mut left_out = Vec::new();
        for (set, truth) in [("validation", &self.valid), ("test", &self.test)] {
            let Some(truth) = truth else { continue };
            match measured::left_out(metrics, set, truth, classes) {
                Ok(notes) => left_out.extend(notes),
                // The first batches of a set need not hold every class.
                Err(why) if smoke => left_out.push(why.text),
                Err(why) => {
                    let text = format!("{}; hold out other images, or measure something else", why.text);
                    return Err(DataError::one(Finding { text, ..why }));
                }
            }
        }
        Ok(left_out)
    }

    /// The score of the best constant answer on the validation images, among these classes or tags of `source`.
    pub(super) fn baseline(&self, classes: &[String], source: &Source) -> Option<Baseline> {
        self.valid.as_ref().and_then(|valid| measured::baseline(&self.train, valid, classes, source))
    }
}

/// The losses of a run.
pub(super) struct Losses {
    /// With the recipe's label smoothing.
    pub(super) train: Loss,
    pub(super) valid: Option<Loss>,
    pub(super) test: Option<Loss>,
    /// The mean loss of the best constant answer on the training images.
    pub(super) constant: f64,
}

impl Losses {
    /// Those of the recipe, or of the program's `own` loss, with these weights of `classes` classes.
    ///
    /// # Errors
    /// A loss that does not give each training image a number.
    ///
    /// # Panics
    /// If the recipe asks for a loss of the program, and there is none.
    pub(super) fn of(
        truths: Truths,
        recipe: &Recipe,
        own: Option<&Arc<dyn Criterion>>,
        class_weights: Option<&[f32]>,
        classes: usize,
        device: &Device,
    ) -> Result<Self, SuppliedError> {
        let loss_of = |truth: Truth, smoothing: f64| {
            let weights = class_weights.map(<[f32]>::to_vec);
            let of_recipe = || criterion(recipe.loss(), recipe.task(), weights, smoothing, device);
            let criterion = own.cloned().or_else(of_recipe).expect("a loss that is given has been found");
            Loss::of_criterion(truth, criterion)
        };
        let plain = loss_of(truths.train.clone(), 0.0);
        Ok(Losses {
            constant: measured::constant_loss(&plain, recipe.loss(), classes, class_weights.is_some())?,
            train: loss_of(truths.train, recipe.label_smoothing()),
            valid: truths.valid.map(|truth| loss_of(truth, 0.0)),
            test: truths.test.map(|truth| loss_of(truth, 0.0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Target;

    #[test]
    fn tags_of_the_constant_answer_are_told_apart() {
        let items = || (0..3).map(|_| Item { id: "a".into(), path: "a.png".into(), target: Target::Tags(vec![0, 2]) });
        let dataset = |tags: [&str; 3]| Dataset {
            root: "root".into(),
            classes: tags.map(String::from).to_vec(),
            task: TaskKind::MultiLabel,
            train: items().collect(),
            valid: items().collect(),
            test: Vec::new(),
            split: fastai_dsl::Valid::None,
            notes: Vec::new(),
        };
        let says = |tags: [&str; 3]| {
            let dataset = dataset(tags);
            let truths = Truths::of(&dataset, dataset.task).unwrap();
            truths.baseline(&dataset.classes, &Source::Given).unwrap().says
        };
        assert_eq!(says(["clear", "cloudy", "road"]), "clear road");
        assert_eq!(says(["blow down", "clear", "primary forest"]), "blow down; primary forest");
    }

    #[test]
    fn an_image_to_train_on_without_a_label_is_named() {
        let item = |name: &str, target| Item { id: name.into(), path: name.into(), target };
        let dataset = Dataset {
            root: "root".into(),
            classes: vec!["a".into(), "b".into()],
            task: TaskKind::SingleLabel,
            train: vec![item("first.png", Target::Class(1)), item("second.png", Target::Unlabelled)],
            valid: Vec::new(),
            test: Vec::new(),
            split: fastai_dsl::Valid::None,
            notes: Vec::new(),
        };
        let error = Truths::of(&dataset, dataset.task).err().unwrap();
        assert_eq!(error.findings[0].kind, FindingKind::Unlabelled { path: "second.png".into() });
        assert!(error.to_string().starts_with("second.png: "), "{error}");
    }
}
