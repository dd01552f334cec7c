//! `fastai sweep`

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastai_dsl::grid::{self, Axis};
use fastai_dsl::overrides::Override;
use fastai_dsl::{BodyState, Facts, Plan, Recipe};
use fastai_runtime::names::typed;
use fastai_runtime::sweep::{
    self, EndedEarly, Shard, Standings, Stopping, SweepFolder, SweepOptions, SweepOrigin, SweepSpec, Swept,
};
use fastai_runtime::{RunError, RunOptions, progress};

use super::cache;
use super::combinations::specified;
use super::device::RecipeDevice;
use super::failure::{self, Exit, Failure};
use super::memory::NetworkMemory;
use super::numbers;
use super::table::table;

/// What has no effect where parts are joined: they say what the sweep is, and nothing runs.
const NOT_OF_MERGING: [&str; 16] = [
    "file",
    "over",
    "set",
    "random",
    "seeds",
    "seed",
    "folds",
    "halving",
    "budget",
    "jobs",
    "shard",
    "resume",
    "keep_models",
    "device",
    "threads",
    "memory",
];

#[derive(clap::Args)]
pub struct SweepArgs {
    /// The recipe file
    #[arg(required_unless_present_any = ["resume", "merge"])]
    file: Option<PathBuf>,
    /// A key with the values to try, once for each key: `--over lr=1e-3,1e-2,0.1 --over model.dropout=0.25,0.5`. Keys are those
    /// of `--set`. `lr=1e-4..1e-1` is a range for `--random`: logarithmic if it spans a factor of ten
    #[arg(long, value_name = "KEY=VALUES")]
    over: Vec<Axis>,
    /// Change a key for all runs, as in `run`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
    /// Draw so many combinations at random instead of trying all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=grid::MOST_COMBINATIONS as i64))]
    random: Option<u32>,
    /// Runs of each combination, with consecutive seeds; one unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: Option<u32>,
    /// The first seed; the recipe's unless given
    #[arg(long, value_parser = super::run::seed)]
    seed: Option<u64>,
    /// Cross-validate: hold out each of N parts in turn. The recipe's split must be one by share or `folds`, and keeps its kind and
    /// seed; `best.recipe` holds out what the recipe says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100))]
    folds: Option<u32>,
    /// Stop combinations that fall behind: after a quarter and after half of the epochs, the worse half ends. `auto` does so if
    /// a fit runs on images, where it saves time, and is what holds unless given. Combinations that hold out different images all
    /// run to their end
    #[arg(long, value_enum, value_name = "WHEN")]
    halving: Option<HalvingWish>,
    /// Begin nothing new after this time, and stop what runs: `90s`, `10m`, `2h`. `--resume` goes on
    #[arg(long, value_name = "TIME", value_parser = duration)]
    budget: Option<Duration>,
    /// Runs at the same time; one a core if everything trains on cached activations, otherwise one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Run only part I of N of the runs, as one of N machines; `--merge` joins their folders
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Go on with the sweep in DIR, whose options need not be given again. Without DIR: with that in `--out`, or begin it if there
    /// is none yet
    #[arg(long, value_name = "DIR")]
    resume: Option<Option<PathBuf>>,
    /// Join the folders of the parts of a sweep into the one named by `--out`
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with_all = NOT_OF_MERGING, requires = "out")]
    merge: Vec<PathBuf>,
    /// The folder of the sweep, new or empty; `sweeps/NAME-TIME` unless given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Keep the saved models of all runs; without, `fastai run best.recipe` makes the best one again
    #[arg(long)]
    keep_models: bool,
    #[command(flatten)]
    device: RecipeDevice,
    /// CPU threads of all runs together; all cores unless given
    #[arg(long, value_parser = numbers::threads())]
    threads: Option<u16>,
    #[command(flatten)]
    memory: NetworkMemory,
    /// Where activations are cached; `$FASTAI_CACHE`, else `.fastai/activations`, unless given
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Say nothing but the result, warnings (lints of the recipe, too) and errors
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum HalvingWish {
    /// On if a fit runs on images and the sweep is not a part of one
    Auto,
    /// Stop combinations that fall behind
    On,
    /// Run every combination to its end
    Off,
}

