//! Class weights in whole runs, without anything else that changes a loss, and in what measures a run again.

use std::path::Path;

use crate::chips::{Chips, recipe, weights};
use fastai_dsl::Recipe;
use fastai_runtime::data::Dataset;
use fastai_runtime::engine::{MeasuringLimits, Outcome, Validated, run, validate};
use fastai_runtime::metrics::Truth;
use fastai_runtime::progress::{Silent, StopSignal, Watch};

fn measured(recipe: &Recipe, outcome: &Outcome, root: &Path) -> Validated {
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    validate(recipe, &outcome.predictor(), root, MeasuringLimits::default(), watch).unwrap()
}

/// PyTorch's weighted cross-entropy of the measured predictions: the weighted sum by the sum of the images' weights.
fn cross_entropy(validated: &Validated, weights: &[f64]) -> f64 {
    let predictions = &validated.plain.predictions;
    let Some(Truth::Classes(truth)) = &predictions.targets else { panic!("classes") };
    let (mut sum, mut whole) = (0.0, 0.0);
    for (image, &class) in truth.iter().enumerate() {
        let weight = weights[class as usize];
        sum -= weight * f64::from(predictions.probabilities.row(image)[class as usize]).ln();
        whole += weight;
    }
    sum / whole
}

/// Training loss of the first epoch.
fn trained(outcome: &Outcome) -> f64 {
    let text = std::fs::read_to_string(outcome.folder.join("history.csv")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let column = lines[0].iter().position(|name| *name == "trn_loss").unwrap();
    lines[1][column].parse().unwrap()
}

fn weights_of(outcome: &Outcome) -> Vec<u8> {
    let file = std::fs::read(outcome.folder.join("models/final.safetensors")).unwrap();
    let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    file[8 + header..].to_vec()
}

#[test]
fn the_losses_of_a_run_weigh_its_classes() {
    let chips = Chips::new(40);
    let ran = |name: &str, steps: &str, more: &str| {
        let recipe = chips.classes(steps, "", more);
        let outcome = run(&recipe, &chips.options(name), &mut Silent).unwrap();
        let validated = measured(&recipe, &outcome, chips.path());
        (outcome, validated)
    };
    // A rate that changes nothing to speak of: the same network is measured by either loss.
    let plain = ran("plain", "fit(1e-9, 1);", "");
    let weighted = ran("weighted", "fit(1e-9, 1);", "class_weights: [1, 6],");
    let loss = |ran: &(Outcome, Validated)| ran.0.summary.r#final.as_ref().unwrap().val_loss;
    assert!((loss(&plain) - cross_entropy(&plain.1, &[1.0, 1.0])).abs() < 1e-5);
    assert!((loss(&weighted) - cross_entropy(&weighted.1, &[1.0, 6.0])).abs() < 1e-5);
    assert!((loss(&plain) - loss(&weighted)).abs() > 1e-3, "{} and {}", loss(&plain), loss(&weighted));
    assert!((trained(&plain.0) - trained(&weighted.0)).abs() > 1e-3);
    // And the network learns something else by it.
    let plain = ran("plain-2", "fit(0.02, 1);", "");
    let weighted = ran("weighted-2", "fit(0.02, 1);", "class_weights: balanced,");
    assert!(weights_of(&plain.0) != weights_of(&weighted.0));
}

/// Images of `chips` with these labels in turn.
fn pets(chips: &Chips, labels: &[&str]) {
    let text = std::fs::read_to_string(chips.path().join("classes.csv")).unwrap();
    let mut table = "id,pet\n".to_string();
    for (i, line) in text.lines().skip(1).enumerate() {
        table += &format!("{},{}\n", line.split_once(',').unwrap().0, labels[i % labels.len()]);
    }
    std::fs::write(chips.path().join("pets.csv"), table).unwrap();
}

#[test]
fn a_model_is_measured_with_the_weights_of_its_run_whatever_classes_the_data_have() {
    let chips = Chips::new(40);
    pets(&chips, &["cat", "cat", "dog", "cat", "fox", "dog", "cat"]);
    let with = |more: &str| {
        recipe(&format!(
            "Pets {{ task: single_label,
                data: csv {{ root: {:?}, labels: \"pets.csv\", images: \"images\", suffix: \".jpg\",
                    valid: stratified(0.3), batch: 8 }},
                transforms: none {{ size: 64 }},
                model: squeezenet1_1 {{ weights: {:?}, hidden: [16] }},
                metrics: [accuracy], class_weights: {more}, train: {{ fit(0.02, 1); }}, }}",
            chips.path(),
            weights()
        ))
    };
    let other = Chips::new(30);
    pets(&other, &["fox", "cat", "cat"]);
    let counts = Dataset::open(with("balanced").data(), fastai_dsl::TaskKind::SingleLabel).unwrap().class_counts();
    assert!(counts[0] > counts[1] && counts[1] > counts[2], "{counts:?}");
    let inverse: Vec<f64> = counts.iter().map(|n| 1.0 / *n as f64).collect();
    let balanced: Vec<f64> = inverse.iter().map(|w| 3.0 * w / inverse.iter().sum::<f64>()).collect();
    for (name, more, expected) in [("balanced", "balanced", balanced), ("given", "[1, 2, 3]", vec![1.0, 2.0, 3.0])] {
        let recipe = with(more);
        let outcome = run(&recipe, &chips.options(name), &mut Silent).unwrap();
        let again = measured(&recipe, &outcome, chips.path());
        let reached = outcome.summary.r#final.as_ref().unwrap().val_loss;
        assert_eq!(again.plain.evaluation.val_loss, reached, "{name}");
        assert!((reached - cross_entropy(&again, &expected)).abs() < 1e-5, "{name}");
        // Without dogs, cats and foxes weigh what they did.
        let fewer = measured(&recipe, &outcome, other.path());
        assert_eq!(fewer.plain.predictions.classes, ["cat", "dog", "fox"]);
        assert!((fewer.plain.evaluation.val_loss - cross_entropy(&fewer, &expected)).abs() < 1e-5, "{name}");
    }
}
