//! The report's large tables: the data set, the confusion matrix, the scores of each class or tag.

use fastai_dsl::TaskKind;
use maud::{Markup, PreEscaped, html};

use super::numbers::{duration, grouped, metric, rates};
use super::page::marked;
use super::record::{ClassCount, DataOverview};
use super::{ByClass, Counts, Summary};
use crate::metrics::{ClassScore, Confusion};

/// With more classes than this, the list is collapsed, the confusion shown as pairs, and only the worst scores are listed.
const MANY: usize = 40;
/// With more letters than this in the names of all classes, the columns of the confusion stand as wide as their figures, their
/// names upright: side by side, the names would be wider than the page.
const LETTERS: usize = 60;
/// Most confused pairs listed.
const PAIRS: usize = 30;
/// Classes with the lowest scores listed.
const WORST: usize = 30;

pub fn data(counts: &Counts, task: TaskKind, data: &DataOverview) -> Markup {
    let what = if task == TaskKind::MultiLabel { "tag" } else { "class" };
    html! {
        p {
            (grouped(counts.train as u64)) " training, " (grouped(counts.valid as u64)) " validation"
            @if counts.test > 0 { ", " (grouped(counts.test as u64)) " test" } " images"
            @if !data.classes.is_empty() { "; " (data.classes.len()) @if what == "tag" { " tags" } @else { " classes" } }
            "."
            @if what == "tag" && !data.classes.is_empty() { span.soft { " An image counts for each of its tags." } }
        }
        @if data.classes.len() > MANY {
            details { summary { "Images of each " (what) } (class_counts(what, &data.classes)) }
        } @else if !data.classes.is_empty() {
            (class_counts(what, &data.classes))
        }
        @if !data.histograms.is_empty() {
            div.cards.pairs { @for bars in &data.histograms { (bars.card()) } }
        }
    }
}

/// The images of each class or tag, whichever `what` says, with bars.
pub fn class_counts(what: &str, classes: &[ClassCount]) -> Markup {
    let bar = bars_of(classes);
    html! {
        div.wide { table {
            thead { tr { th { (what) } th.n { "train" } th.n { "valid" } th { "share of the largest, train" } } }
            tbody { @for class in classes { tr {
                th.name { (class.name) } td.n { (grouped(class.train as u64)) } td.n { (grouped(class.valid as u64)) }
                td.bar { (bar(class)) }
            } } }
        } }
    }
}

/// Draws training images as a share of those of the largest class.
pub fn bars_of(classes: &[ClassCount]) -> impl Fn(&ClassCount) -> Markup {
    let most = classes.iter().map(|class| class.train).max().unwrap_or(0).max(1);
    move |class: &ClassCount| html! { i style=(format!("width:{:.1}%", 100.0 * class.train as f64 / most as f64)) {} }
}

pub fn confusion(confusion: &Confusion) -> Markup {
    if confusion.classes.len() > MANY { pairs(confusion) } else { matrix(confusion) }
}

fn matrix(confusion: &Confusion) -> Markup {
    let many = confusion.classes.len() > 8;
    let letters: usize = confusion.classes.iter().map(|name| name.chars().count()).sum();
    let upright = many || letters > LETTERS;
    html! {
        p.soft { "Rows: what an image is. Columns: what it was said to be. Coloured by the share of the row." }
        div.wide {
            table.matrix.many[many].upright[upright] {
                thead { tr { th { "is \\ said" } @for name in &confusion.classes { th.said { (name) } } th.n { "right" } } }
                tbody {
                    @for (truth, (name, row)) in confusion.classes.iter().zip(confusion.matrix()).enumerate() {
                        @let sum = row.iter().sum::<u64>();
                        tr {
                            th.name { (name) }
                            @for (said, count) in row.iter().enumerate() { (cell(truth == said, *count, sum)) }
                            td.n { (share(row.get(truth).copied().unwrap_or(0), sum)) }
                        }
                    }
                }
            }
        }
    }
}

fn cell(right: bool, count: u64, sum: u64) -> Markup {
    let share = if sum == 0 { 0.0 } else { count as f64 / sum as f64 };
    // Mistakes are few, so their colour scale is steeper.
    let depth = if right { share } else { share.sqrt() } * 0.9;
    let class = match (right, depth > 0.5) {
        (true, true) => "on strong",
        (true, false) => "on",
        (false, true) => "off strong",
        (false, false) => "off",
    };
    if count == 0 {
        return html! { td.soft { "·" } };
    }
    html! { td class=(class) style=(format!("--share:{depth:.3}")) title=(share_of(share)) { (grouped(count)) } }
}

