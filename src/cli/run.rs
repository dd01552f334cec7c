//! `fastai run`

use std::path::{Path, PathBuf};
use std::time::Duration;

use fastai_dsl::overrides::Override;
use fastai_dsl::source::RecipeText;
use fastai_dsl::{LARGEST_SEED, in_todays_words};
use fastai_runtime::data::figures::figure;
use fastai_runtime::names::typed;
use fastai_runtime::predict::removed_models;
use fastai_runtime::report::{Evaluation, Folds, Summary};
use fastai_runtime::{RunError, RunOptions, engine, progress};

use super::cache;
use super::device::RecipeDevice;
use super::failure::Failure;
use super::memory::NetworkMemory;
use super::numbers;

#[derive(clap::Args)]
pub struct RunArgs {
    /// The recipe file
    #[arg(required_unless_present = "resume")]
    file: Option<PathBuf>,
    /// Go on with a stopped, failed or killed run from the batch whose state was kept last; the recipe is the run's own unless
    /// a file is named
    #[arg(long, value_name = "RUN", conflicts_with = "out")]
    resume: Option<PathBuf>,
    /// Run with a key replaced: `--set data.batch=16`, or a top-level `let`: `--set lr=0.1`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
    #[command(flatten)]
    device: RecipeDevice,
    /// The run folder, new or empty; `runs/NAME-TIME` unless given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replaces the recipe's seed
    #[arg(long, value_parser = seed)]
    seed: Option<u64>,
    /// CPU threads; all cores unless given
    #[arg(long, value_parser = numbers::threads())]
    threads: Option<u16>,
    #[command(flatten)]
    memory: NetworkMemory,
    /// Where activations are cached; `$FASTAI_CACHE`, else `.fastai/activations`, unless given
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Keep the state of a fit after so many seconds, so that a killed run can go on from there; 0 keeps every batch. A state
    /// that takes long to write is kept less often
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    snapshot_every: u32,
    /// Say nothing but the result, warnings (lints of the recipe, too) and errors
    #[arg(long, short)]
    quiet: bool,
    /// Two batches a stage: does it run at all? The numbers mean nothing
    #[arg(long)]
    smoke: bool,
}

pub fn seed(text: &str) -> Result<u64, String> {
    let seed = text.parse::<u64>().ok().filter(|seed| *seed <= LARGEST_SEED);
    seed.ok_or_else(|| format!("a whole number from 0 to {LARGEST_SEED}"))
}

pub fn run(args: &RunArgs) -> Result<(), Failure> {
    if let Some(folder) = &args.resume
        && let Some(summary) = complete(folder)?
    {
        as_begun(folder, &summary, args)?;
        print!("{}", reached(&summary, true));
        println!("{} is complete: there is nothing left to do", folder.display());
        for model in removed_models(folder)? {
            eprintln!("warning: {} is not there: the run saved it, so it was removed since", model.display());
        }
        return Ok(());
    }
    let own = args.resume.as_ref().map(|run| run.join("recipe.recipe"));
    let Some(file) = args.file.as_ref().or(own.as_ref()) else { unreachable!("clap requires a file or a run") };
    let recipe = match &args.resume {
        // A run that was killed right after its first snapshot has the recipe in the snapshot alone.
        Some(run) if args.file.is_none() && !file.exists() && engine::is_unfinished(run) => {
            let text = engine::recipe_of_run(run)?;
            super::source::said(RecipeText::new("the snapshot's recipe", &in_todays_words(&text), &args.set))?.recipe
        }
        Some(_) if args.file.is_none() => super::source::read_kept(file, &args.set)?.recipe,
        _ => super::source::read(file, &args.set)?.recipe,
    };
    if args.resume.is_none() {
        super::source::finds_data(file, &recipe)?;
    }
    let options = RunOptions {
        device: args.device.request(&recipe),
        out: args.out.clone(),
        seed: args.seed,
        threads: args.threads.map(usize::from),
        smoke: args.smoke,
        cache: args.cache.clone(),
        stop: super::stop::signal(),
        memory: args.memory.limit(),
        snapshot_every: Some(Duration::from_secs(args.snapshot_every.into())),
        ..RunOptions::default()
    };
    let mut progress = progress::auto(args.quiet);
    let result = match &args.resume {
        Some(folder) => engine::resume(&recipe, folder, &options, progress.as_mut()),
        None => engine::run(&recipe, &options, progress.as_mut()),
    };
    drop(progress);
    let folder = options.place.folder().or(args.resume.as_deref());
    if let (Err(error @ RunError::NoRoom { .. }), Some(folder)) = (&result, folder) {
        return Err(go_on(args, folder, error));
    }
    let outcome = result.map_err(|error| unfinished(error, folder, args.quiet))?;
    // Without `--quiet`, the run itself has warned.
    print!("{}{}", reached(&outcome.summary, args.quiet), places(&outcome.folder));
    cache::keep_to_limit(args.cache.as_deref());
    Ok(())
}

