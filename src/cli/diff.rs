//! `fastai diff`

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};

use fastai_dsl::{Metric, Recipe, Source, canonical_text, seeded_text};
use fastai_runtime::data::figures;
use fastai_runtime::engine::{self, Measured, MeasuringLimits};
use fastai_runtime::metrics::{self, Paired, Truth, paired};
use fastai_runtime::names::{first_names, typed, visible_name};
use fastai_runtime::predict::Predictor;
use fastai_runtime::progress::{self, Progress, Watch};
use fastai_runtime::random::{self, Stream};
use fastai_runtime::report::{InitialWeights, RunFailure, Status, Summary};

use super::device::ModelDevice;
use super::failure::Failure;
use super::numbers::{counted, thousands};
use super::paths::shown;
use super::saved;
use super::table::table;

/// Images that a line names.
const NAMED: usize = 5;
/// What is said of a run that an earlier version made, which did not write it down.
const NOT_RECORDED: &str = "not recorded";

#[derive(clap::Args)]
pub struct DiffArgs {
    /// A run folder
    first: PathBuf,
    /// The run folder to compare with it
    second: PathBuf,
    /// Compare what the runs wrote down, and predict nothing
    #[arg(long)]
    no_test: bool,
    #[command(flatten)]
    device: ModelDevice,
    /// Say nothing but the result and errors
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: &DiffArgs) -> Result<(), Failure> {
    let runs = [&args.first, &args.second];
    let summaries = [saved::summary_of(&args.first)?, saved::summary_of(&args.second)?];
    let [a, b] = &summaries;
    println!("- {}\n+ {}", shown(&args.first), shown(&args.second));
    recipes(a, b);
    facts(a, b);
    println!("\n{}", data(a, b).join("\n"));
    reported(a, b);
    if args.no_test {
        weights(&summaries, None);
        return Ok(());
    }
    for (run, summary) in runs.into_iter().zip(&summaries) {
        has_ended(run, summary)?;
    }
    let picked = args.device.picked()?;
    let load = |run: &Path| Predictor::load(run, None, &picked.device);
    let predictors = [load(runs[0])?, load(runs[1])?];
    weights(&summaries, Some(&predictors));
    test(args, &summaries, &predictors)
}

/// # Errors
/// If the run has no final model: how to finish it.
fn has_ended(run: &Path, summary: &Summary) -> Result<(), Failure> {
    if summary.status == Status::Complete {
        return Ok(());
    }
    let finish = match summary.failure.as_ref().and_then(RunFailure::lost_numbers) {
        Some(lost) => format!("{lost}: lower its rates and run anew"),
        None if engine::is_unfinished(run) => format!("finish it with `fastai run --resume {}`", typed(run)),
        None => "run its recipe again".to_string(),
    };
    let what = if summary.status == Status::Failed { "the run failed" } else { "the run has not ended" };
    Err(Failure::Failed(format!(
        "{}: {what}, so it has no final model to compare: {finish}, or compare what is written down with `--no-test`",
        run.display()
    )))
}

/// The lines of the recipes that differ, with those around them.
fn recipes(a: &Summary, b: &Summary) {
    let [first, second] = [a, b].map(|run| seeded_text(&run.recipe, run.seed));
    if canonical_text(&first) == canonical_text(&second) {
        println!("\nrecipe: the same, `{}`", visible_name(&a.name));
        return;
    }
    println!("\nrecipe:");
    let (old, new): (Vec<&str>, Vec<&str>) = (first.lines().collect(), second.lines().collect());
    for line in lines_diff(&old, &new) {
        println!("  {}", visible_name(&line));
    }
}

/// The lines of two texts that differ, marked `-` and `+`. What is common is left out, but for the section that a change is
/// in.
fn lines_diff(old: &[&str], new: &[&str]) -> Vec<String> {
    // Lengths of the longest common subsequences of the ends.
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] =
                if old[i] == new[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || common[i + 1][j] >= common[i][j + 1]) {
            out.push(format!("- {}", old[i].trim_end()));
            i += 1;
        } else {
            out.push(format!("+ {}", new[j].trim_end()));
            j += 1;
        }
    }
    out
}