pub fn run(args: &SweepArgs) -> Result<(), Failure> {
    let (spec, mut folder) = if args.merge.is_empty() { opened(args)? } else { merged(args)? };
    let options = SweepOptions {
        jobs: args.jobs.map(usize::from),
        budget: if args.merge.is_empty() { args.budget } else { Some(Duration::ZERO) },
        keep_models: args.keep_models,
        run: RunOptions { stop: super::stop::signal(), ..options_of_runs(args, &spec) },
    };
    let mut progress = progress::auto(args.quiet);
    let result = sweep::run(&spec, &mut folder, &options, progress.as_mut());
    drop(progress);
    let swept = result.map_err(|error| failed(error, folder.path()))?;
    // By now no run of the sweep reads scaled copies.
    cache::keep_to_limit(args.cache.as_deref());
    conclude(&swept, &spec)
}

/// The options of every run, which none can stop.
fn options_of_runs(args: &SweepArgs, spec: &SweepSpec) -> RunOptions {
    RunOptions {
        // Candidates differ in other keys.
        device: args.device.request(&spec.candidates[0].recipe),
        threads: args.threads.map(usize::from),
        memory: args.memory.limit(),
        cache: args.cache.clone(),
        ..RunOptions::default()
    }
}

/// Reports an error that ended a sweep, and how the sweep goes on.
fn failed(error: RunError, folder: &Path) -> Failure {
    let exit = Failure::from(error).report();
    eprintln!(
        "note: {} keeps what is complete; once that is put right, `fastai sweep --resume {}` goes on",
        folder.display(),
        typed(folder)
    );
    Failure::Reported(exit)
}

/// Prints the table and where everything is.
fn conclude(swept: &Swept, spec: &SweepSpec) -> Result<(), Failure> {
    print!("{}", standings(&swept.standings));
    let place = typed(&swept.folder);
    println!("report: {}", swept.folder.join("report.html").display());
    if let Some(diverged) = &swept.diverged {
        return Err(Failure::Failed(diverged.to_string()));
    }
    if let Some(best) = swept.standings.best() {
        let sound = if best.is_ruined() { " (no combination ended sound)" } else { "" };
        println!("best recipe: {}{sound}", swept.folder.join("best.recipe").display());
        if let Some(other) = spec.other_split(best.candidate) {
            println!("{other}");
        }
        if best.is_ruined() {
            eprintln!("warning: no combination ended sound, not even the best: the table says what became of each");
        }
    }
    let (done, all) = (swept.standings.complete, swept.standings.trials);
    match swept.ended_early {
        Some(EndedEarly::Stopped) => {
            eprintln!("error: stopped with {done} of {all} runs; `fastai sweep --resume {place}` goes on");
            Err(Failure::Reported(Exit::Stopped))
        }
        Some(EndedEarly::Budget) if done < all => {
            println!("{done} of {all} runs are complete; `fastai sweep --resume {place}` runs the others");
            Ok(())
        }
        _ if swept.standings.best().is_none() => {
            Err(Failure::Failed("no run of the sweep came to its end: the table says why".to_string()))
        }
        _ => {
            if let Some(shard) = spec.shard {
                println!("part {shard} is complete: `fastai sweep --merge DIR.. --out DIR` joins the parts");
            }
            Ok(())
        }
    }
}

fn standings(found: &Standings) -> String {
    let direction = found.direction.word();
    let whole = if found.folds > 1 { "out of fold" } else { "" };
    let titles = ["", "candidate", &found.metric, whole, "deviation", "against the best (95 %)", "runs", ""];
    let mut rows = vec![titles.map(str::to_string)];
    for (rank, standing) in found.standings.iter().enumerate() {
        let number = |value: Option<f64>| value.map_or_else(String::new, |v| format!("{v:.4}"));
        let interval = standing.interval.map_or_else(String::new, |[low, high]| format!(" ({low:+.4} to {high:+.4})"));
        rows.push([
            (rank + 1).to_string(),
            standing.describe(),
            number((!standing.runs.is_empty()).then_some(standing.mean)),
            number(standing.out_of_fold),
            number(standing.deviation),
            standing.difference.map_or_else(String::new, |difference| format!("{difference:+.4}{interval}")),
            format!("{}", standing.runs.len()),
            standing.fate_in_words(),
        ]);
    }
    let caveat = found.caveat().map_or_else(String::new, |caveat| format!("{caveat}\n"));
    format!("{}compared by {}, {direction} is better\n{caveat}", table(&rows, 0), found.metric)
}

