//! What the finder reads off the curves of real runs, and whether the rate trains.
//!
//! `golden/finder_curves.json` holds the losses of single batches of sweeps from 1e-5 to 10 over cached features. On a
//! machine with the data sets and weights, `UPDATE=1 cargo test --workspace --test training on_real_data -- --ignored` makes
//! it anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fastai_dsl::source::RecipeText;
use fastai_dsl::{Anneal, LrFind, Metric, Recipe, Schedule, Suggest, Threshold};
use fastai_runtime::activations::{ActivationCache, CacheKey, CachedExamples, Features, Part, Purpose};
use fastai_runtime::data::{Dataset, Item, Target};
use fastai_runtime::data::{ImageExamples, ImageSet, Preparation};
use fastai_runtime::device;
use fastai_runtime::metrics::{self, Truth};
use fastai_runtime::models::{self, Network};
use fastai_runtime::progress::{Silent, StopSignal, Watch};
use fastai_runtime::report::plot;
use fastai_runtime::train::{
    Descent, EpochRow, Examples, FindCurve, FindPlan, FindResult, FitPlan, Learner, Loss, Mixing, SmoothedLoss,
    Validation, find_rate, fit, suggest,
};
use serde::{Deserialize, Serialize};

const SEEDS: [u64; 3] = [1, 2, 3];

/// One sweep, and between which rates the suggestion must lie: where training from it ends well.
#[derive(Serialize, Deserialize)]
struct Curve {
    start: f64,
    end: f64,
    iterations: u32,
    within: [f64; 2],
    losses: Vec<f64>,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/finder_curves.json")
}

fn rates(curve: &Curve) -> Vec<f64> {
    let step = |k: usize| curve.start * (curve.end / curve.start).powf(k as f64 / f64::from(curve.iterations));
    (0..curve.losses.len()).map(step).collect()
}

#[test]
fn curves_of_real_runs_suggest_a_rate_that_trains() {
    let curves: BTreeMap<String, Curve> = serde_json::from_slice(&std::fs::read(golden()).unwrap()).unwrap();
    assert!(curves.len() >= 9, "{}", curves.len());
    for (name, curve) in &curves {
        let rate = suggest(Suggest::Valley, &rates(curve), &curve.losses).unwrap().rate;
        let [low, high] = curve.within;
        assert!((low..=high).contains(&rate), "{name}: {rate:.2e}");
    }
}

/// `golden/finder_slide.json` holds what fastai's own code reads off the same curves (`tools/reference_finder.py`).
#[test]
fn slide_is_that_of_fastai() {
    let curves: BTreeMap<String, Curve> = serde_json::from_slice(&std::fs::read(golden()).unwrap()).unwrap();
    let reference = std::fs::read(golden().with_file_name("finder_slide.json")).unwrap();
    let reference: BTreeMap<String, f64> = serde_json::from_slice(&reference).unwrap();
    assert_eq!(reference.len(), curves.len());
    for (name, curve) in &curves {
        let found = suggest(Suggest::Slide, &rates(curve), &curve.losses).unwrap().rate;
        assert!((found / reference[name] - 1.0).abs() < 1e-9, "{name}: {found:e}, not {:e}", reference[name]);
    }
}

/// Sweeps of 40 batches through whole networks whose heads had trained: `golden/finder_curves_unfrozen.json` holds the
/// losses in `batches.csv` of the runs `precompute(on); lr_find(); fit(lr, 2); precompute(off); fit(lr, 2, cycle_len = 1);
/// unfreeze(); lr_find();`, with the published weights.
#[test]
fn curves_of_trained_networks_suggest_a_rate_in_the_valley() {
    let path = golden().with_file_name("finder_curves_unfrozen.json");
    let curves: BTreeMap<String, Curve> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(curves.len(), 6);
    for (name, curve) in &curves {
        let [low, high] = curve.within;
        for rule in [Suggest::Valley, Suggest::Minimum] {
            let found = suggest(rule, &rates(curve), &curve.losses).unwrap_or_else(|| panic!("{name}: nothing"));
            assert!((low..=high).contains(&found.rate), "{name}: {found:?}");
        }
    }
}

