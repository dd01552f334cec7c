//! Whole runs with stochastic depth.

use std::path::Path;

use fastai_dsl::Recipe;
use fastai_dsl::source::RecipeText;
use fastai_runtime::engine::{RunOptions, resume, run};
use fastai_runtime::progress::Silent;
use fastai_runtime::{RunError, models};

use crate::chips::{Chips, StopAt, bar, history};

fn recipe(chips: &Chips, rate: &str) -> Recipe {
    let steps = "freeze(); fit(0.01, 1); unfreeze(); fit(0.01, 3, swa = 2);";
    let text = chips.classes(steps, "", "").to_string();
    let model = text.lines().find(|line| line.trim_start().starts_with("model:")).unwrap();
    let other = format!("    model: efficientnet_b0 {{ hidden: [16], weights: none, stochastic_depth: {rate} }},");
    let source = RecipeText::new("x", &text.replace(model, &other), &["transforms.size=32".parse().unwrap()]);
    match &source.result {
        Ok(checked) => checked.recipe.clone(),
        Err(_) => panic!("{}", source.render(false)),
    }
}

/// The losses of the epochs, of a fit each.
fn losses(run: &Path, fit: &str) -> Vec<String> {
    history(run).into_iter().filter(|row| row.starts_with(fit)).collect()
}

#[test]
fn branches_are_drawn_alike_after_a_stop_and_on_any_number_of_threads() {
    let chips = Chips::new(20);
    let options = |name: &str, threads: usize| RunOptions { threads: Some(threads), ..chips.options(name) };
    let with = recipe(&chips, "0.5");
    let whole = run(&with, &options("whole", 1), &mut Silent).unwrap().folder;
    let parts = chips.path().join("parts");
    let mut stops = 0;
    loop {
        let options = options("parts", [3, 1, 2][stops % 3]);
        let mut progress = StopAt::new(&options, bar([3, 2, 4][stops % 3]));
        let result = match stops {
            0 => run(&with, &options, &mut progress),
            _ => resume(&with, &parts, &options, &mut progress),
        };
        match result {
            Ok(_) => break,
            Err(RunError::Stopped(_)) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(stops < 30, "a run that never gets on");
    }
    assert!(stops >= 2, "{stops}");
    let model = |run: &Path| std::fs::read(run.join("models/final.safetensors")).unwrap();
    assert!(model(&whole) == model(&parts), "the weights differ");
    assert_eq!((losses(&whole, "2,"), losses(&whole, "4,")), (losses(&parts, "2,"), losses(&parts, "4,")));
    assert!(models::verify_model(&whole.join("models/final.safetensors")).is_ok());

    // While only the head trains, and without a rate, no branch is left out.
    let without = run(&recipe(&chips, "0"), &options("without", 2), &mut Silent).unwrap().folder;
    assert_eq!(losses(&whole, "2,"), losses(&without, "2,"));
    assert_ne!(losses(&whole, "4,"), losses(&without, "4,"));
}