/// Begins a sweep, or opens the one that goes on.
fn opened(args: &SweepArgs) -> Result<(SweepSpec, SweepFolder), Failure> {
    let place = match (&args.resume, &args.out) {
        (Some(None), None) => {
            return Err(Failure::Invalid("name the folder: `--resume DIR`, or `--resume --out DIR`".into()));
        }
        (Some(None), out) => out.as_ref(),
        (Some(named), _) => named.as_ref(),
        (None, _) => None,
    };
    let begins = place.is_none_or(|place| args.out.as_ref() == Some(place) && !SweepFolder::exists(place));
    if let Some(place) = place.filter(|_| !begins) {
        let (folder, origin) = SweepFolder::open(place)?;
        let absolute = |path: &Path| std::path::absolute(path).ok();
        if let Some(out) = args.out.as_ref().filter(|out| absolute(out) != absolute(place)) {
            let what = format!("`--out` names {}, and `--resume` goes on in {}", out.display(), place.display());
            return Err(Failure::Invalid(format!("{what}: leave one out")));
        }
        if let Some(what) = differs(&origin, &asked_beside(&origin, args)?) {
            return Err(Failure::Invalid(format!(
                "{what} is not what the sweep in {} began with: leave it out, or begin a new sweep",
                place.display()
            )));
        }
        return Ok((specified(&origin)?, folder));
    }
    let Some(file) = &args.file else {
        let place = place.map_or_else(String::new, |p| p.display().to_string());
        return Err(Failure::Invalid(format!("{place} holds no sweep: name a recipe to begin one")));
    };
    let mut origin = origin_of(file, args)?;
    let spec = specified(&SweepOrigin { stopping: Stopping::Never, ..origin.clone() })?;
    let first = spec.candidates[0].recipe.clone();
    super::source::finds_data(file, &first)?;
    origin.stopping = stopping(args, &spec)?;
    is_ready(&spec, args)?;
    let spec = SweepSpec { stopping: origin.stopping, origin: origin.clone(), ..spec };
    let folder = SweepFolder::create(args.out.as_deref(), first.name(), &origin)?;
    Ok((spec, folder))
}

/// Refuses a sweep whose runs would fail, before it has a folder.
fn is_ready(spec: &SweepSpec, args: &SweepArgs) -> Result<(), Failure> {
    let mut progress = progress::auto(args.quiet);
    let found = sweep::check(spec, &options_of_runs(args, spec), progress.as_mut());
    drop(progress);
    failure::each(&found, |obstacle| Err(Failure::Failed(obstacle.to_string())))
}

/// Whether the wish stops candidates early.
fn stopping(args: &SweepArgs, spec: &SweepSpec) -> Result<Stopping, Failure> {
    let on_images = |recipe: &Recipe| {
        let plan = Plan::new(recipe, &Facts::default());
        plan.stages.iter().any(|stage| stage.step.trains() && stage.state.body != BodyState::Precomputed)
    };
    match (args.halving.unwrap_or(HalvingWish::Auto), args.shard) {
        (HalvingWish::Off, _) | (HalvingWish::Auto, Some(_)) => Ok(Stopping::Never),
        (HalvingWish::On, Some(shard)) => Err(Failure::Invalid(format!(
            "`--halving on` compares all combinations while they run, and part {shard} has only some of them: leave one out"
        ))),
        (HalvingWish::On, None) => Ok(Stopping::Halving),
        (HalvingWish::Auto, None) => {
            let worth = spec.candidates.iter().any(|candidate| on_images(&candidate.recipe));
            Ok(if worth { Stopping::Halving } else { Stopping::Never })
        }
    }
}

/// What the command asks for with this recipe.
fn origin_of(file: &Path, args: &SweepArgs) -> Result<SweepOrigin, Failure> {
    let text = String::from_utf8_lossy(&super::source::read_bytes(file)?).into_owned();
    Ok(SweepOrigin {
        file: fastai_runtime::names::visible_name(&file.to_string_lossy()).into_owned(),
        text,
        set: args.set.iter().map(Override::text).collect(),
        over: args.over.iter().map(Axis::to_string).collect(),
        random: args.random,
        seeds: args.seeds.unwrap_or(1),
        folds: args.folds,
        seed: args.seed,
        stopping: Stopping::Never,
        shard: args.shard,
    })
}

