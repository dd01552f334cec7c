//! The activation caches that a recipe would use, and what of them is there.

use std::path::Path;

use fastai_dsl::{BodyState, DeviceWish, Plan, Recipe};

use super::beginning::initial_network;
use crate::RunError;
use crate::activations::{ActivationCache, CacheContent, CacheKey, Part, Purpose};
use crate::data::{Dataset, Item, Preflight, Preparation};
use crate::device;
use crate::models;
use crate::progress::{Silent, StopSignal};

/// The activations of a part of the data that a step uses.
#[derive(Clone, Debug)]
pub struct WantedCache {
    /// 0-based index of the first step that uses them.
    pub step: usize,
    /// The step as the recipe's author reads it.
    pub text: String,
    /// Image side, pixels.
    pub size: u32,
    /// What they are of, as a run would keep it beside them, without the run's working directory.
    pub purpose: Purpose,
    /// What the cache holds of them; `None` of scaled copies, whose names only a run knows.
    pub held: Option<CacheContent>,
    /// What the cache holds of the same images by another body or preparation, where it holds nothing that a run would use: those
    /// used last first.
    pub others: Vec<Purpose>,
}

/// The caches that a recipe would use.
#[derive(Clone, Debug, Default)]
pub struct WantedCaches {
    /// In the order of the steps.
    pub caches: Vec<WantedCache>,
    /// Indices of the steps on cached activations of a body that earlier steps train, which nobody knows before.
    pub after_training: Vec<usize>,
    /// Whether an earlier run or `fastai show` looked at all images, so that those that a run leaves out are not among them.
    pub examined: bool,
}

/// Finds what a run of `recipe` would look up in `cache`. Nothing is computed or written. Of a recipe with `valid: folds(5)` it
/// is the first fold.
///
/// # Errors
/// Missing weights, and findings about the data.
pub fn wanted_caches(recipe: &Recipe, cache: &ActivationCache) -> Result<WantedCaches, RunError> {
    let folds = recipe.folds();
    let recipe = folds.first().unwrap_or(recipe);
    let (model, data) = (recipe.model(), recipe.data());
    let dataset = Dataset::open(data, recipe.task())?;
    let (stop, known) = (StopSignal::default(), cache.root().join("verified.bin"));
    let recalled = Preflight { known: Some(&known), ..Preflight::of(recipe, &stop) }.recall(dataset.clone());
    let mut wanted = WantedCaches { examined: recalled.is_some(), ..WantedCaches::default() };
    let dataset = recalled.map_or(dataset, |(dataset, _)| dataset);

    let plan = Plan::new(recipe, &dataset.facts());
    let uses = plan
        .stages
        .iter()
        .enumerate()
        .filter(|(_, stage)| stage.state.body == BodyState::Precomputed && stage.step.runs_network());
    let (trained, untrained): (Vec<_>, Vec<_>) = uses.partition(|(_, stage)| stage.state.body_trained);
    wanted.after_training = trained.into_iter().map(|(step, _)| step).collect();
    if untrained.is_empty() {
        return Ok(wanted);
    }
    let device = device::pick(DeviceWish::Cpu)?.device;
    let network = initial_network(model, &model.head, dataset.classes.len(), recipe.seed(), &device);
    let network = match models::resolve(&model.weights, model.arch.name(), &mut Silent)? {
        Some(found) => models::load_body(network, &found.path)?,
        None => network,
    };
    let body = models::body_digest(&network);
    let preparation = Preparation {
        transforms: recipe.transforms().clone(),
        stats: model.facts().stats,
        batch: data.batch as usize,
        workers: 1,
        seed: recipe.seed(),
    };
    for (step, stage) in untrained {
        let size = stage.state.size;
        if wanted.caches.iter().any(|known| known.size == size) {
            continue;
        }
        let preparation = preparation.at_size(size).signature();
        let key = CacheKey::new(&body, &preparation);
        for (part, items) in Part::ALL.into_iter().zip([&dataset.train, &dataset.valid, &dataset.test]) {
            if items.is_empty() {
                continue;
            }
            let files: Vec<&Path> = items.iter().map(|item: &Item| item.path.as_path()).collect();
            let held = match data.resize_to {
                None => Some(cache.held(&key, &files, network.head_input())?),
                Some(_) => None,
            };
            let others = match &held {
                Some(held) if held.images == 0 => cache.purposes_of(&files)?,
                _ => Vec::new(),
            };
            let purpose = Purpose {
                recipe: recipe.name().to_string(),
                directory: None,
                part,
                images: files.len(),
                network: network.arch().to_string(),
                body: body.clone(),
                preparation: preparation.clone(),
            };
            wanted.caches.push(WantedCache { step, text: stage.text.clone(), size, purpose, held, others });
        }
    }
    Ok(wanted)
}
