//! Writes all that a run of a recipe draws, in the order of its steps, so that another program can train with the same numbers:
//! the other side of `tools/deck_drawn.py`. Arguments are the recipe's file and the seed. The recipe's images are decoded and
//! augmented here as in a run, and a batch is computed when it can be written.
//!
//! A record is a line of JSON, `{"what": WORD, "stage": INDEX, "arrays": [{"name": .., "type": .., "shape": ..}, ..]}`, and the
//! arrays in that order, little-endian, `f32` or `u32`:
//!
//! * `data`: `train` and `valid` `[image, class]`, 1 where the image has the class.
//! * `head`, at the start and at each `head`: the weights `weight_I` `[input, output]` of each linear layer. Biases are 0.
//! * `plain_train`, where activations are cached: `images` of a batch, not augmented. All images in their order.
//! * `batch`, of a `fit`: `rows` of the training images, augmented `images` unless activations are cached, and for each layer
//!   of the head with dropout the factors `mask_I` `[image, input]`.
//! * `plain_valid`, after each `fit` and before the views of `tta`: like `plain_train`, of the validation images.
//! * `views`, of a `tta`: augmented `images` of a batch; those of an image lie together.

use std::env;
use std::error::Error;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::process::ExitCode;
use std::sync::Arc;

use fastai_data::progress::{Silent, StopSignal};
use fastai_data::random::{Stream, dropout, normal};
use fastai_data::{
    Budget, Dataset, DecodedCache, ImageExamples, ImageSet, Item, Preflight, Preparation, Reading, Traversal,
    batch_ranges, order,
};
use fastai_dsl::source::RecipeText;
use fastai_dsl::{BodyState, Fit, HeadSpec, Plan, Recipe, Stage, Step, Weights};
use serde_json::{Value, json};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match write_draws() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write_draws() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path, seed] = arguments.as_slice() else { return Err("say `draws RECIPE SEED`".into()) };
    let seed = seed.parse().map_err(|_| format!("the seed is a number from 0, not `{seed}`"))?;
    let text = RecipeText::from_bytes(path, &std::fs::read(path).map_err(|error| format!("{path}: {error}"))?, &[]);
    let Ok(checked) = &text.result else { return Err(text.render(false).into()) };
    let recipe = &checked.recipe;
    known_draws(recipe)?;
    let (dataset, _) = Preflight::of(recipe, &StopSignal::default()).open(recipe.data(), recipe.task(), &mut Silent)?;
    let plan = Plan::new(recipe, &dataset.facts());
    let mut draws = Draws::new(recipe, seed, &dataset);
    draws.labels()?;
    draws.head(0, &recipe.model().head)?;
    for (index, stage) in plan.stages.iter().enumerate() {
        draws.preparation.batch = stage.state.batch as usize;
        draws.stage(index, stage)?;
    }
    Ok(draws.out.flush()?)
}

/// # Errors
/// If a run of the recipe draws something that is not written here.
fn known_draws(recipe: &Recipe) -> Outcome {
    let model = recipe.model();
    let other = [
        (recipe.mixup().is_some() || recipe.cutmix().is_some(), "mixed images: remove `mixup` and `cutmix`"),
        (model.stochastic_depth > 0.0, "left out branches: remove `stochastic_depth`"),
        (model.weights == Weights::None, "the weights of a body: name a file in `weights`"),
    ];
    match other.into_iter().find(|(present, _)| *present) {
        Some((_, what)) => Err(format!("the recipe draws {what}").into()),
        None => Ok(()),
    }
}

/// The part of the data that a pass visits.
#[derive(Clone, Copy)]
enum Side {
    Train,
    Valid,
}

struct Draws<'a> {
    seed: u64,
    dataset: &'a Dataset,
    /// Training and validation images.
    sets: [ImageSet; 2],
    preparation: Preparation,
    inputs: usize,
    /// The current head, and the number of heads so far.
    head: HeadSpec,
    heads: u64,
    /// The image size of the cached activations.
    cached: Option<u32>,
    out: BufWriter<StdoutLock<'static>>,
}

