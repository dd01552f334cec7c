//! A folder with a few real satellite chips, and what tests of whole runs on it share.

use std::path::{Path, PathBuf};

use burn::module::Module;
use fastai_dsl::Recipe;
use fastai_dsl::source::RecipeText;
use fastai_runtime::engine::{Outcome, resume, run};
use fastai_runtime::progress::{Progress, StopSignal};
use fastai_runtime::{RunError, RunOptions};
use tempfile::TempDir;

pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data")
}

/// Real weights.
pub fn weights() -> PathBuf {
    examples().join("squeezenet1_1.safetensors")
}

/// The recipe that a text is.
pub fn recipe(text: &str) -> Recipe {
    let source = RecipeText::new("test.recipe", text, &[]);
    match &source.result {
        Ok(checked) => checked.recipe.clone(),
        Err(_) => panic!("{}", source.render(false)),
    }
}

/// The same recipe with the weights at `path`.
pub fn with_weights(recipe: &Recipe, path: &Path) -> Recipe {
    self::recipe(&recipe.to_string().replace(&format!("{:?}", weights()), &format!("{path:?}")))
}

/// On the device under test, into `folder/name`, with a cache beside it.
pub fn options(folder: &Path, name: &str) -> RunOptions {
    RunOptions {
        out: Some(folder.join(name)),
        cache: Some(folder.join("cache")),
        device: Some(crate::device::request()),
        ..RunOptions::default()
    }
}

/// Asks for a stop when a bar has advanced of which `when` says so; it is asked when the bar begins.
pub struct StopAt<F> {
    signal: StopSignal,
    when: F,
    now: bool,
}

impl<F: FnMut(&str) -> bool + Send> StopAt<F> {
    pub fn new(options: &RunOptions, when: F) -> Self {
        StopAt { signal: options.stop.clone(), when, now: false }
    }
}

impl<F: FnMut(&str) -> bool + Send> Progress for StopAt<F> {
    fn begin(&mut self, what: &str, _: u64) {
        self.now = (self.when)(what);
    }
    fn advance(&mut self, _: u64, _: &str) {
        if self.now {
            self.signal.request();
        }
    }
}

/// `when` of [`StopAt`]: at the `n`-th bar, from 1.
pub fn bar(n: usize) -> impl FnMut(&str) -> bool + Send {
    let mut bars = 0;
    move |_| {
        bars += 1;
        bars >= n
    }
}

/// Runs the recipe to its end in several calls: the `n`-th one, from 0, is stopped when `when(n)` says so of a bar, and the next
/// one resumes. `held` sees the run folder after each stop. Returns the outcome and the number of stops.
pub fn in_pieces<F: FnMut(&str) -> bool + Send>(
    recipe: &Recipe,
    chips: &Chips,
    when: impl Fn(usize) -> F,
    mut held: impl FnMut(&Path),
) -> (Outcome, usize) {
    let folder = chips.path().join("parts");
    for stops in 0..60 {
        let options = chips.options("parts");
        let mut progress = StopAt::new(&options, when(stops));
        let result = match stops {
            0 => run(recipe, &options, &mut progress),
            _ => resume(recipe, &folder, &options, &mut progress),
        };
        match result {
            Ok(outcome) => return (outcome, stops),
            Err(RunError::Stopped(_)) => held(&folder),
            Err(error) => panic!("after {stops} stops: {error}"),
        }
    }
    panic!("a run that never gets on");
}

/// Chips in `images`, their tags in `labels.csv`, and the class of each in `classes.csv`: whether there is ocean.
pub struct Chips {
    folder: TempDir,
}

impl Chips {
    /// The first `n` of every 17th row.
    pub fn new(n: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let globe = examples().join("globe");
        let text = std::fs::read_to_string(globe.join("train_v2.csv")).unwrap();
        let (mut labels, mut classes) = ("image_name,tags\n".to_string(), "id,kind\n".to_string());
        std::fs::create_dir(folder.path().join("images")).unwrap();
        for line in text.lines().skip(1).step_by(17).take(n) {
            labels += &format!("{line}\n");
            let (id, tags) = line.split_once(',').unwrap();
            classes += &format!("{id},{}\n", if tags.contains("ocean") { "wet" } else { "dry" });
            let name = format!("{id}.jpg");
            std::fs::copy(globe.join("train-jpg").join(&name), folder.path().join("images").join(&name)).unwrap();
        }
        std::fs::write(folder.path().join("labels.csv"), labels).unwrap();
        std::fs::write(folder.path().join("classes.csv"), classes).unwrap();
        Chips { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Tags, at 64 pixels; `more` are further sections.
    pub fn tags(&self, steps: &str, data: &str, more: &str) -> Recipe {
        self.recipe("task: multi_label", "labels.csv", "f2, log_loss", steps, data, more)
    }

    /// Wet or dry, at 64 pixels.
    pub fn classes(&self, steps: &str, data: &str, more: &str) -> Recipe {
        self.recipe("task: single_label", "classes.csv", "accuracy, log_loss", steps, data, more)
    }

    fn recipe(&self, task: &str, labels: &str, metrics: &str, steps: &str, data: &str, more: &str) -> Recipe {
        let text = format!(
            "Chips {{ {task},
                data: csv {{ root: {:?}, labels: {labels:?}, images: \"images\", suffix: \".jpg\",
                    valid: random(0.3, seed = 42), batch: 8, {data} }},
                transforms: top_down {{ size: 64 }},
                model: squeezenet1_1 {{ weights: {:?}, hidden: [16] }},
                metrics: [{metrics}], {more}
                train: {{ {steps} }}, }}",
            self.path(),
            weights()
        );
        recipe(&text)
    }

    pub fn options(&self, name: &str) -> RunOptions {
        options(self.path(), name)
    }
}

/// The bytes of all parameters of a run's networks.
pub fn parameters(outcome: &Outcome) -> Vec<Vec<u8>> {
    struct Read(Vec<Vec<u8>>);
    impl burn::module::ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<burn::tensor::Tensor<D>>) {
            self.0.push(param.val().into_data().as_bytes().to_vec());
        }
    }
    let mut read = Read(Vec::new());
    outcome.networks().for_each(|network| network.visit(&mut read));
    read.0
}

/// The history without its last column, the seconds.
pub fn history(run: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(run.join("history.csv")).unwrap();
    text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_string()).collect()
}