/// The plot shows what lies between the tenth batch and the explosion, as a person would look at it.
#[test]
fn plots_of_trained_networks_show_the_whole_sweep() {
    let path = golden().with_file_name("finder_curves_unfrozen.json");
    let curves: BTreeMap<String, Curve> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for (name, curve) in &curves {
        let mut smoothed = SmoothedLoss::default();
        let losses: Vec<f64> = curve.losses.iter().map(|loss| smoothed.add(*loss)).collect();
        let batch_losses = curve.losses.clone();
        let svg = plot::find(&FindCurve { rates: rates(curve), losses, batch_losses, ..FindCurve::default() });
        let longest = svg.split("<polyline").filter(|part| part.contains("#0072B2")).map(|part| {
            part.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().split_whitespace().count()
        });
        let points = longest.max().unwrap();
        assert!(points >= 15, "{name}: {points} points of {}", curve.losses.len());
    }
}

/// A data set with a network and how its head is trained.
struct Case {
    data: &'static str,
    arch: &'static str,
    size: u32,
    within: [f64; 2],
    /// Cycles and `cycle_mult` of the fit, and the mean over the seeds that it must reach.
    reaches: Option<(u32, u32, f64)>,
}

const UCMERCED: &str = "task: multi_label, data: csv { root: \"ROOT/ucmerced\", labels: \"train_v2.csv\", \
    images: \"train-jpg\", suffix: \".jpg\", valid: random(0.2, seed = 42), batch: 64 }, metrics: [f2],";
const DOGSCATS: &str = "task: single_label, data: folders { root: \"ROOT/dogscats\", valid: folder(\"valid\"), batch: 64 }, \
    metrics: [accuracy],";
const DOGBREED: &str = "task: single_label, data: csv { root: \"ROOT/dogbreed\", labels: \"labels.csv\", \
    images: \"train\", suffix: \".jpg\", valid: random(0.2, seed = 42), batch: 58 }, metrics: [accuracy],";

const fn case(data: &'static str, arch: &'static str, size: u32, within: [f64; 2]) -> Case {
    Case { data, arch, size, within, reaches: None }
}

const SQUEEZE: &str = "squeezenet1_1";
const LITE: &str = "efficientnet_lite0";
const CASES: &[Case] = &[
    case(UCMERCED, SQUEEZE, 64, [0.05, 0.5]),
    case(DOGSCATS, SQUEEZE, 64, [1e-3, 0.1]),
    case(DOGBREED, SQUEEZE, 64, [5e-3, 0.2]),
    case(UCMERCED, LITE, 64, [0.05, 0.5]),
    Case { reaches: Some((3, 2, 0.90)), ..case(UCMERCED, LITE, 128, [0.05, 0.5]) },
    Case { reaches: Some((3, 2, 0.91)), ..case(UCMERCED, LITE, 224, [0.05, 0.5]) },
    Case { reaches: Some((5, 1, 0.975)), ..case(DOGSCATS, LITE, 224, [1e-3, 0.1]) },
];

/// The weights of an architecture: the repository's, or `$FASTAI_WEIGHTS/ARCH.safetensors`.
fn weights(arch: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data");
    let folders = [Some(own), std::env::var_os("FASTAI_WEIGHTS").map(PathBuf::from)];
    folders.into_iter().flatten().map(|f| f.join(format!("{arch}.safetensors"))).find(|p| p.is_file())
}

