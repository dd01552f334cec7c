//! Every optimizer against PyTorch's, LAMB against timm's: 30 steps of a frozen, a partly frozen and an unfrozen network, with
//! a rate and a weight decay a layer group, and one with rates and momenta that a schedule moves.
//! `tools/reference_optimizers.py` makes the golden losses; it tells the formulas of weights, images and labels, and why they
//! are these.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use fastai_dsl::{FitCourse, HeadSpec, OptimizerSpec, Schedule};
use fastai_runtime::metrics::Truth;
use fastai_runtime::models::{self, Network};
use fastai_runtime::random::Stream;
use fastai_runtime::train::{Clip, Descent, GroupRates, Inputs, Learner, Loss};
use serde::Deserialize;

use crate::device;
use crate::steps::{filled, noise};

const IMAGES: usize = 32;
const SIDE: usize = 40;
const BATCH: usize = 8;
const CLASSES: usize = 5;
const STEPS: usize = 30;
/// Added to the biases of the body's last two convolutions, which makes all features positive.
const LIFT: f32 = 1000.0;

#[derive(Deserialize)]
struct Case {
    optimizer: OptimizerSpec,
    /// Over one epoch of all the steps.
    course: FitCourse,
    lrs: Vec<f64>,
    wds: Vec<f64>,
    first: usize,
    clip_value: Option<f64>,
    losses: Vec<f64>,
}

fn images(rows: &[usize], device: &Device) -> Tensor<4> {
    let noise = noise("images");
    let mut values = Vec::with_capacity(rows.len() * 3 * SIDE * SIDE);
    for &n in rows {
        let u = |k: usize| noise(12 * n + k);
        for i in 0..3 * SIDE * SIDE {
            let (c, y, x) = (i / (SIDE * SIDE), (i / SIDE % SIDE) as f64, (i % SIDE) as f64);
            let down = (1.0 + u(4)) * ((0.3 + 0.25 * u(5)) * y + 3.0 * u(6 + c)).sin();
            let across = (1.0 + u(9)) * ((0.3 + 0.25 * u(10)) * x + 0.2 * u(11) * y).cos();
            values.push(((0.5 + 0.45 * u(0)) * (u(1 + c) + down + across)) as f32);
        }
    }
    Tensor::from_data(TensorData::new(values, [rows.len(), 3, SIDE, SIDE]), device)
}

/// The network with [`LIFT`] in the biases of its body's last module.
fn lifted(network: Network) -> Network {
    struct Lift(HashSet<ParamId>);
    impl ModuleMapper for Lift {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !self.0.remove(&param.id) {
                return param;
            }
            param.map(|old| {
                let biases: Vec<f32> = old.clone().into_data().try_to_vec().unwrap();
                let lifted: Vec<f32> = biases.into_iter().map(|bias| bias + LIFT).collect();
                let new = Tensor::from_data(TensorData::new(lifted, old.dims()), &old.device());
                new.set_require_grad(old.is_require_grad())
            })
        }
    }
    let is_last = |name: &str| name.starts_with("body.features.12.expand") && name.ends_with(".bias");
    let biases = network.parameters().into_iter().filter(|p| is_last(&p.name)).map(|p| p.id);
    let mut lift = Lift(biases.collect());
    assert_eq!(lift.0.len(), 2);
    network.map(&mut lift)
}

/// SqueezeNet with its published body and a linear head.
fn start(device: &Device) -> Network {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/squeezenet1_1.safetensors");
    let head = HeadSpec { hidden: Vec::new(), dropout: vec![0.0] };
    let network = models::load_body(Network::new("squeezenet1_1", &head, CLASSES, 1, device), &path).unwrap();
    filled(lifted(network), "head.", "head.")
}

#[test]
fn optimizers_step_as_in_pytorch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/optimizers.json");
    let cases: BTreeMap<String, Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    // Six optimizers with three frozen parts, a clipped one, and one under a schedule.
    assert_eq!(cases.len(), 20);
    let device = device::under_test().autodiff();
    let start = start(&device);
    let classes = (0..IMAGES as u32).map(|n| (7 * n + 3) % CLASSES as u32).collect();
    let loss = Loss::new(Truth::Classes(classes), None, &device);
    let batches: Vec<(Vec<usize>, Tensor<4>)> = (0..IMAGES / BATCH)
        .map(|batch| {
            let rows: Vec<usize> = (batch * BATCH..(batch + 1) * BATCH).collect();
            let images = images(&rows, &device);
            (rows, images)
        })
        .collect();
    for (name, case) in &cases {
        let mut learner = Learner::new(start.clone().set_frozen(case.first, false), device.clone());
        let clip = Clip { norm: None, value: case.clip_value };
        let mut optimizer = learner.optimizer(&Descent { rule: case.optimizer, clip });
        let settings = Schedule::Shaped { course: case.course, epochs: 1 }.settings(STEPS as u64);
        assert_eq!(case.losses.len(), STEPS, "{name}");
        for ((step, want), setting) in case.losses.iter().enumerate().zip(settings) {
            let (rows, images) = &batches[step % batches.len()];
            let rates = GroupRates {
                lrs: case.lrs.iter().map(|full| full * setting.rate).collect(),
                wds: case.wds.clone(),
                momentum: setting.momentum.unwrap_or(case.optimizer.momentum()),
            };
            let mut rng = Stream::new(0, "dropout").at(&[step as u64]);
            let inputs = Inputs::Images(images.clone());
            let got = learner.step(&mut *optimizer, inputs, rows, &loss, &rates, &mut rng).read().unwrap();
            device::within((got - want).abs() / want, 1e-4, &format!("{name}: loss of step {step}")).unwrap();
        }
    }
}
