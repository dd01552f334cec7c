//! Verifies a recipe against the summary of its data.

use std::collections::BTreeSet;

use super::{Cells, DataSummary};
use crate::catalog as c;
use crate::check::{self, Checked};
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::Draft;
use crate::recipe::{ClassWeights, Column, Recipe, Source, TaskKind, Valid};
use crate::suggest::did_you_mean;

/// Separators of tags other than the recipe's.
const SEPARATORS: [&str; 4] = [" ", ";", ",", "|"];
const ANEW: &str = "write it anew: `fastai prepare FILE`";

/// Verifies a checked recipe against the summary's text and adds lints to its warnings.
///
/// # Errors
/// All contradictions, with the recipe's warnings.
pub fn verify(mut checked: Checked, draft: &Draft, summary: &str) -> Result<Checked, Diagnostics> {
    let found = match DataSummary::parse(summary) {
        Ok(summary) => summary.verify(&checked.recipe, draft),
        Err(why) => {
            let mut out = Diagnostics::default();
            let message = format!("the summary of the data cannot be read: {why}");
            out.error(&c::SUMMARY_UNREADABLE, site(draft, "data", None), message, ANEW);
            out
        }
    };
    let failed = found.has_errors();
    checked.warnings.extend(found);
    if failed { Err(checked.warnings) } else { Ok(checked) }
}

impl DataSummary {
    /// Verifies a recipe against its data.
    pub fn verify(&self, recipe: &Recipe, draft: &Draft) -> Diagnostics {
        let mut out = Diagnostics::default();
        let data = recipe.data();
        let at = |key: &str| site(draft, "data", Some(key));
        if DataSummary::source_of(data) != self.source {
            let message = format!("the summary is of {}, the recipe names other data", self.source.join(" "));
            out.error(&c::SUMMARY_STALE, site(draft, "data", None), message, ANEW);
            return out;
        }
        if let Source::Csv { id, label, columns, suffix, .. } = &data.source {
            self.column("id", id, at("id"), &mut out);
            self.suffix(suffix, at("suffix"), &mut out);
            for column in columns {
                self.column("columns", column, at("columns"), &mut out);
            }
            let found = match columns[..] {
                [] => self.column("label", label, at("label"), &mut out),
                _ => None,
            };
            if recipe.task() == TaskKind::Regression && found == Some(Cells::Text) {
                self.not_numbers(label, at("label"), &mut out);
            }
        }
        match &data.valid {
            Valid::Column(name) => {
                let found = self.column("valid", &Column::Name(name.clone()), at("valid"), &mut out);
                if found.is_some_and(|cells| cells != Cells::Flag) {
                    let message = format!("column `{name}` does not say which images are held out");
                    out.push(
                        Diagnostic::error(&c::COLUMN_KIND, at("valid"), message)
                            .help(self.columns_of(|cells| cells == Cells::Flag, "valid: random(0.2)"))
                            .note("each of its cells must be 0, 1, true or false"),
                    );
                }
            }
            valid => {
                if let Some(column) = valid.group() {
                    self.column("valid", &Column::Name(column.to_string()), at("valid"), &mut out);
                }
            }
        }
        if out.has_errors() {
            return out;
        }
        let labels = DataSummary::labels_of(recipe);
        if !self.labels.is_empty() && self.labels != labels {
            let message = format!(
                "the summary counted the labels of {}, the recipe reads {}",
                self.labels.join(" "),
                labels.join(" ")
            );
            out.error(&c::SUMMARY_STALE, site(draft, "data", None), message, ANEW);
            return out;
        }
        // The following checks are about classes.
        if recipe.task() == TaskKind::Regression {
            return out;
        }
        self.class_weights(recipe, site(draft, "class_weights", None), &mut out);
        self.split(&data.valid, at("valid"), &mut out);
        let separated = self.tags(recipe, at("separator"), &mut out);
        self.number_of_classes(recipe, site(draft, "data", None), &mut out);
        if separated && !out.has_errors() {
            self.another_task(recipe, draft, &mut out);
            self.classes_alike(draft, &mut out);
            self.top_k(recipe, draft, &mut out);
        }
        out
    }

