//! Recipes whose classes are a type: the summary of the data is beside the recipe.

use fastai::data::decode;
use fastai::predict::Predictor;
use fastai::prelude::*;

use crate::typed::chip;

include_recipe!("tagged.recipe");

/// The same recipe with another list of tags, as if the data had changed since the summary was written.
mod changed {
    use fastai::prelude::*;

    /// A recipe by hand, as the macro would write it for a summary without `ocean`.
    pub struct Tagged;
    impl Experiment for Tagged {
        type Task = MultiLabel;
        const NAME: &'static str = "Tagged";
        const CLASSES: Option<&'static [&'static str]> = Some(&["desert", "swamp"]);
        fn recipe() -> fastai::engine::Recipe {
            super::Tagged::recipe()
        }
    }
}

#[test]
fn a_prediction_is_of_the_recipes_classes() -> Result<(), RunError> {
    let scratch = tempfile::tempdir().unwrap();
    let options = |name: &str| RunOptions {
        out: Some(scratch.path().join(name)),
        cache: Some(scratch.path().join("cache")),
        smoke: true,
        ..RunOptions::default()
    };
    let trained = Tagged::run(&options("run"))?;
    let images = [decode(&chip(0)).unwrap(), decode(&chip(7)).unwrap()];
    let said: Vec<Prediction<Tagged>> = trained.classify(&images)?;
    assert_eq!(said.len(), 2);
    let classes = TaggedClass::ALL.map(TaggedClass::as_str);
    assert_eq!(trained.outcome.classes, classes);
    let probability = said[1].probability(TaggedClass::Ocean);
    assert_eq!(said[1].probabilities()[TaggedClass::Ocean.index()], probability);
    assert_eq!(said[1].tags(0.0).len(), classes.len(), "a sigmoid is above 0");
    assert_eq!(said[1].tags(1.0), []);
    assert_eq!(said[1].top(1)[0].1, said[1].probabilities().iter().copied().fold(0.0, f32::max));
    let files = trained.classify_files(&[chip(0), chip(7)])?;
    let near = |a: f32, b: f32| (a - b).abs() < 1e-5;
    assert!(near(files[1].probability(TaggedClass::Ocean), probability));
    // The untyped predictor says the same.
    let device = trained.outcome.predictor();
    let untyped = device.predict(&images)?;
    assert!(near(untyped.probabilities.row(1)[TaggedClass::Ocean.index()], probability));
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    shared::<Predictor>(&device);

    // From the bytes of the file, as `include_model!` embeds them.
    let bytes = std::fs::read(scratch.path().join("run/models/final.safetensors")).unwrap();
    let embedded = Trained::<Tagged>::from_bytes(bytes.clone())?;
    assert!(near(embedded.classify(&images)?[1].probability(TaggedClass::Ocean), probability));
    assert_eq!(embedded.outcome.summary.name, "Tagged");
    let mut damaged = bytes;
    *damaged.last_mut().unwrap() ^= 1;
    let error = Trained::<Tagged>::from_bytes(damaged).unwrap_err().to_string();
    assert!(error.contains("the model in memory") && error.contains("digest"), "{error}");
    let error = Trained::<Tagged>::from_bytes(&b"no model"[..]).unwrap_err().to_string();
    assert!(error.contains("the model in memory"), "{error}");

    let error = Trained::<changed::Tagged>::load(scratch.path().join("run")).unwrap_err().to_string();
    for part in ["the model's classes are not those of recipe `Tagged`", "missing: \"desert\", \"swamp\"", "\"ocean\""]
    {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    let error = changed::Tagged::run(&options("other")).unwrap_err().to_string();
    assert!(error.contains("\"swamp\"") && error.contains("fastai prepare"), "{error}");
    assert!(!scratch.path().join("other").exists(), "nothing was begun");
    Ok(())
}
