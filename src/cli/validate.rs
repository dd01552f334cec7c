//! `fastai validate`

use std::path::PathBuf;

use fastai_dsl::{Metric, Recipe};
use fastai_runtime::engine::{self, Measured, Validated};
use fastai_runtime::metrics::{Confusion, TagRow, Truth, confusion, tag_table};
use fastai_runtime::predict::Predictor;
use fastai_runtime::progress::{self, Watch};
use fastai_runtime::report::Evaluation;

use super::failure::Failure;
use super::saved::{self, SavedModel};

/// With more classes than this, the output shows the most confused pairs instead of the matrix.
const MATRIX: usize = 20;
/// Number of pairs in the output.
const PAIRS: usize = 20;

#[derive(clap::Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    model: SavedModel,
    /// Another data folder of the same layout; the run's own unless given. The ensemble of a run with folds is measured on all
    /// images there
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Say nothing but the result and errors
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: &ValidateArgs) -> Result<(), Failure> {
    let predictor = args.model.load()?;
    let recipe = saved::recipe(&predictor)?;
    let root = match &args.data {
        Some(root) => root.clone(),
        None => args.model.directory()?.join(&recipe.data().root),
    };
    let stop = super::stop::signal();
    let mut progress = progress::auto(args.quiet);
    let watch = Watch { progress: progress.as_mut(), stop: &stop };
    // Other data than the run's are new to all networks of an ensemble.
    let validated = match args.data.is_some() && !predictor.folds().is_empty() {
        true => engine::validate_all(&recipe, &predictor, &root, None, watch)?,
        false => engine::validate(&recipe, &predictor, &root, None, watch)?,
    };
    drop(progress);
    if args.json {
        println!("{:#}", json(&validated));
    } else {
        print!("{}", text(&recipe, &validated, &predictor));
    }
    Ok(())
}

/// With more classes than this, the JSON has no whole matrix.
const WHOLE: usize = 1_000;

fn json(validated: &Validated) -> serde_json::Value {
    let set = |measured: &Measured| {
        let matrix = match &measured.predictions.targets {
            Some(Truth::Classes(truth)) => {
                let found = confusion(&measured.predictions.probabilities, truth, &measured.predictions.classes);
                // A whole matrix of 10,000 classes would be 200 MB of zeros.
                let counts = (found.classes.len() <= WHOLE).then(|| found.matrix());
                Some(serde_json::json!({ "classes": found.classes, "cells": found.cells, "counts": counts }))
            }
            _ => None,
        };
        serde_json::json!({ "evaluation": measured.evaluation, "confusion": matrix })
    };
    serde_json::json!({ "plain": set(&validated.plain), "tta": validated.tta.as_ref().map(set) })
}

fn text(recipe: &Recipe, validated: &Validated, predictor: &Predictor) -> String {
    let mut out = String::new();
    for measured in [Some(&validated.plain), validated.tta.as_ref()].into_iter().flatten() {
        out += &figures(&measured.evaluation);
    }
    let last = &validated.tta.as_ref().unwrap_or(&validated.plain).predictions;
    match &last.targets {
        Some(Truth::Classes(truth)) => out += &matrix(&confusion(&last.probabilities, truth, &last.classes)),
        Some(truth @ Truth::Tags { .. }) => {
            let thresholds = predictor.thresholds(recipe.metrics().iter().find_map(Metric::fixed_threshold));
            out += &tags(&tag_table(&last.probabilities, truth, &thresholds, &last.classes));
        }
        Some(Truth::Values(_)) | None => {}
    }
    out
}

/// `plain: accuracy 0.9825 (95 % 0.9643 to 0.9915), log_loss ..; loss 0.05; 400 images of valid`
pub fn figures(evaluation: &Evaluation) -> String {
    let metrics: Vec<String> = evaluation.metrics.iter().map(ToString::to_string).collect();
    format!(
        "{}: {}; loss {:.4}; {} images of {}\n",
        evaluation.predictions,
        metrics.join("; "),
        evaluation.val_loss,
        evaluation.n,
        evaluation.set
    )
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

fn tags(rows: &[TagRow]) -> String {
    let name = rows.iter().map(|row| row.tag.chars().count()).max().unwrap_or(0).max(3);
    let mut out = format!("\n{:<name$}  support  above   said  precision  recall     F2\n", "tag");
    let share = |x: f64| if x.is_nan() { "-".to_string() } else { format!("{x:.3}") };
    for row in rows {
        let (precision, recall, f2) = (share(row.precision), share(row.recall), share(row.f2));
        let counts = format!("{:>7}  {:>5}  {:>5}", row.support, row.threshold, row.said);
        out += &format!("{:<name$}  {counts}  {precision:>9}  {recall:>6}  {f2:>5}\n", row.tag);
    }
    out
}