impl<'a> Draws<'a> {
    fn new(recipe: &Recipe, seed: u64, dataset: &'a Dataset) -> Self {
        let (data, model) = (recipe.data(), recipe.model());
        let budget = Arc::new(Budget::new(DecodedCache::DEFAULT_BUDGET));
        let [train, valid] = [&dataset.train, &dataset.valid]
            .map(|items| ImageSet::within(items, &budget).reading(Reading::of(data.resize_to)));
        let preparation = Preparation {
            transforms: recipe.transforms().clone(),
            stats: model.facts().stats,
            batch: data.batch as usize,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            seed,
        };
        Draws {
            seed,
            dataset,
            sets: [train.weighted(dataset.sampling_weights(data.sampler)), valid],
            preparation,
            inputs: model.head_input() as usize,
            head: model.head.clone(),
            heads: 0,
            cached: None,
            out: BufWriter::new(io::stdout().lock()),
        }
    }

    fn write(&mut self, what: &str, stage: usize, arrays: &[Array]) -> Outcome {
        let listed: Vec<&Value> = arrays.iter().map(|array| &array.header).collect();
        writeln!(self.out, "{}", json!({ "what": what, "stage": stage, "arrays": listed }))?;
        Ok(arrays.iter().try_for_each(|array| self.out.write_all(&array.bytes))?)
    }

    fn labels(&mut self) -> Outcome {
        let classes = self.dataset.classes.len();
        let table = |items: &[Item]| -> Vec<f32> {
            let row = |item: &Item| {
                (0..classes).map(|class| f32::from(item.target.classes().contains(&(class as u32)))).collect::<Vec<_>>()
            };
            items.iter().flat_map(row).collect()
        };
        let parts = [("train", &self.dataset.train), ("valid", &self.dataset.valid)];
        let arrays = parts.map(|(name, items)| Array::floats(name, &[items.len(), classes], &table(items)));
        self.write("data", 0, &arrays)
    }

    fn stage(&mut self, index: usize, stage: &Stage) -> Outcome {
        match &stage.step {
            Step::Precompute { .. } => self.prepare(index, stage),
            Step::Fit(Fit { stop_early: None, swa: None, .. }) => {
                self.prepare(index, stage)?;
                self.fit(index, stage)?;
                self.plain(index, stage, Side::Valid)
            }
            Step::Tta { n_aug } => {
                self.prepare(index, stage)?;
                self.plain(index, stage, Side::Valid)?;
                self.images("views", index, stage, Side::Valid, &Traversal::Views { first: 0, views: *n_aug })
            }
            Step::Head(spec) => self.head(index, spec),
            // These draw nothing.
            Step::Freeze | Step::Unfreeze | Step::FreezeTo { .. } | Step::BnFreeze { .. } | Step::Resize { .. } => Ok(()),
            _ => Err(format!(
                "step {} `{}`: only `precompute`, `fit` without `stop_early` and `swa`, `freeze`, `unfreeze`, `freeze_to`, \
                 `bn_freeze`, `resize`, `head` and `tta` are written",
                index + 1,
                stage.text
            )
            .into()),
        }
    }

    /// Weights of head number `heads`, as the engine's `Head::new` draws them.
    fn head(&mut self, index: usize, spec: &HeadSpec) -> Outcome {
        let mut input = self.inputs;
        let outputs = spec.hidden.iter().map(|width| *width as usize).chain([self.dataset.classes.len()]);
        let mut weights = Vec::new();
        for (layer, output) in outputs.enumerate() {
            let mut rng = Stream::new(self.seed, "init").at(&[1, self.heads, layer as u64]);
            let values = normal(&mut rng, input * output, (2.0 / input as f64).sqrt());
            weights.push(Array::floats(&format!("weight_{layer}"), &[input, output], &values));
            input = output;
        }
        (self.head, self.heads) = (spec.clone(), self.heads + 1);
        self.write("head", index, &weights)
    }

