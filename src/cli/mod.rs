//! The command line: one file per subcommand. Exit codes: 0 success, 1 the run failed, 2 the recipe or the command is
//! invalid, 130 stopped by Ctrl-C or SIGTERM.

#[macro_use]
mod output;

#[cfg(any(feature = "remote", feature = "serve"))]
mod address;
mod answer;
mod bench;
mod cache;
mod check;
mod classify;
mod color;
mod combinations;
mod completions;
mod config;
mod device;
mod diff;
mod doctor;
mod ending;
mod explain;
mod export;
mod failure;
mod fmt;
mod import;
mod lsp;
mod memory;
mod new;
mod numbers;
mod paths;
mod plan;
mod predict;
mod prediction_writer;
mod prepare;
mod replaced;
mod run;
mod saved;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "remote")]
mod serve_device;
mod show;
mod source;
mod stop;
mod submit;
mod summary;
mod sweep;
mod table;
mod validate;
mod weights;

use std::any::TypeId;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::failure::Failure;

/// Train image classifiers from checked recipes.
#[derive(Parser)]
#[command(name = "fastai", version, propagate_version = true)]
struct Cli {
    /// When to colour messages
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = color::ColorWish::Auto)]
    color: color::ColorWish,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a crate that trains: a recipe, pictures to begin with, a program and a test
    New(new::NewArgs),
    /// Check recipe files: every mistake at once, exit code 2 if there is one
    Check(check::CheckArgs),
    /// Format recipe files: layout only, comments stay
    Fmt(fmt::FmtArgs),
    /// Show what a recipe will do, step by step, without running it
    Plan(plan::PlanArgs),
    /// Write a summary of a recipe's data, to be committed: the compiler and `fastai check` then hold the recipe to it
    Prepare(prepare::PrepareArgs),
    /// Look at a recipe's data: a page with what is wrong, labels, classes, sizes, and one image augmented nine times
    Show(show::ShowArgs),
    /// Run a recipe
    Run(run::RunArgs),
    /// Run a recipe with many values of its keys, and say which are best: grid or random sample, seeds, parts for many machines
    Sweep(sweep::SweepArgs),
    /// Say what images show, with a model that a run saved
    Predict(predict::PredictArgs),
    /// Answer images over HTTP, with a model that a run saved: a page, JSON (JSON.md lists the fields), health and metrics
    #[cfg(feature = "serve")]
    Serve(serve::ServeArgs),
    /// Let programs on other machines compute on devices of this one: their `--device remote:ws://box:7600`
    #[cfg(feature = "remote")]
    ServeDevice(serve_device::ServeDeviceArgs),
    /// Write a saved model as an ONNX file, for other programs
    Export(export::ExportArgs),
    /// Measure a saved model on the images that its recipe holds out, or on another data folder
    Validate(validate::ValidateArgs),
    /// Compare two runs: recipe, data, weights, results, and the metrics on the images that both held out
    Diff(diff::DiffArgs),
    /// Write a competition's file for the recipe's test images
    Submit(submit::SubmitArgs),
    /// Explain an error, a lint, a word of the language or a command: `fastai explain E0404`, `fastai explain fit`
    Explain(explain::ExplainArgs),
    /// Serve editors: findings, completions, pages and formatting of recipes over the language server protocol
    Lsp,
    /// Turn the fastai 0.7 calls of a notebook or script into a recipe; what has no equivalent stays as comments
    Import(import::ImportArgs),
    /// Say what images show by a published network and its 1000 ImageNet classes
    Classify(classify::ClassifyArgs),
    /// Show a network's layers, output shapes, parameters and multiply-adds
    Summary(summary::SummaryArgs),
    /// Measure the speed of a network on a device: images per second, GFLOP/s, memory, time per layer
    Bench(bench::BenchArgs),
    /// Look for devices and the libraries they need, and test each device
    Doctor(doctor::DoctorArgs),
    /// The caches of activations and scaled copies: list, why, gc
    Cache(cache::CacheArgs),
    /// Print the completions of a shell, for its start-up file
    Completions(completions::CompletionsArgs),
    /// Write the manual pages
    Man(completions::ManArgs),
    /// Published weights: list, get, verify, info
    Weights(weights::WeightsArgs),
}

/// The command line of the program.
fn program() -> clap::Command {
    with_negative_numbers(Cli::command())
}

/// Takes `-1` after an option that wants a number for its value, so that its own parser says which numbers there are, and not
/// that there is no option `-1`.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let numbers = [TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<f64>()];
    let is_number = |arg: &clap::Arg| numbers.iter().any(|number| arg.get_value_parser().type_id() == *number);
    command.mut_subcommands(with_negative_numbers).mut_args(|arg| {
        if arg.get_long().is_some() && is_number(&arg) { arg.allow_negative_numbers(true) } else { arg }
    })
}

pub fn main() -> ! {
    stop::survive_file_limits();
    let command = program().color(color::ColorWish::before_parsing().of_parser());
    let parsed = command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let parsed = parsed.unwrap_or_else(|said| end_of_parser(&said));
    parsed.color.apply();
    ending::end(run(parsed.command).err().map_or(0, |failure| failure.report() as i32))
}

/// Ends the program with what the parser says: help, the version, or an error.
fn end_of_parser(said: &clap::Error) -> ! {
    let written = said.print();
    // Nobody can be told that an error did not arrive.
    if !said.use_stderr() {
        output::must_arrive(written);
    }
    ending::end(said.exit_code())
}

fn run(command: Command) -> Result<(), Failure> {
    // These need no defaults and must work beside a broken file.
    if !matches!(command, Command::Completions(_) | Command::Man(_) | Command::Lsp) {
        config::load()?;
    }
    match command {
        Command::New(args) => new::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Prepare(args) => prepare::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Predict(args) => predict::run(&args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args),
        #[cfg(feature = "remote")]
        Command::ServeDevice(args) => serve_device::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Submit(args) => submit::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Lsp => lsp::run(),
        Command::Import(args) => import::run(&args),
        Command::Classify(args) => classify::run(&args),
        Command::Summary(args) => summary::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => completions::man(&args),
        Command::Weights(args) => weights::run(&args),
    }
}
