//! `report.html`: a single file with a run's results and their origin.

use fastai_dsl::{StepKind, TaskKind, seeded_text};
use maud::{Markup, html};

use super::lost_folds::LostFolds;
use super::numbers::{duration, grouped, metric, short};
use super::page::{marked, page};
use super::record::metric_names;
use super::ruined::Ruined;
use super::summary::Shortfall;
use super::{
    Baseline, Evaluation, Gallery, Record, StageSummary, Status, Summary, folds, gallery, plot, ruin, tables, verdicts,
};
use crate::data::byte_units::in_units;
use crate::metrics::MetricValue;
use crate::train::{EpochRow, FitCurve};

/// A file of the run folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Path within the folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Renders the report as one self-contained page: styles and plots are inline, nothing is fetched, and no script runs.
///
/// All text from outside (class names, paths, the recipe) is escaped.
pub fn report(summary: &Summary, record: &Record, files: &[WrittenFile]) -> String {
    let (ruined, lost_folds) = (summary.ruined(), summary.lost_folds());
    // What the banner says is not said again.
    let told = [ruined.as_ref().map(|ruined| &ruined.verdict), summary.failure.as_ref().map(|failure| &failure.error)];
    let notes: Vec<&String> = summary.notes.iter().filter(|note| !told.contains(&Some(*note))).collect();
    let content = html! {
        h1 { (summary.name) }
        (quotation(summary))
        (banners(summary, ruined.as_ref(), lost_folds.as_ref()))
        (headline(summary, record))
        (verdicts::hindsight(summary))
        @match &summary.folds {
            Some(all) => (folds::section(all)),
            None => {
                h2 { "What each stage brought" }
                (stages(summary, ruined.as_ref().map(|ruined| ruined.ruin.step)))
            }
        }
        @if last_epoch(&record.fits).is_some() {
            h2 { "Epochs" }
            (epochs(&record.fits))
        }
        (plots(record))
        @if let Some(confusion) = &record.confusion {
            h2 { "Confusion" }
            @if let Some(found) = &summary.by_class { p.soft { "Predictions: " (found.predictions) "." } }
            (tables::confusion(confusion))
        }
        @if let Some(found) = &summary.by_class {
            h2 { @if summary.task == TaskKind::MultiLabel { "Tags" } @else { "Classes" } }
            (tables::by_class(found, summary.task))
        }
        @if let Some(shown) = record.gallery.as_ref().filter(|g| !g.groups.is_empty()) {
            @if !shown.points.is_empty() {
                h2 { "Predicted and true values" }
                (scatter(shown, summary.classes.first().map_or("value", String::as_str)))
            }
            h2 { "Images worth a look" }
            (gallery::gallery(shown, summary.task))
        }
        h2 { "Data" }
        (tables::data(&summary.counts, summary.task, &record.data))
        h2 { "Recipe" }
        pre { (seeded_text(&summary.recipe, summary.seed)) }
        h2 { "Run" }
        (tables::facts(summary))
        @if !notes.is_empty() {
            h2 { "Notes" }
            ul { @for note in notes { li { (marked(note)) } } }
        }
        @if !files.is_empty() {
            h2 { "Files" }
            table.narrow { tbody { @for file in files {
                tr { td { a href=(format!("./{}", file.name)) { (file.name) } } td.n { (in_units(file.bytes)) } }
            } } }
        }
    };
    page(&format!("{} – fastai run", summary.name), &content)
}

fn banners(summary: &Summary, ruined: Option<&Ruined>, lost_folds: Option<&LostFolds>) -> Markup {
    let baseline = summary.baseline.as_ref().filter(|_| ruined.is_none() && lost_folds.is_none());
    html! {
        @if summary.smoke {
            div.banner { "SMOKE RUN: two batches a stage, to see whether everything works. The numbers mean nothing." }
        }
        @match summary.status {
            Status::Complete => {},
            Status::Running => div.banner { "NOT COMPLETE: the run is going on, or was killed. The numbers are those of the stages that were finished." },
            Status::Stopped => div.banner { "STOPPED before the recipe's end: the numbers are those of the stages that were reached." },
            Status::Failed => div.banner {
                "FAILED: "
                @if let Some(failure) = &summary.failure { (marked(&failure.error)) ". The" } @else { "the" }
                " numbers are those of the stages that were reached."
            },
        }
        @if let Some(ruined) = ruined { div.banner { "TRAINING FAILED: " (marked(&ruined.to_string())) "." } }
        @if let Some(folds) = lost_folds { div.banner { "TRAINING FAILED in " (folds.which) ": " (marked(&folds.verdict)) "." } }
        @if let Some(warning) = baseline.and_then(Baseline::unbeaten) {
            @let shortfall = baseline.and_then(Baseline::shortfall);
            div.banner {
                @if shortfall == Some(Shortfall::NotShownBetter) { "NOT SHOWN TO BE BETTER THAN A CONSTANT: " }
                @else { "NOT BETTER THAN A CONSTANT: " }
                (warning) "."
            }
        }
    }
}

