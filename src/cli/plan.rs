//! `fastai plan`

use std::path::{Path, PathBuf};

use fastai_dsl::curve::Curve;
use fastai_dsl::overrides::Override;
use fastai_dsl::prepared::DataSummary;
use fastai_dsl::{BodyState, Facts, LossSpec, OptimizerSpec, Plan, Recipe, Stage, Step};
use fastai_runtime::activations::ActivationCache;
use fastai_runtime::atomic::write_atomic;
use fastai_runtime::data::byte_units::in_units;
use fastai_runtime::data::{Dataset, Preflight};
use fastai_runtime::device::DeviceRequest;
use fastai_runtime::engine::{self, Probed};
use fastai_runtime::models::StageMemory;
use fastai_runtime::progress::{Silent, StopSignal};
use fastai_runtime::{RunError, RunOptions};

use super::config;
use super::failure::Failure;
use super::memory::NetworkMemory;
use super::numbers::{self, counted, seconds, thousands};
use super::replaced;

#[derive(clap::Args)]
pub struct PlanArgs {
    /// The recipe file
    file: PathBuf,
    /// Print JSON (JSON.md lists the fields)
    #[arg(long)]
    json: bool,
    /// Draw the learning-rate curve into a file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Run two batches of every step, and say by them how long the whole takes and how much memory it needs
    #[arg(long)]
    probe: bool,
    /// Where to probe, as in `run`
    #[arg(long, requires = "probe")]
    device: Option<DeviceRequest>,
    /// CPU threads of the probe, as in `run`; all cores unless given
    #[arg(long, requires = "probe", value_parser = numbers::threads())]
    threads: Option<u16>,
    #[command(flatten)]
    memory: NetworkMemory,
    /// Plan with a key replaced, e.g. `data.batch=16`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
    /// Say nothing but the plan, notes of its data, warnings and errors
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: &PlanArgs) -> Result<(), Failure> {
    if let Some(file) = &args.svg {
        replaced::is_own(file, "--svg", &["svg"])?;
    }
    let source = super::source::open(&args.file, &args.set)?;
    let summary = super::source::summary_of(&args.file, &source);
    let recipe = super::source::said(source)?.recipe;
    super::source::finds_data(&args.file, &recipe)?;
    // Counts need the data set or its summary; a plan without them still lists the steps.
    let (facts, dropped) = match Dataset::open(recipe.data(), recipe.task()) {
        Ok(dataset) => {
            dataset.notes.iter().for_each(|note| eprintln!("note: {note}"));
            let facts = dataset.facts();
            looked_at(&recipe, dataset).unwrap_or((facts, 0))
        }
        Err(error) => match summary.and_then(|file| summarised(&file, &recipe)) {
            Some(facts) => (facts, 0),
            None => {
                eprintln!("note: without the data, batches are not known: {error}\n");
                (Facts::default(), 0)
            }
        },
    };
    let plan = Plan::new(&recipe, &facts);
    if let Some(file) = &args.svg {
        let Some(curve) = Curve::new(&plan, 1480) else {
            return Err(Failure::Failed(format!("there is no curve to draw: {}", no_curve(&plan))));
        };
        let svg = curve.svg(recipe.name());
        write_atomic(file, |out| out.write_all(svg.as_bytes()))?;
    }
    let memory: Vec<Option<StageMemory>> =
        plan.stages.iter().map(|stage| StageMemory::of(&recipe, &plan, stage)).collect();
    // Printed, a plan is one that a run here could follow; as JSON it may be for another machine, unless its memory is given.
    let within = !args.json || args.memory.limit().is_some();
    let parts = within.then(|| engine::fits_memory(&recipe, &plan, args.memory.limit())).transpose();
    if !args.json {
        let parts = parts.as_ref().ok().and_then(Option::as_deref);
        print!("{}", text(&recipe, &plan, &memory, parts.unwrap_or_default(), dropped));
    }
    let parts = parts?;
    if let Some(parts) = parts.as_ref().filter(|_| !args.json) {
        for note in engine::notes_of_parts(&plan.stages, parts) {
            println!("{note}");
        }
    }
    let probed = args.probe.then(|| probe(&recipe, args)).transpose()?;
    if args.json {
        let (name, recipe) = (recipe.name(), recipe.to_string());
        let value = serde_json::json!({
            "name": name, "recipe": recipe, "plan": plan, "memory": memory, "parts": parts, "probe": probed,
        });
        println!("{value:#}");
    } else if let Some(probed) = &probed {
        print!("{}", probed_text(probed));
    }
    Ok(())
}

