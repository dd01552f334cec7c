//! Whole runs that average weights.

use std::collections::BTreeMap;

use burn::tensor::Device;
use fastai_runtime::engine::{MeasuringLimits, Outcome, run, validate};
use fastai_runtime::models::read_model;
use fastai_runtime::progress::{Silent, StopSignal, Watch};

use crate::chips::Chips;
use crate::tensors::tensors;

#[test]
fn a_fit_ends_with_the_mean_of_its_last_epochs() {
    let chips = Chips::new(40);
    let losses = |outcome: &Outcome| -> Vec<f64> {
        let history = std::fs::read_to_string(outcome.folder.join("history.csv")).unwrap();
        history.lines().skip(1).map(|row| row.split(',').nth(3).unwrap().parse().unwrap()).collect()
    };
    let steps = "unfreeze(); fit([0.0005, 0.001, 0.02], 4, swa = 3);";
    for (extra, cycles) in [("", false), ("keep_best: val_loss,", false), ("keep_best: val_loss,", true)] {
        let steps = if cycles { steps.replace("4,", "3, cycle_len = 2,") } else { steps.to_string() };
        let recipe = chips.tags(&steps, "", extra);
        let outcome = run(&recipe, &chips.options(&format!("mean{}{cycles}", extra.len())), &mut Silent).unwrap();
        let notes = outcome.summary.notes.join("\n");
        let what = if cycles { "cycles" } else { "epochs" };
        let said = format!("swa: the mean of the last 3 {what}: val_loss ");
        let mean: f64 = notes.split(&said).nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
        let epochs = losses(&outcome);
        assert!(epochs.iter().all(|loss| (loss - mean).abs() > 1e-5), "{mean}: {epochs:?}");
        // What the fit ends with, and the model that it saves, are that mean, or the best epoch.
        let lowest = epochs.iter().copied().fold(mean, f64::min);
        let expected = if extra.is_empty() { mean } else { lowest };
        let found = outcome.summary.stages[1].evaluation.as_ref().unwrap().val_loss;
        assert!((found - expected).abs() < 1e-6, "{found} {expected}: {epochs:?}");
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        let again = validate(&recipe, &outcome.predictor(), chips.path(), MeasuringLimits::default(), watch).unwrap();
        let again = again.plain.evaluation.val_loss;
        assert!((again - expected).abs() < 1e-5, "{again} {expected}");
    }
}

#[test]
fn the_mean_of_saved_models_is_that_of_their_weights() {
    let chips = Chips::new(40);
    let steps = "precompute(on); fit(0.05, 3, cycle_len = 1, cycle_save_name = \"c\"); \
                 average([\"c_cyc_0\", \"c_cyc_1\", \"c_cyc_2\"]); save(\"head\"); precompute(off); unfreeze(); \
                 fit([0.0005, 0.001, 0.01], 1); save(\"body\"); freeze(); precompute(on); average([\"body\", \"head\"]); save(\"both\"); \
                 fit(1e-9, 1);";
    let outcome = run(&chips.tags(steps, "", ""), &chips.options("mean"), &mut Silent).unwrap();
    let read = |name: &str| {
        let path = outcome.folder.join(format!("models/{name}.safetensors"));
        let (network, _) = read_model(&path, &Device::flex()).unwrap();
        tensors(&network).into_iter().collect::<BTreeMap<String, Vec<f32>>>()
    };
    for (mean, of) in [("head", vec!["c_cyc_0", "c_cyc_1", "c_cyc_2"]), ("both", vec!["body", "head"])] {
        let (mean, of) = (read(mean), of.into_iter().map(read).collect::<Vec<_>>());
        for (name, values) in &mean {
            let averaged = |i: usize| of.iter().map(|model| f64::from(model[name][i])).sum::<f64>() / of.len() as f64;
            let same = values.iter().enumerate().all(|(i, value)| *value == averaged(i) as f32);
            let statistic = name.contains("running_");
            assert_eq!(same, !statistic, "{name}: a statistic is no mean of statistics");
        }
    }
    // The network was trained after its activations had been built again.
    assert!(outcome.summary.stages.last().unwrap().evaluation.is_some());
}
