//! `fastai predict`

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use fastai_dsl::source::RecipeText;
use fastai_dsl::{Source, TaskKind};
use fastai_runtime::RunError;
use fastai_runtime::names::{visible, visible_name};
use fastai_runtime::predict::{Predictor, Said, Unreadable, image_files, tag_separator};
use fastai_runtime::progress::{self, Watch};

use super::failure::Failure;
use super::saved::{SavedModel, Tta};

/// Number of classes in a line of text output.
const SHOWN: usize = 5;

#[derive(clap::Args)]
pub struct PredictArgs {
    #[command(flatten)]
    model: SavedModel,
    /// Images, or folders: all images in and below them, sorted by name
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    tta: Tta,
    /// For tags: said above this probability; the model's own threshold unless given
    #[arg(long, value_name = "T", value_parser = threshold)]
    threshold: Option<f64>,
    /// Print CSV: file, a column a class, what is said
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Say nothing but the result and errors
    #[arg(long, short)]
    quiet: bool,
}

pub fn threshold(text: &str) -> Result<f64, String> {
    let value: Result<f64, _> = text.parse();
    value.ok().filter(|t| (0.0..=1.0).contains(t)).ok_or_else(|| "a number from 0 to 1".to_string())
}

pub fn run(args: &PredictArgs) -> Result<(), Failure> {
    let unreadable = match predict(args) {
        // The reader closed the pipe.
        Err(RunError::File(file)) if file.error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        done => done?,
    };
    if unreadable.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> =
        unreadable.iter().map(|image| format!("\n  {}: {}", image.path.display(), image.reason)).collect();
    Err(Failure::Failed(format!("{} of the images cannot be read:{}", unreadable.len(), reasons.concat())))
}

fn predict(args: &PredictArgs) -> Result<Vec<Unreadable>, RunError> {
    let predictor = args.model.load()?;
    let images = image_files(&args.paths)?;
    let threshold = args.threshold.or(predictor.meta().threshold).unwrap_or(0.5);
    // A model of another program's version says its tags parted by blanks.
    let recipe = RecipeText::new("the model's recipe", &predictor.meta().text, &[]).result.ok();
    let source = recipe.map_or(Source::Given, |checked| checked.recipe.data().source.clone());
    let separator = tag_separator(&source, predictor.classes()).to_string();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut writer: Box<dyn PredictionWriter> = match (args.csv, args.json) {
        (true, _) => Box::new(Csv { out: csv::Writer::from_writer(&mut out), separator }),
        (_, true) => Box::new(Json { out: &mut out, rows: 0 }),
        _ => Box::new(Text { out: &mut out, separator }),
    };
    let cannot = |e| RunError::file("write", "the standard output", e);
    writer.begin(&predictor, threshold).map_err(cannot)?;
    let stop = super::stop::signal();
    let mut progress = progress::auto(args.quiet);
    let watch = Watch { progress: progress.as_mut(), stop: &stop };
    let unreadable = predictor.stream(&images, args.tta.passes(&predictor), watch, &mut |said| {
        let names = predictor.said(said.probabilities, threshold);
        writer.row(&predictor, said, &names).map_err(cannot)
    })?;
    writer.end(&unreadable).map_err(cannot)?;
    Ok(unreadable)
}

/// An output format; rows are written as they arrive.
trait PredictionWriter {
    fn begin(&mut self, predictor: &Predictor, threshold: f64) -> io::Result<()>;
    fn row(&mut self, predictor: &Predictor, said: Said<'_>, names: &[&str]) -> io::Result<()>;
    fn end(&mut self, unreadable: &[Unreadable]) -> io::Result<()>;
}

struct Text<W> {
    out: W,
    /// Between tags.
    separator: String,
}

impl<W: Write> PredictionWriter for Text<W> {
    fn begin(&mut self, predictor: &Predictor, threshold: f64) -> io::Result<()> {
        let meta = predictor.meta();
        let what = match meta.task {
            TaskKind::MultiLabel => format!("tags above {threshold}"),
            TaskKind::SingleLabel => "the most probable class".to_string(),
            TaskKind::Regression => "a number an image".to_string(),
        };
        writeln!(self.out, "# {}, {what}; classes: {}", meta.recipe, visible_name(&meta.classes.join(&self.separator)))
    }