/// What the command asks for beside a sweep that began; what it does not name is as it was.
fn asked_beside(began: &SweepOrigin, args: &SweepArgs) -> Result<SweepOrigin, Failure> {
    // What `auto` means was settled when the sweep began.
    let stopping = match args.halving {
        Some(HalvingWish::On) => Stopping::Halving,
        Some(HalvingWish::Off) => Stopping::Never,
        Some(HalvingWish::Auto) | None => began.stopping,
    };
    let text = match &args.file {
        Some(file) => origin_of(file, args)?.text,
        None => began.text.clone(),
    };
    let or = |given: Vec<String>, before: &[String]| if given.is_empty() { before.to_vec() } else { given };
    Ok(SweepOrigin {
        set: or(args.set.iter().map(Override::text).collect(), &began.set),
        over: or(args.over.iter().map(Axis::to_string).collect(), &began.over),
        random: args.random.or(began.random),
        seeds: args.seeds.unwrap_or(began.seeds),
        folds: args.folds.or(began.folds),
        seed: args.seed.or(began.seed),
        stopping,
        shard: args.shard.or(began.shard),
        text,
        ..began.clone()
    })
}

/// Names the first thing that the command asks for and the sweep did not begin with.
fn differs(began: &SweepOrigin, now: &SweepOrigin) -> Option<&'static str> {
    let pairs = [
        (began.text == now.text, "the recipe"),
        (began.set == now.set, "`--set`"),
        (began.over == now.over, "`--over`"),
        (began.random == now.random, "`--random`"),
        (began.seeds == now.seeds, "`--seeds`"),
        (began.seed == now.seed, "`--seed`"),
        (began.folds == now.folds, "`--folds`"),
        (began.stopping == now.stopping, "`--halving`"),
        (began.shard == now.shard, "`--shard`"),
    ];
    pairs.into_iter().find(|(same, _)| !same).map(|(_, what)| what)
}

/// Joins the parts of a sweep.
fn merged(args: &SweepArgs) -> Result<(SweepSpec, SweepFolder), Failure> {
    let (mut parts, mut seen) = (Vec::new(), HashSet::new());
    for path in &args.merge {
        if !seen.insert(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone())) {
            return Err(Failure::Invalid(format!("`--merge` names {} twice: name each part once", path.display())));
        }
        parts.push(SweepFolder::open(path)?);
    }
    let whole = |origin: &SweepOrigin| SweepOrigin { shard: None, ..origin.clone() };
    let origin = whole(&parts[0].1);
    for ((_, other), path) in parts.iter().zip(&args.merge) {
        // Parts never stop a combination.
        if let Some(what) = differs(&origin, &SweepOrigin { stopping: origin.stopping, ..whole(other) }) {
            return Err(Failure::Invalid(format!(
                "{} and {} are not parts of one sweep: {what} is not the same",
                args.merge[0].display(),
                path.display()
            )));
        }
    }
    let spec = specified(&origin)?;
    let folder = SweepFolder::create(args.out.as_deref(), spec.candidates[0].recipe.name(), &origin)?;
    let folders: Vec<&SweepFolder> = parts.iter().map(|(folder, _)| folder).collect();
    folder.take_trials(&spec, &folders)?;
    Ok((spec, folder))
}

/// `90s`, `10m`, `1.5h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: write `90s`, `10m` or `2h`");
    let (digits, unit) = text.trim().split_at(text.trim().find(|c: char| c.is_alphabetic()).ok_or_else(wrong)?);
    let seconds = match unit {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = digits.trim().parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
    if time.is_zero() {
        return Err(format!("`{text}` leaves no time for any run: write `90s`, `10m` or `2h`"));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        let seconds = |text: &str| duration(text).map(|d| d.as_secs_f64());
        assert_eq!(
            [seconds("90s"), seconds("10m"), seconds("1.5h"), seconds("2 min")].map(Result::unwrap),
            [90.0, 600.0, 5400.0, 120.0]
        );
        for wrong in ["", "10", "m", "-1s", "1d", "x s", "0s", "0.0h"] {
            assert!(seconds(wrong).unwrap_err().contains("`10m`"), "{wrong}");
        }
    }
}