/// Where the results of the run in `folder` are, in lines.
fn places(folder: &Path) -> String {
    let report = folder.join("report.html");
    let report = if report.is_file() { format!("report: {}\n", report.display()) } else { String::new() };
    format!("run folder: {}\n{report}", folder.display())
}

/// Goes on with the run in `folder`, for which this process has no memory left, in a new one that takes its place; returns why it
/// could not.
#[cfg(unix)]
fn go_on(args: &RunArgs, folder: &Path, error: &RunError) -> Failure {
    use std::os::unix::process::CommandExt;

    eprintln!("{error}, which begins now");
    let mut command = match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program),
        Err(error) => return Failure::Failed(format!("cannot find this program: {error}; {}", resuming(folder))),
    };
    command.arg("run").arg("--resume").arg(folder).args(args.device.arguments());
    command.arg("--snapshot-every").arg(args.snapshot_every.to_string());
    if let Some(threads) = args.threads {
        command.arg("--threads").arg(threads.to_string());
    }
    if let Some(cache) = &args.cache {
        command.arg("--cache").arg(cache);
    }
    if args.quiet {
        command.arg("--quiet");
    }
    let error = command.exec();
    Failure::Failed(format!("cannot start this program again: {error}; {}", resuming(folder)))
}

/// Says how to go on with the run in `folder` in a new process.
#[cfg(not(unix))]
fn go_on(_: &RunArgs, folder: &Path, error: &RunError) -> Failure {
    Failure::Failed(format!("{error}; {}", resuming(folder)))
}

/// The command that goes on with the run in `folder`.
fn resuming(folder: &Path) -> String {
    format!("`fastai run --resume {}` goes on", typed(folder))
}

/// The failure of the run in `folder`, with the command that goes on with it where that may help.
fn unfinished(error: RunError, folder: Option<&Path>, quiet: bool) -> Failure {
    if matches!(error, RunError::Diverged { .. } | RunError::LostWeights { .. })
        && let Some(lost) = folder.and_then(|folder| lost(folder, quiet))
    {
        return lost;
    }
    let Some(folder) = folder.filter(|folder| error.may_pass() && engine::is_unfinished(folder)) else {
        return error.into();
    };
    let command = resuming(folder);
    match error {
        RunError::Stopped(_) => Failure::Stopped(format!("{error}; {command}")),
        _ => Failure::Failed(format!("{error}; once that is put right, {command}")),
    }
}

/// Prints what the run in `folder` reached whose training lost the numbers, and returns why it failed, with the fold, if one did.
fn lost(folder: &Path, quiet: bool) -> Option<Failure> {
    let summary = Summary::read(folder).ok()?;
    let failure = summary.failure.as_ref().filter(|failure| failure.lost_numbers().is_some())?;
    print!("{}{}", reached(&summary, quiet), places(folder));
    Some(Failure::Failed(failure.error.clone()))
}

/// Refuses a command that asks for another run than the complete one in `folder`. The recipe of the run is only read if the
/// command says anything of it: this version may not understand it.
///
/// # Errors
/// Every difference.
fn as_begun(folder: &Path, summary: &Summary, args: &RunArgs) -> Result<(), Failure> {
    let named = args.file.is_some() || !args.set.is_empty();
    let read = || match &args.file {
        Some(file) => super::source::read(file, &args.set),
        None => super::source::read_kept(&folder.join("recipe.recipe"), &args.set),
    };
    let recipe = named.then(read).transpose()?.map(|checked| checked.recipe);
    let options = RunOptions { seed: args.seed, smoke: args.smoke, ..RunOptions::default() };
    Ok(engine::is_as_begun(folder, summary, recipe.as_ref(), &options)?)
}

/// Returns the summary of a run that leaves nothing to resume.
///
/// # Errors
/// If there is no such folder.
fn complete(folder: &Path) -> Result<Option<Summary>, Failure> {
    super::saved::is_run(folder).map_err(Failure::Invalid)?;
    Ok(engine::completed(folder)?)
}

