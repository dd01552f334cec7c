//! `fastai validate`

use std::path::{Path, PathBuf};

use fastai_dsl::{Metric, Recipe, Source, TaskKind, Valid};
use fastai_runtime::RunError;
use fastai_runtime::data::figures::figure;
use fastai_runtime::data::{DataError, Finding, FindingKind};
use fastai_runtime::engine::{self, Measured, MeasuringLimits, ModelRun, Validated};
use fastai_runtime::metrics::{ClassRow, ClassScore, Confusion, Thresholds, Truth, class_table, confusion, tag_table};
use fastai_runtime::names::typed;
use fastai_runtime::progress::{self, Progress, Watch};
use fastai_runtime::report::{ByClass, Evaluation};

use super::failure::Failure;
use super::memory::NetworkMemory;
use super::numbers::thousands;
use super::saved::{self, SavedModel};
use super::table::table;

/// With more classes than this, the output shows the most confused pairs instead of the matrix.
const MATRIX: usize = 20;
/// Number of pairs in the output.
const PAIRS: usize = 20;
/// Number of classes or tags with their scores in the output.
const CLASSES: usize = 40;

#[derive(clap::Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    model: SavedModel,
    /// What is meant for `--data`
    #[arg(hide = true)]
    folder: Option<PathBuf>,
    /// Another data folder of the same layout or, for classes, one with a folder a class; the run's own unless given. The ensemble
    /// of a run with folds, and the model of a run that holds out no images, are measured on all images there, as are folders of
    /// classes
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    memory: NetworkMemory,
    /// Print JSON (JSON.md lists the fields)
    #[arg(long)]
    json: bool,
    /// Say nothing but the result, what limits it, warnings and errors
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: &ValidateArgs) -> Result<(), Failure> {
    if let Some(folder) = &args.folder {
        let (shown, data) = (folder.display(), typed(folder));
        return Err(Failure::Invalid(format!("{shown}: another data folder is named: `--data {data}`")));
    }
    if let Some(data) = args.data.as_ref().filter(|data| !data.is_dir()) {
        let is = if data.exists() { "is no folder" } else { "does not exist" };
        let path = std::path::absolute(data).unwrap_or_else(|_| data.clone());
        return Err(Failure::Failed(format!("--data {}: {} {is}", typed(data), path.display())));
    }
    let predictor = args.model.load()?;
    args.model.warn_of_run();
    let recipe = saved::recipe(&predictor)?;
    let root = match &args.data {
        Some(root) => root.clone(),
        None => recipe.data().root_in(&args.model.directory()?),
    };
    let stop = super::stop::signal();
    let mut progress = Noted { shown: progress::auto(args.quiet), quiet: args.quiet, notes: Vec::new() };
    if args.data.is_some() && args.model.folder().is_none() {
        progress.note(
            "the model lies outside the folder of its run, so whether it was trained on these images is not known",
        );
    }
    let watch = Watch { progress: &mut progress, stop: &stop };
    let limits = MeasuringLimits { workers: None, memory: args.memory.limit() };
    // Other data than the run's are new to all networks of an ensemble, and `valid: all` holds none of them out.
    let holds_out_none = matches!(recipe.data().valid, Valid::None) && !matches!(recipe.data().source, Source::Given);
    let is_ensemble = !predictor.folds().is_empty();
    let by_class = engine::lies_by_class(&recipe, &predictor, &root);
    if args.data.is_some() && !by_class {
        has_layout(&recipe, predictor.classes(), &root)?;
    }
    let all = args.data.is_some() && (is_ensemble || holds_out_none || by_class);
    let own_data = is_same(&recipe.data().root_in(&args.model.directory()?), &root);
    let run = args.model.folder().map(|folder| ModelRun { folder, own_data });
    let validated = match run {
        Some(run) => engine::validate_of_run(&recipe, &predictor, run, &root, all, limits, watch),
        None if all => engine::validate_all(&recipe, &predictor, &root, limits, watch),
        None => engine::validate(&recipe, &predictor, &root, limits, watch),
    };
    let validated = validated.map_err(|error| if args.data.is_some() { of_other_data(error) } else { error })?;
    let Noted { shown, notes, .. } = progress;
    drop(shown);
    let thresholds = predictor.thresholds(recipe.metrics().iter().find_map(Metric::fixed_threshold));
    if args.json {
        println!("{:#}", json(&validated, &thresholds, &notes));
    } else {
        print!("{}", text(&validated, &thresholds));
    }
    Ok(())
}

