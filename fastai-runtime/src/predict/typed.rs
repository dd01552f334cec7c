//! Predictions whose classes are a type.

use std::fmt;
use std::marker::PhantomData;

use fastai_dsl::{Class, Classified, MultiLabel, SingleLabel};

use crate::metrics::{Thresholds, most_probable, top_of};

/// The prediction of the model of recipe `E` for one image.
///
/// `E` is a recipe with a committed summary of its data, from which the macro makes the type of its classes, such as
/// `DogsVsCatsClass` with the variants `Cats` and `Dogs`.
pub struct Prediction<E> {
    probabilities: Vec<f32>,
    recipe: PhantomData<fn() -> E>,
}

// Derived implementations would require them of `E`, which recipe types lack.
impl<E> Clone for Prediction<E> {
    fn clone(&self) -> Self {
        Prediction { probabilities: self.probabilities.clone(), recipe: PhantomData }
    }
}

impl<E> PartialEq for Prediction<E> {
    fn eq(&self, other: &Self) -> bool {
        self.probabilities == other.probabilities
    }
}

impl<E> fmt::Debug for Prediction<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prediction").field("probabilities", &self.probabilities).finish()
    }
}

impl<E: Classified> Prediction<E> {
    /// Wraps one probability per class, in the order of the classes.
    ///
    /// # Panics
    /// If their number differs from that of the classes.
    pub(crate) fn new(probabilities: Vec<f32>) -> Self {
        assert_eq!(probabilities.len(), E::Class::ALL.len(), "one probability a class");
        Prediction { probabilities, recipe: PhantomData }
    }

    /// The probability of a class or tag, in `[0, 1]`.
    pub fn probability(&self, class: E::Class) -> f32 {
        self.probabilities[class.index()]
    }

    /// All probabilities, in the order of the classes.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// The `k` most probable classes with their probabilities, the most probable first; equal ones keep the order of the
    /// classes.
    pub fn top(&self, k: usize) -> Vec<(E::Class, f32)> {
        most_probable(E::Class::ALL.iter().copied(), &self.probabilities, k)
    }
}

impl<E: Classified<Task = SingleLabel>> Prediction<E> {
    /// The most probable class, the first of equals.
    pub fn class(&self) -> E::Class {
        E::Class::ALL[top_of(&self.probabilities)]
    }
}

impl<E: Classified<Task = MultiLabel>> Prediction<E> {
    /// The tags with a probability above the threshold, which is one number, or one for each tag; in the order of the classes.
    pub fn tags(&self, thresholds: impl Into<Thresholds>) -> Vec<E::Class> {
        thresholds.into().select(E::Class::ALL, &self.probabilities).into_iter().copied().collect()
    }
}

/// Says how the classes of a model or of a data set differ from those of a recipe's type; `None` if they are the same.
pub(crate) fn class_differences(wanted: &[impl AsRef<str>], found: &[String]) -> Option<String> {
    if wanted.len() == found.len() && wanted.iter().zip(found).all(|(a, b)| a.as_ref() == b) {
        return None;
    }
    let missing: Vec<&str> = wanted.iter().map(AsRef::as_ref).filter(|w| !found.iter().any(|f| f == w)).collect();
    let more: Vec<&str> =
        found.iter().map(String::as_str).filter(|f| !wanted.iter().any(|w| w.as_ref() == *f)).collect();
    let mut parts = Vec::new();
    for (what, names) in [("missing", missing), ("not expected", more)] {
        if !names.is_empty() {
            parts.push(format!("{what}: {}", names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ")));
        }
    }
    Some(if parts.is_empty() { "their order differs".to_string() } else { parts.join("; ") })
}

#[cfg(test)]
mod tests {
    use fastai_dsl::{Experiment, Recipe};

    use super::*;

    /// As the macro would write it of a summary.
    struct Pets;
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum PetsClass {
        Cat,
        Dog,
        Hamster,
    }
    impl Experiment for Pets {
        type Task = SingleLabel;
        const NAME: &'static str = "Pets";
        fn recipe() -> Recipe {
            unreachable!("nothing runs")
        }
    }
    impl Class for PetsClass {
        const ALL: &'static [Self] = &[PetsClass::Cat, PetsClass::Dog, PetsClass::Hamster];
        const NAMES: &'static [&'static str] = &["cat", "dog", "hamster"];
        fn index(self) -> usize {
            self as usize
        }
    }
    impl Classified for Pets {
        type Class = PetsClass;
    }

    #[test]
    fn the_class_is_the_most_probable_and_the_first_of_equals() {
        let class = |probabilities: [f32; 3]| Prediction::<Pets>::new(probabilities.to_vec()).class();
        assert_eq!(class([0.2, 0.3, 0.5]), PetsClass::Hamster);
        assert_eq!(class([0.2, 0.4, 0.4]), PetsClass::Dog);
        assert_eq!(class([0.5, 0.0, 0.5]), PetsClass::Cat);
    }

    #[test]
    fn differences_are_named() {
        let found = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(class_differences(&["a", "b"], &found(&["a", "b"])), None);
        let said = class_differences(&["a", "b"], &found(&["b", "c", "d"])).unwrap();
        assert_eq!(said, "missing: \"a\"; not expected: \"c\", \"d\"");
        assert_eq!(class_differences(&["a", "b"], &found(&["b", "a"])).unwrap(), "their order differs");
    }
}