/// Formats the results of the run, with what it warned of if `warns`.
fn reached(summary: &Summary, warns: bool) -> String {
    let mut out = String::new();
    if summary.smoke {
        out += "smoke run: two batches a stage, the numbers mean nothing\n";
    }
    if let Some(baseline) = summary.baseline.as_ref().filter(|_| summary.r#final.is_some()) {
        let value = figure(baseline.value, 4);
        out += &format!("always saying `{}`: {} {value}\n", baseline.says, baseline.metric.word());
    }
    if let Some(last) = &summary.r#final {
        out += &line(if summary.folds.is_some() { "all folds" } else { "final" }, last);
    }
    let warnings = [summary.lost(), summary.unbeaten()];
    for warning in warnings.into_iter().flatten().filter(|_| warns) {
        out += &format!("warning: {warning}\n");
    }
    if let Some(tta) = &summary.tta {
        out += &line("tta", tta);
    }
    if let Some(folds) = summary.folds.as_ref().filter(|folds| folds.each.len() == folds.count) {
        out += &spread(folds);
    }
    if let Some(test) = &summary.test {
        out += &line("test, measured once", test);
    }
    if let Some(test) = &summary.test_tta {
        out += &line("test with tta, measured once", test);
    }
    out
}

/// `5 folds: accuracy 0.9325 (deviation 0.0121); loss 0.2100 (deviation 0.0300)`
fn spread(folds: &Folds) -> String {
    let deviation = |d: Option<f64>| d.map_or_else(String::new, |d| format!(" (deviation {})", figure(d, 4)));
    let columns: Vec<String> =
        folds.spread().iter().map(|s| format!("{} {}{}", s.name, figure(s.mean, 4), deviation(s.deviation))).collect();
    // The figures of all folds are told with and without test-time augmentation, the mean of what the folds end with.
    let averaged = if folds.is_augmented() { " with tta" } else { "" };
    format!("mean of {} folds{averaged}: {}\n", folds.each.len(), columns.join("; "))
}

fn line(what: &str, evaluation: &Evaluation) -> String {
    let metrics: Vec<String> = evaluation.metrics.iter().map(ToString::to_string).collect();
    format!(
        "{what}: {} on {} images of {}; loss {}\n",
        metrics.join("; "),
        evaluation.n,
        evaluation.set.word(),
        figure(evaluation.val_loss, 4)
    )
}

#[cfg(test)]
mod tests {
    use fastai_runtime::error::FailedStep;
    use fastai_runtime::report::{FailureKind, FoldSummary, RunFailure, RunFolder};

    use super::*;

    #[test]
    fn a_run_whose_training_lost_the_numbers_says_why_and_in_which_fold() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("run");
        let error = || {
            let step = FailedStep { number: 2, call: "fit(10.0, 5)".into() };
            RunError::LostWeights { step, parameter: "head.layers.1.norm.running_var".into(), clip_may_help: false }
        };
        let said = |folder: Option<&Path>| unfinished(error(), folder, true).text();
        assert_eq!(said(None), Some(error().to_string()));
        let text = format!("fold 2: {}", error());
        let failure =
            Some(RunFailure { kind: FailureKind::WeightsNotFinite, step: Some(2), lost_by: None, error: text.clone() });
        let run = RunFolder::create(Some(&folder), "A").unwrap();
        run.write_summary(&Summary { failure, ..Summary::default() }).unwrap();
        assert_eq!(said(Some(&folder)), Some(text));
        assert_eq!(places(&folder), format!("run folder: {}\n", folder.display()));
        std::fs::write(folder.join("report.html"), "").unwrap();
        assert!(places(&folder).ends_with(&format!("\nreport: {}\n", folder.join("report.html").display())));
    }

    #[test]
    fn a_mean_of_folds_says_whether_it_is_that_of_test_time_augmentation() {
        let found = |val_loss| Some(Evaluation { val_loss, ..Evaluation::default() });
        let fold = FoldSummary { r#final: found(0.5), ..FoldSummary::default() };
        let averaged = FoldSummary { tta: found(0.25), ..fold.clone() };
        let said = |fold: FoldSummary| spread(&Folds { count: 2, each: vec![fold.clone(), fold], ..Folds::default() });
        assert!(said(fold).starts_with("mean of 2 folds: loss 0.5000"));
        assert!(said(averaged).starts_with("mean of 2 folds with tta: loss 0.2500"));
    }
}