/// What else the runs had in common or not: seed, data, device, time.
fn facts(a: &Summary, b: &Summary) {
    let directory = |s: &Summary| s.directory.as_ref().map_or(String::new(), |folder| folder.display().to_string());
    let rows = [
        ("status", [a, b].map(|s| format!("{:?}", s.status).to_lowercase())),
        ("smoke run", [a, b].map(|s| if s.smoke { "yes" } else { "no" }.to_string())),
        ("seed", [a, b].map(|s| s.seed.to_string())),
        ("images", [a, b].map(images)),
        ("classes", [a, b].map(|s| thousands(s.classes.len() as u64))),
        ("rates found", [a, b].map(rates)),
        ("working directory", [a, b].map(directory)),
        ("device", [a, b].map(|s| s.device.clone())),
        ("seconds", [a, b].map(|s| format!("{:.0}", s.seconds))),
    ];
    let known = rows.into_iter().filter(|(_, values)| values.iter().any(|value| !value.is_empty()));
    let cells = known.map(|(what, [first, second])| {
        let mark = if first == second { "" } else { "differ" };
        [format!("  {what}"), first, second, mark.to_string()].map(|cell| visible_name(&cell).into_owned())
    });
    println!("\nrun:");
    print!("{}", table(&cells.collect::<Vec<_>>(), 0));
    for (mark, summary, other) in [("-", a, b), ("+", b, a)] {
        let only = summary.classes.iter().filter(|class| !other.classes.contains(class));
        let names: Vec<_> = only.map(|class| visible_name(class)).collect();
        if !names.is_empty() {
            println!("  {mark} classes {}", first_names(names.iter(), 20));
        }
    }
}

/// The numbers of images; of a run of folds, those of each training and of all validations.
fn images(run: &Summary) -> String {
    let count = |images: usize| thousands(images as u64);
    let (train, valid) = (run.counts.train, count(run.counts.valid));
    let Some(folds) = &run.folds else { return format!("{} training, {valid} validation", count(train)) };
    let each = folds.each.iter().map(|fold| fold.counts.train);
    let (least, most) = (each.clone().min().unwrap_or(train), each.max().unwrap_or(train));
    let range = if least == most { count(least) } else { format!("{} to {}", count(least), count(most)) };
    let done = match (folds.each.len(), folds.count) {
        (0, all) => format!("fold 1 of {all}"),
        (done, all) if done == all => format!("{all} folds"),
        (done, all) => format!("{done} of {all} folds"),
    };
    format!("{range} training a fold, {valid} validation in {done}")
}

/// The rates that `lr_find` suggested; of a run of folds, those of one fold after the other.
fn rates(run: &Summary) -> String {
    let each = run.folds.iter().flat_map(|folds| &folds.each).map(|fold| &fold.found_rates);
    let all = std::iter::once(&run.found_rates).chain(each).filter(|rates| !rates.is_empty());
    all.map(|rates| figures::rates(rates)).collect::<Vec<_>>().join("; ")
}

/// Whether the runs saw the same data, by the digests that they wrote down.
fn data(a: &Summary, b: &Summary) -> Vec<String> {
    let (first, second) = match (&a.data, &b.data) {
        (Some(first), Some(second)) => (first, second),
        _ => {
            let old = [("-", a), ("+", b)].into_iter().filter(|(_, summary)| summary.data.is_none());
            let marks: Vec<&str> = old.map(|(mark, _)| mark).collect();
            return vec![format!("data: {NOT_RECORDED} of {}", marks.join(" and "))];
        }
    };
    let of_first = "those of a run of folds are of its first fold";
    let mut differ = match [a, b].map(|run| run.folds.is_some()) {
        [first_has, second_has] if first_has != second_has => {
            vec![format!("the digests are not compared: {of_first}")]
        }
        _ => first.differences(second),
    };
    if a.classes != b.classes {
        differ.insert(0, "other classes".to_string());
    }
    let whose = if a.folds.is_some() && b.folds.is_some() { ", of the first folds" } else { "" };
    if differ.is_empty() {
        return vec![format!("data{whose}: the same")];
    }
    std::iter::once(format!("data{whose}:")).chain(differ.into_iter().map(|line| format!("  {line}"))).collect()
}

