//! `fastai submit`

use std::io;
use std::path::{Path, PathBuf};

use fastai_dsl::{Source, TaskKind};
use fastai_runtime::RunError;
use fastai_runtime::metrics::Thresholds;
use fastai_runtime::names::visible_name;
use fastai_runtime::predict::{ImageFiles, Predictor, Submission, SubmissionFormat};
use fastai_runtime::progress::{self, Watch};

use super::failure::Failure;
use super::replaced;
use super::saved::{self, SavedModel, Tta};

#[derive(clap::Args)]
pub struct SubmitArgs {
    #[command(flatten)]
    model: SavedModel,
    /// The file, packed if its name ends with `.gz`; `submission.csv` beside the run's files unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The test images; the recipe's test folder unless given
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// For tags: said above this probability; the model's own threshold unless given
    #[arg(long, value_name = "T", value_parser = super::predict::threshold)]
    threshold: Option<f64>,
    #[command(flatten)]
    tta: Tta,
    /// One plain prediction an image, though the recipe has a `tta` step
    #[arg(long, conflicts_with = "tta")]
    no_tta: bool,
    /// The competition's sample: the file gets its header, its ids, and its order of rows and columns
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// The columns: classes (id and a probability per class, or the predicted number), label (id,label), probability
    /// (id,label, that of the second of two classes) or tags (image_name,tags); the task and the sample decide unless given
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<SubmissionFormat>,
    /// What parts tags; the recipe's separator unless given
    #[arg(long, value_name = "TEXT")]
    separator: Option<String>,
    /// Put an apostrophe before cells that a spreadsheet would compute: those that begin with = + - or @ and are no numbers
    #[arg(long)]
    guard_formulas: bool,
    /// Say nothing but the result, warnings and errors
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: &SubmitArgs) -> Result<(), Failure> {
    if let Some(out) = &args.out {
        replaced::is_own(out, "--out", &["csv", "gz"])?;
    }
    let predictor = args.model.load()?;
    args.model.warn_of_run();
    let thresholds = super::predict::stated_thresholds(&predictor, args.threshold)?;
    let recipe = saved::recipe(&predictor)?;
    let out = out(args);
    if let Some(sample) = &args.sample {
        replaced::is_no_input(&out, "--out", sample, "the sample itself")?;
    }
    if let Source::Csv { labels, .. } = &recipe.data().source {
        let labels = recipe.data().root_in(&args.model.directory()?).join(labels);
        replaced::is_no_input(&out, "--out", &labels, "the file of the recipe's labels")?;
    }
    let images = match (&args.images, &recipe.data().test) {
        (Some(folder), _) => folder.clone(),
        (None, Some(test)) => recipe.data().root_in(&args.model.directory()?).join(test),
        (None, None) => {
            let why = "the recipe has no test folder: name one with `--images DIR`";
            return Err(Failure::Invalid(why.to_string()));
        }
    };
    // What is not there is no image that cannot be read.
    if !images.exists() {
        let there = std::path::absolute(&images).unwrap_or_else(|_| images.clone());
        let what = match args.images {
            Some(_) => "`--images` names the folder of the test images",
            None => "the recipe's test images were there; name their folder with `--images DIR`",
        };
        return Err(Failure::Failed(format!("there is no folder {}: {what}", there.display())));
    }
    Ok(submit(args, &predictor, &thresholds, &recipe.data().source, images, &out)?)
}

/// The file to write.
fn out(args: &SubmitArgs) -> PathBuf {
    args.out.clone().unwrap_or_else(|| {
        let run = args.model.path();
        if run.is_dir() { run.join("submission.csv") } else { "submission.csv".into() }
    })
}

/// Refuses to replace a csv file that is no submission with these columns.
fn is_submission(path: &Path, header: &[String]) -> Result<(), RunError> {
    // Quotes depend on the writer, and an apostrophe may guard a name.
    let bare = |line: &str| visible_name(line).replace(['"', '\''], "");
    let wanted = header.join(",");
    // Line ends in names are escaped where no sample gives the names; where one does, the first line ends there.
    let first = wanted.lines().next().unwrap_or_default();
    match replaced::first_line(path) {
        Some(line) if ![first, &wanted].map(|wanted| bare(wanted.trim_end())).contains(&bare(&line)) => {
            let line: String = line.chars().take(60).collect();
            let why = format!(
                "a file with other columns is there, which begins with {line:?}: remove it, or give `--out` another file"
            );
            Err(RunError::file("write", path, io::Error::new(io::ErrorKind::AlreadyExists, why)))
        }
        _ => Ok(()),
    }
}

fn submit(
    args: &SubmitArgs,
    predictor: &Predictor,
    thresholds: &Thresholds,
    source: &Source,
    images: PathBuf,
    out: &Path,
) -> Result<(), RunError> {
    let suffixes: &[String] = match source {
        Source::Csv { suffix, .. } => suffix,
        Source::Folders { .. } | Source::Given => &[],
    };
    let own = match source {
        Source::Csv { separator, .. } => separator.as_str(),
        Source::Folders { .. } | Source::Given => " ",
    };
    let separator = args.separator.as_deref().unwrap_or(own);
    let mut files = ImageFiles::new(std::iter::once(Ok(images)));
    let images = files.by_ref().collect::<Result<_, _>>()?;
    if let Some(note) = files.left_out().filter(|_| !args.quiet) {
        eprintln!("note: {note}");
    }
    let submission = match &args.sample {
        Some(sample) => Submission::like_sample(predictor, images, suffixes, sample, args.format, separator)?,
        None => {
            let format = args.format.unwrap_or(SubmissionFormat::of(predictor.meta().task));
            Submission::in_format(predictor, images, suffixes, format, separator)?
        }
    };
    let submission = if args.guard_formulas { submission.guard_formulas() } else { submission };
    submission.notes().iter().for_each(|note| eprintln!("note: {note}"));
    let tta = match (args.no_tta, args.tta.passes(predictor)) {
        (true, _) => None,
        (false, given) => given.or(predictor.meta().tta),
    };
    let is_csv = out.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("csv"));
    // Without `--out` it is the command's own file.
    if args.out.is_some() && is_csv {
        is_submission(out, submission.header())?;
    }
    let stop = super::stop::signal();
    let mut progress = progress::auto(args.quiet);
    let watch = Watch { progress: progress.as_mut(), stop: &stop };
    submission.write(predictor, tta, thresholds, out, watch)?;
    drop(progress);
    let how = tta.map_or("plain predictions".to_string(), |n| format!("{n} augmented predictions and the plain one"));
    let above = match predictor.meta().task {
        TaskKind::MultiLabel => format!(", tags above {thresholds}"),
        _ => String::new(),
    };
    println!("{}: {} rows, {how}{above}; {}", out.display(), submission.len(), submission.describe());
    Ok(())
}

fn format(word: &str) -> Result<SubmissionFormat, String> {
    let known = SubmissionFormat::ALL.into_iter().find(|format| format.word() == word);
    known.ok_or_else(|| format!("one of {}", SubmissionFormat::ALL.map(SubmissionFormat::word).join(", ")))
}