/// The recipe's doc comment, verbatim and marked as a quotation, since it may quote the results of others.
fn quotation(summary: &Summary) -> Markup {
    html! {
        @if let Some(doc) = &summary.doc {
            figure.quotation {
                blockquote { @for paragraph in doc.split("\n\n") { p { (paragraph) } } }
                figcaption { "The recipe's own words. Figures in them are not of this run." }
            }
        }
    }
}

fn headline(summary: &Summary, record: &Record) -> Markup {
    html! {
        div.cards {
            @if let Some(evaluation) = &summary.test_tta { (card("Test set, with test-time augmentation", evaluation)) }
            @if let Some(evaluation) = &summary.test { (card("Test set, measured once", evaluation)) }
            @if let Some(evaluation) = &summary.tta { (card("With test-time augmentation", evaluation)) }
            @if let Some(evaluation) = &summary.r#final {
                (card(if summary.folds.is_some() { "Out of fold" } else { "Last stage" }, evaluation))
            }
            @if summary.tta.is_none() && summary.r#final.is_none() {
                @match last_epoch(&record.fits) {
                    Some((step, row)) => (epoch_card(step, row)),
                    None => div.card { h3 { "Result" } p { "Nothing was measured." } },
                }
            }
            @if let Some(baseline) = &summary.baseline {
                div.card.plain {
                    h3 { "Always the same answer" }
                    p.value { (metric(baseline.value)) " " small { (baseline.metric.word()) } }
                    p { "Saying " q { (baseline.says) } " for every image." }
                }
            }
        }
    }
}

/// The last epoch of a run, with the number of its step.
fn last_epoch(fits: &[FitCurve]) -> Option<(usize, &EpochRow)> {
    fits.iter().rev().find_map(|fit| Some((fit.step + 1, fit.epochs.last()?)))
}

/// What the last epoch of a run without a final measurement reached.
fn epoch_card(step: usize, row: &EpochRow) -> Markup {
    html! {
        div.card {
            h3 { "Last measured" }
            @match row.metrics.first() {
                Some((name, value)) => p.value { (metric(*value)) " " small { (name) } },
                None => p.value { (metric(row.trn_loss)) " " small { "training loss" } },
            }
            p.soft {
                "After epoch " (row.epoch) " of step " (step)
                @if !row.metrics.is_empty() {
                    "; training loss " (metric(row.trn_loss)) ", validation loss " (metric(row.val_loss))
                }
            }
        }
    }
}

fn card(title: &str, evaluation: &Evaluation) -> Markup {
    html! {
        div.card {
            h3 { (title) }
            @match evaluation.metrics.first() {
                Some(first) => { p.value { (metric(first.value)) " " small { (first.name) } } (honesty(first)) }
                None => p.value { (metric(evaluation.val_loss)) " " small { "loss" } },
            }
            @for other in evaluation.metrics.iter().skip(1) {
                p { strong { (metric(other.value)) } " " (other.name) }
                (honesty(other))
            }
            p.soft {
                (grouped(evaluation.n as u64)) " " (evaluation.set.word()) " images; " (evaluation.predictions)
                @if !evaluation.metrics.is_empty() { "; loss " (metric(evaluation.val_loss)) }
            }
        }
    }
}

/// The uncertainty of the value, and what makes it optimistic.
fn honesty(value: &MetricValue) -> Markup {
    html! {
        p.soft {
            @match value.interval {
                Some([low, high]) => { "95 % interval " (metric(low)) " – " (metric(high)) }
                None => "no interval",
            }
            ", n\u{a0}=\u{a0}" (grouped(value.n as u64))
        }
        @if let Some(chosen) = &value.chosen_here { p.note { "Flattered: " (chosen) " was chosen on these images." } }
    }
}

/// `in_banner` is the first step whose failure the banner tells.
fn stages(summary: &Summary, in_banner: Option<usize>) -> Markup {
    let mut before: Option<&Evaluation> = None;
    html! {
        p.soft {
            "Each fit against the one before it, on the validation images. A change is called clear if the 95 % intervals "
            "of the two do not meet; all figures are of the same images, so smaller changes may be real, too."
        }
        div.wide { table {
            thead { tr {
                th.n { "step" } th { "what" } th.n { "size" } th { "trains" } th.n { "time" } th.n { "images/s" } th { "brought" }
            } }
            tbody { @for stage in &summary.stages {
                tr {
                    td.n { (stage.step + 1) }
                    td.what { code { (stage.text) } }
                    td.n { @if stage.size > 0 { (stage.size) } }
                    td { @if let Some(trains) = &stage.trains { (trains) } (cache(stage)) }
                    td.n { @if stage.seconds > 0.0 { (duration(stage.seconds)) } }
                    td.n { @if stage.images > 0 { (short(stage.images_per_s)) } }
                    td.brought { (brought(stage, before, in_banner.is_some_and(|first| first <= stage.step))) }
                }
                ({ if stage.kind == StepKind::Fit && stage.evaluation.is_some() { before = stage.evaluation.as_ref(); } "" })
            } }
        } }
    }
}

