//! Losses and gradients of smoothed and mixed labels against PyTorch's (`tools/reference_mixed_labels.py`).

use std::path::Path;

use crate::device;
use burn::tensor::{Device, Tensor, TensorData};
use fastai_dsl::LossSpec;
use fastai_runtime::metrics::Truth;
use fastai_runtime::train::{Loss, Mix, Targets, criterion};
use serde::Deserialize;

/// Largest difference allowed to PyTorch in float64.
const TOLERANCE: f64 = 2e-6;

#[derive(Deserialize)]
struct Golden {
    logits: Vec<f32>,
    labels: Vec<u32>,
    tags: Vec<bool>,
    partners: Vec<usize>,
    shares: Vec<f32>,
    weights: Vec<f32>,
    cases: std::collections::BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    loss: f64,
    gradient: Vec<f64>,
}

/// The loss of the labels' task, with this share of each label spread over all classes.
fn loss_of(truth: Truth, weights: Option<Vec<f32>>, smoothing: f64, device: &Device) -> Loss {
    let task = truth.task();
    let criterion = criterion(LossSpec::of_task(task), task, weights, smoothing, device);
    Loss::of_criterion(truth, criterion.unwrap())
}

#[test]
fn losses_and_gradients_are_pytorchs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mixed_labels.json");
    let golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let device = device::under_test().autodiff();
    // The batch is part of a larger set, in another order: rows of the truth are not places of the batch.
    let images = [7, 2, 5, 0, 3, 9];
    let mut classes = vec![1u32; 10];
    let mut cells = vec![true; 40];
    for (place, image) in images.into_iter().enumerate() {
        classes[image] = golden.labels[place];
        cells[image * 4..image * 4 + 4].copy_from_slice(&golden.tags[place * 4..place * 4 + 4]);
    }
    let mix = Mix::blend(golden.partners.clone(), golden.shares.clone());
    assert_eq!(golden.cases.len(), 7);
    for (name, case) in &golden.cases {
        let truth = match name.starts_with("tags") {
            true => Truth::Tags { cells: cells.clone(), tags: 4 },
            false => Truth::Classes(classes.clone()),
        };
        let weights = name.ends_with("weighted").then(|| golden.weights.clone());
        let smoothing = if name.contains("smoothed") { 0.1 } else { 0.0 };
        let loss = loss_of(truth, weights, smoothing, &device);
        let logits = Tensor::<2>::from_data(TensorData::new(golden.logits.clone(), [6, 4]), &device).require_grad();
        let mix = (!name.starts_with("smoothed")).then_some(&mix);
        let value = loss.of(logits.clone(), Targets::new(&images, mix));
        let gradients = logits.grad(&value.backward()).unwrap().into_data().try_to_vec::<f32>().unwrap();
        let mut worst = (f64::from(value.into_scalar::<f32>()) - case.loss).abs();
        for (got, wanted) in gradients.iter().zip(&case.gradient) {
            worst = worst.max((f64::from(*got) - wanted).abs());
        }
        device::within(worst, TOLERANCE, &format!("{name}: loss and gradient")).unwrap();
    }
}

#[test]
fn an_unmixed_batch_has_the_plain_loss() {
    let device = device::under_test();
    let logits = || Tensor::<2>::from_data(TensorData::new(vec![2.0f32, -1.0, 0.5, -3.0, 0.0, 6.0], [2, 3]), &device);
    let mix = Mix::blend(vec![1, 0], vec![1.0, 1.0]);
    for truth in
        [Truth::Classes(vec![2, 1]), Truth::Tags { cells: vec![true, false, true, false, true, true], tags: 3 }]
    {
        for weights in [None, Some(vec![0.5, 1.0, 1.5])] {
            let loss = Loss::new(truth.clone(), weights.clone(), &device);
            let value = |targets: Targets<'_>| loss.of(logits(), targets).into_scalar::<f32>();
            let (plain, mixed) = (value((&[0, 1][..]).into()), value(Targets::new(&[0, 1], Some(&mix))));
            assert!((plain - mixed).abs() < 1e-6 * plain.abs().max(1.0), "{plain} {mixed}");
            // What is measured is never smoothed.
            let smoothed = loss_of(truth.clone(), weights.clone(), 0.5, &device);
            let logits = [2.0, -1.0, 0.5, -3.0, 0.0, 6.0];
            assert_eq!(smoothed.of_all(&logits).unwrap(), loss.of_all(&logits).unwrap());
        }
    }
}

#[test]
fn numbers_are_blended_in_the_images_shares() {
    let device = device::under_test();
    let loss = Loss::new(Truth::Values(vec![0.0, 10.0]), None, &device);
    let logits = Tensor::<2>::from_data(TensorData::new(vec![0.0f32, 0.0], [2, 1]), &device);
    let mix = Mix::blend(vec![1, 0], vec![0.75, 0.5]);
    // 0.75 * 0 + 0.25 * 10 and 0.5 * 10 + 0.5 * 0, and their mean.
    assert_eq!(loss.of(logits, Targets::new(&[0, 1], Some(&mix))).into_scalar::<f32>(), 3.75);
}