fn data_root() -> Option<PathBuf> {
    let root = std::env::var_os("FASTAI_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    root.join("ucmerced").is_dir().then_some(root)
}

fn recipe(case: &Case, root: &Path) -> Option<Recipe> {
    let text = format!(
        "Case {{ {} transforms: none {{ size: {} }}, model: {} {{ weights: {:?} }}, \
         train: {{ precompute(on); fit(0.1, 1); }}, }}",
        case.data.replace("ROOT", &root.display().to_string()),
        case.size,
        case.arch,
        weights(case.arch)?
    );
    let source = RecipeText::new("case.recipe", &text, &[]);
    match &source.result {
        Ok(checked) => Some(checked.recipe.clone()),
        Err(_) => panic!("{}", source.render(false)),
    }
}

fn truth(items: &[Item], classes: usize) -> Truth {
    let class = |item: &Item| match item.target {
        Target::Class(class) => Some(class),
        _ => None,
    };
    if let Some(classes) = items.iter().map(class).collect::<Option<Vec<u32>>>() {
        return Truth::Classes(classes);
    }
    let has = |item: &Item, tag: usize| matches!(&item.target, Target::Tags(tags) if tags.contains(&(tag as u32)));
    let cells = items.iter().flat_map(|item| (0..classes).map(move |tag| has(item, tag))).collect();
    Truth::Tags { cells, tags: classes }
}

fn network(recipe: &Recipe, classes: usize, seed: u64) -> Learner {
    let device = device::pick(fastai_dsl::DeviceWish::Cpu).unwrap().device.autodiff();
    let model = recipe.model();
    let network = Network::new(model.arch.name(), &model.head, classes, seed, &device);
    let path = models::resolve(&model.weights, model.arch.name(), &mut Silent).unwrap().unwrap();
    let network = models::load_body(network, &path.path).unwrap();
    let groups = network.groups();
    Learner::new(network.set_frozen(groups - 1, false), device)
}

/// Features of the training and the validation images, from the cache where they are in it.
fn features(recipe: &Recipe, dataset: &Dataset, learner: &Learner) -> [Features; 2] {
    let preparation = Preparation {
        transforms: recipe.transforms().clone(),
        stats: recipe.model().facts().stats,
        batch: 32,
        workers: 1,
        seed: 0,
    };
    let cache = ActivationCache::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("activations"));
    let body = models::body_digest(learner.network());
    let key = CacheKey::new(&body, &preparation.signature());
    [(Part::Train, &dataset.train), (Part::Valid, &dataset.valid)].map(|(part, items)| {
        let files: Vec<&Path> = items.iter().map(|item| item.path.as_path()).collect();
        let images = ImageExamples::new(ImageSet::new(items), preparation.clone());
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        let purpose = Purpose {
            recipe: recipe.name().to_string(),
            directory: None,
            part,
            images: files.len(),
            network: learner.network().arch().to_string(),
            body: body.clone(),
            preparation: preparation.signature(),
        };
        cache.open(&key, &files, &images, learner, &purpose, watch).unwrap().features
    })
}

fn sweep(learner: &mut Learner, examples: &dyn Examples, loss: &Loss, seed: u64) -> FindResult {
    let find =
        LrFind { index: 0, suggest: Suggest::Valley, or: None, start: 1e-5, end: 10.0, iters: None, ratio: Vec::new() };
    let plan = FindPlan {
        stage: 0,
        find: &find,
        iterations: find.iterations(true),
        descent: Descent::default(),
        mixing: Mixing::default(),
        accumulate: 1,
        seed,
    };
    find_rate(learner, examples, loss, plan, Watch { progress: &mut Silent, stop: &StopSignal::default() }).unwrap()
}

