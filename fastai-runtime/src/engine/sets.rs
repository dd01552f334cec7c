//! The data of a run: its parts as images or as cached features.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastai_dsl::{ClassWeights, Extent, Recipe, Sampler, Source, Valid};

use super::RunOptions;
use super::survey::{Surveyed, WantedData};
use crate::RunError;
use crate::activations::{CachedExamples, Features, Part};
use crate::data::{
    Budget, Copies, DataError, DataPart, Dataset, DecodedCache, Finding, FindingKind, Health, OpenError, Preflight,
    Reading,
};
use crate::data::{ImageExamples, ImageSet, Preparation};
use crate::progress::Progress;
use crate::train::Examples;

/// The images and their cached features, if available.
pub(super) struct Sets {
    pub(super) dataset: Dataset,
    /// Training, validation and test files, with their decoded images.
    pub(super) images: [ImageSet; 3],
    pub(super) preparation: Preparation,
    pub(super) cached: Option<Cached>,
}

/// Features of all parts for one body and one image size.
pub(super) struct Cached {
    pub(super) folder: PathBuf,
    pub(super) features: [Features; 3],
}

impl Sets {
    /// `seen`: what preflight saw of the images, which must not change during the run; `None` of those that a program gives and
    /// may write anew.
    pub(super) fn new(
        dataset: Dataset,
        reading: &Reading,
        seen: Option<&Health>,
        preparation: Preparation,
        sampler: Sampler,
        examined: Extent,
    ) -> Self {
        // One budget for the decoded images of all three parts. The training images are read first and use it first.
        let budget = Arc::new(Budget::new(DecodedCache::DEFAULT_BUDGET));
        let [train, valid, test] = [&dataset.train, &dataset.valid, &dataset.test]
            .map(|items| ImageSet::within(items, &budget).reading(reading.clone()))
            // An image that no one has looked at may never have been sound.
            .map(|set| if examined == Extent::All { set.validated() } else { set })
            .map(|set| if let Some(seen) = seen { set.unchanged_since(seen) } else { set });
        let images = [train.weighted(dataset.sampling_weights(sampler)), valid, test];
        Sets { dataset, images, preparation, cached: None }
    }

    /// Changes the number of images per batch.
    pub(super) fn set_batch(&mut self, batch: u32) {
        self.preparation.batch = batch as usize;
    }

    /// A part as images of `size` pixels.
    pub(super) fn images(&self, part: Part, size: u32) -> ImageExamples {
        ImageExamples::new(self.images[part as usize].clone(), self.preparation.at_size(size))
    }

    /// Returns a part as the input of the network: cached features if available, otherwise images of `size` pixels.
    pub(super) fn examples(&self, part: Part, size: u32) -> Box<dyn Examples + '_> {
        match &self.cached {
            Some(cached) => Box::new(CachedExamples {
                features: &cached.features[part as usize],
                batch: self.preparation.batch,
                seed: self.preparation.seed,
                weights: self.images[part as usize].weights(),
            }),
            None => Box::new(self.images(part, size)),
        }
    }
}

/// Opens the data set of the recipe or of the options, runs preflight, and returns where the pixels come from.
pub(super) fn open_data(
    wanted: &WantedData<'_>,
    options: &RunOptions,
    cache: &Path,
    progress: &mut dyn Progress,
) -> Result<Surveyed, RunError> {
    let mut make = || survey(wanted, options, cache, progress);
    match options.surveys.as_ref().filter(|_| options.dataset.is_none()) {
        Some(surveys) => surveys.get(wanted, cache, make),
        None => make(),
    }
}

