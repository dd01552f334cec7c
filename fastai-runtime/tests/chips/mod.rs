//! A folder with a few real satellite chips, and recipes on it.

use std::path::{Path, PathBuf};

use fastai_dsl::Recipe;
use fastai_dsl::source::Source;
use fastai_runtime::RunOptions;
use tempfile::TempDir;

pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data")
}

/// Chips in `images`, their tags in `labels.csv`, and the class of each in `classes.csv`: whether there is ocean.
pub struct Chips {
    folder: TempDir,
}

impl Chips {
    /// The first `n` of every 17th row.
    pub fn new(n: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let globe = examples().join("globe");
        let text = std::fs::read_to_string(globe.join("train_v2.csv")).unwrap();
        let (mut labels, mut classes) = ("image_name,tags\n".to_string(), "id,kind\n".to_string());
        std::fs::create_dir(folder.path().join("images")).unwrap();
        for line in text.lines().skip(1).step_by(17).take(n) {
            labels += &format!("{line}\n");
            let (id, tags) = line.split_once(',').unwrap();
            classes += &format!("{id},{}\n", if tags.contains("ocean") { "wet" } else { "dry" });
            let name = format!("{id}.jpg");
            std::fs::copy(globe.join("train-jpg").join(&name), folder.path().join("images").join(&name)).unwrap();
        }
        std::fs::write(folder.path().join("labels.csv"), labels).unwrap();
        std::fs::write(folder.path().join("classes.csv"), classes).unwrap();
        Chips { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Tags, at 64 pixels; `more` are further sections.
    pub fn tags(&self, steps: &str, data: &str, more: &str) -> Recipe {
        self.recipe("task: multi_label", "labels.csv", "f2, log_loss", steps, data, more)
    }

    /// Wet or dry, at 64 pixels.
    #[allow(dead_code, reason = "not every test program asks for it")]
    pub fn classes(&self, steps: &str, data: &str, more: &str) -> Recipe {
        self.recipe("task: single_label", "classes.csv", "accuracy, log_loss", steps, data, more)
    }

    fn recipe(&self, task: &str, labels: &str, metrics: &str, steps: &str, data: &str, more: &str) -> Recipe {
        let weights = examples().join("squeezenet1_1.safetensors");
        let text = format!(
            "Chips {{ {task},
                data: csv {{ root: {:?}, labels: {labels:?}, images: \"images\", suffix: \".jpg\",
                    valid: random(0.3, seed = 42), batch: 8, {data} }},
                transforms: top_down {{ size: 64 }},
                model: squeezenet1_1 {{ weights: {weights:?}, hidden: [16] }},
                metrics: [{metrics}], {more}
                train: {{ {steps} }}, }}",
            self.path()
        );
        let source = Source::new("chips.recipe", &text, &[]);
        match &source.result {
            Ok(checked) => checked.recipe.clone(),
            Err(_) => panic!("{}", source.render(false)),
        }
    }

    pub fn options(&self, name: &str) -> RunOptions {
        RunOptions {
            out: Some(self.path().join(name)),
            cache: Some(self.path().join("cache")),
            device: Some(fastai_dsl::DeviceWish::Cpu),
            ..RunOptions::default()
        }
    }
}