/// The metric after the epochs that the case says, at the suggested rate.
fn trained(
    case: &Case,
    rate: f64,
    learner: &mut Learner,
    [train, valid]: [(&dyn Examples, &Loss); 2],
    seed: u64,
    batch: usize,
) -> f64 {
    let (cycles, mult, _) = case.reaches.unwrap();
    let metric = match train.1.truth() {
        Truth::Classes(_) => Metric::Accuracy,
        Truth::Tags { .. } => Metric::F2 { threshold: Threshold::Fixed(0.2) },
        Truth::Values(_) => Metric::MeanAbsError,
    };
    let schedule = match mult {
        1 => Schedule::Constant,
        cycle_mult => Schedule::Cycles { anneal: Anneal::Cosine, cycle_len: 1, cycle_mult },
    };
    let batches = fastai_dsl::plan::batches_per_epoch(train.0.len() as u64, batch as u32);
    let plan = FitPlan {
        stage: 1,
        epochs: (0..cycles).map(|c| u64::from(mult.pow(c))).sum(),
        settings: Box::new(schedule.settings(batches)),
        lrs: vec![rate; learner.network().groups()],
        wds: Vec::new(),
        descent: Descent::default(),
        mixing: Mixing::default(),
        metrics: &[metrics::of(&metric)],
        keep_best: None,
        accumulate: 1,
        ema: None,
        patience: None,
        swa: Vec::new(),
        saves_after: Vec::new(),
        seed,
        continued: None,
    };
    let validation = Some(Validation { examples: valid.0, loss: valid.1, before: None });
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    let result = fit(learner, train.0, train.1, validation, plan, watch, &mut |_: &EpochRow| Ok(())).unwrap();
    result.epochs.last().unwrap().metrics[0].1
}

#[test]
#[ignore = "needs the data sets at $FASTAI_TEST_DATA or ../shared/data and the weights in $FASTAI_WEIGHTS"]
fn on_real_data_the_suggested_rate_trains() {
    let root = data_root().expect("the data sets");
    let mut curves = BTreeMap::new();
    for case in CASES {
        let recipe = recipe(case, &root).unwrap_or_else(|| panic!("the weights of {}", case.arch));
        let dataset = Dataset::open(recipe.data(), recipe.task()).unwrap();
        let batch = recipe.data().batch as usize;
        let name = format!("{} at {} px, {}", dataset.root.file_name().unwrap().display(), case.size, case.arch);
        let mut learner = network(&recipe, dataset.classes.len(), 0);
        let [train, valid] = features(&recipe, &dataset, &learner);
        let device = learner.device().clone();
        let [train_loss, valid_loss] =
            [&dataset.train, &dataset.valid].map(|items| Loss::new(truth(items, dataset.classes.len()), None, &device));
        let mut reached = Vec::new();
        for seed in SEEDS {
            learner = network(&recipe, dataset.classes.len(), seed);
            let train = CachedExamples { features: &train, batch, seed, weights: None };
            let found = sweep(&mut learner, &train, &train_loss, seed);
            let rate = found.suggestion.unwrap().rate;
            eprintln!("{name}, seed {seed}: {rate:.2e}");
            assert!(case.within[0] <= rate && rate <= case.within[1], "{name}, seed {seed}: {rate:.2e}");
            let losses = found.batch_losses.iter().map(|l| (l * 1e4).round() / 1e4).collect();
            let curve = Curve { start: 1e-5, end: 10.0, iterations: 100, within: case.within, losses };
            curves.insert(format!("{name}, seed {seed}"), curve);
            if case.reaches.is_some() {
                let valid = CachedExamples { features: &valid, batch, seed, weights: None };
                let sets: [(&dyn Examples, &Loss); 2] = [(&train, &train_loss), (&valid, &valid_loss)];
                reached.push(trained(case, rate, &mut learner, sets, seed, batch));
            }
        }
        if let Some((_, _, wanted)) = case.reaches {
            let mean = reached.iter().sum::<f64>() / reached.len() as f64;
            eprintln!("{name}: {reached:.4?}, mean {mean:.4}");
            assert!(mean >= wanted, "{name}: {reached:.4?}");
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(golden(), serde_json::to_string(&curves).unwrap().replace("],", "],\n")).unwrap();
        }
    }
}
