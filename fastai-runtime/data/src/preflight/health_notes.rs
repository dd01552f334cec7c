//! What preflight says of a data set that training can use.

use std::path::{Path, PathBuf};

use fastai_dsl::Valid;

use super::health::{FoldsWithout, Health, Together};
use super::labels::FarLabels;
use crate::DecodeError;
use crate::findings::{names, number, shorten};
use crate::names::first_names;

/// The number of image pairs that a note names.
const NAMED: usize = 2;

impl Health {
    /// Returns the warnings about a data set that `split` divided, one line each; paths are relative to `root`.
    pub fn notes(&self, root: &Path, split: &Valid) -> Vec<String> {
        HealthNotes { health: self, root, split, elsewhere: ": `fastai show` lists them" }.lines()
    }

    /// Like [`notes`](Self::notes), followed by the lists of [`pairs`](Self::pairs).
    pub fn notes_with_lists(&self, root: &Path, split: &Valid) -> Vec<String> {
        HealthNotes { health: self, root, split, elsewhere: ", listed below" }.lines()
    }

    /// Like [`notes`](Self::notes), beside a page with the lists of [`pairs`](Self::pairs).
    pub fn notes_beside_page(&self, root: &Path, split: &Valid) -> Vec<String> {
        HealthNotes { health: self, root, split, elsewhere: ", listed on the page" }.lines()
    }
}

/// Writes the notes on a data set.
struct HealthNotes<'a> {
    health: &'a Health,
    /// What paths are relative to.
    root: &'a Path,
    /// What divided the images into training and validation.
    split: &'a Valid,
    /// Says where the pairs are that a note does not name.
    elsewhere: &'a str,
}