/// The results that the runs wrote down, each on its own validation images.
fn reported(a: &Summary, b: &Summary) {
    println!("\nas each run measured itself, on its own validation images:");
    for (mark, summary) in [("-", a), ("+", b)] {
        let results = [&summary.r#final, &summary.tta, &summary.test, &summary.test_tta];
        if results.iter().all(|result| result.is_none()) {
            println!("  {mark} nothing: the run was not measured");
        }
        for evaluation in results.into_iter().flatten() {
            print!("  {mark} {}", super::validate::figures(evaluation));
        }
    }
}

/// What the bodies of the runs began with, and what they are in the end if the models are loaded.
fn weights(summaries: &[Summary; 2], predictors: Option<&[Predictor; 2]>) {
    println!("\nweights:");
    for (mark, summary) in ["-", "+"].into_iter().zip(summaries) {
        let began = summary.weights.as_ref().map_or(NOT_RECORDED.to_string(), InitialWeights::describe);
        println!("  {mark} at the beginning: {}", visible_name(&began));
    }
    let Some(predictors) = predictors else { return };
    let digests = predictors.each_ref().map(Predictor::body_digests);
    for (mark, (predictor, digests)) in ["-", "+"].into_iter().zip(predictors.iter().zip(&digests)) {
        let meta = predictor.meta();
        println!("  {mark} {}, {} pixels, {}", meta.arch, meta.size, bodies(digests));
    }
    println!("  the bodies {}", if distinct(&digests[0]) == distinct(&digests[1]) { "are the same" } else { "differ" });
}

/// The bodies of a model, of an ensemble those of all its networks.
fn bodies(digests: &[String]) -> String {
    let networks = digests.len();
    let shown: Vec<&str> = distinct(digests).into_iter().map(|digest| &digest[..16]).collect();
    match shown.as_slice() {
        [one] if networks > 1 => format!("body {one} in all {networks} networks"),
        [one] => format!("body {one}"),
        several => format!("bodies {} in {networks} networks", several.join(", ")),
    }
}

/// Each of these digests once.
fn distinct(digests: &[String]) -> BTreeSet<&str> {
    digests.iter().map(String::as_str).collect()
}

/// Measures both models on the validation images that both runs held out.
fn test(args: &DiffArgs, summaries: &[Summary; 2], predictors: &[Predictor; 2]) -> Result<(), Failure> {
    println!("\npaired, on the validation images of both:");
    let [a, b] = summaries;
    if (a.task, &a.classes) != (b.task, &b.classes) {
        println!("  no test: the runs have different classes");
        return Ok(());
    }
    let recipes = [saved::recipe(&predictors[0])?, saved::recipe(&predictors[1])?];
    for (run, (summary, recipe)) in [&args.first, &args.second].into_iter().zip(summaries.iter().zip(&recipes)) {
        if let Some(why) = unmeasurable(summary, recipe) {
            println!("  no test: {} {why}", shown(run));
            return Ok(());
        }
    }
    let roots = [0, 1].map(|run| recipes[run].data().root_in(&saved::directory_of(&summaries[run])));
    let stop = super::stop::signal();
    let measured = |run: usize| -> Result<Measured, Failure> {
        let mut progress = Unnoted(progress::auto(args.quiet));
        let watch = Watch { progress: &mut progress, stop: &stop };
        let limits = MeasuringLimits::default();
        let validated = engine::validate(&recipes[run], &predictors[run], &roots[run], limits, watch)?;
        Ok(validated.tta.unwrap_or(validated.plain))
    };
    let (first, second) = (measured(0)?, measured(1)?);
    let SharedImages { places: shared, relabelled } = SharedImages::of(&first, &second);
    let (n, m) = (first.predictions.len(), second.predictions.len());
    println!(
        "  {} images ({} and {} held out)",
        thousands(shared.len() as u64),
        thousands(n as u64),
        thousands(m as u64)
    );
    if roots[0] != roots[1] {
        println!("  the runs read different folders; images are taken for the same by their names");
    }
    if !relabelled.is_empty() {
        println!(
            "  {} that both held out have other labels now, and are left out: {}",
            counted(relabelled.len() as u64, "image", "images"),
            named(&relabelled)
        );
    }
    let leaked = n + m - 2 * (shared.len() + relabelled.len());
    if leaked > 0 {
        println!("  the others may be training images of the other run, and are left out");
    }
    if shared.len() < 2 {
        println!("  no test: at least two shared images are needed");
        return Ok(());
    }
    let (left, right): (Vec<usize>, Vec<usize>) = shared.into_iter().unzip();
    let Some(truth) = first.predictions.targets.as_ref().map(|truth| truth.select(&left)) else { return Ok(()) };
    let (p, q) = (first.predictions.probabilities.select(&left), second.predictions.probabilities.select(&right));
    println!("  - {}\n  + {}", first.evaluation.predictions, second.evaluation.predictions);
    let mut rows = vec![["  metric", "-", "+", "difference", "95 % interval", "p"].map(str::to_string)];
    let of_both: Vec<Metric> = recipes.iter().flat_map(|recipe| recipe.metrics().to_vec()).collect();
    let mut seen = Vec::new();
    for metric in metrics::all_of(&of_both) {
        if seen.contains(&metric.column()) {
            continue;
        }
        seen.push(metric.column());
        let mut stream = Stream::new(0, "paired test").at(&[seen.len() as u64]);
        rows.push(row(&metric.column(), paired(&*metric, &p, &q, &truth, &mut || random::bits(&mut stream))));
    }
    print!("{}", table(&rows, 0));
    println!(
        "p: how often a difference that large arises by chance between two equally good models on these images; it says \
         nothing about other seeds of the same recipe"
    );
    Ok(())
}

/// Shows how far measuring is, without notes, which each run has told, and which would stand amid the result.
struct Unnoted(Box<dyn Progress>);

impl Progress for Unnoted {
    fn inner(&mut self) -> Option<&mut dyn Progress> {
        Some(self.0.as_mut())
    }

    fn note(&mut self, _: &str) {}
}

/// Why a run's model cannot be measured again; `None` if it can.
fn unmeasurable(summary: &Summary, recipe: &Recipe) -> Option<&'static str> {
    if recipe.data().source == Source::Given {
        Some("took its images from a Rust program, and no folder has them")
    } else if summary.counts.valid == 0 {
        Some("held out no images")
    } else {
        None
    }
}

