//! Which fold of a recipe a model is of.

use fastai_dsl::Recipe;

use crate::models::ModelMeta;

/// The text of a recipe without its comment.
pub(super) fn code(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("///")).map(|line| format!("{line}\n")).collect()
}

/// The fold of `recipe` that a model is of, if it is of one.
pub(super) fn fold_of(recipe: &Recipe, meta: &ModelMeta) -> Option<Recipe> {
    let text = code(&meta.text);
    recipe.folds().into_iter().find(|fold| code(&fold.to_string()) == text)
}
