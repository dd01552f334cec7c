//! `fastai submit`

use std::path::PathBuf;

use fastai_dsl::{Source, TaskKind};
use fastai_runtime::RunError;
use fastai_runtime::predict::{
    Predictor, SubmissionRows, check_sample, image_files, submission_header, write_submission,
};
use fastai_runtime::progress::{self, Watch};

use super::failure::Failure;
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
    /// A sample submission that header and ids must fit
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// Say nothing but the result and errors
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: &SubmitArgs) -> Result<(), Failure> {
    let predictor = args.model.load()?;
    let recipe = saved::recipe(&predictor)?;
    let suffix = match &recipe.data().source {
        Source::Csv { suffix, .. } => suffix.clone(),
        Source::Folders { .. } | Source::Given => String::new(),
    };
    let images = match (&args.images, &recipe.data().test) {
        (Some(folder), _) => folder.clone(),
        (None, Some(test)) => args.model.directory().join(&recipe.data().root).join(test),
        (None, None) => {
            let why = "the recipe has no test folder: name one with `--images DIR`";
            return Err(Failure::Invalid(why.to_string()));
        }
    };
    Ok(submit(args, &predictor, images, &suffix)?)
}

fn submit(args: &SubmitArgs, predictor: &Predictor, images: PathBuf, suffix: &str) -> Result<(), RunError> {
    let rows = SubmissionRows::new(image_files(&[images])?, suffix)?;
    if let Some(sample) = &args.sample {
        check_sample(sample, &submission_header(predictor), rows.ids())?;
    }
    let tta = match (args.no_tta, args.tta.passes(predictor)) {
        (true, _) => None,
        (false, given) => given.or(predictor.meta().tta),
    };
    let threshold = args.threshold.or(predictor.meta().threshold).unwrap_or(0.5);
    let out = args.out.clone().unwrap_or_else(|| {
        let run = args.model.path();
        if run.is_dir() { run.join("submission.csv") } else { "submission.csv".into() }
    });
    let stop = super::stop::signal();
    let mut progress = progress::auto(args.quiet);
    let watch = Watch { progress: progress.as_mut(), stop: &stop };
    write_submission(predictor, &rows, tta, threshold, &out, watch)?;
    drop(progress);
    let how = tta.map_or("plain predictions".to_string(), |n| format!("{n} augmented predictions and the plain one"));
    let above = match predictor.meta().task {
        TaskKind::MultiLabel => format!(", tags above {threshold}"),
        _ => String::new(),
    };
    println!("{}: {} rows, {how}{above}", out.display(), rows.len());
    Ok(())
}