/// A row of the table; dashes where the metric has no value.
fn row(name: &str, compared: Option<Paired>) -> [String; 6] {
    let (name, none) = (format!("  {name}"), "-".to_string());
    let Some(compared) = compared else { return [&name, &none, &none, &none, &none, &none].map(String::clone) };
    let interval = compared.interval.map_or(none, |[low, high]| format!("{low:+.4} to {high:+.4}"));
    let p = if compared.p < 0.001 { "< 0.001".to_string() } else { format!("{:.3}", compared.p) };
    let value = |value: f64| format!("{value:.4}");
    [name, value(compared.first), value(compared.second), format!("{:+.4}", compared.difference()), interval, p]
}

/// The images that both measured.
struct SharedImages<'a> {
    /// Their places in both.
    places: Vec<(usize, usize)>,
    /// The ids of those that have another label in each, which are not among the places.
    relabelled: Vec<&'a str>,
}

impl<'a> SharedImages<'a> {
    fn of(first: &'a Measured, second: &'a Measured) -> Self {
        let labels = |measured: &'a Measured| measured.predictions.targets.as_ref();
        match (labels(first), labels(second)) {
            (Some(truth), Some(other)) => {
                Self::of_labels((&first.predictions.ids, truth), (&second.predictions.ids, other))
            }
            _ => SharedImages { places: Vec::new(), relabelled: Vec::new() },
        }
    }

    /// The images of these ids and labels.
    fn of_labels((ids, truth): (&'a [String], &Truth), (others, other): (&[String], &Truth)) -> Self {
        let mut shared = SharedImages { places: Vec::new(), relabelled: Vec::new() };
        // An image may stand in several rows; each of them is one row of the other.
        let mut places: HashMap<&str, VecDeque<usize>> = HashMap::new();
        for (place, id) in others.iter().enumerate() {
            places.entry(id).or_default().push_back(place);
        }
        for (i, id) in ids.iter().enumerate() {
            let Some(j) = places.get_mut(id.as_str()).and_then(VecDeque::pop_front) else { continue };
            if truth.select(&[i]) == other.select(&[j]) {
                shared.places.push((i, j));
            } else {
                shared.relabelled.push(id);
            }
        }
        shared
    }
}

/// The first of these images, and how many more there are.
fn named(ids: &[&str]) -> String {
    first_names(ids.iter().map(|id| visible_name(id)), NAMED)
}

#[cfg(test)]
mod tests {
    use fastai_runtime::report::{Counts, DataFingerprint, FoldSummary, Folds, PartFingerprint};

    use super::*;