/// # Errors
/// If another data folder has neither the recipe's folder of training images nor its csv file: what to name instead.
fn has_layout(recipe: &Recipe, classes: &[String], root: &Path) -> Result<(), Failure> {
    let lacks = match &recipe.data().source {
        Source::Folders { train } if !root.join(train).is_dir() => {
            format!("{train:?}, in which the run found its classes: name a folder with such a folder")
        }
        Source::Csv { labels, images, .. } if !root.join(labels).is_file() => format!(
            "{labels:?}, from which the run read its labels: name a folder with such a file and the images below {images:?}"
        ),
        _ => return Ok(()),
    };
    let instead = match (recipe.task(), classes) {
        (TaskKind::SingleLabel, [class, ..]) => {
            let alike = other_case(classes, root).unwrap_or_default();
            format!(", or one with a folder of images a class, such as {class:?}{alike}")
        }
        (TaskKind::MultiLabel, _) => ": a folder a class has no tags".to_string(),
        _ => ": a folder a class has no numbers".to_string(),
    };
    Err(Failure::Failed(format!("{} has no {lacks}{instead}", root.display())))
}

/// That a folder has the name of a class in another case. It begins with `; `.
fn other_case(classes: &[String], root: &Path) -> Option<String> {
    let entries = root.read_dir().ok()?.flatten().filter(|entry| entry.path().is_dir());
    let folders: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    classes.iter().find_map(|class| {
        let folder = folders.iter().find(|folder| folder.to_lowercase() == class.to_lowercase())?;
        Some(format!("; {folder:?} is there: the names must have the case of the model's classes"))
    })
}

/// Says of findings that propose other keys of the recipe what helps where it cannot be changed.
fn of_other_data(mut error: RunError) -> RunError {
    use FindingKind::{Column, Place, Recipe, Rows, Split, Table, TooFew};
    if let RunError::Data(DataError { findings, notes }) = &mut error {
        let is_of_keys = |finding: &Finding| {
            let kind = &finding.kind;
            matches!(kind, Column { .. } | Place { .. } | Recipe | Rows { .. } | Split | Table { .. } | TooFew { .. })
        };
        if findings.iter().any(is_of_keys) {
            notes.push("`--data` is read as the recipe of the run says, which is fixed: change the folder".to_string());
        }
    }
    error
}

/// Shows what measuring reports, and keeps its notes, which belong to the result.
struct Noted {
    shown: Box<dyn Progress>,
    /// Whether `shown` shows nothing.
    quiet: bool,
    notes: Vec<String>,
}

impl Progress for Noted {
    fn inner(&mut self) -> Option<&mut dyn Progress> {
        Some(self.shown.as_mut())
    }

    fn note(&mut self, line: &str) {
        self.notes.push(line.to_string());
        if self.quiet {
            eprintln!("{line}");
        } else {
            self.shown.note(line);
        }
    }
}

/// Whether two paths lead to one folder.
fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(one, other)| one == other)
}

/// With more classes than this, the JSON has no whole matrix.
const WHOLE: usize = 1_000;

fn json(validated: &Validated, thresholds: &Thresholds, notes: &[String]) -> serde_json::Value {
    let set = |measured: &Measured| {
        let found = confused(measured);
        let scores = by_class(measured, found.as_ref(), thresholds);
        let matrix = found.map(|found| {
            // A whole matrix of 10,000 classes would be 200 MB of zeros.
            let counts = (found.classes.len() <= WHOLE).then(|| found.matrix());
            serde_json::json!({ "classes": found.classes, "cells": found.cells, "counts": counts })
        });
        serde_json::json!({ "evaluation": measured.evaluation, "confusion": matrix, "by_class": scores })
    };
    serde_json::json!({ "plain": set(&validated.plain), "tta": validated.tta.as_ref().map(set), "notes": notes })
}

fn text(validated: &Validated, thresholds: &Thresholds) -> String {
    let mut out = String::new();
    for measured in [Some(&validated.plain), validated.tta.as_ref()].into_iter().flatten() {
        out += &figures(&measured.evaluation);
    }
    let last = validated.tta.as_ref().unwrap_or(&validated.plain);
    let found = confused(last);
    out += &found.as_ref().map(matrix).unwrap_or_default();
    out += &by_class(last, found.as_ref(), thresholds).as_ref().map(scores).unwrap_or_default();
    out
}

/// What was taken for what; `None` unless an image has one class.
fn confused(measured: &Measured) -> Option<Confusion> {
    let of = &measured.predictions;
    match &of.targets {
        Some(Truth::Classes(truth)) => Some(confusion(&of.probabilities, truth, &of.classes)),
        Some(Truth::Tags { .. } | Truth::Values(_)) | None => None,
    }
}

