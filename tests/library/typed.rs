//! Recipes as types: what a run gives, and what its folder gives back.

use std::path::{Path, PathBuf};

use fastai::prelude::*;

recipe! {
    Chips {
        task: multi_label,
        data: csv {
            root: "examples/data/globe", labels: "train_v2.csv", images: "train-jpg", suffix: ".jpg",
            valid: indices("valid.txt"), batch: 8,
        },
        transforms: top_down { size: 32 },
        model: squeezenet1_1 { weights: "examples/data/squeezenet1_1.safetensors", hidden: [16] },
        metrics: [f2],
        train: { fit(0.01, 1); tta(n_aug = 1); },
    }
}

recipe! {
    Others {
        task: multi_label,
        data: csv { root: "examples/data/globe", labels: "train_v2.csv", images: "train-jpg", suffix: ".jpg" },
        transforms: top_down { size: 32 },
        model: squeezenet1_1,
        metrics: [f2],
        train: { fit(0.01, 1); },
    }
}

mod edited {
    use fastai::prelude::*;

    recipe! {
        /// The same name, another rate; a comment is no difference.
        pub Chips {
            task: multi_label,
            data: csv {
                root: "examples/data/globe", labels: "train_v2.csv", images: "train-jpg", suffix: ".jpg",
                valid: indices("valid.txt"), batch: 8,
            },
            transforms: top_down { size: 32 },
            model: squeezenet1_1 { weights: "examples/data/squeezenet1_1.safetensors", hidden: [16] },
            metrics: [f2],
            train: { fit(0.02, 1); tta(n_aug = 1); },
        }
    }
}

pub fn chip(n: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/data/globe/train-jpg/train_{n}.jpg"))
}

#[test]
fn a_run_comes_back_as_its_type_and_as_no_other() -> Result<(), RunError> {
    let scratch = tempfile::tempdir().unwrap();
    let options = RunOptions {
        out: Some(scratch.path().join("run")),
        cache: Some(scratch.path().join("cache")),
        smoke: true,
        ..RunOptions::default()
    };
    let trained = Chips::run(&options)?;
    let files = [chip(0), chip(7)];
    let said: Predictions<MultiLabel> = trained.predict(&files)?;
    assert_eq!((said.ids[1].as_str(), said.f2(0.2)), ("train_7", None));
    let run = &trained.outcome.folder;

    let loaded = Trained::<Chips>::load(run)?;
    assert_eq!(loaded.predict(&files)?, said);
    assert_eq!(loaded.outcome.summary.name, "Chips");
    let validated = loaded.validate()?;
    let plain: &Predictions<MultiLabel> = &validated.plain.predictions;
    assert_eq!(plain.f2(0.2), Some(validated.plain.evaluation.metrics[0].value));
    assert_eq!((plain.len(), validated.tta.unwrap().predictions.len()), (307, 307));
    assert!(plain.best_threshold().unwrap().1 >= plain.f2(0.2).unwrap());
    let file = run.join("models/final.safetensors");
    assert_eq!(Trained::<Chips>::load(&file)?.predict(&files)?, said);

    let error = Trained::<Others>::load(run).unwrap_err().to_string();
    assert!(error.contains("a model of recipe `Chips`, not of `Others`"), "{error}");
    let error = Trained::<edited::Chips>::load(run).unwrap_err().to_string();
    assert!(error.contains("- fit(0.01, 1);\n  + fit(0.02, 1);") && !error.contains("comment"), "{error}");
    Ok(())
}
