//! The findings about a recipe with overrides, and what their messages propose.

use fastai_dsl::source::RecipeText;

/// A recipe of the task, with these metrics, options and steps.
pub fn recipe(task: &str, metrics: &str, options: &str, steps: &str) -> String {
    format!(
        "Demo {{\n    task: {task},\n    data: folders {{ root: \"d\" }},\n    transforms: side_on {{ size: 64 }},\n    \
         model: squeezenet1_1,\n    metrics: {metrics},\n    {options}\n    train: {{ {steps} }},\n}}\n"
    )
}

/// The findings about a recipe with these overrides.
pub fn read(text: &str, sets: &[&str]) -> RecipeText {
    let sets: Vec<_> = sets.iter().map(|set| set.parse().unwrap()).collect();
    RecipeText::new("demo.recipe", text, &sets)
}

/// The helps of a recipe, each with its code.
pub fn helps(text: &str, sets: &[&str]) -> Vec<(&'static str, String)> {
    read(text, sets).diagnostics().iter().map(|d| (d.code.id, d.help.clone().unwrap_or_default())).collect()
}

/// The help of a recipe with one mistake.
pub fn help(text: &str, sets: &[&str], code: &str) -> String {
    match helps(text, sets).as_slice() {
        [(found, help)] if *found == code => help.clone(),
        other => panic!("{code}: {other:?}\n{}", read(text, sets).render(false)),
    }
}

pub fn passes(text: &str, sets: &[&str]) {
    let source = read(text, sets);
    assert!(source.diagnostics().is_empty(), "{}", source.render(false));
}