    /// Images of the activations that the step needs and that are not there.
    fn prepare(&mut self, index: usize, stage: &Stage) -> Outcome {
        let wanted = (stage.state.body == BodyState::Precomputed).then_some(stage.state.size);
        let known = std::mem::replace(&mut self.cached, wanted);
        if wanted.is_some() && wanted != known { self.plain(index, stage, Side::Train) } else { Ok(()) }
    }

    fn plain(&mut self, index: usize, stage: &Stage, side: Side) -> Outcome {
        let what = match side {
            Side::Train => "plain_train",
            Side::Valid => "plain_valid",
        };
        self.images(what, index, stage, side, &Traversal::Plain)
    }

    fn images(&mut self, what: &str, index: usize, stage: &Stage, side: Side, pass: &Traversal) -> Outcome {
        let examples = self.examples(stage, side);
        for batch in examples.load(pass, 0)? {
            let pixels = batch?.pixels;
            self.write(what, index, &[Array::images(&examples, &pixels)])?;
        }
        Ok(())
    }

    fn examples(&self, stage: &Stage, side: Side) -> ImageExamples {
        ImageExamples::new(self.sets[side as usize].clone(), self.preparation.at_size(stage.state.size))
    }

    fn fit(&mut self, index: usize, stage: &Stage) -> Outcome {
        let examples = self.examples(stage, Side::Train);
        let mut iteration = 0;
        for epoch in 0..stage.epochs {
            let pass = Traversal::Shuffled { stage: index as u64, epoch };
            if self.cached.is_some() {
                let order = order(examples.len(), &pass, self.seed, self.sets[Side::Train as usize].weights());
                for range in batch_ranges(order.len(), self.preparation.batch) {
                    self.batch(index, iteration, &order[range], None)?;
                    iteration += 1;
                }
                continue;
            }
            for batch in examples.load(&pass, 0)? {
                let batch = batch?;
                self.batch(index, iteration, &batch.indices, Some(Array::images(&examples, &batch.pixels)))?;
                iteration += 1;
            }
        }
        Ok(())
    }

    /// A batch with its dropout, as the engine's `Head::forward_in` draws it.
    fn batch(&mut self, index: usize, iteration: u64, rows: &[usize], images: Option<Array>) -> Outcome {
        let mut rng = Stream::new(self.seed, "dropout").at(&[index as u64, iteration]);
        let mut arrays = vec![Array::numbers("rows", rows)];
        arrays.extend(images);
        let inputs = [self.inputs].into_iter().chain(self.head.hidden.iter().map(|width| *width as usize));
        for (layer, (&p, inputs)) in self.head.dropout.iter().zip(inputs).enumerate().filter(|(_, (p, _))| **p > 0.0) {
            let mask = dropout(&mut rng, rows.len() * inputs, p);
            arrays.push(Array::floats(&format!("mask_{layer}"), &[rows.len(), inputs], &mask));
        }
        self.write("batch", index, &arrays)
    }
}

/// An array of a record.
struct Array {
    header: Value,
    bytes: Vec<u8>,
}

impl Array {
    fn floats(name: &str, shape: &[usize], values: &[f32]) -> Self {
        let header = json!({ "name": name, "type": "f32", "shape": shape });
        Array { header, bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect() }
    }

    fn numbers(name: &str, values: &[usize]) -> Self {
        let header = json!({ "name": name, "type": "u32", "shape": [values.len()] });
        Array { header, bytes: values.iter().flat_map(|value| (*value as u32).to_le_bytes()).collect() }
    }

    fn images(examples: &ImageExamples, pixels: &[f32]) -> Self {
        let side = examples.side();
        Array::floats("images", &[pixels.len() / (3 * side * side), 3, side, side], pixels)
    }
}