    /// Reports a column that the csv does not have; returns the kind of its cells, if known.
    fn column(&self, key: &str, column: &Column, site: Site, out: &mut Diagnostics) -> Option<Cells> {
        let header = self.header.as_deref();
        let position = match column {
            Column::Position(position) => *position as usize,
            Column::Name(name) => {
                let found = header?.iter().position(|h| h == name);
                if found.is_none() {
                    let help = did_you_mean(name, header?.iter().map(String::as_str));
                    let message = format!("the csv has no column `{name}`");
                    out.error(&c::NO_COLUMN, site, message, help);
                }
                found?
            }
        };
        let count = header.map_or(self.columns.len(), <[String]>::len);
        if count > 0 && position >= count {
            let named = header.map_or(String::new(), |h| format!(", `{}`", h.join("`, `")));
            let message = format!("`{key}` is column {position}, the csv has {count}{named}");
            let help = format!("columns count from 0: at most `{key}: {}`", count - 1);
            out.error(&c::NO_COLUMN, site, message, help);
        }
        self.columns.get(position).copied()
    }

    /// Returns the names of matching columns as a help, or `without` if there are none.
    fn columns_of(&self, such: impl Fn(Cells) -> bool, without: &str) -> String {
        let names = self.header.iter().flatten().zip(&self.columns).filter(|(_, cells)| such(**cells));
        let names: Vec<String> = names.map(|(name, _)| format!("`{name}`")).collect();
        if names.is_empty() { format!("`{without}`") } else { format!("of the csv's columns: {}", names.join(", ")) }
    }

    fn not_numbers(&self, label: &Column, site: Site, out: &mut Diagnostics) {
        let text = format!("`task: regression`, but column `{}` holds text", super::plain(label));
        out.push(
            Diagnostic::error(&c::COLUMN_KIND, site, text)
                .help(self.columns_of(|cells| cells == Cells::Number, "task: single_label"))
                .note("each of its cells must be a finite number"),
        );
    }

    fn suffix(&self, suffixes: &[String], site: Site, out: &mut Diagnostics) {
        let ends = |suffix: &String| suffix.is_empty() || self.suffixes.keys().any(|s| s.ends_with(suffix.as_str()));
        if self.suffixes.is_empty() || suffixes.iter().any(ends) {
            return;
        }
        let most = self.suffixes.iter().max_by_key(|(_, n)| **n).map_or("", |(s, _)| s);
        let said = suffixes.iter().map(|suffix| format!("{suffix:?}")).collect::<Vec<_>>().join(" or ");
        out.error(&c::NO_SUFFIX, site, format!("no image ends with {said}"), format!("`suffix: {most:?}`"));
    }

    fn class_weights(&self, recipe: &Recipe, site: Site, out: &mut Diagnostics) {
        let Some(ClassWeights::Given(weights)) = recipe.class_weights() else { return };
        if weights.len() == self.classes.len() {
            return;
        }
        let message = format!("{} class weights for {} classes", weights.len(), self.classes.len());
        let names: Vec<&str> = self.classes.keys().map(String::as_str).take(10).collect();
        let more = if self.classes.len() > 10 { ", .." } else { "" };
        let help = format!("`class_weights: balanced`, or one per class in the order {}{more}", names.join(", "));
        out.error(&c::CLASS_WEIGHT_COUNT, site, message, help);
    }

    fn split(&self, valid: &Valid, site: Site, out: &mut Diagnostics) {
        let all = self.train + self.valid;
        if let Valid::Random { share, .. } = valid {
            let held_out = (share * all as f64) as u64;
            if held_out == 0 || held_out >= all {
                let left = if held_out == 0 { "holds out none" } else { "holds out all" };
                let message = format!("`{}` {left} of {all} images", valid.in_short());
                let help = format!("a share above `{:.4}` holds out at least one", 1.0 / all.max(1) as f64);
                out.error(&c::EMPTY_SPLIT, site, message, help);
                return;
            }
        }
        if let Valid::Folds { count, .. } = valid
            && u64::from(*count) > all
        {
            let message = format!("`{}` deals {all} images into {count} parts", valid.in_short());
            let help = format!("at most `folds({})`; five or ten are usual", all.max(2));
            out.error(&c::EMPTY_SPLIT, site, message, help);
            return;
        }
        if valid.to_string() != self.split {
            return;
        }
        let held_out = |count: u64| match count {
            0 => "no image at all".to_string(),
            1 => "its only image held out".to_string(),
            all => format!("all {all} images held out"),
        };
        let of_valid = self.classes.iter().filter(|(_, (train, _))| *train == 0);
        let untrained: Vec<String> =
            of_valid.map(|(name, (_, valid))| format!("{name} ({})", held_out(*valid))).collect();
        if !untrained.is_empty() {
            let shown = untrained[..untrained.len().min(5)].join(", ");
            let message =
                format!("{} of {} classes have no image to train on: {shown}", untrained.len(), self.classes.len());
            let help = match valid {
                Valid::Stratified { .. } | Valid::Folds { .. } => {
                    "more images of it; or write the summary anew: `fastai prepare FILE`"
                }
                // Only the data says which groups and blocks hold which classes.
                Valid::Grouped { .. } | Valid::Blocks { .. } => {
                    "`fastai prepare FILE` reads the data and proposes a split that keeps images of each class, if it finds one"
                }
                _ => "`valid: stratified(0.2)` holds out a share of each class; else more images",
            };
            out.error(&c::EMPTY_SPLIT, site, message, help);
        }
    }

