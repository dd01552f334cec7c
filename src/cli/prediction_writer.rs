//! The forms in which `fastai predict` prints.

use std::io::{self, IsTerminal, Write};

use fastai_dsl::TaskKind;
use fastai_runtime::metrics::Thresholds;
use fastai_runtime::names::{visible, visible_name};
use fastai_runtime::predict::{Predictor, Said, Unreadable};
use serde_json::{Map, Value, json};

use super::answer;

/// Number of classes in a line of text output.
const SHOWN: usize = 5;

/// Writes predictions, each as it arrives.
pub trait PredictionWriter {
    fn begin(&mut self, predictor: &Predictor, thresholds: &Thresholds) -> io::Result<()>;
    fn row(&mut self, predictor: &Predictor, said: Said<'_>, names: &[&str]) -> io::Result<()>;
    fn unreadable(&mut self, _: &Unreadable) -> io::Result<()> {
        Ok(())
    }
    fn end(&mut self) -> io::Result<()>;
}

/// What the predictions are written as.
#[derive(Clone, Copy)]
pub enum PredictionFormat {
    Text,
    Csv,
    Json,
    JsonLines,
}

impl PredictionFormat {
    /// A writer to `out`: of at most `top` classes of an image where the format lists the most probable ones, with `separator`
    /// between tags.
    pub fn writer<'a>(
        self,
        top: Option<usize>,
        separator: String,
        out: &'a mut impl Write,
    ) -> Box<dyn PredictionWriter + 'a> {
        match self {
            Self::Text => Box::new(Text { out, separator, top: top.unwrap_or(SHOWN) }),
            Self::Csv => {
                let shown = io::stdout().is_terminal();
                Box::new(Csv { out: csv::Writer::from_writer(out), separator, shown })
            }
            Self::Json => Box::new(Json { out, rows: 0, top, unreadable: Vec::new() }),
            Self::JsonLines => Box::new(JsonLines { out, top }),
        }
    }
}

struct Text<W> {
    out: W,
    /// Between tags.
    separator: String,
    /// Classes in a line.
    top: usize,
}

impl<W: Write> PredictionWriter for Text<W> {
    fn begin(&mut self, predictor: &Predictor, thresholds: &Thresholds) -> io::Result<()> {
        let meta = predictor.meta();
        let what = match meta.task {
            TaskKind::MultiLabel => format!("tags above {thresholds}"),
            TaskKind::SingleLabel => "the most probable class".to_string(),
            TaskKind::Regression => {
                let name = visible_name(&meta.classes[0]);
                return writeln!(self.out, "# {}, a number for each image: {name}", meta.recipe);
            }
        };
        writeln!(self.out, "# {}, {what}; classes: {}", meta.recipe, visible_name(&meta.classes.join(&self.separator)))
    }

    fn row(&mut self, predictor: &Predictor, said: Said<'_>, names: &[&str]) -> io::Result<()> {
        let file = said.path.display().to_string();
        let file = visible_name(&file);
        if predictor.meta().task == TaskKind::Regression {
            return writeln!(self.out, "{file}\t{:.4}", said.probabilities[0]);
        }
        let best = predictor.top(said.probabilities, self.top);
        let best: Vec<String> =
            best.iter().map(|(class, probability)| format!("{} {probability:.4}", visible_name(class))).collect();
        let names = if names.is_empty() { "-".to_string() } else { names.join(&self.separator) };
        writeln!(self.out, "{file}\t{}\t{}", visible_name(&names), best.join(", "))
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// `file`, a column for each class or for the number, and, unless it is a number, what is `said`.
struct Csv<W: Write> {
    out: csv::Writer<W>,
    /// Between tags.
    separator: String,
    /// Whether a terminal shows the text, which would obey what is in the names of files.
    shown: bool,
}

impl<W: Write> Csv<W> {
    fn record(&mut self, fields: impl IntoIterator<Item = String>) -> io::Result<()> {
        self.out.write_record(fields).map_err(|error| match error.into_kind() {
            // With its kind, which says whether the reader is gone.
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("{other:?}")),
        })
    }
}

impl<W: Write> PredictionWriter for Csv<W> {
    fn begin(&mut self, predictor: &Predictor, _: &Thresholds) -> io::Result<()> {
        let classes = predictor.classes().iter().map(|class| visible_name(class).into_owned());
        let said = (predictor.meta().task != TaskKind::Regression).then(|| "said".into());
        self.record(std::iter::once("file".into()).chain(classes).chain(said))
    }

    fn row(&mut self, predictor: &Predictor, said: Said<'_>, names: &[&str]) -> io::Result<()> {
        let file = said.path.display().to_string();
        let mut fields = vec![if self.shown { visible_name(&file).into_owned() } else { file }];
        fields.extend(said.probabilities.iter().map(f32::to_string));
        if predictor.meta().task != TaskKind::Regression {
            fields.push(visible_name(&names.join(&self.separator)).into_owned());
        }
        self.record(fields)
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What is said of an image, with its name: `file` with `said` and `probabilities` by class or `top`, or with `value` (numbers).
fn json_answer(predictor: &Predictor, said: Said<'_>, names: &[&str], top: Option<usize>) -> String {
    let mut object = Map::new();
    object.insert("file".to_string(), json!(said.path.display().to_string()));
    answer::describe(&mut object, predictor, said.probabilities, names, top);
    visible(&Value::Object(object).to_string()).into_owned()
}

/// `file` with `error`.
fn json_refusal(image: &Unreadable) -> String {
    let object = json!({ "file": image.path.display().to_string(), "error": image.reason });
    visible(&object.to_string()).into_owned()
}

/// One document: what the model is, and the images, readable or not.
struct Json<W> {
    out: W,
    rows: usize,
    /// Only so many classes of an image.
    top: Option<usize>,
    unreadable: Vec<String>,
}

impl<W: Write> PredictionWriter for Json<W> {
    fn begin(&mut self, predictor: &Predictor, thresholds: &Thresholds) -> io::Result<()> {
        let meta = predictor.meta();
        let classes = visible(&serde_json::to_string(&meta.classes)?).into_owned();
        let threshold = (meta.task == TaskKind::MultiLabel).then_some(thresholds);
        let (recipe, threshold) = (json!(meta.recipe), json!(threshold));
        write!(self.out, "{{\"recipe\":{recipe},\"classes\":{classes},\"threshold\":{threshold},\"images\":[")
    }

    fn row(&mut self, predictor: &Predictor, said: Said<'_>, names: &[&str]) -> io::Result<()> {
        let comma = if self.rows > 0 { "," } else { "" };
        self.rows += 1;
        write!(self.out, "{comma}\n{}", json_answer(predictor, said, names, self.top))
    }

    fn unreadable(&mut self, image: &Unreadable) -> io::Result<()> {
        self.unreadable.push(json_refusal(image));
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        writeln!(self.out, "\n],\"unreadable\":[{}]}}", self.unreadable.join(","))?;
        self.out.flush()
    }
}

/// One object a line.
struct JsonLines<W> {
    out: W,
    /// Only so many classes of an image.
    top: Option<usize>,
}

impl<W: Write> PredictionWriter for JsonLines<W> {
    fn begin(&mut self, _: &Predictor, _: &Thresholds) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, predictor: &Predictor, said: Said<'_>, names: &[&str]) -> io::Result<()> {
        writeln!(self.out, "{}", json_answer(predictor, said, names, self.top))
    }

    fn unreadable(&mut self, image: &Unreadable) -> io::Result<()> {
        writeln!(self.out, "{}", json_refusal(image))
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
