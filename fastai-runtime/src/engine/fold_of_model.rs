//! Which fold of a recipe a model is of.

use fastai_dsl::{Recipe, model_text};

use crate::models::ModelMeta;

/// The fold of `recipe` that a model is of, if it is of one.
pub(super) fn fold_of(recipe: &Recipe, meta: &ModelMeta) -> Option<Recipe> {
    let text = model_text(&meta.text);
    recipe.folds().into_iter().find(|fold| model_text(&fold.to_string()) == text)
}
