//! Every loss and its gradient against PyTorch's, torchvision's and timm's (`tools/reference_losses.py`).

use std::path::Path;
use std::sync::Arc;

use crate::device;
use burn::tensor::{Tensor, TensorData};
use fastai_dsl::{LossSpec, TaskKind};
use fastai_runtime::metrics::{Probabilities, Truth};
use fastai_runtime::train::{Loss, Mix, Targets, criterion};
use serde::Deserialize;

/// Largest difference allowed to float64, relative above 1.
const TOLERANCE: f64 = 3e-6;

#[derive(Deserialize)]
struct Golden {
    logits: Vec<f32>,
    labels: Vec<u32>,
    tags: Vec<bool>,
    partners: Vec<usize>,
    shares: Vec<f32>,
    weights: Vec<f32>,
    numbers: Vec<f32>,
    cases: std::collections::BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    loss: f64,
    gradient: Vec<f64>,
    set: f64,
}

/// The loss of a case, with the task of its labels.
fn spec(name: &str) -> (LossSpec, TaskKind) {
    let focal = |gamma, alpha| LossSpec::Focal { gamma, alpha };
    let asymmetric = |gamma_neg, gamma_pos, clip| LossSpec::Asymmetric { gamma_neg, gamma_pos, clip };
    match name {
        "focal_zero" => (focal(0.0, None), TaskKind::SingleLabel),
        "focal_classes_half" => (focal(0.5, None), TaskKind::SingleLabel),
        "focal_classes" | "focal_weighted" | "focal_mixed" => (focal(2.0, None), TaskKind::SingleLabel),
        "bce_classes" | "bce_smoothed" => (LossSpec::Bce, TaskKind::SingleLabel),
        "focal_tags" | "focal_tags_weighted" => (focal(2.0, None), TaskKind::MultiLabel),
        "focal_tags_alpha" => (focal(2.0, Some(0.25)), TaskKind::MultiLabel),
        "asymmetric" => (asymmetric(4.0, 1.0, 0.05), TaskKind::MultiLabel),
        "asymmetric_plain" => (asymmetric(3.0, 0.0, 0.0), TaskKind::MultiLabel),
        "l1" => (LossSpec::L1, TaskKind::Regression),
        "mse" => (LossSpec::Mse, TaskKind::Regression),
        "huber" => (LossSpec::Huber { delta: 0.7 }, TaskKind::Regression),
        other => panic!("{other}"),
    }
}

#[test]
fn losses_and_gradients_are_those_of_the_references() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/losses.json");
    let golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let device = device::under_test().autodiff();
    assert_eq!(golden.cases.len(), 15);
    for (name, case) in &golden.cases {
        let (spec, task) = spec(name);
        let (truth, width) = match task {
            TaskKind::SingleLabel => (Truth::Classes(golden.labels.clone()), 4),
            TaskKind::MultiLabel => (Truth::Tags { cells: golden.tags.clone(), tags: 4 }, 4),
            TaskKind::Regression => (Truth::Values(golden.numbers.clone()), 1),
        };
        let weighted = name.ends_with("weighted") || ["focal_zero", "focal_mixed"].contains(&name.as_str());
        let weights = weighted.then(|| golden.weights.clone());
        let smoothing = if name == "bce_smoothed" { 0.1 } else { 0.0 };
        let loss = Loss::of_criterion(truth, criterion(spec, task, weights, smoothing, &device).unwrap());
        // The losses of numbers take the first column.
        let logits: Vec<f32> = golden.logits.iter().copied().step_by(4 / width).collect();
        let tensor = Tensor::<2>::from_data(TensorData::new(logits.clone(), [8, width]), &device).require_grad();
        let mix = Mix::blend(golden.partners.clone(), golden.shares.clone());
        let images: Vec<usize> = (0..8).collect();
        let value = loss.of(tensor.clone(), Targets::new(&images, (name == "focal_mixed").then_some(&mix)));
        let gradients = tensor.grad(&value.backward()).unwrap().into_data().try_to_vec::<f32>().unwrap();
        let off = |got: f64, wanted: f64| (got - wanted).abs() / wanted.abs().max(1.0);
        let mut worst = off(f64::from(value.into_scalar::<f32>()), case.loss);
        for (got, wanted) in gradients.iter().zip(case.gradient.iter().step_by(4 / width)) {
            assert!(got.is_finite(), "{name}");
            worst = worst.max(off(f64::from(*got), *wanted));
        }
        device::within(worst, TOLERANCE, &format!("{name}: loss and gradient")).unwrap();
        // In double precision, but from probabilities where the reference clips.
        let all = loss.of_all(&logits).unwrap();
        assert!(off(all, case.set) < 1e-6, "{name}: {all} {}", case.set);
    }
}

