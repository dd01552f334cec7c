//! Progress of folds, which begin alike, and are measured on the same data.

use std::collections::HashSet;

use crate::progress::Progress;

/// What the folds before have told before their first step: weights, device, images.
#[derive(Debug, Default)]
pub(super) struct Told(HashSet<String>);

/// Progress of one fold, without the notes and warnings before its first step that another fold has told word for word.
pub(super) struct FoldProgress<'a> {
    inner: &'a mut dyn Progress,
    told: &'a mut Told,
    /// Whether no step has begun.
    begins: bool,
}

impl<'a> FoldProgress<'a> {
    pub(super) fn new(inner: &'a mut dyn Progress, told: &'a mut Told) -> Self {
        FoldProgress { inner, told, begins: true }
    }

    fn is_new(&mut self, line: &str) -> bool {
        !self.begins || self.told.0.insert(line.to_string())
    }
}

impl Progress for FoldProgress<'_> {
    fn inner(&mut self) -> Option<&mut dyn Progress> {
        Some(&mut *self.inner)
    }
    fn note(&mut self, line: &str) {
        if self.is_new(line) {
            self.inner.note(line);
        }
    }
    fn warn(&mut self, line: &str) {
        if self.is_new(line) {
            self.inner.warn(line);
        }
    }
    fn stage(&mut self, index: usize, count: usize, title: &str) {
        self.begins = false;
        self.inner.stage(index, count, title);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard(Vec<String>);

    impl Progress for Heard {
        fn note(&mut self, line: &str) {
            self.0.push(line.to_string());
        }
        fn warn(&mut self, line: &str) {
            self.0.push(format!("warning: {line}"));
        }
    }

    #[test]
    fn a_later_fold_tells_what_is_new_and_all_of_its_steps() {
        let (mut heard, mut told) = (Heard::default(), Told::default());
        for note in ["2 images are alike", "3 images are alike"] {
            let mut progress = FoldProgress::new(&mut heard, &mut told);
            progress.note("1 image cannot be decoded");
            progress.note(note);
            progress.warn("a list cannot be written");
            progress.stage(0, 1, "fit(0.1, 1)");
            progress.note("found the cache");
            progress.warn("the loss rose");
        }
        let first = ["1 image cannot be decoded", "2 images are alike", "warning: a list cannot be written"];
        let steps = ["found the cache", "warning: the loss rose"];
        assert_eq!(heard.0, [&first[..], &steps, &["3 images are alike"], &steps].concat());
    }
}