fn survey(
    &WantedData { recipe, smoke, across }: &WantedData<'_>,
    options: &RunOptions,
    cache: &Path,
    progress: &mut dyn Progress,
) -> Result<Surveyed, RunError> {
    let data = recipe.data();
    let known = cache.join("verified.bin");
    let preflight = Preflight {
        limit: smoke.then_some(2 * data.batch as usize),
        known: Some(&known),
        across,
        ..Preflight::of(recipe, &options.stop)
    };
    let (mut dataset, health) = match &options.dataset {
        None => preflight.open(data, recipe.task(), progress)?,
        Some(_) if data.source != Source::Given => {
            let text = format!(
                "the recipe names its data (`data: {data}`), and `RunOptions` gives a data set too: say `data: given`, or \
                 give none"
            );
            return Err(DataError::one(Finding::new(FindingKind::Recipe, text)).into());
        }
        Some(dataset) => {
            of_task(recipe, dataset)?;
            needs_validation(recipe, dataset)?;
            let mut dataset = dataset.clone();
            let health = preflight.check(&mut dataset, progress)?;
            (dataset, health)
        }
    };
    let mut reading = Reading::Files;
    if let Some(side) = data.resize_to {
        let copies = Copies { side, bits: recipe.transforms().bits, folder: cache.join("copies") };
        match copies.make(&dataset, &health, &options.stop, progress) {
            Ok((from_copies, counts)) => {
                reading = from_copies;
                dataset.notes.push(format!(
                    "images are read from copies of {side} pixels in {}: {} made, {} found, {} images were small enough",
                    copies.folder.display(),
                    counts.made,
                    counts.found,
                    counts.small
                ));
            }
            // Copies save time only, and their pixels are the same in memory.
            Err(OpenError::File(error)) => {
                progress.warn(&format!("{error}: images are scaled to {side} pixels whenever they are read"));
                reading = Reading::AsCopies(side);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((dataset, health, reading))
}

/// Checks that the labels of a given data set fit the recipe's task and its own classes.
pub(super) fn of_task(recipe: &Recipe, dataset: &Dataset) -> Result<(), DataError> {
    if dataset.task == recipe.task() {
        let classes = dataset.classes.len();
        let mut items = dataset.train.iter().chain(&dataset.valid).chain(&dataset.test);
        let beyond = items.find_map(|item| {
            let class = item.target.classes().iter().find(|class| **class as usize >= classes)?;
            Some((item, *class))
        });
        let Some((item, class)) = beyond else { return Ok(()) };
        let text = format!(
            "{}: the label has the index {class}, and `Dataset::classes` has {classes} names: give an index below that, or add \
             the names",
            item.path.display()
        );
        return Err(DataError::one(text));
    }
    let text = format!(
        "the recipe says `task: {}`, but the labels of the data set that was given are {}",
        recipe.task().word(),
        dataset.task.word()
    );
    Err(DataError::one(Finding::new(FindingKind::Recipe, text)))
}

/// Checks that the training images make a batch.
pub(super) fn enough_to_train(recipe: &Recipe, dataset: &Dataset) -> Result<(), DataError> {
    let images = match dataset.train.len() {
        0 => "no training image",
        1 => "one training image",
        _ => return Ok(()),
    };
    let text = match &recipe.data().valid {
        // These take nothing from the training images.
        Valid::None | Valid::Given | Valid::Folder(_) => {
            format!("there is {images}, and BatchNorm needs two: add some")
        }
        split => {
            format!(
                "`data.valid: {}` leaves {images}, and BatchNorm needs two: hold out fewer images, or add some",
                split.in_short()
            )
        }
    };
    Err(DataError::one(Finding::new(FindingKind::TooFew { part: DataPart::Train }, text)))
}

/// Applies the language's rule to given data: no `tta` and no `keep_best` without validation images.
fn needs_validation(recipe: &Recipe, dataset: &Dataset) -> Result<(), DataError> {
    let needs = match (recipe.last_tta(), recipe.keep_best()) {
        (Some(_), _) => "`tta` measures on",
        (_, Some(_)) => "`keep_best` compares epochs on",
        _ => return Ok(()),
    };
    if !dataset.valid.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{needs} validation images, and the data set that was given holds none out: draw some \
         (`Dataset::from_files(files, &Valid::Random {{ share: 0.2, seed: 42, fold: 0 }})`) or give both parts \
         (`Dataset::from_parts`), or remove it from the recipe"
    );
    Err(DataError::one(Finding::new(FindingKind::TooFew { part: DataPart::Valid }, text)))
}

/// Returns the weight of each class in the loss; weights from counts have mean 1.
pub(super) fn class_weights(wanted: Option<&ClassWeights>, dataset: &Dataset) -> Result<Option<Vec<f32>>, RunError> {
    match wanted {
        None => Ok(None),
        Some(ClassWeights::Given(weights)) if weights.len() == dataset.classes.len() => {
            Ok(Some(weights.iter().map(|w| *w as f32).collect()))
        }
        Some(ClassWeights::Given(weights)) => {
            let (weights, classes) = (weights.len(), dataset.classes.len());
            let names = dataset.classes.join(", ");
            let text = format!("class_weights has {weights} numbers, but there are {classes} classes: {names}");
            Err(DataError::one(Finding::new(FindingKind::ClassWeights { weights, classes }, text)).into())
        }
        Some(ClassWeights::Balanced) => {
            // A class without training images would have an infinite weight; it counts as one with a single image.
            let inverse: Vec<f64> = dataset.class_counts().iter().map(|n| 1.0 / (*n).max(1) as f64).collect();
            let mean = inverse.iter().sum::<f64>() / inverse.len().max(1) as f64;
            Ok(Some(inverse.iter().map(|w| (w / mean) as f32).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use fastai_dsl::source::RecipeText;
    use fastai_dsl::{Stats, TaskKind, TransformSet, Transforms};
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::data::Traversal;
    use crate::data::{Item, Target};

    fn dataset(train: Vec<Target>) -> Dataset {
        let item = |target| Item { id: String::new(), path: "x".into(), target };
        Dataset {
            root: "root".into(),
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            task: TaskKind::SingleLabel,
            train: train.into_iter().map(item).collect(),
            valid: Vec::new(),
            test: Vec::new(),
            split: fastai_dsl::Valid::None,
            notes: Vec::new(),
        }
    }

    fn close(found: Option<Vec<f32>>, expected: [f32; 3]) {
        let found = found.unwrap();
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}, not {expected:?}");
    }

    #[test]
    fn balanced_weights_are_inverse_counts_with_mean_1() {
        let balanced = |train| class_weights(Some(&ClassWeights::Balanced), &dataset(train)).unwrap();
        let classes = |counts: [usize; 3]| {
            (0..3).flat_map(|class| vec![Target::Class(class as u32); counts[class]]).collect::<Vec<_>>()
        };
        // 1 to 1/2 to 1/4 is 12/7 to 6/7 to 3/7.
        close(balanced(classes([1, 2, 4])), [12.0 / 7.0, 6.0 / 7.0, 3.0 / 7.0]);
        close(balanced(classes([5, 5, 5])), [1.0; 3]);
        // A class without an image weighs as one with a single image, not infinitely much.
        close(balanced(classes([0, 2, 4])), [12.0 / 7.0, 6.0 / 7.0, 3.0 / 7.0]);
        // An image with two tags counts for both.
        let tags = [vec![0, 1], vec![1], vec![1, 2], vec![1], vec![]].map(Target::Tags);
        close(balanced(tags.to_vec()), [12.0 / 9.0, 3.0 / 9.0, 12.0 / 9.0]);
    }

    #[test]
    fn a_label_beyond_the_classes_is_named() {
        let text = "A { task: single_label, data: given, transforms: side_on { size: 32 }, model: squeezenet1_1, metrics: \
                    [accuracy], train: { fit(0.01, 1); } }";
        let given = RecipeText::new("a.recipe", text, &[]).result.unwrap().recipe;
        let beyond = of_task(&given, &dataset(vec![Target::Class(2), Target::Class(7)])).unwrap_err().to_string();
        assert!(beyond.contains("the label has the index 7, and `Dataset::classes` has 3 names"), "{beyond}");
    }

    #[test]
    fn a_split_that_leaves_one_training_image_is_named() {
        let data = dataset(vec![Target::Class(0)]);
        let said = |valid: &str, data: &Dataset| {
            let text = format!(
                "A {{ task: single_label, data: folders {{ root: \"d\", train: \".\", valid: {valid} }}, transforms: side_on {{ \
                 size: 32 }}, model: squeezenet1_1, metrics: [accuracy], train: {{ fit(0.01, 1); }} }}"
            );
            let recipe = RecipeText::new("a.recipe", &text, &[]).result.unwrap().recipe;
            enough_to_train(&recipe, data).map_err(|error| error.to_string())
        };
        let error = said("random(0.99)", &data).unwrap_err();
        assert!(error.starts_with("`data.valid: random(0.99)` leaves"), "{error}");
        assert!(error.contains("leaves one training image, and BatchNorm needs two"), "{error}");
        let error = said("none", &data).unwrap_err();
        assert_eq!(error, "there is one training image, and BatchNorm needs two: add some");
        assert_eq!(said("random(0.99)", &dataset(vec![Target::Class(0), Target::Class(1)])), Ok(()));
    }

    #[test]
    fn given_weights_are_one_a_class() {
        let data = dataset(vec![Target::Class(0)]);
        let given = |weights: &[f64]| class_weights(Some(&ClassWeights::Given(weights.to_vec())), &data);
        close(given(&[1.0, 0.5, 3.0]).unwrap(), [1.0, 0.5, 3.0]);
        for wrong in [&[1.0, 2.0][..], &[1.0; 4]] {
            let Err(RunError::Data(error)) = given(wrong) else { panic!("{} weights", wrong.len()) };
            let text = format!("class_weights has {} numbers, but there are 3 classes: a, b, c", wrong.len());
            let kind = FindingKind::ClassWeights { weights: wrong.len(), classes: 3 };
            assert_eq!(error.findings, [Finding::new(kind, text)]);
        }
        assert_eq!(class_weights(None, &data).unwrap(), None);
    }

    #[test]
    fn a_balanced_run_shows_each_class_as_often() {
        let folder = tempfile::tempdir().unwrap();
        let mut data = dataset((0..36).map(|i| Target::Class([0, 0, 0, 1, 0, 0, 2, 0, 0][i % 9])).collect());
        for (i, item) in data.train.iter_mut().enumerate() {
            item.path = folder.path().join(format!("{i}.png"));
            RgbImage::from_pixel(12, 12, Rgb([i as u8; 3])).save(&item.path).unwrap();
        }
        data.valid = data.train.clone();
        let class = |image: usize| match data.train[image].target {
            Target::Class(class) => class as usize,
            _ => panic!("a class"),
        };
        let transforms = Transforms::new(TransformSet::None, 8);
        let preparation = Preparation { transforms, stats: Stats::IMAGENET, batch: 8, workers: 2, seed: 42 };
        let shown = |sampler: Sampler, part: Part, cached: bool, epoch: u64| {
            let mut sets = Sets::new(data.clone(), &Reading::Files, None, preparation.clone(), sampler, Extent::All);
            let features = || Features::in_memory(vec![0.0; 36], 1);
            sets.cached =
                cached.then(|| Cached { folder: PathBuf::new(), features: [features(), features(), features()] });
            let mut counts = [0; 3];
            let pass = if part == Part::Train { Traversal::Shuffled { stage: 0, epoch } } else { Traversal::Plain };
            for batch in sets.examples(part, 8).batches(&pass, 0, &Device::flex()).unwrap() {
                batch.unwrap().images.into_iter().for_each(|image| counts[class(image)] += 1);
            }
            counts
        };
        for (epoch, cached) in [(0, false), (1, false), (2, true), (3, true)] {
            assert_eq!(shown(Sampler::Balanced, Part::Train, cached, epoch), [12, 12, 12], "cached: {cached}");
            assert_eq!(shown(Sampler::Shuffle, Part::Train, cached, epoch), [28, 4, 4], "cached: {cached}");
        }
        // What is measured is never resampled.
        assert_eq!(shown(Sampler::Balanced, Part::Valid, false, 0), [28, 4, 4]);
    }
}