/// The scores of each class or tag; `None` for regressions.
fn by_class(measured: &Measured, confusion: Option<&Confusion>, thresholds: &Thresholds) -> Option<ByClass> {
    let of = &measured.predictions;
    let table = match (confusion, &of.targets) {
        (Some(confusion), _) => class_table(confusion),
        (None, Some(truth @ Truth::Tags { .. })) => tag_table(&of.probabilities, truth, thresholds, &of.classes),
        (None, _) => return None,
    };
    Some(ByClass::new(&measured.evaluation.predictions, table))
}

/// `plain: accuracy 0.9825 (95 % 0.9643 to 0.9915), log_loss ..; loss 0.05; 400 images of valid`
pub fn figures(evaluation: &Evaluation) -> String {
    let metrics = evaluation.metrics.iter().map(ToString::to_string);
    let loss = format!("loss {}", figure(evaluation.val_loss, 4));
    let (images, set) = (if evaluation.n == 1 { "image" } else { "images" }, evaluation.set.word());
    let parts: Vec<String> = metrics.chain([loss, format!("{} {images} of {set}", evaluation.n)]).collect();
    format!("{}: {}\n", evaluation.predictions, parts.join("; "))
}

fn matrix(confusion: &Confusion) -> String {
    if confusion.classes.len() > MATRIX {
        return pairs(confusion);
    }
    let counts = confusion.matrix();
    let name = confusion.classes.iter().map(|c| c.chars().count()).max().unwrap_or(0).max("is \\ said".len());
    let widths: Vec<usize> = confusion
        .classes
        .iter()
        .enumerate()
        .map(|(said, class)| {
            let numbers = counts.iter().map(|row| row[said].to_string().len()).max().unwrap_or(0);
            numbers.max(class.chars().count())
        })
        .collect();
    let line = |first: &str, cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().zip(&widths).map(|(cell, w)| format!("{cell:>w$}")).collect();
        format!("{first:<name$}  {}\n", cells.join("  "))
    };
    let mut out = format!("\n{}", line("is \\ said", confusion.classes.clone()));
    for (class, row) in confusion.classes.iter().zip(&counts) {
        out += &line(class, row.iter().map(u64::to_string).collect());
    }
    out
}

fn pairs(confusion: &Confusion) -> String {
    let pairs = confusion.mistakes();
    let mut out = "\nmost confused:\n".to_string();
    for (count, truth, said) in pairs.iter().take(PAIRS) {
        out += &format!("{count:>5}  {} said to be {}\n", confusion.classes[*truth], confusion.classes[*said]);
    }
    if pairs.len() > PAIRS {
        out += &format!("       and {} more pairs\n", pairs.len() - PAIRS);
    }
    out
}

/// The scores of the classes or tags as a table, the worst first.
fn scores(by_class: &ByClass) -> String {
    let found = &by_class.table;
    let mut worst = found.worst_first();
    let tags = worst.iter().any(|row| row.threshold.is_some());
    let (what, many) = if tags { ("tag", "tags") } else { ("class", "classes") };
    worst.truncate(CLASSES);
    let cells = |row: &ClassRow| {
        let above = row.threshold.map_or_else(String::new, |threshold| threshold.to_string());
        let [precision, recall, f_beta] = [row.precision, row.recall, row.f_beta].map(score);
        [row.name.clone(), row.support.to_string(), above, row.said.to_string(), precision, recall, f_beta]
    };
    let head = [what, "support", "above", "said", "precision", "recall", &found.f_name()].map(str::to_string);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(worst.iter().copied().map(cells)).collect();
    let mut out = format!("\nthe lowest {} first, what has no image last, with 95 % intervals:\n", found.f_name());
    // Classes have no threshold.
    let classes = |[name, support, _, said, precision, recall, f_beta]: [String; 7]| {
        [name, support, said, precision, recall, f_beta]
    };
    out += &match tags {
        true => table(&rows, 6),
        false => table(&rows.into_iter().map(classes).collect::<Vec<_>>(), 5),
    };
    let more = found.rows.len() + found.left_out - worst.len();
    if more > 0 {
        out += &format!("and {} more {many}\n", thousands(more as u64));
    }
    out
}

/// `0.947 (0.821 to 0.986)`; a dash where there is nothing to measure.
fn score(score: Option<ClassScore>) -> String {
    let of = |ClassScore { value, interval: [low, high] }| format!("{value:.3} ({low:.3} to {high:.3})");
    score.map_or_else(|| "-".to_string(), of)
}
