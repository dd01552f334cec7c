//! How fast the parts of a run are: `cargo bench --profile dev --workspace --bench engine -- [PART ..] [--runs N]` (the dev
//! profile is optimised, and burn is compiled for it already). The parts are `transforms`, `head`, `losses` and `run`, all
//! unless some are named. Whole networks are `fastai bench`'s, single kernels those of the benches of `fastai-kernels`.

use std::time::Instant;

use burn::tensor::Device;
use fastai_dsl::{HeadSpec, Stats, TransformSet, Transforms};
use fastai_runtime::activations::{CachedExamples, Features};
use fastai_runtime::data::Traversal;
use fastai_runtime::metrics::Truth;
use fastai_runtime::models::Network;
use fastai_runtime::random::{Stream, normal, unit};
use fastai_runtime::train::{Descent, Examples, GroupRates, Learner, Loss};
use fastai_runtime::transforms::Transform;

const TAGS: usize = 17;

fn learner(first_trainable: usize) -> Learner {
    let device = Device::flex().autodiff();
    let head = HeadSpec { hidden: vec![512], dropout: vec![0.25, 0.5] };
    let network = Network::new("squeezenet1_1", &head, TAGS, 42, &device);
    Learner::new(network.set_frozen(first_trainable, false), device)
}

fn truth(n: usize) -> Truth {
    let mut rng = Stream::new(1, "truth").at(&[]);
    Truth::Tags { cells: (0..n * TAGS).map(|_| unit(&mut rng) < 0.2).collect(), tags: TAGS }
}

/// The best of `runs` after a warm-up, seconds.
fn best(runs: usize, mut run: impl FnMut()) -> f64 {
    let mut timed = || {
        let started = Instant::now();
        run();
        started.elapsed().as_secs_f64()
    };
    timed();
    (0..runs).map(|_| timed()).fold(f64::INFINITY, f64::min)
}

fn an_epoch_of_the_head_on_786_cached_rows_of_1024(runs: usize) {
    let mut learner = learner(2);
    let mut rng = Stream::new(1, "features").at(&[]);
    let features = Features::in_memory((0..786 * 1024).map(|_| unit(&mut rng) as f32).collect(), 1024);
    let examples = CachedExamples { features: &features, batch: 64, seed: 42, weights: None };
    let device = learner.device().clone();
    let loss = Loss::new(truth(786), None, &device);
    let rates = GroupRates { lrs: vec![0.01; 3], wds: Vec::new(), momentum: 0.9 };
    let mut optimizer = learner.optimizer(&Descent::default());
    let seconds = best(runs, || {
        for (k, batch) in examples.batches(&Traversal::Shuffled { stage: 0, epoch: 0 }, 0, &device).unwrap().enumerate()
        {
            let batch = batch.unwrap();
            let mut rng = Stream::new(1, "dropout").at(&[k as u64]);
            learner.step(&mut *optimizer, batch.inputs, &batch.images, &loss, &rates, &mut rng).read().unwrap();
        }
    });
    println!("cached head epoch, 786 x 1024, batch 64: {:.1} ms", seconds * 1e3);
}

fn the_losses_of_200_000_images(runs: usize) {
    let (images, classes) = (200_000, 10);
    let logits = normal(&mut Stream::new(1, "logits").at(&[]), images * classes, 2.0);
    let labels = Truth::Classes((0..images).map(|image| (image % classes) as u32).collect());
    let loss = Loss::new(labels, None, &Device::flex());
    let seconds = best(runs, || drop(std::hint::black_box(loss.of_each(&logits))));
    println!("losses of {images} images, {classes} classes: {:.1} ms", seconds * 1e3);
}

