//! `fastai import`

use std::io::Read;
use std::path::{Path, PathBuf};

use fastai_dsl::import;
use fastai_dsl::source::RecipeText;
use fastai_runtime::atomic::write_atomic;
use serde_json::Value;

use super::failure::Failure;

/// Largest notebook that is read, bytes; notebooks contain their pictures.
const MAX_BYTES: u64 = 256 << 20;

#[derive(clap::Args)]
pub struct ImportArgs {
    /// A notebook (.ipynb) or script (.py) that uses fastai 0.7
    #[arg(value_name = "NOTEBOOK")]
    notebook: PathBuf,
    /// Write the recipe to this new file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(args: &ImportArgs) -> Result<(), Failure> {
    let path = &args.notebook;
    let text = read(path)?;
    let cells = if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("ipynb")) {
        cells(&text).map_err(|why| Failure::Invalid(format!("{} is not a notebook: {why}", path.display())))?
    } else {
        vec![text]
    };
    let imported = import::notebook(&recipe_name(path), cells.iter().map(String::as_str));
    if imported.translated == 0 {
        let why = "no call of fastai 0.7 that could begin a recipe is in it, such as `ConvLearner.pretrained(..)`";
        return Err(Failure::Invalid(format!("nothing of {} could be translated: {why}", path.display())));
    }
    let shown = match &args.out {
        Some(out) => {
            if out.exists() {
                return Err(Failure::Invalid(format!("{} exists; name another file", out.display())));
            }
            write_atomic(out, |file| file.write_all(imported.text.as_bytes()))
                .map_err(|error| Failure::Failed(error.to_string()))?;
            out.display().to_string()
        }
        None => {
            print!("{}", imported.text);
            "the recipe".to_string()
        }
    };
    eprintln!(
        "{} statements translated, {} kept as comments, {} imports and magics left out",
        imported.translated, imported.comments, imported.left_out
    );
    let source = RecipeText::new(&shown, &imported.text, &[]);
    let found = source.diagnostics().iter().count();
    if found > 0 {
        eprintln!("{found} findings in {shown}, as `fastai check` reports them:\n\n{}", source.render(false));
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    let cannot = |error: std::io::Error| Failure::Invalid(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        let why = format!("{} is larger than {} MiB: remove the outputs of its cells", path.display(), MAX_BYTES >> 20);
        return Err(Failure::Invalid(why));
    }
    String::from_utf8(bytes).map_err(|_| Failure::Invalid(format!("{} is not UTF-8", path.display())))
}

/// The code cells of a notebook, of formats 3 and 4.
fn cells(text: &str) -> Result<Vec<String>, String> {
    let notebook: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut all = list(&notebook["cells"]);
    all.extend(list(&notebook["worksheets"]).iter().flat_map(|sheet| list(&sheet["cells"])));
    if all.is_empty() {
        return Err("it has no `cells`".to_string());
    }
    let code = all.iter().filter(|cell| cell["cell_type"] == "code");
    // The source is a string or a list of lines.
    let source = |cell: &Value| match (&cell["source"], &cell["input"]) {
        (Value::Null, input) => text_of(input),
        (source, _) => text_of(source),
    };
    Ok(code.map(source).collect())
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

/// The file's name as the name of a recipe: `lesson1-rxt50.ipynb` is `Lesson1Rxt50`.
fn recipe_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let words = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name: String = words.map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    if name.starts_with(|c: char| c.is_ascii_uppercase()) { name } else { format!("Imported{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_both_formats_are_read() {
        let four = r##"{"cells": [{"cell_type": "markdown", "source": "# a"}, {"cell_type": "code", "source": ["a = 1\n", "b"]},
            {"cell_type": "code", "source": "c"}]}"##;
        assert_eq!(cells(four).unwrap(), ["a = 1\nb", "c"]);
        let three = r#"{"worksheets": [{"cells": [{"cell_type": "code", "input": ["x"]}]}]}"#;
        assert_eq!(cells(three).unwrap(), ["x"]);
        assert!(cells("{}").unwrap_err().contains("no `cells`"));
        assert!(cells("[").is_err());
    }

    #[test]
    fn names_are_those_of_types() {
        for (file, name) in [("lesson1-rxt50.ipynb", "Lesson1Rxt50"), ("2018.py", "Imported2018"), ("ü.py", "Imported")]
        {
            assert_eq!(recipe_name(Path::new(file)), name);
        }
    }
}