fn pairs(confusion: &Confusion) -> Markup {
    let mut pairs = confusion.mistakes();
    let all = pairs.len();
    pairs.truncate(PAIRS);
    let support = confusion.support();
    let name = |class: usize| confusion.classes.get(class).map_or("?", String::as_str);
    html! {
        p.soft {
            (confusion.classes.len()) " classes are too many for a matrix: the most confused pairs, "
            (pairs.len()) " of " (grouped(all as u64)) "."
        }
        div.wide { table {
            thead { tr { th { "is" } th { "was said to be" } th.n { "times" } th.n { "of all that are" } } }
            tbody { @for (count, truth, said) in pairs {
                @let sum = support[truth];
                tr {
                    th.name { (name(truth)) } td.name { (name(said)) }
                    td.n { (grouped(count)) } td.n { (share(count, sum)) " of " (grouped(sum)) }
                }
            } }
        } }
    }
}

pub fn by_class(found: &ByClass, task: TaskKind) -> Markup {
    let (table, tags) = (&found.table, task == TaskKind::MultiLabel);
    let (all, what) = (table.rows.len() + table.left_out, if tags { "tags" } else { "classes" });
    let mut rows = table.worst_first();
    if all > MANY {
        rows.truncate(WORST);
    }
    html! {
        p.soft {
            @if tags {
                "Support: images that have the tag. Above: the probability above which it is said. Precision: how many of "
                "the images said to have it do. Recall: how many of those that have it were found. F2 counts recall twice "
                "as much."
            } @else {
                "Support: images of the class. Precision: how many of the images said to be of it are. Recall: how many of "
                "its images were found. F1 is the harmonic mean of the two."
            }
            " Below each is its 95 % interval. The lowest " (table.f_name()) " comes first, what has no image last. Predictions: "
            (found.predictions) "."
            @if rows.len() < all {
                " " (rows.len()) " of " (grouped(all as u64)) " " (what) "; " code { (Summary::FILE) } " has "
                (grouped(table.rows.len() as u64)) "."
            }
        }
        div.wide { table {
            thead { tr {
                th { @if tags { "tag" } @else { "class" } } th.n { "support" } @if tags { th.n { "above" } } th.n { "said" }
                th.n { "precision" } th.n { "recall" } th.n { (table.f_name()) } th { }
            } }
            tbody { @for row in rows {
                tr {
                    th.name { (row.name) }
                    td.n { (grouped(row.support)) }
                    @if tags { td.n { @if let Some(threshold) = row.threshold { (threshold) } } }
                    td.n { (grouped(row.said)) }
                    (score(row.precision)) (score(row.recall)) (score(row.f_beta))
                    td.bar { i style=(format!("width:{:.1}%", 100.0 * row.f_beta.map_or(0.0, |f| f.value))) {} }
                }
            } }
        } }
    }
}

/// A score above its interval; a dash where there is nothing to measure.
fn score(score: Option<ClassScore>) -> Markup {
    html! {
        td.n {
            @match score {
                Some(score) => {
                    @let [low, high] = score.interval;
                    (metric(score.value)) div { small { (metric(low)) " – " (metric(high)) } }
                }
                None => (metric(f64::NAN)),
            }
        }
    }
}

/// The facts of the run: recipe, device and the reason for it.
pub fn facts(summary: &Summary) -> Markup {
    html! {
        dl {
            dt { "Device" } dd { (summary.device) @if !summary.device_reason.is_empty() { span.soft { " – " (marked(&summary.device_reason)) } }
                @if let Some(half) = summary.half { span.soft { " – training convolves in " (half.word()) } } }
            dt { "CPU threads" } dd { (summary.threads) }
            dt { "Seed" } dd { (summary.seed) }
            dt { "Wall time" } dd { (duration(summary.seconds)) }
            @if !summary.found_rates.is_empty() {
                dt { "Rates found" } dd { (rates(&summary.found_rates)) }
            }
        }
    }
}

/// A plot with its caption; `svg` is markup that [`super::plot`] made.
pub fn figure(svg: String, caption: Markup) -> Markup {
    html! { figure { figcaption { (caption) } div.plot { (PreEscaped(svg)) } } }
}

fn share(count: u64, sum: u64) -> String {
    if sum == 0 { "–".to_string() } else { share_of(count as f64 / sum as f64) }
}

fn share_of(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stand_upright_over_the_columns() {
        let page = |letters: [usize; 2]| {
            let classes = letters.map(|letters| "n".repeat(letters)).to_vec();
            confusion(&Confusion { classes, cells: vec![(0, 0, 3), (1, 0, 1)] }).into_string()
        };
        assert!(page([30, 30]).contains("class=\"matrix\""));
        assert!(page([30, 31]).contains("class=\"matrix upright\""));
    }
}
