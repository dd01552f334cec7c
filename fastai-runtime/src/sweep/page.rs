//! `report.html` of a sweep.

use maud::{Markup, html};

use super::{AllDiverged, Fate, Standing, Standings, SweepOrigin};
use crate::report::numbers::{duration, metric};
use crate::report::page::marked;
use crate::report::{self, plot, tables};

/// Candidates that the plot shows.
const SHOWN: usize = 40;
/// Values of up to so many bytes are not broken over lines.
const WHOLE: usize = 24;

/// The score of each run, the best candidate first, as SVG.
pub fn scores(table: &Standings) -> String {
    let rows: Vec<(String, Vec<f64>)> = table
        .standings
        .iter()
        .enumerate()
        .filter(|(_, standing)| !standing.runs.is_empty())
        .take(SHOWN)
        .map(|(row, standing)| (format!("{}", row + 1), standing.runs.iter().map(|run| run.score).collect()))
        .collect();
    plot::dots(&rows, "candidate, the best first", &table.metric)
}

/// The scores over the values of one key: one entry for each value, in the order in which they were given.
fn over_key(table: &Standings, key: &str) -> Vec<(String, Vec<f64>)> {
    let mut standings: Vec<&Standing> = table.standings.iter().collect();
    standings.sort_by_key(|standing| standing.candidate);
    let mut rows: Vec<(String, Vec<f64>)> = Vec::new();
    for standing in standings {
        let Some((_, value)) = standing.settings.iter().find(|(k, _)| k == key) else { continue };
        let scores = standing.runs.iter().map(|run| run.score);
        match rows.iter_mut().find(|(v, _)| v == value) {
            Some((_, all)) => all.extend(scores),
            None => rows.push((value.clone(), scores.collect())),
        }
    }
    // Drawn values come in no order.
    if rows.iter().all(|(value, _)| value.parse::<f64>().is_ok()) {
        rows.sort_by(|a, b| {
            let number = |row: &(String, Vec<f64>)| row.0.parse().unwrap_or(f64::NAN);
            number(a).total_cmp(&number(b))
        });
    }
    rows
}

/// Renders the report as one self-contained page of the sweep that began with `origin`; there is no best candidate if all
/// `diverged`.
pub fn page(table: &Standings, origin: &SweepOrigin, diverged: Option<&AllDiverged>) -> String {
    let keys: Vec<&String> =
        table.standings.first().map_or_else(Vec::new, |s| s.settings.iter().map(|(k, _)| k).collect());
    let content = html! {
        h1 { (table.name) ": sweep" }
        p.soft { (extent(table)) }
        @if table.complete < table.trials && table.standings.iter().any(|s| s.fate == Fate::Unfinished) {
            div.banner { "NOT COMPLETE: " (table.complete) " of " (table.trials) " runs. " code { "fastai sweep --resume" } " runs the others." }
        }
        @if let Some(caveat) = table.caveat() {
            div.banner { "NOT COMPARABLE: " (caveat) "." }
        }
        @if let Some(diverged) = diverged {
            div.banner { "TRAINING FAILED: " (marked(&diverged.to_string())) "." }
        } @else if let Some(best) = table.best() {
            div.cards {
                div.card {
                    h3 { "Best" }
                    p.value { (metric(best.mean)) " " small { (table.metric) } }
                    p { code { (best.describe()) } }
                    @if best.is_ruined() {
                        p.note { "No candidate ended sound; this one: " (marked(&best.fate_in_words())) "." }
                    }
                    @if table.different_images {
                        p.note { "Chosen among " (table.standings.len()) " that were not measured on the same images." }
                    } @else {
                        p.soft { "Chosen among " (table.standings.len()) " on these very images, which flatters it: measure it on others." }
                    }
                }
            }
        }
        h2 { "Candidates" }
        (candidates(table, &keys))
        h2 { "Scores" }
        (tables::figure(scores(table), html! { "Each dot is a run, each line the mean of a candidate. The numbers are those of the table." }))
        @for key in keys.iter().filter(|_| keys.len() > 1) {
            @let rows = over_key(table, key);
            @if rows.len() > 1 && rows.len() <= SHOWN {
                (tables::figure(plot::dots(&rows, key, &table.metric), html! { "All runs over the values of " code { (key) } "." }))
            }
        }
        h2 { "Recipe" }
        @if !origin.set.is_empty() {
            p { "With these changes, the same for all candidates:" @for set in &origin.set { " " code { "--set " (set) } } }
        }
        pre { (origin.text) }
    };
    report::page::page(&format!("{} – fastai sweep", table.name), &content)
}

fn extent(table: &Standings) -> String {
    let seeds: Vec<String> = table.seeds.iter().map(u64::to_string).collect();
    let most = table.seeds.len() * table.folds;
    let up_to = if table.standings.iter().all(|standing| standing.trials == most) { "" } else { "up to " };
    let folds = if table.folds > 1 { format!(", {up_to}{} folds", table.folds) } else { String::new() };
    let seconds: f64 = table.standings.iter().map(|s| s.seconds).sum();
    format!(
        "{} candidates, {} of {} runs complete (seeds {}{folds}); {} of work in all; compared by {}, {} is better",
        table.standings.len(),
        table.complete,
        table.trials,
        seeds.join(", "),
        duration(seconds),
        table.metric,
        table.direction.word()
    )
}

fn candidates(table: &Standings, keys: &[&String]) -> Markup {
    html! {
        p.soft {
            "The difference is that of the runs with the same seed" @if table.folds > 1 { " and fold" } ", against the best. Its 95 % "
            "interval is a bootstrap over runs and validation images, the same images for both; it does not allow for the number "
            "of candidates."
            @if table.folds > 1 {
                " Out of fold: the predictions for all images together, each by the network that did not train on it"
                @if table.best().is_some_and(|best| best.out_of_fold.is_some()) {
                    "; those of the best are in " code { "out_of_fold.csv" }
                }
                "."
            }
            @if table.standings.iter().any(|s| matches!(s.fate, Fate::Stopped { .. })) {
                " A stopped candidate was in the worse half after a quarter or after half of its epochs (successive halving)."
            }
        }
        div.wide { table {
            thead { tr {
                th.n { "no." }
                @for key in keys { th { code { (key) } } }
                th.n { (table.metric) }
                @if table.folds > 1 { th.n { "out of fold" } }
                th.n { "deviation" } th.n { "runs" } th { "against the best" } th.n { "time" } th { "" }
            } }
            tbody { @for (row, standing) in table.standings.iter().enumerate() { tr {
                td.n { (row + 1) }
                @for (_, value) in &standing.settings { td.whole[value.len() <= WHOLE] { code { (value) } } }
                td.n { @if !standing.runs.is_empty() { strong { (metric(standing.mean)) } } }
                @if table.folds > 1 { td.n { @if let Some(whole) = standing.out_of_fold { (metric(whole)) } } }
                td.n { @if let Some(deviation) = standing.deviation { (metric(deviation)) } }
                td.n { (standing.runs.len()) }
                td { (difference(standing)) }
                td.n { @if standing.seconds > 0.0 { (duration(standing.seconds)) } }
                td { @if standing.fate != Fate::Complete || standing.is_ruined() { span.note { (marked(&standing.fate_in_words())) } } }
            } } }
        } }
    }
}

fn difference(standing: &Standing) -> Markup {
    html! {
        @if let Some(difference) = standing.difference {
            (format!("{difference:+.4}"))
            @if let Some([low, high]) = standing.interval { " " small { (format!("95 %: {low:+.4} to {high:+.4}")) } }
        }
    }
}