    /// Checks that the separator fits the tags, as far as the summary shows.
    fn tags(&self, recipe: &Recipe, site: Site, out: &mut Diagnostics) -> bool {
        let Source::Csv { separator, columns, .. } = &recipe.data().source else { return true };
        if !columns.is_empty() || recipe.task() != TaskKind::MultiLabel || self.tags > 1 {
            return true;
        }
        let mut others = SEPARATORS.into_iter().filter(|s| s != separator);
        let Some(other) = others.find(|s| self.classes.keys().any(|name| name.trim().contains(s))) else { return true };
        let message = format!("no image has more than one tag with the separator {separator:?}");
        out.error(&c::ONE_TAG, site, message, format!("`separator: {other:?}`"));
        false
    }

    fn number_of_classes(&self, recipe: &Recipe, site: Site, out: &mut Diagnostics) {
        let names: Vec<&str> = self.classes.keys().map(String::as_str).collect();
        let message = match (recipe.task(), names.as_slice()) {
            (_, []) => "the data has no class".to_string(),
            (TaskKind::SingleLabel, [one]) => format!("the data has one class, `{one}`"),
            // A single tag is informative only if some images lack it.
            (TaskKind::MultiLabel, [one]) if self.labelled() == self.train + self.valid => {
                format!("every image has the one tag `{one}`: whatever says it is always right")
            }
            _ => return,
        };
        out.error(&c::FEW_CLASSES, site, message, "check `label`, `separator` or the folders");
    }

    /// The total number of labels.
    fn labelled(&self) -> u64 {
        self.classes.values().map(|(train, valid)| train + valid).sum()
    }

    /// Checks the lint about labels that suggest another task.
    fn another_task(&self, recipe: &Recipe, draft: &Draft, out: &mut Diagnostics) {
        let found = match recipe.task() {
            _ if self.one_hot(recipe).is_some() => self.one_hot(recipe).unwrap_or_default(),
            TaskKind::MultiLabel if self.tags == 1 && self.labelled() == self.train + self.valid => (
                "every image has exactly one tag, as `single_label` data has".to_string(),
                "`task: single_label` with `metrics: [accuracy]`".to_string(),
            ),
            TaskKind::SingleLabel => {
                let Source::Csv { .. } = recipe.data().source else { return };
                let names: Vec<&str> = self.classes.keys().map(String::as_str).collect();
                if let Some((separator, tags)) = lists_of_tags(&names) {
                    (
                        format!("the {} classes look like lists of {tags} tags", names.len()),
                        format!("`task: multi_label` with `separator: {separator:?}` and `metrics: [f2]`"),
                    )
                } else if measurements(&names) {
                    (
                        format!("the {} classes are numbers", names.len()),
                        "`task: regression` with `metrics: [mae]`".to_string(),
                    )
                } else {
                    return;
                }
            }
            _ => return,
        };
        let (message, help) = found;
        let help = format!("{help}, or `#[allow(labels_of_another_task)]` on the recipe");
        let diagnostic = Diagnostic::error(&c::LABELS_OF_ANOTHER_TASK, site(draft, "task", None), message).help(help);
        check::lint_of_section("task", diagnostic, draft, out);
    }
}

