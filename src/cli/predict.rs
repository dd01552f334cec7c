//! `fastai predict`

use std::ffi::OsString;
use std::io::{self, BufRead, BufWriter, Read};
use std::path::{Path, PathBuf};

use fastai_dsl::source::RecipeText;
use fastai_dsl::{Source, TaskKind, in_todays_words};
use fastai_runtime::RunError;
use fastai_runtime::data::{FileError, MAX_IMAGE_BYTES, begins_as_image};
use fastai_runtime::metrics::Thresholds;
use fastai_runtime::names::reversible;
use fastai_runtime::predict::{
    FileAnswer, ImageFiles, NpyRows, PredictOptions, Predictor, Said, Unreadable, tag_separator,
};
use fastai_runtime::progress::{self, Watch};

use super::failure::Failure;
use super::prediction_writer::PredictionFormat;
use super::saved::{SavedModel, Tta};
use super::source::is_stdin;

/// Number of unreadable images that the closing message lists.
const LISTED: usize = 1000;

#[derive(clap::Args)]
pub struct PredictArgs {
    #[command(flatten)]
    model: SavedModel,
    /// Images, or folders: all images in and below them, sorted by name. `-` reads standard input: the names of images, one
    /// per line, or a single image
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The names on standard input end with a zero byte each instead of a line end, as `find -print0` writes them;
    /// they are also taken so where the list begins with a name that ends with one
    #[arg(long, short = '0')]
    null: bool,
    #[command(flatten)]
    tta: Tta,
    /// For tags: said above this probability; the model's own threshold unless given
    #[arg(long, value_name = "T", value_parser = threshold)]
    threshold: Option<f64>,
    /// The K most probable classes of each image: 5 in text unless given; in JSON instead of all probabilities
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "csv")]
    top: Option<u32>,
    /// Print CSV: file, a column for each class and what is said, or the predicted number; refused if two columns
    /// would have one name
    #[arg(long, conflicts_with_all = ["json", "jsonl"])]
    csv: bool,
    /// Print JSON: one document (JSON.md lists the fields)
    #[arg(long, conflicts_with = "jsonl")]
    json: bool,
    /// Print JSON lines: one object an image, in the order of the images, readable or not
    #[arg(long)]
    jsonl: bool,
    /// Write the embeddings here, as a NumPy file `[image, number]` of float32: for each readable image, in order, the
    /// largest value and then the mean of each channel of the body's last map; of several networks, such as those of
    /// folds, the numbers stand side by side
    #[arg(long, value_name = "FILE")]
    embeddings: Option<PathBuf>,
    /// Say nothing but the result, warnings and errors
    #[arg(long, short)]
    quiet: bool,
}

impl PredictArgs {
    fn format(&self) -> PredictionFormat {
        match (self.csv, self.json, self.jsonl) {
            (true, ..) => PredictionFormat::Csv,
            (_, true, _) => PredictionFormat::Json,
            (.., true) => PredictionFormat::JsonLines,
            _ => PredictionFormat::Text,
        }
    }
}

pub fn threshold(text: &str) -> Result<f64, String> {
    let value: Result<f64, _> = text.parse();
    value.ok().filter(|t| (0.0..=1.0).contains(t)).ok_or_else(|| "a number from 0 to 1".to_string())
}

/// The probabilities above which a model says tags: `asked`, or its own.
///
/// # Errors
/// If a threshold is asked for, and the model says no tags.
pub fn thresholds(predictor: &Predictor, asked: Option<f64>) -> Result<Thresholds, String> {
    let says = match predictor.meta().task {
        TaskKind::MultiLabel => None,
        TaskKind::SingleLabel => Some("the most probable class"),
        TaskKind::Regression => Some("a number"),
    };
    match says {
        Some(says) if asked.is_some() => {
            Err(format!("a threshold is for tags, and `{}` says {says}: leave it out", predictor.meta().recipe))
        }
        _ => Ok(predictor.thresholds(asked)),
    }
}

/// [`thresholds`] for the option `--threshold`.
///
/// # Errors
/// Likewise.
pub fn stated_thresholds(predictor: &Predictor, stated: Option<f64>) -> Result<Thresholds, Failure> {
    thresholds(predictor, stated).map_err(|why| Failure::Invalid(format!("--threshold: {why}")))
}

pub fn run(args: &PredictArgs) -> Result<(), Failure> {
    let unread = match predict(args) {
        // The reader closed the pipe.
        Err(Failure::Engine(RunError::File(file))) if file.error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        done => done?,
    };
    if unread.count == 0 {
        return Ok(());
    }
    let mut reasons: Vec<String> =
        unread.first.iter().map(|image| format!("\n  {}: {}", reversible(&image.path), image.reason)).collect();
    if unread.count > unread.first.len() {
        reasons.push(format!("\n  and {} more; `--jsonl` names each", unread.count - unread.first.len()));
    }
    Err(Failure::Failed(format!("{} of the images cannot be read:{}", unread.count, reasons.concat())))
}

/// The images that could not be read.
#[derive(Default)]
struct Unread {
    count: usize,
    /// The first ones.
    first: Vec<Unreadable>,
}

