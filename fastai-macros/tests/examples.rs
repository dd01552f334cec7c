//! Every example gives one recipe through every door: the builder calls that the macro emits, the checked file, and the
//! file's canonical text.

use std::collections::BTreeSet;

use fastai_dsl::source::RecipeText;
use fastai_dsl::{Experiment, Recipe};

macro_rules! examples {
    ($($file:literal $module:ident $name:ident)*) => {
        $( mod $module {
            fastai_macros::include_recipe_at! { [::fastai_dsl] $file }

            pub const TEXTS: Option<&'static [&'static str]> = <$name as super::Experiment>::MODEL_TEXTS;

            pub fn recipe() -> super::Recipe {
                <$name as super::Experiment>::recipe()
            }
        } )*
        fn all() -> Vec<(&'static str, Recipe, &'static str)> {
            vec![$( ($file, $module::recipe(), include_str!($file)) ),*]
        }

        /// The texts of models that the macro states.
        fn texts() -> Vec<Option<&'static [&'static str]>> {
            vec![$( $module::TEXTS ),*]
        }
    };
}

examples! {
    "../../examples/dogbreed.recipe" dogbreed DogBreed
    "../../examples/dogs_vs_cats.recipe" dogs_vs_cats DogsVsCats
    "../../examples/planet.recipe" planet Planet
    "../../examples/quickstart.recipe" quickstart QuickStart
    "../../examples/full/dogbreed.recipe" full_dogbreed DogBreedFull
    "../../examples/full/dogbreed_notebook.recipe" full_dogbreed_notebook DogBreedNotebook
    "../../examples/full/dogs_vs_cats.recipe" full_dogs_vs_cats DogsVsCatsFull
    "../../examples/full/dogs_vs_cats_resnet34.recipe" full_resnet34 DogsVsCatsResnet34
    "../../examples/full/planet.recipe" full_planet PlanetFull
}

#[test]
fn macro_and_file_give_equal_recipes() {
    for (file, built, text) in all() {
        let source = RecipeText::new(file, text, &[]);
        assert!(source.diagnostics().is_empty(), "{file}: examples give no warning\n{}", source.render(false));
        let checked = source.result.unwrap().recipe;
        assert_eq!(built, checked, "{file}");
        let text = checked.to_string();
        let canonical = RecipeText::new(file, &text, &[]).result.unwrap().recipe;
        assert_eq!(canonical, checked, "{file}");
        assert_eq!(canonical.to_string(), text, "{file}");
    }
}

/// What `include_model!` compares while compiling is what the loader compares.
#[test]
fn the_macro_states_the_texts_of_a_recipes_models() {
    for ((file, built, _), stated) in all().into_iter().zip(texts()) {
        let texts = built.model_texts();
        assert_eq!(stated.unwrap(), texts, "{file}");
    }
}

#[test]
fn no_example_is_left_out() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let recipes = |below: &str| -> Vec<String> {
        std::fs::read_dir(format!("{folder}/{below}"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".recipe"))
            .map(|name| format!("../../examples/{below}{name}"))
            .collect()
    };
    let there: BTreeSet<String> = recipes("").into_iter().chain(recipes("full/")).collect();
    let here: BTreeSet<String> = all().iter().map(|(file, ..)| (*file).to_string()).collect();
    assert_eq!(there, here, "add the example to `examples!` above");
}
