//! `fastai bench`

use std::io::{self, BufRead};

use clap::ValueEnum;
use fastai_dsl::ArchFacts;
use fastai_runtime::bench::{Bench, BenchMode, BenchReport, LayerTime, Workload, sgemm_speed};
use fastai_runtime::device::{self, DeviceRequest, Picked};

use super::failure::Failure;
use super::numbers::{self, counted, thousands};
use super::table::table;

/// Most runs of a measurement, or of one line of a paced one.
const MOST_RUNS: u32 = 10_000;

#[derive(clap::Args)]
pub struct BenchArgs {
    /// The network, by its name in recipes
    #[arg(long, value_parser = super::classify::network)]
    arch: &'static ArchFacts,
    /// Images per batch
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    /// Side of the images in pixels
    #[arg(long, default_value_t = 224, value_parser = clap::value_parser!(u32).range(1..=4096))]
    size: u32,
    /// What is measured
    #[arg(long, value_enum, default_value_t = Mode::Forward)]
    mode: Mode,
    /// The numbers of the convolutions in training steps
    #[arg(long, value_enum, default_value_t = Numbers::F32)]
    precision: Numbers,
    /// What computes: cpu, cuda, wgpu, vulkan or metal; `cuda:1` is the second CUDA device, `remote:ws://box:7600` what
    /// `fastai serve-device` serves there
    #[arg(long, default_value = "cpu")]
    device: DeviceRequest,
    /// CPU threads; all cores unless given
    #[arg(long, value_name = "T", value_parser = numbers::threads())]
    threads: Option<u16>,
    /// Number of timed runs, after an untimed one
    #[arg(long, default_value_t = 5, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=MOST_RUNS as i64))]
    runs: u32,
    /// List the time of each layer of the body, forward and backward
    #[arg(long)]
    layers: bool,
    /// Print JSON: seconds per batch, memory in kB of 1024 bytes (JSON.md lists the fields)
    #[arg(long)]
    json: bool,
    /// Measure on request, alternating with other programs: print `ready`, answer each line of standard input (a number of
    /// runs) with the seconds of each run, and print the report when the input ends
    #[arg(long, conflicts_with = "runs")]
    paced: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Evaluation, from images to logits, with a frozen body and folded batch norms
    Forward,
    /// A training step with every parameter trainable: forward pass, loss, backward pass, SGD
    Train,
    /// A training step of the head; the body is frozen
    Frozen,
    /// Prediction, from decoded images to probabilities
    Predict,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Numbers {
    /// 32-bit floats
    F32,
    /// The 16-bit floats of the device; weights, norms, head and loss stay in 32 bits
    Mixed,
}

impl Mode {
    fn measured(self) -> BenchMode {
        match self {
            Mode::Forward => BenchMode::Forward,
            Mode::Train => BenchMode::Train,
            Mode::Frozen => BenchMode::Frozen,
            Mode::Predict => BenchMode::Predict,
        }
    }
}

pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    let facts = args.arch;
    super::classify::takes_size(facts, args.size)?;
    if args.batch < 2 && matches!(args.mode, Mode::Train | Mode::Frozen) {
        let why = "--batch 1: the batch norms of the head need at least 2 images in a training step; --mode forward and \
                   --mode predict accept 1";
        return Err(Failure::Invalid(why.to_owned()));
    }
    if args.precision == Numbers::Mixed && !matches!(args.mode, Mode::Train | Mode::Frozen) {
        return Err(Failure::Invalid(
            "--precision mixed: evaluation is in 32 bits; take --mode train or frozen".to_owned(),
        ));
    }
    if let Some(threads) = args.threads {
        device::limit_threads(usize::from(threads))?;
    }
    let workload = Workload::new(facts, usize::from(args.batch), args.size as usize, args.mode.measured());
    let picked = device::pick(args.device.clone())?;
    let half = picked.half().filter(|_| args.precision == Numbers::Mixed);
    if half.is_none() && args.precision == Numbers::Mixed {
        return Err(Failure::Invalid(format!("--precision mixed: {} has no fast 16-bit floats", picked.name)));
    }
    let report = picked.guarded(|| measure(args, Workload { half, ..workload }, &picked))??;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(|why| Failure::Failed(why.to_string()))?);
    } else {
        print!("{}", text(&report));
    }
    Ok(())
}