impl HealthNotes<'_> {
    /// All notes, one line each.
    fn lines(&self) -> Vec<String> {
        let Health { dropped, kept, contradictory, identical, cut, .. } = self.health;
        let files = [self.unseen(), self.surplus(), self.dark(), self.skipped()];
        let pairs = [
            self.twins(dropped, "left out (`duplicates: keep` trains on them)"),
            self.twins(kept, "trained on as `duplicates: keep` says"),
            self.alike(contradictory, cut.contradictory, "the same bytes and different labels"),
            self.alike(identical, cut.identical, "the same bytes"),
            self.near(),
        ];
        let labels = self.health.far_labels.as_ref().map(FarLabels::note);
        let images = [self.untrained(), self.unmeasured(), self.lacking(), labels, self.enlarged()];
        files.into_iter().chain(pairs).chain(images).flatten().collect()
    }

    fn below(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).display().to_string()
    }

    /// The first `named` pairs, and how many more there are.
    fn pairs(&self, list: &[[PathBuf; 2]], named: usize) -> String {
        let pair = |[a, b]: &[PathBuf; 2]| match a == b {
            true => format!("{}, listed twice", self.below(a)),
            false => format!("{} and {}", self.below(a), self.below(b)),
        };
        let text: Vec<String> = list.iter().take(named).map(pair).collect();
        let more = list.len() - text.len();
        text.join("; ") + &if more > 0 { format!("; and {more} more{}", self.elsewhere) } else { String::new() }
    }

    fn unseen(&self) -> Option<String> {
        let (seen, unseen) = (self.health.images, self.health.unseen);
        (unseen > 0).then(|| {
            format!(
                "{seen} of {} images were examined, as `preflight` says; whether the others can be decoded shows when they are \
                 read",
                seen + unseen
            )
        })
    }

    fn surplus(&self) -> Option<String> {
        let of_file = |(path, bytes): &(PathBuf, u64)| format!("{} ({bytes} bytes)", self.below(path));
        let list: Vec<String> = self.health.surplus.iter().map(of_file).collect();
        (!list.is_empty()).then(|| {
            format!(
                "{} data beyond the last pixel, which are ignored; if the picture looks shifted, the file is damaged: {}",
                number(list.len(), "JPEG has", "JPEGs have"),
                shorten(&list, 3)
            )
        })
    }

    fn dark(&self) -> Option<String> {
        let most = self.health.dark.iter().map(|(_, bits)| *bits).max()?;
        let of_file = |(path, bits): &(PathBuf, u32)| format!("{} ({bits} bits)", self.below(path));
        let list: Vec<String> = self.health.dark.iter().map(of_file).collect();
        let images = number(list.len(), "16-bit image uses", "16-bit images use");
        // Sensors give 10, 12 or 14 bits.
        let (their, are) = if list.len() == 1 { ("its", "is") } else { ("their", "are") };
        let bits = [8, 10, 12].into_iter().find(|bits| *bits >= most).unwrap_or(12);
        Some(format!(
            "{images} at most {most} of {their} bits and {are} nearly black: `bits: {bits}` in `transforms` scales them: {}",
            shorten(&list, 3)
        ))
    }

    fn skipped(&self) -> Option<String> {
        let of_file = |(path, reason): &(PathBuf, DecodeError)| format!("{}: {reason}", self.below(path));
        let list: Vec<String> = self.health.skipped.iter().map(of_file).collect();
        (!list.is_empty()).then(|| {
            let images = number(list.len(), "image cannot be decoded and is", "images cannot be decoded and are");
            format!("{images} left out: {}", shorten(&list, 5))
        })
    }

    /// What is done with training images that have the bytes of a validation image.
    fn twins(&self, list: &[[PathBuf; 2]], done: &str) -> Option<String> {
        (!list.is_empty()).then(|| {
            let images = number(list.len(), "training image has", "training images have");
            let are = if list.len() == 1 { "is" } else { "are" };
            let pairs = self.pairs(list, NAMED);
            format!("{images} the very bytes of a validation image and {are} {done}: {pairs}")
        })
    }

    /// What pairs of images have in common.
    fn alike(&self, list: &[[PathBuf; 2]], cut: bool, what: &str) -> Option<String> {
        (!list.is_empty()).then(|| {
            let pairs = count(list, cut, "pair of images has", "pairs of images have");
            format!("{pairs} {what}: {}", self.pairs(list, NAMED))
        })
    }

    fn near(&self) -> Option<String> {
        let list = &self.health.near;
        let (one, many) =
            ("pair of a training and a validation image shows", "pairs of a training and a validation image show");
        (!list.is_empty()).then(|| {
            let advice = match (self.health.removable.as_slice(), &self.health.together) {
                ([], Some(together)) => fewer(together),
                ([], None) => on_one_side(self.split),
                (removable, _) => self.without(removable),
            };
            format!(
                "{} nearly the same, which flatters what is measured: {}; {advice}",
                count(list, self.health.cut.near, one, many),
                self.pairs(list, 1),
            )
        })
    }

    /// What removing a few images does.
    fn without(&self, images: &[PathBuf]) -> String {
        let remove = if images.len() == 1 { "the file, and its row" } else { "the files, and their rows" };
        let images = first_names(images.iter().map(|image| self.below(image)), images.len());
        format!("without {images} there would be none: remove {remove} if a csv file names the images")
    }

    fn untrained(&self) -> Option<String> {
        let list = &self.health.untrained;
        (!list.is_empty()).then(|| {
            let classes =
                number(list.len(), "class cannot be learned, as all its", "classes cannot be learned, as all their");
            format!("{classes} training images are left out: {}", names(list, 5))
        })
    }

    fn unmeasured(&self) -> Option<String> {
        let list = &self.health.unmeasured;
        (!list.is_empty()).then(|| {
            let known = if list.len() == 1 { "it is" } else { "they are" };
            let classes = number(list.len(), "class has", "classes have");
            format!("{classes} no validation image, so nothing says how well {known} known: {}", names(list, 5))
        })
    }

    fn lacking(&self) -> Option<String> {
        let without = |FoldsWithout { folds, classes }: &FoldsWithout| {
            let (last, others) = folds.split_last()?;
            let folds = match others {
                [] => format!("fold {last} holds"),
                _ => {
                    format!("folds {} and {last} hold", first_names(others.iter().map(usize::to_string), others.len()))
                }
            };
            Some(format!("{folds} out no image of {}", names(classes, 5)))
        };
        let list: Vec<String> = self.health.lacking.iter().filter_map(without).collect();
        (!list.is_empty()).then(|| {
            format!("{}: what such a fold measures says nothing of the classes that it lacks", shorten(&list, 3))
        })
    }

    fn enlarged(&self) -> Option<String> {
        let images = match (self.health.enlarged, self.health.images) {
            (0, _) => return None,
            (1, 1) => "the image has a shorter side".to_string(),
            (1, all) => format!("1 of {all} images has a shorter side"),
            (some, all) if some == all => format!("all {all} images have a shorter side"),
            (some, all) => format!("{some} of {all} images have a shorter side"),
        };
        let are = if self.health.enlarged == 1 { "is" } else { "are" };
        Some(format!("{images} below {} pixels and {are} enlarged", self.health.size))
    }
}

/// What another split does.
fn fewer(together: &Together) -> String {
    let Together { split, parted, .. } = together;
    let there = if *parted == 0 { "none".to_string() } else { parted.to_string() };
    format!("with `valid: {}` there would be {there}", split.in_short())
}

/// What keeps images that look alike on one side where no split by blocks or groups does.
fn on_one_side(split: &Valid) -> String {
    let both = |split: &str| format!("let {split} hold out both images of such a pair, or neither");
    match split {
        Valid::Random { .. } | Valid::Stratified { .. } | Valid::Blocks { .. } | Valid::Grouped { .. } => {
            "`valid: indices(..)`, a list of names, can keep such images on one side".to_string()
        }
        // No list names the images of folds.
        Valid::Folds { .. } => {
            "keep one image of each pair, or take what is measured as that of images like those trained on".to_string()
        }
        // Whoever listed the images can list others; a list of rows is too long to repeat.
        Valid::Rows(_) => both("`valid: rows(..)`"),
        Valid::Folder(_) | Valid::Indices(_) | Valid::Column(_) => both(&format!("`valid: {}`", split.in_short())),
        Valid::Given | Valid::None => both("the split"),
    }
}

/// The number of pairs in a list, which may be `cut`.
fn count(list: &[[PathBuf; 2]], cut: bool, one: &str, many: &str) -> String {
    let pairs = number(list.len(), one, many);
    if cut { format!("at least {pairs}") } else { pairs }
}
