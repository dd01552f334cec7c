//! Reading recipe files for the subcommands.

use std::io::Read;
use std::path::{Path, PathBuf};

use fastai_dsl::catalog::SUMMARY_STALE;
use fastai_dsl::overrides::Override;
use fastai_dsl::source::{LARGEST, RecipeText};
use fastai_dsl::suggest::misspelt;
use fastai_dsl::{Checked, Recipe, in_todays_words, prepared};

use fastai_runtime::names::visible_name;

use super::failure::{Exit, Failure};
use super::numbers::counted;
use super::{color, output};

/// Reads and checks a file; findings go to stderr.
///
/// # Errors
/// If the file cannot be read or contains no valid recipe.
pub fn read(path: &Path, overrides: &[Override]) -> Result<Checked, Failure> {
    said(open(path, overrides)?)
}

/// Like [`read`], of the recipe that a run keeps, whichever version wrote it.
///
/// # Errors
/// If the file cannot be read or contains no valid recipe.
pub fn read_kept(path: &Path, overrides: &[Override]) -> Result<Checked, Failure> {
    let text = String::from_utf8_lossy(&read_bytes(path)?).into_owned();
    said(RecipeText::new(&visible_name(&path.to_string_lossy()), &in_todays_words(&text), overrides))
}

/// Like [`open`], and checks the recipe against the summary of its data, if there is one beside the file: of the data that the file
/// names, so that nothing is checked against it if the overrides name others.
///
/// # Errors
/// If a file cannot be read.
pub fn open_with_data(path: &Path, overrides: &[Override]) -> Result<RecipeText, Failure> {
    let source = open(path, overrides)?;
    let Some(file) = summary_of(path, &source).filter(|file| file.is_file()) else { return Ok(source) };
    let summary = read_summary(&file).map_err(Failure::Invalid)?;
    let source = source.verify(&summary);
    let is_stale = |read: &RecipeText| read.diagnostics().iter().any(|found| found.code.id == SUMMARY_STALE.id);
    let is_of_file = !overrides.is_empty() && is_stale(&source) && !is_stale(&open(path, &[])?.verify(&summary));
    if is_of_file { open(path, overrides) } else { Ok(source) }
}

/// Returns the path of the summary of a recipe's data: beside the recipe, named after it.
pub fn summary_of(path: &Path, source: &RecipeText) -> Option<PathBuf> {
    Some(path.with_file_name(prepared::file_name(source.name()?)))
}

/// Reads and checks a file without reporting its findings.
///
/// # Errors
/// If the file cannot be read.
pub fn open(path: &Path, overrides: &[Override]) -> Result<RecipeText, Failure> {
    Ok(RecipeText::from_bytes(&visible_name(&path.to_string_lossy()), &read_bytes(path)?, overrides))
}

/// Reports the findings.
///
/// # Errors
/// If there is no recipe.
pub fn said(source: RecipeText) -> Result<Checked, Failure> {
    if !source.diagnostics().is_empty() {
        output::complain_styled(&format!("{}\n\n", source.render(color::on_stderr())));
    }
    let path = source.path;
    source.result.map_err(|found| {
        let errors = found.iter().filter(|d| d.severity == fastai_dsl::Severity::Error).count() + found.dropped();
        eprintln!("{path}: {}; `fastai explain CODE` tells more", counted(errors as u64, "error", "errors"));
        Failure::Reported(Exit::Invalid)
    })
}

/// Refuses a recipe whose data folder does not exist in the working directory, but beside the recipe.
///
/// # Errors
/// What to type instead.
pub fn finds_data(path: &Path, recipe: &Recipe) -> Result<(), Failure> {
    let Some(root) = recipe.data().root.as_deref().map(Path::new) else { return Ok(()) };
    let beside = path.parent().map(|folder| folder.join(root)).unwrap_or_default();
    if root.is_absolute() || root.is_dir() || !beside.is_dir() {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    Err(Failure::Failed(format!(
        "the data folder {root:?} is looked up from the working directory and is not there; it is beside the recipe: say \
         `--set 'data.root={}'`, write that into the recipe, or start in {}",
        beside.display(),
        folder.display()
    )))
}

/// The bytes of a recipe file.
///
/// # Errors
/// If the file cannot be read; the message contains its absolute path.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    at_most(LARGEST, "recipe", path).map_err(|why| {
        let near = near_recipe(path).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Failure::Invalid(why + &near)
    })
}

/// Whether an argument stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The bytes on standard input.
///
/// # Errors
/// If it cannot be read.
pub fn read_stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().read_to_end(&mut bytes);
    read.map_err(|error| Failure::Failed(format!("cannot read stdin: {error}")))?;
    Ok(bytes)
}

/// The recipe beside a file that is not there whose name is like that of the file.
fn near_recipe(path: &Path) -> Option<String> {
    let name = path.file_stem().filter(|_| !path.exists())?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let recipes: Vec<PathBuf> =
        beside.filter(|file| file.extension().is_some_and(|suffix| suffix == "recipe")).collect();
    let mut names: Vec<&str> = recipes.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    names.sort_unstable();
    let near = path.with_file_name(format!("{}.recipe", misspelt(name, &names)?));
    Some(visible_name(&near.to_string_lossy()).into_owned())
}

/// The text of the summary of a recipe's data.
///
/// # Errors
/// The message, with the file's absolute path.
pub fn read_summary(path: &Path) -> Result<String, String> {
    Ok(String::from_utf8_lossy(&at_most(prepared::LARGEST, "summary", path)?).into_owned())
}

fn at_most(largest: usize, what: &str, path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(largest as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        return Err(format!("cannot read `{}`: {error}", absolute.display()));
    }
    if bytes.len() > largest {
        let limit = if largest < 1 << 20 { format!("{} KiB", largest >> 10) } else { format!("{} MiB", largest >> 20) };
        return Err(format!("`{}` is larger than {limit}: no {what} is", path.display()));
    }
    Ok(bytes)
}
