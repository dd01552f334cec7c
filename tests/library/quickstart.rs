//! The quickstart as Rust and as a file is one recipe.

use fastai::prelude::*;
use fastai_dsl::source::RecipeText;
use fastai_dsl::{Facts, Plan};

#[allow(dead_code)]
#[path = "../../examples/quickstart.rs"]
mod example;

mod from_file {
    fastai::include_recipe!("../../examples/quickstart.recipe");

    pub fn recipe() -> fastai_dsl::Recipe {
        <QuickStart as fastai::prelude::Experiment>::recipe()
    }
}

#[test]
fn macro_included_file_and_program_give_equal_recipes_and_plans() {
    let text = include_str!("../../examples/quickstart.recipe");
    let read = RecipeText::new("quickstart.recipe", text, &[]).result.unwrap().recipe;
    let rust = example::QuickStart::recipe();
    assert_eq!(rust, read);
    assert_eq!(from_file::recipe(), read);
    let facts = Facts { train: Some(828), valid: Some(307), test: None, classes: Some(7) };
    assert_eq!(Plan::new(&rust, &facts), Plan::new(&read, &facts));
    assert_eq!(example::QuickStart::NAME, "QuickStart");
}
