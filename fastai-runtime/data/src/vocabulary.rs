//! Class names and their numbers.

use std::collections::{BTreeSet, HashMap};

/// The classes or tags of a data set, sorted by bytes; the index of a class is its position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Vocabulary {
    /// Collects the distinct `names`, sorted by bytes, which is how Python sorts them and fastai numbers classes.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect::<BTreeSet<_>>().into_iter().collect();
        let numbers = names.iter().zip(0..).map(|(name, number)| (name.clone(), number)).collect();
        Vocabulary { names, numbers }
    }

    /// The number of class `name`; `None` if there is no such class.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// All names, by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All names, by number.
    pub fn into_names(self) -> Vec<String> {
        self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_sorted_by_bytes_and_numbered() {
        let vocabulary = Vocabulary::new(["b", "é", "Z", "a", "b", "10", "9"]);
        assert_eq!(vocabulary.names(), ["10", "9", "Z", "a", "b", "é"]);
        assert_eq!(vocabulary.number("Z"), Some(2));
        assert_eq!(vocabulary.number("c"), None);
    }
}