#[test]
fn gradients_stay_finite_at_every_exponent_and_logit() {
    let device = device::under_test().autodiff();
    let logits = [-200.0f32, -88.0, -20.0, -3.0, -2.944_439, 0.0, 5.0, 17.0, 60.0, 200.0];
    for gamma in [0.0, 0.3, 1.0, 2.0, 10.0] {
        let specs = [
            (LossSpec::Focal { gamma, alpha: Some(0.3) }, TaskKind::MultiLabel),
            (LossSpec::Asymmetric { gamma_neg: gamma, gamma_pos: gamma, clip: 0.05 }, TaskKind::MultiLabel),
            (LossSpec::Asymmetric { gamma_neg: gamma, gamma_pos: gamma, clip: 0.0 }, TaskKind::MultiLabel),
            (LossSpec::Focal { gamma, alpha: None }, TaskKind::SingleLabel),
        ];
        for (spec, task) in specs {
            for has in [false, true] {
                let truth = match task {
                    TaskKind::SingleLabel => Truth::Classes(vec![u32::from(has); logits.len() / 2]),
                    _ => Truth::Tags { cells: vec![has; logits.len()], tags: 2 },
                };
                let loss = Loss::of_criterion(truth, criterion(spec, task, None, 0.0, &device).unwrap());
                let data = TensorData::new(logits.to_vec(), [logits.len() / 2, 2]);
                let tensor = Tensor::<2>::from_data(data, &device).require_grad();
                let value = loss.of(tensor.clone(), &(0..logits.len() / 2).collect::<Vec<_>>());
                let gradients = tensor.grad(&value.backward()).unwrap().into_data().try_to_vec::<f32>().unwrap();
                let value = value.into_scalar::<f32>();
                assert!(value.is_finite() && gradients.iter().all(|g| g.is_finite()), "{spec}: {value} {gradients:?}");
                let (host, device) = (loss.of_all(&logits).unwrap(), f64::from(value));
                assert!((host - device).abs() < 1e-5 * host.max(1.0), "{spec}: {host} {device}");
            }
        }
    }
}

#[test]
fn predictions_have_the_loss_of_their_logits() {
    let device = device::under_test();
    let logits = vec![0.3f32, -1.0, 2.0, 0.5, 0.1, -0.7];
    let tags = Truth::Tags { cells: vec![true, false, true, false, true, true], tags: 3 };
    for (spec, truth) in [
        (LossSpec::Focal { gamma: 2.0, alpha: None }, Truth::Classes(vec![2, 0])),
        (LossSpec::Focal { gamma: 2.0, alpha: Some(0.25) }, tags.clone()),
        (LossSpec::Asymmetric { gamma_neg: 4.0, gamma_pos: 1.0, clip: 0.05 }, tags),
        (LossSpec::Huber { delta: 0.5 }, Truth::Values(vec![0.0, 1.0, 2.0, 0.0, 0.0, 0.0])),
    ] {
        let task = truth.task();
        let loss = Loss::of_criterion(truth, criterion(spec, task, None, 0.0, &device).unwrap());
        let classes = if task == TaskKind::Regression { 1 } else { 3 };
        let predicted = Probabilities::of_logits(task, logits.clone(), classes);
        let (of_predictions, of_logits) = (loss.of_predictions(&predicted).unwrap(), loss.of_all(&logits).unwrap());
        assert!((of_predictions - of_logits).abs() < 1e-6, "{spec}");
        let (predicted, plain) = (loss.of_each_prediction(&predicted).unwrap(), loss.of_each(&logits).unwrap());
        for (predicted, plain) in predicted.iter().zip(plain) {
            assert!((predicted - plain).abs() < 1e-6, "{spec}: {predicted} {plain}");
        }
    }
    let none: Option<Arc<_>> = criterion(LossSpec::Given, TaskKind::SingleLabel, None, 0.0, &device);
    assert!(none.is_none());
}