fn measure(args: &BenchArgs, workload: Workload, picked: &Picked) -> Result<BenchReport, Failure> {
    let mut bench = Bench::prepare(workload, &picked.device);
    let seconds = match args.paced {
        true => paced(&mut bench)?,
        false => (0..args.runs).map(|_| bench.time()).collect(),
    };
    let runs = seconds.len();
    let mut report = BenchReport::new(workload, &picked.name, seconds, || sgemm_speed(&picked.device));
    if args.layers {
        report.layers = Some(bench.layers(runs));
    }
    Ok(report)
}

/// Answers each line of standard input, a number of runs, with the seconds of each run. Returns all seconds.
fn paced(bench: &mut Bench) -> Result<Vec<f64>, Failure> {
    println!("ready");
    let mut all = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|why| Failure::Failed(format!("cannot read stdin: {why}")))?;
        let runs = line.trim().parse().ok().filter(|runs| (1..=MOST_RUNS).contains(runs));
        let wrong = || Failure::Invalid(format!("--paced: {line:?} is not a number of runs from 1 to {MOST_RUNS}"));
        let seconds: Vec<f64> = (0..runs.ok_or_else(wrong)?).map(|_| bench.time()).collect();
        println!("{}", seconds.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
        all.extend(seconds);
    }
    if all.is_empty() {
        return Err(Failure::Invalid("--paced: standard input requested no run".to_owned()));
    }
    Ok(all)
}

fn text(report: &BenchReport) -> String {
    let Workload { arch, batch, size, mode, half } = report.workload;
    let mode = match mode {
        BenchMode::Forward => "forward",
        BenchMode::Train => "training step",
        BenchMode::Frozen => "training step of the head, body frozen",
        BenchMode::Predict => "prediction",
    };
    let runs = counted(report.seconds.len() as u64, "run", "runs");
    let images = counted(batch as u64, "image", "images");
    let device = &report.device;
    let numbers = half.map_or(String::new(), |half| format!(", convolutions in {}", half.word()));
    let mut out = format!("{arch}, {mode}, {images} of {size} x {size} pixels, {device}{numbers}, {runs}\n\n");
    let rate = |seconds: f64| format!("{:.1}", batch as f64 / seconds);
    let gflops = |seconds: f64| 2e-9 * report.multiply_adds as f64 / seconds;
    let row = |name: &str, seconds: f64| {
        let share = 100.0 * gflops(seconds) / report.sgemm.gflops;
        [name.to_owned(), ms(seconds), rate(seconds), format!("{:.1}", gflops(seconds)), format!("{share:.1} %")]
    };
    let head = ["", "ms", "images/s", "GFLOP/s", "of sgemm"].map(str::to_owned);
    out += &table(&[head, row("median", report.median), row("best", report.best)], 4);
    out += &format!("\nsgemm: {:.1} GFLOP/s ({})\n", report.sgemm.gflops, report.sgemm.by);
    if let Some(peak) = report.peak_kb {
        out +=
            &format!("memory: {} kB (peak resident set of the process, VmHWM, in kB of 1024 bytes)\n", thousands(peak));
    }
    if let Some(layers) = &report.layers {
        out += "\n";
        out += &of_layers(layers);
    }
    out
}

fn of_layers(layers: &[LayerTime]) -> String {
    let whole: f64 = layers.iter().map(LayerTime::seconds).sum();
    let head = ["layer", "kind", "output", "ms forward", "GFLOP/s", "ms backward", "share"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(layers.iter().map(|layer| {
        let [channels, height, width] = layer.output;
        let output = if channels == 0 { String::new() } else { format!("{channels} x {height} x {width}") };
        let gflops = layer.gflops().map_or(String::new(), |speed| format!("{speed:.1}"));
        let backward = if layer.backward > 0.0 { ms(layer.backward) } else { String::new() };
        let share = format!("{:.1} %", 100.0 * layer.seconds() / whole);
        [layer.name.clone(), layer.kind.clone(), output, ms(layer.forward), gflops, backward, share]
    }));
    table(&rows, 4)
}

fn ms(seconds: f64) -> String {
    format!("{:.2}", 1e3 * seconds)
}