impl DataSummary {
    /// The message and the help about a label column that holds only 0 and 1 beside others that do too.
    fn one_hot(&self, recipe: &Recipe) -> Option<(String, String)> {
        let (data, header) = (recipe.data(), self.header.as_deref()?);
        let Source::Csv { label, columns, .. } = &data.source else { return None };
        let place = |column: &Column| match column {
            Column::Name(name) => header.iter().position(|h| h == name),
            Column::Position(position) => Some(*position as usize),
        };
        let label = place(label).filter(|_| columns.is_empty())?;
        let split = match &data.valid {
            Valid::Column(name) => place(&Column::Name(name.clone())),
            _ => None,
        };
        let flags = self.columns.iter().enumerate().filter(|(i, cells)| **cells == Cells::Flag && Some(*i) != split);
        let flags: Vec<usize> = flags.map(|(i, _)| i).collect();
        if flags.len() < 2 || !flags.contains(&label) {
            return None;
        }
        let names: Vec<String> = flags.iter().filter_map(|i| header.get(*i)).map(|name| format!("{name:?}")).collect();
        Some((
            format!("the label's column holds only 0 and 1, as do {} columns in all: is each a class?", flags.len()),
            format!("`columns: [{}]` instead of `label`", names.join(", ")),
        ))
    }

    /// Checks the lint about classes that differ only in how they are written.
    fn classes_alike(&self, draft: &Draft, out: &mut Diagnostics) {
        let names: Vec<&str> = self.classes.keys().map(String::as_str).collect();
        let alike = super::alike(&names);
        let Some((first, second)) = alike.first() else { return };
        let count = |name: &str| self.classes.get(name).map_or(0, |n| n.0 + n.1);
        let more =
            if alike.len() > 1 { format!(", and {} more pairs like it", alike.len() - 1) } else { String::new() };
        let message = format!(
            "classes {first:?} ({} images) and {second:?} ({}) differ only in how they are written{more}",
            count(first),
            count(second)
        );
        let help = "write them alike in the data, or `#[allow(classes_alike)]` on the recipe";
        let diagnostic = Diagnostic::error(&c::CLASSES_ALIKE, site(draft, "data", None), message).help(help);
        check::lint_of_section("data", diagnostic, draft, out);
    }

    /// Checks the lint about a metric that is 1 whatever is predicted.
    fn top_k(&self, recipe: &Recipe, draft: &Draft, out: &mut Diagnostics) {
        let classes = self.classes.len();
        let Some(message) = recipe.metrics().iter().find_map(|metric| metric.always_one(classes)) else { return };
        // The value of a constant is unknown.
        let Some(entry) = draft.section("metrics").filter(|entry| !entry.value.has_constant()) else { return };
        let help = match classes {
            2 => "`accuracy`, which is `top_k(1)`".to_string(),
            _ => format!("`top_k({})` or less, or `accuracy`, which is `top_k(1)`", classes - 1),
        };
        let diagnostic = Diagnostic::error(&c::TOP_K_OF_ALL, entry.value.site, message).help(help);
        check::lint_of_section("metrics", diagnostic, draft, out);
    }
}

/// The separator and the number of tags, if class names are lists of fewer tags than there are classes and one list holds
/// all of another: `clear primary` beside `clear primary water`.
fn lists_of_tags(names: &[&str]) -> Option<(&'static str, usize)> {
    SEPARATORS.into_iter().find_map(|separator| {
        let lists: Vec<BTreeSet<&str>> = names.iter().map(|name| name.split(separator).collect()).collect();
        let tags: BTreeSet<&str> = lists.iter().flatten().copied().collect();
        let nested = |a: &BTreeSet<&str>| lists.iter().any(|b| a.len() > 1 && a.len() < b.len() && a.is_subset(b));
        // With very many classes, the first ones suffice.
        (tags.len() < names.len() && lists.iter().take(100).any(nested)).then_some((separator, tags.len()))
    })
}

/// Whether all names are numbers, and not all of them whole ones, as codes of classes are.
fn measurements(names: &[&str]) -> bool {
    let numbers: Option<Vec<f64>> = names.iter().map(|name| name.trim().parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers.iter().any(|x: &f64| x.fract() != 0.0))
}

/// Returns the site of a key's value, otherwise of the section, otherwise of the recipe's name.
fn site(draft: &Draft, section: &str, key: Option<&str>) -> Site {
    let Some(entry) = draft.section(section) else { return draft.name.site };
    key.and_then(|key| entry.value.entry(key)).map_or(entry.key.site, |found| found.site)
}