/// Returns the facts of the data set and the number of images that a run leaves out, if an earlier run or `fastai show`
/// checked all images.
fn looked_at(recipe: &Recipe, dataset: Dataset) -> Option<(Facts, usize)> {
    let (stop, known) = (StopSignal::default(), ActivationCache::default_root().join("verified.bin"));
    let preflight = Preflight { known: Some(&known), ..Preflight::of(recipe, &stop) };
    let (dataset, health) = preflight.recall(dataset)?;
    Some((dataset.facts(), health.dropped.len()))
}

fn probe(recipe: &Recipe, args: &PlanArgs) -> Result<Probed, RunError> {
    if !args.quiet {
        eprintln!("two batches of every step ..");
    }
    let device = config::device_of(args.device.as_ref(), recipe);
    let (memory, threads) = (args.memory.limit(), args.threads.map(usize::from));
    let options = RunOptions { device, threads, memory, stop: super::stop::signal(), ..RunOptions::default() };
    engine::probe(recipe, &options, &mut Silent)
}

/// Formats the measurements, one line per step that took time.
fn probed_text(probed: &Probed) -> String {
    let header = ["step", "", "images/s", "seconds", "peak memory"].map(str::to_string);
    let peak = |bytes: Option<u64>| bytes.map_or("?".to_string(), in_units);
    let mut rows = vec![header];
    // Steps without computation take no memory.
    for stage in probed.stages.iter().filter(|stage| stage.images_per_s.is_some() || stage.seconds >= 0.1) {
        rows.push([
            (stage.step + 1).to_string(),
            stage.text.clone(),
            stage.images_per_s.map_or(String::new(), |rate| format!("{rate:.1}")),
            seconds(stage.seconds),
            peak(stage.peak_bytes),
        ]);
    }
    rows.push(["", "the last measurement and the report", "", &seconds(probed.ending), ""].map(str::to_string));
    rows.push(["", "the whole", "", &seconds(probed.seconds), &peak(probed.peak_bytes)].map(str::to_string));
    format!(
        "\nmeasured on the first two batches of each step, {}; looking at every image comes before\n\n{}",
        probed.device,
        super::table::table(&rows, 3)
    )
}

/// Reads the counts from the summary that `fastai prepare` wrote, if it describes this data.
fn summarised(file: &Path, recipe: &Recipe) -> Option<Facts> {
    let summary = DataSummary::parse(&super::source::read_summary(file).ok()?).ok()?;
    (DataSummary::source_of(recipe.data()) == summary.source).then(|| summary.facts(recipe))
}

/// Formats the processing of images and labels besides the transform set, one line each.
fn extras(recipe: &Recipe, plan: &Plan) -> String {
    let mut out = String::new();
    if let Some(count) = recipe.data().valid.turns() {
        out += &format!(
            "folds    {count}, each held out in turn: what follows is the first of {count} runs, and in all {} are trained\n",
            counted(u64::from(count) * plan.epochs(), "epoch", "epochs")
        );
    }
    let augment: Vec<String> = recipe.transforms().augment.iter().map(ToString::to_string).collect();
    if !augment.is_empty() {
        out += &format!("images   {} and {}\n", recipe.transforms().set.word(), augment.join(", "));
    }
    let loss = recipe.loss();
    if loss != LossSpec::of_task(recipe.task()) {
        out += &format!("loss     {loss}\n");
    }
    let optimizer = recipe.optimizer();
    if optimizer != OptimizerSpec::default() {
        out += &format!("steps    by {optimizer}\n");
    }
    if recipe.accumulate() > 1 {
        out += &format!("steps    each of the mean gradient of {} batches\n", recipe.accumulate());
    }
    if let Some(decay) = recipe.ema() {
        out += &format!("weights  measured and saved is their moving average, decay {decay}\n");
    }
    let smoothing = recipe.label_smoothing();
    if smoothing > 0.0 {
        out += &format!("labels   a share of {smoothing} is spread over all classes while training\n");
    }
    let mixed: Vec<String> = [("mixup", recipe.mixup()), ("cutmix", recipe.cutmix())]
        .into_iter()
        .filter_map(|(name, alpha)| Some(format!("{name}({})", alpha?)))
        .collect();
    if !mixed.is_empty() {
        let fits: Vec<&Stage> = plan.stages.iter().filter(|s| s.step.is_fit()).collect();
        let on_images = fits.iter().filter(|s| s.state.body != BodyState::Precomputed).count();
        out += &format!("batches  {} in {on_images} of {} fits\n", mixed.join(" or "), fits.len());
    }
    out
}