fn predict(args: &PredictArgs) -> Result<Unread, Failure> {
    if let Some(path) = &args.embeddings {
        super::replaced::is_own(path, "--embeddings", &["npy"])?;
    }
    let predictor = args.model.load()?;
    args.model.warn_of_run();
    let thresholds = stated_thresholds(&predictor, args.threshold)?;
    args.format().fits(&predictor).map_err(Failure::Invalid)?;
    // A model of another program's version says its tags parted by blanks.
    let recipe = RecipeText::new("the model's recipe", &in_todays_words(&predictor.meta().text), &[]).result.ok();
    let source = recipe.map_or(Source::Given, |checked| checked.recipe.data().source.clone());
    let separator = tag_separator(&source, predictor.classes()).to_string();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut writer = args.format().writer(args.top.map(|k| k as usize), separator, &mut out);
    let cannot = |e| RunError::file("write", "the standard output", e);
    let mut embeddings = match &args.embeddings {
        Some(path) => Some(NpyRows::create(path, predictor.embedding_len())?),
        None => None,
    };
    let options = PredictOptions { tta: args.tta.passes(&predictor), embeddings: embeddings.is_some() };
    writer.begin(&predictor, &thresholds).map_err(cannot)?;
    let mut unread = Unread::default();
    let mut each = |said: FileAnswer<'_>| -> Result<(), RunError> {
        match said {
            Ok(said) => {
                let names = predictor.said(said.probabilities, &thresholds);
                writer.row(&predictor, said, &names).map_err(cannot)?;
                if let (Some(rows), Some(row)) = (&mut embeddings, said.embedding) {
                    rows.push(row)?;
                }
            }
            Err(image) => {
                writer.unreadable(&image).map_err(cannot)?;
                unread.count += 1;
                if unread.first.len() < LISTED {
                    unread.first.push(image);
                }
            }
        }
        Ok(())
    };
    let mut left_out = None;
    match standard_image(&args.paths)? {
        Some(bytes) => {
            let path = Path::new("-");
            for answer in predictor.predict_encoded(&[bytes], &options)? {
                each(match &answer {
                    Ok(answer) => {
                        let (probabilities, embedding) = (&answer.probabilities, answer.embedding.as_deref());
                        Ok(Said { image: 0, path, probabilities, embedding })
                    }
                    Err(reason) => Err(Unreadable { image: 0, path: path.to_path_buf(), reason: reason.clone() }),
                })?;
            }
        }
        None => {
            let stop = super::stop::signal();
            let mut progress = progress::auto(args.quiet);
            let watch = Watch { progress: progress.as_mut(), stop: &stop };
            if args.paths.iter().all(|path| !path.is_dir() && !is_stdin(path)) {
                predictor.stream(args.paths.iter().map(Ok), &options, watch, &mut each)?;
            } else {
                let names = args.paths.iter().flat_map(|path| named(path, args.null));
                let mut files = ImageFiles::new(names);
                let paths = files.by_ref().map(|file| file.map_err(RunError::from));
                predictor.stream(paths, &options, watch, &mut each)?;
                left_out = files.left_out();
            }
        }
    }
    writer.end().map_err(cannot)?;
    drop(writer);
    if let Some(rows) = embeddings {
        rows.finish()?;
    }
    if let Some(note) = left_out.filter(|_| !args.quiet) {
        eprintln!("note: {note}");
    }
    Ok(unread)
}

/// The image on standard input, if the only path is `-` and an image begins there: in the bytes of names, no control
/// characters occur.
fn standard_image(paths: &[PathBuf]) -> Result<Option<Vec<u8>>, RunError> {
    let cannot = |e| RunError::file("read", "the standard input", e);
    if !matches!(paths, [path] if is_stdin(path)) {
        return Ok(None);
    }
    let mut input = io::stdin().lock();
    let start = input.fill_buf().map_err(cannot)?;
    let start = &start[..start.len().min(16)];
    let is_text = std::str::from_utf8(start).is_ok_and(|text| !text.contains(|c: char| c.is_control() && c != '\n'));
    if is_text || !begins_as_image(start) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    input.take(MAX_IMAGE_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_IMAGE_BYTES {
        return Err(cannot(io::Error::other(format!("the image is larger than {} MiB", MAX_IMAGE_BYTES >> 20))));
    }
    Ok(Some(bytes))
}

/// The paths that an argument names: itself, or those on standard input.
fn named(path: &Path, null: bool) -> Box<dyn Iterator<Item = Result<PathBuf, FileError>> + '_> {
    if !is_stdin(path) {
        return Box::new(std::iter::once(Ok(path.to_path_buf())));
    }
    let mut input = io::stdin().lock();
    // No name contains a NUL, so it parts names. An error of reading comes again with the first name.
    let null = null || input.fill_buf().is_ok_and(|start| start.contains(&0));
    let end = if null { 0 } else { b'\n' };
    let names = input.split(end).map(move |name| {
        let mut name = name.map_err(|error| FileError::new("read", "the standard input", error))?;
        if !null && name.last() == Some(&b'\r') {
            name.pop();
        }
        file_name(name)
    });
    Box::new(names.filter(|name| name.as_ref().map_or(true, |name| !name.as_os_str().is_empty())))
}

#[cfg(unix)]
fn file_name(bytes: Vec<u8>) -> Result<PathBuf, FileError> {
    use std::os::unix::ffi::OsStringExt;
    Ok(OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn file_name(bytes: Vec<u8>) -> Result<PathBuf, FileError> {
    let name = String::from_utf8(bytes)
        .map_err(|error| FileError::new("read", "the standard input", io::Error::other(error)))?;
    Ok(OsString::from(name).into())
}
