//! Accumulated gradients and averaged weights against PyTorch (`tools/reference_averages.py`): whole fits of the head.

use burn::tensor::{Device, Tensor, TensorData};
use fastai_dsl::schedule::Setting;
use fastai_runtime::RunError;
use fastai_runtime::data::Traversal;
use fastai_runtime::metrics::Truth;
use fastai_runtime::models::{Network, NetworkMean};
use fastai_runtime::progress::{Silent, StopSignal, Watch};
use fastai_runtime::train::{
    Descent, EpochRow, ExampleBatch, ExampleBatches, Examples, FitPlan, Inputs, Learner, Logbook, Loss, Mixing,
    Validation, estimate_statistics, fit,
};
use serde::Deserialize;

use crate::device;
use crate::head::{BATCH, CLASSES, FEATURES, Golden, ROWS, start};

/// Largest difference allowed to PyTorch in float64.
const TOLERANCE: f64 = 2e-4;

#[derive(Deserialize)]
struct Case {
    losses: Vec<f64>,
    measured: Vec<f64>,
    logits: Vec<f64>,
}

/// The golden rows in the golden order of each epoch.
struct Ordered {
    features: Vec<f32>,
    order: Vec<usize>,
}

impl Examples for Ordered {
    fn len(&self) -> usize {
        ROWS
    }

    fn batches<'a>(
        &'a self,
        traversal: &Traversal,
        skip: usize,
        device: &Device,
    ) -> Result<ExampleBatches<'a>, RunError> {
        let rows: Vec<usize> = match traversal {
            Traversal::Shuffled { epoch, .. } => self.order[*epoch as usize * ROWS..][..ROWS].to_vec(),
            _ => (0..ROWS).collect(),
        };
        let batches: Vec<Vec<usize>> = rows.chunks(BATCH).skip(skip).map(<[usize]>::to_vec).collect();
        let device = device.clone();
        Ok(Box::new(batches.into_iter().map(move |images| {
            let row = |i: &usize| self.features[i * FEATURES..][..FEATURES].iter().copied();
            let data = TensorData::new(images.iter().flat_map(row).collect::<Vec<f32>>(), [images.len(), FEATURES]);
            Ok(ExampleBatch { inputs: Inputs::Features(Tensor::from_data(data, &device)), images })
        })))
    }
}

/// Adds the networks that a fit saves.
#[derive(Default)]
struct Saved(NetworkMean);

impl Logbook for Saved {
    fn epoch(&mut self, _: &EpochRow) -> Result<(), RunError> {
        Ok(())
    }
    fn cycle(&mut self, _: u64, network: &Network) -> Result<(), RunError> {
        self.0.add(network);
        Ok(())
    }
}

#[test]
fn accumulated_gradients_and_averaged_weights_are_pytorchs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/averages.json");
    let cases: std::collections::BTreeMap<String, Case> =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 5);
    let golden = Golden::read();
    let device = device::under_test().autodiff();
    let truth = Truth::Tags { cells: golden.floats("targets_multi").iter().map(|t| *t > 0.5).collect(), tags: CLASSES };
    let loss = Loss::new(truth, None, &device);
    let examples = Ordered { features: golden.floats("features"), order: golden.integers("order") };
    for (name, case) in &cases {
        let mut learner = Learner::new(start(&golden, &device), device.clone());
        let plan = FitPlan {
            stage: 0,
            epochs: 6,
            settings: Box::new(std::iter::repeat(Setting { rate: 1.0, momentum: None })),
            lrs: vec![0.1; 3],
            wds: vec![0.0; 3],
            descent: Descent::default(),
            mixing: Mixing::default(),
            metrics: &[],
            keep_best: None,
            accumulate: if name.starts_with("accumulate") { 3 } else { 1 },
            ema: name.ends_with("ema").then_some(0.95),
            patience: None,
            swa: if name == "swa" { vec![4, 5, 6] } else { Vec::new() },
            saves_after: if name == "average" { vec![2, 6] } else { Vec::new() },
            seed: 0,
            continued: None,
        };
        let validation = Some(Validation { examples: &examples, loss: &loss, before: None });
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        let mut saved = Saved::default();
        let result = fit(&mut learner, &examples, &loss, validation, plan, watch, &mut saved).unwrap();
        let measured: Vec<f64> = result.epochs.iter().map(|row| row.val_loss).collect();
        if name == "average" {
            let mean = saved.0.network(learner.network().clone());
            let pass = Traversal::Shuffled { stage: 0, epoch: 5 };
            let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
            learner.replace(estimate_statistics(&mean, &examples, &pass, &device, (0, 0), watch).unwrap());
        }
        // The network that the fit ends with is the one that it measured.
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        let logits = learner.logits(&examples, &Traversal::Plain, "", watch).unwrap();
        let logits: Vec<f64> = logits.into_iter().map(f64::from).collect();
        if name != "average" {
            let last = result.mean.as_ref().map_or(measured[5], |mean| mean.val_loss);
            let logits: Vec<f32> = logits.iter().map(|x| *x as f32).collect();
            assert_eq!(loss.of_all(&logits).unwrap(), last, "{name}");
        }
        assert_eq!(result.mean.map(|mean| mean.networks), (name == "swa").then_some(3));
        for (what, got, wanted) in [
            ("losses", &result.batch_losses, &case.losses),
            ("measured", &measured, &case.measured),
            ("logits", &logits, &case.logits),
        ] {
            assert_eq!(got.len(), wanted.len(), "{name}: {what}");
            let worst = got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            device::within(worst, TOLERANCE, &format!("{name}: {what}")).unwrap();
        }
    }
}