fn cache(stage: &StageSummary) -> Markup {
    html! { @if let Some(cache) = &stage.cache {
        div { small {
            @if cache.incomplete { "incomplete cache, " (duration(cache.seconds)) }
            @else if cache.found { "cache found" }
            @else { "cache built in " (duration(cache.seconds)) }
            ": " (cache.path)
        } }
    } }
}

/// What a stage brought; `in_banner` says whether its course is told at the top of the page.
fn brought(stage: &StageSummary, before: Option<&Evaluation>, in_banner: bool) -> Markup {
    html! {
        @if let Some(rate) = stage.suggestion { "rate " strong { (short(rate)) } }
        @if let Some(after) = &stage.evaluation {
            @match after.metrics.first() {
                Some(first) => {
                    @let old = before.and_then(|b| b.metrics.iter().find(|m| m.name == first.name));
                    (first.name) " " @if let Some(old) = old { (metric(old.value)) " → " } strong { (metric(first.value)) }
                    @if let Some([low, high]) = first.interval { div.soft { small { "95 %: " (metric(low)) " – " (metric(high)) } } }
                }
                None => {
                    "loss " @if let Some(old) = before { (metric(old.val_loss)) " → " } strong { (metric(after.val_loss)) }
                }
            }
            @if let Some(before) = before { (verdicts::verdict(stage, before, after)) }
        }
        @if let Some(epoch) = stage.turned_at.filter(|_| stage.failure().is_none()) {
            div.note { "▲ validation loss rose after epoch " (epoch) " while training loss fell" }
        }
        @if stage.stays_lost {
            div.note { "on weights that an earlier fit had lost: see " @if in_banner { "above" } @else { "that step" } }
        }
        @if let Some(judgement) = &stage.judgement {
            div.note { strong { (ruin::name(judgement.course)) } " from epoch " (judgement.epoch)
                ": see " @if in_banner { "above" } @else { "the notes" } }
        }
    }
}

fn epochs(fits: &[FitCurve]) -> Markup {
    let names = metric_names(fits.iter().flat_map(|fit| &fit.epochs));
    let is_marked = fits.iter().any(|fit| fit.epochs.windows(2).any(|two| rises(&two[0], &two[1])));
    html! {
        p.soft { "Training loss is smoothed and measured with augmentation and dropout, so it may lie above the validation loss."
            @if is_marked { " " span.note { "▲" } " the validation loss rose while the training loss fell." } }
        div.wide { table.narrow {
            thead { tr {
                th.n { "step" } th.n { "epoch" } th.n { "trn_loss" } th.n { "val_loss" }
                @for name in &names { th.n { (name) } }
                th.n { "time" }
            } }
            tbody { @for fit in fits { @for (i, row) in fit.epochs.iter().enumerate() {
                @let rose = i > 0 && rises(&fit.epochs[i - 1], row);
                tr.first[i == 0] {
                    td.n { @if i == 0 { (fit.step + 1) } }
                    td.n { (row.epoch) }
                    td.n { (metric(row.trn_loss)) }
                    td.n { @if rose { span.note { "▲ " } } (metric(row.val_loss)) }
                    @for name in &names {
                        td.n { @if let Some((_, value)) = row.metrics.iter().find(|(n, _)| n == name) { (metric(*value)) } }
                    }
                    td.n { (duration(row.seconds)) }
                }
            } } }
        } }
    }
}

fn rises(before: &EpochRow, row: &EpochRow) -> bool {
    row.val_loss > before.val_loss && row.trn_loss < before.trn_loss
}

/// The predicted numbers over the true ones.
fn scatter(shown: &Gallery, name: &str) -> Markup {
    let caption = html! {
        "Each dot is a validation image" @if (shown.points.len() as u64) < shown.n { ", of which some are shown" }
        " (" (shown.made) "). On the line, the predicted value is the true one."
    };
    html! { div.square { (tables::figure(plot::predicted(&shown.points, name), caption)) } }
}

fn plots(record: &Record) -> Markup {
    html! {
        @if !record.fits.is_empty() {
            h2 { "Training" }
            (tables::figure(plot::losses(&record.fits), html! { "Loss over all fits. Dashed lines: where a fit begins. A few very high first batches may be cut at the top; epochs far above all batches lie at the top edge." }))
            (tables::figure(plot::rates(&record.fits), html! { "Learning rate of each layer group over all fits." }))
        }
        @if !record.finds.is_empty() {
            h2 { "Learning rate finder" }
            @for find in &record.finds {
                (tables::figure(plot::find(find), html! {
                    "Step " (find.step + 1) ": " code { (find.title) }
                    @match find.suggestion {
                        Some(rate) => { ". Suggested: " (short(rate)) @if !find.rule.is_empty() { " (" (find.rule) ")" } "." }
                        None => ". Nothing was suggested.",
                    }
                }))
            }
        }
    }
}