fn a_run_on_all_chips() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data");
    let text = format!(
        "Globe {{ task: multi_label,
            data: csv {{ root: {:?}, labels: \"train_v2.csv\", images: \"train-jpg\", suffix: \".jpg\",
                valid: indices(\"valid.txt\"), batch: 64 }},
            transforms: top_down {{ size: 64 }},
            model: squeezenet1_1 {{ weights: {:?} }},
            metrics: [f2, log_loss],
            train: {{ precompute(on); let lr = lr_find(or = 0.01); fit(lr, 3, cycle_len = 1, cycle_mult = 2);
                precompute(off); fit(lr, 1, cycle_len = 1); unfreeze();
                fit([0.0001, 0.0003, 0.001], 1, cycle_len = 1); tta(n_aug = 4); }}, }}",
        data.join("globe"),
        data.join("squeezenet1_1.safetensors"),
    );
    let source = fastai_dsl::source::RecipeText::new("globe.recipe", &text, &[]);
    let recipe = &source.result.as_ref().unwrap_or_else(|_| panic!("{}", source.render(false))).recipe;
    let folder = tempfile::tempdir().unwrap();
    let options = fastai_runtime::RunOptions {
        out: Some(folder.path().join("run")),
        cache: Some(folder.path().join("cache")),
        ..Default::default()
    };
    let outcome = fastai_runtime::engine::run(recipe, &options, &mut fastai_runtime::progress::Silent).unwrap();
    let summary = &outcome.summary;
    println!("baseline {:?}; rates {:?}; {:.1} s", summary.baseline, summary.found_rates, summary.seconds);
    for stage in &summary.stages {
        let values = stage.evaluation.iter().flat_map(|e| &e.metrics).map(|m| format!("{} {:.4}", m.name, m.value));
        let values: Vec<String> = values.collect();
        println!("{}: {:.2} s, {:.0} images/s, {}", stage.text, stage.seconds, stage.images_per_s, values.join(" "));
    }
    assert!(summary.tta.as_ref().unwrap().metrics[0].value > summary.baseline.as_ref().unwrap().value);
}

/// One thread, decoding excluded.
fn transforms() {
    let stream = Stream::new(1, "transform");
    for (name, (height, width), size, set) in [
        ("photo 400x500 to 224, side_on", (400, 500), 224, TransformSet::SideOn),
        ("chip 64x64 to 64, top_down", (64, 64), 64, TransformSet::TopDown),
        ("photo 400x500 to 224, none", (400, 500), 224, TransformSet::None),
    ] {
        let picture = image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 7 + y) as u8, (x + y * 5) as u8, (x * y) as u8])
        });
        let config = Transforms { max_zoom: [1.0, 1.1], ..Transforms::new(set, size) };
        let t = Transform::new(&config, Stats::IMAGENET);
        let mut out = vec![0.0; 3 * (size * size) as usize];
        let mut measure = |run: &mut dyn FnMut(u64, &mut [f32])| {
            let start = Instant::now();
            let mut n = 0;
            while start.elapsed().as_secs_f64() < 1.0 {
                run(n, &mut out);
                n += 1;
            }
            n as f64 / start.elapsed().as_secs_f64()
        };
        let train = measure(&mut |n, out| t.train(&picture, stream.address(&[n]), out));
        let valid = measure(&mut |_, out| t.valid(&picture, out));
        println!("{name}: train {train:.0}/s, valid {valid:.0}/s");
    }
}

fn main() {
    let mut runs = 5;
    let mut parts = Vec::new();
    // `cargo bench` adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--runs" => runs = arguments.next().and_then(|n| n.parse().ok()).expect("--runs N"),
            "transforms" | "head" | "losses" | "run" => parts.push(argument),
            other => panic!("{other} is none of transforms, head, losses, run, --runs N"),
        }
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    if wanted("transforms") {
        transforms();
    }
    if wanted("head") {
        an_epoch_of_the_head_on_786_cached_rows_of_1024(runs);
    }
    if wanted("losses") {
        the_losses_of_200_000_images(runs);
    }
    if wanted("run") {
        a_run_on_all_chips();
    }
}