    fn row(&mut self, predictor: &Predictor, said: Said<'_>, names: &[&str]) -> io::Result<()> {
        let mut order: Vec<usize> = (0..said.probabilities.len()).collect();
        order.sort_by(|a, b| said.probabilities[*b].total_cmp(&said.probabilities[*a]));
        let best: Vec<String> = order
            .iter()
            .take(SHOWN)
            .map(|&c| format!("{} {:.4}", visible_name(&predictor.classes()[c]), said.probabilities[c]))
            .collect();
        let names = if names.is_empty() { "-".to_string() } else { names.join(&self.separator) };
        let (file, names) = (said.path.display().to_string(), visible_name(&names));
        writeln!(self.out, "{}\t{names}\t{}", visible_name(&file), best.join(", "))
    }

    fn end(&mut self, _: &[Unreadable]) -> io::Result<()> {
        self.out.flush()
    }
}

struct Csv<W: Write> {
    out: csv::Writer<W>,
    /// Between tags.
    separator: String,
}

impl<W: Write> PredictionWriter for Csv<W> {
    fn begin(&mut self, predictor: &Predictor, _: f64) -> io::Result<()> {
        let classes = predictor.classes().iter().map(|class| visible_name(class).into_owned());
        Ok(self.out.write_record(std::iter::once("file".into()).chain(classes).chain(["said".into()]))?)
    }

    fn row(&mut self, _: &Predictor, said: Said<'_>, names: &[&str]) -> io::Result<()> {
        let mut fields = vec![visible_name(&said.path.display().to_string()).into_owned()];
        fields.extend(said.probabilities.iter().map(f32::to_string));
        fields.push(visible_name(&names.join(&self.separator)).into_owned());
        Ok(self.out.write_record(fields)?)
    }

    fn end(&mut self, _: &[Unreadable]) -> io::Result<()> {
        self.out.flush()
    }
}

struct Json<W> {
    out: W,
    rows: usize,
}

impl<W: Write> PredictionWriter for Json<W> {
    fn begin(&mut self, predictor: &Predictor, threshold: f64) -> io::Result<()> {
        let meta = predictor.meta();
        let classes = visible(&serde_json::to_string(&meta.classes)?).into_owned();
        let threshold = (meta.task == TaskKind::MultiLabel).then_some(threshold);
        let (recipe, threshold) = (serde_json::json!(meta.recipe), serde_json::json!(threshold));
        write!(self.out, "{{\"recipe\":{recipe},\"classes\":{classes},\"threshold\":{threshold},\"images\":[")
    }

    fn row(&mut self, predictor: &Predictor, said: Said<'_>, names: &[&str]) -> io::Result<()> {
        let said_value = match predictor.meta().task {
            TaskKind::MultiLabel => serde_json::json!(names),
            _ => serde_json::json!(names.first()),
        };
        let row = serde_json::json!({
            "file": said.path.display().to_string(),
            "said": said_value,
            "probabilities": said.probabilities,
        });
        let comma = if self.rows > 0 { "," } else { "" };
        self.rows += 1;
        write!(self.out, "{comma}\n{}", visible(&row.to_string()))
    }

    fn end(&mut self, unreadable: &[Unreadable]) -> io::Result<()> {
        let list: Vec<_> = unreadable
            .iter()
            .map(|u| serde_json::json!({ "file": u.path.display().to_string(), "reason": u.reason }))
            .collect();
        writeln!(self.out, "\n],\"unreadable\":{}}}", visible(&serde_json::json!(list).to_string()))?;
        self.out.flush()
    }
}
