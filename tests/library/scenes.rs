//! A model inside the program: `include_model!` of the facade, and the class of a single label as a type.

use fastai::data::decode;
use fastai::prelude::*;

use crate::typed::chip;

include_recipe!("scenes.recipe");

#[test]
fn a_model_inside_the_program_says_a_class_of_its_recipe() -> Result<(), RunError> {
    let trained = include_model!(Scenes, "scenes.safetensors")?;
    assert_eq!(trained.outcome.summary.name, "Scenes");
    // Of `scenes.csv`.
    let (sea, land) = (chip(0), chip(132));
    let said: Vec<Prediction<Scenes>> = trained.classify(&[decode(&sea).unwrap(), decode(&land).unwrap()])?;
    assert_eq!([said[0].class(), said[1].class()], [ScenesClass::Ocean, ScenesClass::Land]);
    for prediction in &said {
        assert_eq!(prediction.top(1)[0].0, prediction.class());
        assert!(prediction.probability(prediction.class()) > 0.9, "{prediction:?}");
    }
    assert_eq!(trained.classify_files(&[land])?[0].class(), ScenesClass::Land);
    Ok(())
}
