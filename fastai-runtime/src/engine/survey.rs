//! Surveys of data sets that several runs share.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fastai_dsl::Recipe;

use crate::data::{AcrossFolds, Dataset, Health, Reading};

/// What a run knows of its data before it trains: the images, what preflight found, and where pixels come from.
pub(super) type Surveyed = (Dataset, Health, Reading);

/// The data that a run asks for.
pub(super) struct WantedData<'a> {
    pub(super) recipe: &'a Recipe,
    /// Whether a few images of each part are enough.
    pub(super) smoke: bool,
    /// What is the same for all folds, if the recipe's fold is one of several that are held out in turn.
    pub(super) across: Option<&'a AcrossFolds>,
}

/// The surveys of the runs of one process. Runs whose recipes describe the same data list, check and copy its images once.
///
/// The images must not change while surveys of them are in use.
#[derive(Clone, Debug, Default)]
pub struct Surveys(Arc<Mutex<HashMap<String, Surveyed>>>);

impl Surveys {
    /// Returns the survey of the data, or makes it. Others wait for a survey that is being made.
    pub(super) fn get(
        &self,
        &WantedData { recipe, smoke, across }: &WantedData<'_>,
        cache: &Path,
        make: impl FnOnce() -> Result<Surveyed, crate::RunError>,
    ) -> Result<Surveyed, crate::RunError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Everything that preflight and the copies depend on.
        let (data, bits, size) = (recipe.data(), recipe.transforms().bits, recipe.largest_size());
        let (task, in_turn) = (recipe.task(), across.is_some());
        let key = format!("{task:?} {smoke} {in_turn} {bits} {size} {} {data:?}", cache.display());
        if let Some(found) = known.get(&key) {
            return Ok(found.clone());
        }
        let made = make()?;
        known.insert(key, made.clone());
        Ok(made)
    }
}