fn no_curve(plan: &Plan) -> &'static str {
    if plan.facts.train.is_none() {
        "the number of training images is not known"
    } else {
        "nothing is trained, or very long"
    }
}

/// `parts`: those in which the batches of each step pass the body; whole batches where there is none.
fn text(recipe: &Recipe, plan: &Plan, memory: &[Option<StageMemory>], parts: &[usize], dropped: usize) -> String {
    let known = |n: Option<u64>| n.map_or("?".to_string(), thousands);
    let facts = &plan.facts;
    let mut out = format!(
        "{}: {} on {} training, {} validation, {} test images, {} classes\n",
        recipe.name(),
        recipe.model().arch,
        known(facts.train),
        known(facts.valid),
        known(facts.test),
        known(facts.classes)
    );
    if dropped > 0 {
        let images = counted(dropped as u64, "training image", "training images");
        out += &format!("not counted: {images} with the very bytes of a validation image\n");
    }
    out += "\n";
    for (i, group) in plan.groups.iter().enumerate() {
        out += &format!("group {i}  {:>12} parameters  {}\n", known(group.parameters), group.name);
    }
    out += &extras(recipe, plan);
    out += "\n";
    let header = ["step", "", "size", "trains", "epochs", "batches", "rates by group"];
    let mut rows = vec![header.map(str::to_string)];
    for (i, stage) in plan.stages.iter().enumerate() {
        rows.push(row(recipe, i, stage, plan.groups.len()));
    }
    out += &super::table::table(&rows, 0);
    let iterations: Option<u64> = plan.stages.iter().filter(|s| s.step.trains()).map(|s| s.iterations).sum();
    let epochs = counted(plan.epochs(), "epoch", "epochs");
    let batches =
        iterations.map_or("? training batches".to_string(), |n| counted(n, "training batch", "training batches"));
    out += &format!("\n{epochs}, {batches}\n");
    if let Some(bytes) = plan.stages.iter().filter_map(|s| s.cache_bytes).max() {
        out += &format!("activation cache: {}\n", in_units(bytes));
    }
    // What a step takes at a time: the maps of a batch, or of a part of it.
    let at_a_time = |(i, (stage, memory)): (usize, (&Stage, &Option<StageMemory>))| {
        let (memory, images) = ((*memory)?, engine::images_of_part(stage, parts.get(i).copied().unwrap_or(1)));
        let image = memory.activations / u64::from(stage.state.batch.max(1));
        Some((i, images, StageMemory { activations: image * u64::from(images), ..memory }))
    };
    let largest = plan.stages.iter().zip(memory).enumerate().filter_map(at_a_time);
    if let Some((i, images, memory)) = largest.max_by_key(|(.., memory)| memory.total()) {
        out += &format!(
            "memory of the network: at most {} in step {} `{}`: {} of weights, gradients and the optimizer, {} of the \
             activations of {} images; estimated from the layers\n",
            in_units(memory.total()),
            i + 1,
            plan.stages[i].text,
            in_units(memory.weights),
            in_units(memory.activations),
            images
        );
    }
    if let Some(curve) = Curve::new(plan, 160) {
        out += "\nshare of each fit's learning rate, over all training batches; the numbers are steps\n";
        out += &curve.text(4);
    }
    out
}

fn row(recipe: &Recipe, index: usize, stage: &Stage, groups: usize) -> [String; 7] {
    let known = |n: Option<u64>| n.map_or("?".to_string(), thousands);
    let works = stage.step.trains();
    let trains = if works { stage.state.trains(groups) } else { String::new() };
    let rates = match &stage.step {
        Step::Fit(fit) => {
            let rates: Vec<String> = stage.rates.iter().map(|r| shown(recipe, *r)).collect();
            let one = stage.rates.windows(2).all(|w| w[0] == w[1]);
            let rates = if one { rates[0].clone() } else { rates.join(", ") };
            if fit.cycle_len.is_some() { format!("{rates} to 0") } else { rates }
        }
        Step::LrFind(find) => format!("{:?} to {:?}", find.start, find.end),
        _ => String::new(),
    };
    [
        // Displayed step numbers start at 1, as in the run and the report.
        (index + 1).to_string(),
        stage.text.clone(),
        stage.state.size.to_string(),
        trains,
        if stage.epochs > 0 { thousands(stage.epochs) } else { String::new() },
        if works { known(stage.iterations) } else { String::new() },
        rates,
    ]
}

fn shown(recipe: &Recipe, rate: fastai_dsl::Rate) -> String {
    rate.fixed().map_or_else(|| recipe.shown_rate(rate), |x| format!("{}", (x * 1e6).round() / 1e6))
}
