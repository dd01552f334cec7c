//! Checks and lowers the section `metrics`, and `keep_best`, which names one of them.

use super::{TaskAt, bind, unexpected};
use crate::catalog as c;
use crate::diagnostic::{Diagnostics, Site};
use crate::draft::{Arg, Value, ValueKind};
use crate::habits;
use crate::legal;
use crate::recipe::{Average, KeepBest, Metric, MetricKind, TaskKind};
use crate::suggest::list;

pub(super) fn metrics(value: &Value, task: Option<TaskAt>, out: &mut Diagnostics) -> Option<Vec<Metric>> {
    let ValueKind::List(items) = &value.kind else {
        if value.kind != ValueKind::Broken {
            let help = listed(value, task);
            out.error(&c::WRONG_TYPE, value.site, format!("`metrics` is a list, got {}", value.kind_name()), help);
        }
        return None;
    };
    if !legal::length_ok("metrics", items, value.site, out) {
        return None;
    }
    let mut metrics: Vec<Metric> = Vec::new();
    let mut places = Vec::new();
    let mut good = true;
    for item in items {
        match metric(item, task, out) {
            Some(m) => match metrics.iter().position(|k| k.column() == m.column()) {
                Some(first) => {
                    let text = format!("metric `{}` is given twice", m.column());
                    let help = format!("once: `{}`", m.word());
                    out.error_beside(&c::TWICE, item.site, text, help, (places[first], "first given here"));
                }
                None => {
                    metrics.push(m);
                    places.push(item.site);
                }
            },
            None => good = false,
        }
    }
    good.then_some(metrics)
}

/// The help for what is no list: a list of it, or of the metric that it means.
fn listed(value: &Value, task: Option<TaskAt>) -> String {
    let word = match &value.kind {
        ValueKind::Text(word) => Some(word.clone()),
        _ => value.word_and_args().map(|(name, _)| name.text),
    };
    let meant = word.and_then(|word| {
        let near = habits::meant_word(&word, &words_for(task).collect::<Vec<_>>())?;
        let is_metric = near == word && matches!(value.kind, ValueKind::Call(..));
        if is_metric { Some(value.to_string()) } else { MetricKind::parse(near).map(MetricKind::example) }
    });
    match meant {
        Some(metric) => format!("`metrics: [{metric}]`"),
        None => format!("a list of what is measured: {}", list(words_for(task))),
    }
}

fn metric(value: &Value, task: Option<TaskAt>, out: &mut Diagnostics) -> Option<Metric> {
    let Some((name, args)) = value.word_and_args() else {
        if value.kind != ValueKind::Broken {
            let help = list(words_for(task));
            out.error(&c::WRONG_TYPE, value.site, format!("expected a metric, got {}", value.kind_name()), help);
        }
        return None;
    };
    let word = name.text.as_str();
    let Some(kind) = MetricKind::parse(word) else {
        let help = match KeepBest::parse(word) {
            Some(_) => "the loss is measured in every run; remove it".to_string(),
            None => habits::word_help(word, &words_for(task).collect::<Vec<_>>()),
        };
        out.error(&c::UNKNOWN_METRIC, value.site, format!("unknown metric `{word}`"), help);
        return None;
    };
    let construct = kind.construct();
    if construct.keys.is_empty() && matches!(value.kind, ValueKind::Call(..)) {
        out.error(&c::TOO_MANY, value.site, format!("`{word}` takes no arguments"), format!("`{word}`"));
        return None;
    }
    // What a label has no use for is not held to be a number first.
    let of_label = task.is_some_and(|(task, _)| task == TaskKind::SingleLabel && kind.measures(task));
    let is_useless = |arg: &Arg| {
        let is_threshold = arg.name.as_ref().is_some_and(|name| name.text == "threshold");
        of_label && is_threshold && construct.key("threshold").is_some() && arg.value.kind != ValueKind::Broken
    };
    let useless = args.iter().find(|arg| is_useless(arg)).map(|arg| arg.value.site);
    let useful: Vec<Arg> = args.iter().filter(|arg| !is_useless(arg)).cloned().collect();
    let bound = bind::args(construct, &name, value.site, &useful, out);
    if let Some((task, set)) = task.filter(|(task, _)| !kind.measures(*task)) {
        let instead = MetricKind::of_task(task).map_or("another metric".to_string(), |m| format!("`{}`", m.word()));
        let text = format!("`{word}` does not measure `{}` data", task.word());
        let help = format!("{instead}, or another `task`");
        out.error_beside(&c::METRIC_TASK, value.site, text, help, (set, "the task is set here"));
        return None;
    }
    if let Some((TaskKind::SingleLabel, set)) = task {
        let samples = bound.read::<Average>("average") == Some(Average::Samples);
        let of_tags = [("threshold", useless.is_some() || bound.given("threshold")), ("average", samples)];
        for (key, _) in of_tags.iter().filter(|(_, wrong)| *wrong) {
            let what = if *key == "average" { "`average = samples`" } else { "`threshold`" };
            let text =
                format!("{what} is for tags: an image with one label is predicted to have the most probable class");
            let help = if *key == "average" { "`average = macro`" } else { "remove `threshold`" };
            let site = bound.site(key, useless.unwrap_or(value.site));
            out.error_beside(&c::TASK_OPTION, site, text, help, (set, "the task is set here"));
        }
        if of_tags.iter().any(|(_, wrong)| *wrong) {
            return None;
        }
    }
    kind.lower(&bound)
}

/// The words of the metrics that measure the task.
fn words_for(task: Option<TaskAt>) -> impl Iterator<Item = &'static str> + Clone {
    let measures = move |kind: &&MetricKind| task.is_none_or(|(task, _)| kind.measures(task));
    MetricKind::ALL.iter().filter(measures).map(|kind| kind.word())
}

/// What the best epoch is chosen by; `measured` are the recipe's metrics and their place, unless the section is broken.
pub(super) fn keep_best(
    value: &Value,
    task: Option<TaskAt>,
    measured: Option<(&[Metric], Site)>,
    out: &mut Diagnostics,
) -> Option<KeepBest> {
    let count = |word: &str| measured.map_or(1, |(metrics, _)| metrics.iter().filter(|m| m.word() == word).count());
    let found = match &value.kind {
        ValueKind::Word(word) => KeepBest::parse(word),
        _ => None,
    };
    // One that is measured with several arguments cannot be chosen by.
    let metrics = words_for(task).filter(|word| count(word) == 1);
    let legal: Vec<&str> = [KeepBest::ValLoss.word()].into_iter().chain(metrics).collect();
    let Some(best) = found else {
        unexpected("keep_best", value, &legal, out);
        return None;
    };
    let (KeepBest::Metric(kind), Some((metrics, site))) = (best, measured) else { return found };
    let word = best.word();
    let (message, help) = match count(word) {
        0 => {
            let others = list(legal.iter().copied());
            let help = match task {
                Some((task, _)) if !kind.measures(task) => {
                    format!("it does not measure `{}` data; one of {others}", task.word())
                }
                _ if metrics.is_empty() => format!("`metrics: [{}]`", kind.example()),
                _ => format!("add it to `metrics`, or one of {others}"),
            };
            (format!("`{word}` is not measured"), help)
        }
        1 => return found,
        _ => (
            format!("`{word}` is measured with several arguments"),
            format!("keep one `{word}` in `metrics`, or `keep_best: val_loss`"),
        ),
    };
    out.error_beside(&c::BEST_METRIC, value.site, message, help, (site, "what is measured"));
    found
}
