//! The forms in which `fastai predict` prints.

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};

use fastai_dsl::TaskKind;
use fastai_runtime::metrics::Thresholds;
use fastai_runtime::names::{reversible, visible, visible_name};
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
    /// # Errors
    /// If a csv file would have two columns of one name: what to do instead.
    pub fn fits(self, predictor: &Predictor) -> Result<(), String> {
        let columns = match self {
            Self::Csv => columns(predictor.meta().task, predictor.classes()),
            Self::Text | Self::Json | Self::JsonLines => return Ok(()),
        };
        repeated(&columns).map_or(Ok(()), |column| {
            Err(format!("--csv: two columns would be called `{column}`: take `--jsonl`, which keeps them apart"))
        })
    }

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
        let file = reversible(said.path);
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

/// The columns of a csv file: `file`, one for each class or for the number, and, unless it is a number, what is `said`.
fn columns(task: TaskKind, classes: &[String]) -> Vec<String> {
    let classes = classes.iter().map(|class| visible_name(class).into_owned());
    let said = (task != TaskKind::Regression).then(|| "said".to_string());
    std::iter::once("file".to_string()).chain(classes).chain(said).collect()
}

/// The first name that occurs twice.
fn repeated(names: &[String]) -> Option<&String> {
    let mut seen = HashSet::new();
    names.iter().find(|name| !seen.insert(*name))
}

/// A row for each image below its [`columns`].
struct Csv<W: Write> {
    out: csv::Writer<W>,
    /// Between tags.
    separator: String,
    /// Whether a terminal shows the text, which would obey what is in the names of files.
    shown: bool,
}

impl<W: Write> Csv<W> {
    fn record(&mut self, fields: impl IntoIterator<Item = impl AsRef<[u8]>>) -> io::Result<()> {
        self.out.write_record(fields).map_err(|error| match error.into_kind() {
            // With its kind, which says whether the reader is gone.
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("{other:?}")),
        })
    }
}

impl<W: Write> PredictionWriter for Csv<W> {
    fn begin(&mut self, predictor: &Predictor, _: &Thresholds) -> io::Result<()> {
        self.record(columns(predictor.meta().task, predictor.classes()))
    }

    fn row(&mut self, predictor: &Predictor, said: Said<'_>, names: &[&str]) -> io::Result<()> {
        let file = match self.shown {
            true => visible_name(&reversible(said.path)).into_owned().into_bytes(),
            // A program joins the rows with the files.
            false => said.path.as_os_str().as_encoded_bytes().to_vec(),
        };
        let mut fields = vec![file];
        fields.extend(said.probabilities.iter().map(|probability| probability.to_string().into_bytes()));
        if predictor.meta().task != TaskKind::Regression {
            fields.push(visible_name(&names.join(&self.separator)).into_owned().into_bytes());
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
    object.insert("file".to_string(), json!(reversible(said.path)));
    answer::describe(&mut object, predictor, said.probabilities, names, top);
    visible(&Value::Object(object).to_string()).into_owned()
}

/// `file` with `error`.
fn json_refusal(image: &Unreadable) -> String {
    let object = json!({ "file": reversible(&image.path), "error": image.reason });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_one_name_are_found() {
        let twice = |task, classes: &[&str]| {
            let classes: Vec<String> = classes.iter().map(|class| class.to_string()).collect();
            repeated(&columns(task, &classes)).cloned()
        };
        assert_eq!(twice(TaskKind::SingleLabel, &["cat", "File"]), None);
        assert_eq!(twice(TaskKind::SingleLabel, &["cat", "file"]).unwrap(), "file");
        assert_eq!(twice(TaskKind::MultiLabel, &["cat", "said"]).unwrap(), "said");
        assert_eq!(twice(TaskKind::Regression, &["said"]), None);
        assert_eq!(twice(TaskKind::Regression, &["file"]).unwrap(), "file");
        // Classes whose names differ until they are made visible.
        assert_eq!(twice(TaskKind::SingleLabel, &["a\u{202e}", "a\\u202e"]).unwrap(), "a\\u202e");
    }
}
