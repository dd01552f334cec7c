//! Opens a run's saved model for `predict`, `submit` and `validate`.

use std::path::{Path, PathBuf};

use fastai_dsl::source::RecipeText;
use fastai_dsl::{Recipe, in_todays_words};
use fastai_runtime::names::typed;
use fastai_runtime::predict::Predictor;
use fastai_runtime::report::Summary;
use fastai_runtime::{RunError, device, engine};

use super::device::ModelDevice;
use super::failure::Failure;
use super::numbers;

/// Which model, and what it computes on.
#[derive(clap::Args)]
pub struct SavedModel {
    /// A run folder, or a model that a run saved (`.safetensors`)
    run: PathBuf,
    /// Another model of the run than its last: the NAME of `save("NAME")`
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    #[command(flatten)]
    device: ModelDevice,
    /// CPU threads; all cores unless given
    #[arg(long, value_name = "N", value_parser = numbers::threads())]
    threads: Option<u16>,
}

/// Whether and how often augmented images are predicted too.
#[derive(clap::Args)]
pub struct Tta {
    /// Average over N augmented predictions too; without a number as many as the recipe says, else 4
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    tta: Option<Option<u32>>,
}

impl Tta {
    /// Augmented passes, if any.
    pub fn passes(&self, predictor: &Predictor) -> Option<u32> {
        self.tta.map(|given| given.or(predictor.meta().tta).unwrap_or(4))
    }
}

impl SavedModel {
    pub fn path(&self) -> &Path {
        &self.run
    }

    /// # Errors
    /// No such device or model.
    pub fn load(&self) -> Result<Predictor, RunError> {
        if let Some(threads) = self.threads {
            device::limit_threads(usize::from(threads))?;
        }
        let picked = self.device.picked()?;
        Predictor::load(&self.run, self.model.as_deref(), &picked.device)
    }

    /// Warns of a model whose run says that its training failed.
    pub fn warn_of_run(&self) {
        warn_of_run(&self.run, self.model.as_deref());
    }

    /// The working directory of the run, which relative paths of the recipe refer to.
    ///
    /// # Errors
    /// A summary that is damaged or was edited.
    pub fn directory(&self) -> Result<PathBuf, RunError> {
        let Some(folder) = self.folder() else { return Ok(PathBuf::new()) };
        Ok(directory_of(&Summary::read(folder)?))
    }

    /// The folder of the run that the model is of; `None` for a model that lies alone.
    pub fn folder(&self) -> Option<&Path> {
        self.run.ancestors().take(3).find(|folder| folder.join(Summary::FILE).is_file())
    }
}

/// Warns of a model whose run says that its training failed: of `model`, the folder of the run, or a file in its folder of models;
/// in the first case of the NAME of `save("NAME")`, or of the last model. Says nothing of a model without its run.
pub fn warn_of_run(model: &Path, name: Option<&str>) {
    if let Some(verdict) = verdict_on(model, name) {
        eprintln!("warning: {}: {verdict}", model.display());
    }
}

fn verdict_on(model: &Path, name: Option<&str>) -> Option<String> {
    if model.is_dir() {
        return Summary::read(model).ok()?.verdict_on(name);
    }
    let models = model.parent().filter(|folder| folder.ends_with("models"))?;
    Summary::read(models.parent()?).ok()?.verdict_on(Some(model.file_stem()?.to_str()?))
}

/// The summary of a run.
///
/// # Errors
/// A folder of no run, or of one that has not written its summary yet.
pub fn summary_of(run: &Path) -> Result<Summary, Failure> {
    is_run(run).map_err(Failure::Failed)?;
    if !run.join(Summary::FILE).is_file() {
        return Err(Failure::Failed(format!(
            "{}: the run was killed before its first results: finish it with `fastai run --resume {}`",
            run.display(),
            typed(run)
        )));
    }
    Ok(Summary::read(run)?)
}

/// # Errors
/// If this is not the folder of a run, finished or not.
pub fn is_run(folder: &Path) -> Result<(), String> {
    let place = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    if folder.join(Summary::FILE).is_file() || engine::is_unfinished(folder) {
        Ok(())
    } else if folder.exists() {
        Err(format!("{} is no run folder: it has no `{}`", place.display(), Summary::FILE))
    } else {
        Err(format!("there is no run folder {}", place.display()))
    }
}

/// The working directory of a run; that of this process if it is not there.
pub fn directory_of(run: &Summary) -> PathBuf {
    run.directory.clone().filter(|directory| directory.is_dir()).unwrap_or_default()
}

/// Reads the recipe of a model from its header.
///
/// # Errors
/// If this version cannot read the text.
pub fn recipe(predictor: &Predictor) -> Result<Recipe, Failure> {
    let source = RecipeText::new("the model's recipe", &in_todays_words(&predictor.meta().text), &[]);
    match &source.result {
        Ok(checked) => Ok(checked.recipe.clone()),
        Err(_) => {
            eprintln!("{}\n", source.render(false));
            let why = "this version does not understand the recipe that the model was trained by";
            Err(Failure::Invalid(why.to_string()))
        }
    }
}