    #[test]
    fn images_are_shared_row_by_row_and_other_labels_are_told() {
        let ids = |list: &[&str]| list.iter().map(|id| id.to_string()).collect::<Vec<_>>();
        let (first, second) = (ids(&["a", "b", "c", "a", "a"]), ids(&["c", "a", "d", "a", "b"]));
        let (truth, other) = (Truth::Classes(vec![0, 0, 1, 1, 1]), Truth::Classes(vec![1, 0, 1, 1, 1]));
        let shared = SharedImages::of_labels((&first, &truth), (&second, &other));
        assert_eq!(shared.places, [(0, 1), (2, 0), (3, 3)]);
        assert_eq!(shared.relabelled, ["b"]);
    }

    #[test]
    fn the_data_are_compared_by_their_digests() {
        let part = |labels: &str| PartFingerprint { images: 3, labels: labels.into(), content: "c".into(), read: 3 };
        let summary = |labels: &str, classes: &[&str]| Summary {
            data: Some(DataFingerprint { train: part(labels), ..DataFingerprint::default() }),
            classes: classes.iter().map(ToString::to_string).collect(),
            ..Summary::default()
        };
        let (a, old) = (summary("a", &["cat", "dog"]), Summary::default());
        assert_eq!(data(&a, &a), ["data: the same"]);
        let relabelled = data(&a, &summary("b", &["cat", "dog"]));
        assert_eq!(relabelled, ["data:", "  training: 3 images in both, but other images, labels or order"]);
        assert_eq!(data(&a, &summary("a", &["cat"])), ["data:", "  other classes"]);
        assert_eq!(data(&a, &old), ["data: not recorded of +"]);
        assert_eq!(data(&old, &old), ["data: not recorded of - and +"]);
    }

    #[test]
    fn a_run_of_folds_is_told_fold_by_fold() {
        let fold = |train, rate| FoldSummary {
            counts: Counts { train, ..Counts::default() },
            found_rates: vec![rate],
            ..FoldSummary::default()
        };
        let folds = Folds { count: 3, each: vec![fold(61, 0.1), fold(61, 0.0794), fold(62, 0.1)], ..Folds::default() };
        let counts = Counts { train: 61, valid: 92, ..Counts::default() };
        let data_of = Some(DataFingerprint::default());
        let run = Summary { counts, data: data_of.clone(), folds: Some(folds), ..Summary::default() };
        let one = Summary { counts, data: data_of, found_rates: vec![0.1], ..Summary::default() };
        assert_eq!(images(&run), "61 to 62 training a fold, 92 validation in 3 folds");
        let stopped = |complete: &[FoldSummary]| {
            let folds = Folds { count: 3, each: complete.to_vec(), ..Folds::default() };
            images(&Summary { folds: Some(folds), ..run.clone() })
        };
        assert_eq!(stopped(&[fold(61, 0.1)]), "61 training a fold, 92 validation in 1 of 3 folds");
        assert_eq!(stopped(&[]), "61 training a fold, 92 validation in fold 1 of 3");
        assert_eq!((images(&one).as_str(), rates(&one).as_str()), ("61 training, 92 validation", "0.1"));
        assert_eq!(rates(&run), "0.1; 0.0794; 0.1");
        assert!(data(&run, &one)[1].contains("not compared"));
        assert_eq!(data(&run, &run), ["data, of the first folds: the same"]);
        let [a, b] = ["a", "b"].map(|letter| letter.repeat(64));
        assert_eq!(bodies(&[a.clone(), a.clone()]), "body aaaaaaaaaaaaaaaa in all 2 networks");
        assert_eq!(bodies(&[a.clone(), b.clone()]), "bodies aaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbb in 2 networks");
        assert_eq!(distinct(&[a.clone(), a.clone()]), distinct(&[a]));
    }

    #[test]
    fn few_images_are_named() {
        assert_eq!(named(&["a", "b"]), "a, b");
        assert_eq!(named(&["a"; 7]), "a, a, a, a, a and 2 more");
    }

    #[test]
    fn a_diff_has_what_changed_in_order() {
        let (old, new) = (["a", "b", "c", "d"], ["a", "x", "c", "d", "e"]);
        assert_eq!(lines_diff(&old, &new), ["- b", "+ x", "+ e"]);
        assert!(lines_diff(&old, &old).is_empty());
        assert_eq!(lines_diff(&[], &["a"]), ["+ a"]);
    }
}
