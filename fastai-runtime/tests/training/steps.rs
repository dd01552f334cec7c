//! Whole networks train as in PyTorch: 20 steps, frozen, partly frozen and unfrozen, with and without `bn_freeze`, with
//! weight decay a group, clipping, class weights and a second head. `tools/reference_training.py` makes the golden
//! losses; it tells the formulas of weights, images and labels.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::device;
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use fastai_dsl::HeadSpec;
use fastai_runtime::metrics::Truth;
use fastai_runtime::models::Network;
use fastai_runtime::random::Stream;
use fastai_runtime::train::{Clip, Descent, GroupRates, Inputs, Learner, Loss};
use serde::Deserialize;

const IMAGES: usize = 32;
const SIDE: usize = 64;
const BATCH: usize = 8;
const CLASSES: usize = 5;

#[derive(Deserialize)]
struct Case {
    arch: String,
    lrs: Vec<f64>,
    wds: Vec<f64>,
    clip: Option<f64>,
    first: usize,
    bn_freeze: bool,
    loss: String,
    weights: Option<Vec<f32>>,
    second: Option<usize>,
    losses: Vec<f64>,
    r#final: f64,
}

fn images(rows: &[usize], device: &Device) -> Tensor<4> {
    let mut values = Vec::with_capacity(rows.len() * 3 * SIDE * SIDE);
    for &n in rows {
        for i in 0..3 * SIDE * SIDE {
            let (c, y, x) = ((i / (SIDE * SIDE)) as f64, (i / SIDE % SIDE) as f64, (i % SIDE) as f64);
            let v = 1.5 * (0.13 * y + 0.7 * c + n as f64).sin() + 0.8 * (0.09 * x * (c + 1.0) - 0.05 * y).cos();
            values.push(v as f32);
        }
    }
    Tensor::from_data(TensorData::new(values, [rows.len(), 3, SIDE, SIDE]), device)
}

/// Uniform in [-1, 1): number `i` for the tensor called `name`.
pub fn noise(name: &str) -> impl Fn(usize) -> f64 {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3));
    move |i| {
        let z = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let z = z ^ (z >> 31);
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

/// Values of a parameter; linear weights are drawn as PyTorch has them and turned to burn's `[input, output]`.
fn start(name: &str, shape: &[usize]) -> Vec<f32> {
    let noise = noise(name);
    let count = shape.iter().product();
    let head = name.starts_with("head");
    let what = name.rsplit('.').next().unwrap();
    if head && shape.len() == 2 {
        let (inputs, outputs) = (shape[0], shape[1]);
        let scale = (6.0 / inputs as f64).sqrt();
        return (0..count).map(|at| (noise(at % outputs * inputs + at / outputs) * scale) as f32).collect();
    }
    let fan_in: usize = shape[1..].iter().product();
    let value = |u: f64| match what {
        "running_var" if head => 1.0,
        "running_mean" if head => 0.0,
        "running_var" => 1.0 + u / 2.0,
        "running_mean" | "bias" => u / 10.0,
        _ if shape.len() == 1 => 1.0 + u / 4.0,
        _ => u * (6.0 / fan_in as f64).sqrt(),
    };
    (0..count).map(|i| value(noise(i)) as f32).collect()
}

/// Gives every parameter whose name begins with `part` the values of the formula, under the name that begins with `called`.
pub fn filled(network: Network, part: &str, called: &str) -> Network {
    struct Fill(HashMap<ParamId, String>);
    impl ModuleMapper for Fill {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(name) = self.0.remove(&param.id) else { return param };
            param.map(|old| {
                let dims = old.dims();
                let new = Tensor::from_data(TensorData::new(start(&name, &dims), dims), &old.device());
                new.set_require_grad(old.is_require_grad())
            })
        }
    }
    let names = network.parameters().into_iter().filter_map(|p| {
        let rest = p.name.strip_prefix(part)?;
        Some((p.id, format!("{called}{rest}")))
    });
    let mut fill = Fill(names.collect());
    assert!(!fill.0.is_empty());
    network.map(&mut fill)
}

fn spec(hidden: u32) -> HeadSpec {
    HeadSpec { hidden: vec![hidden], dropout: vec![0.0, 0.0] }
}

fn trains(name: &str, case: &Case) {
    let device = device::under_test().autodiff();
    let network = Network::new(&case.arch, &spec(16), CLASSES, 1, &device);
    let network = filled(filled(network, "body.", ""), "head.", "head.");
    let mut learner = Learner::new(network.set_frozen(case.first, case.bn_freeze), device.clone());
    let truth = match case.loss.as_str() {
        "single" => Truth::Classes((0..IMAGES as u32).map(|n| (7 * n + 3) % CLASSES as u32).collect()),
        _ => {
            let cells =
                (0..IMAGES * CLASSES).map(|i| (3 * (i / CLASSES) + 5 * (i % CLASSES)).is_multiple_of(4)).collect();
            Truth::Tags { cells, tags: CLASSES }
        }
    };
    let loss = Loss::new(truth, case.weights.clone(), &device);
    let rates = GroupRates { lrs: case.lrs.clone(), wds: case.wds.clone(), momentum: 0.9 };
    let clip = Clip { norm: case.clip, value: None };
    let descent = Descent { clip, ..Descent::default() };
    let mut optimizer = learner.optimizer(&descent);
    for (step, want) in case.losses.iter().enumerate() {
        if case.second == Some(step) {
            learner.change(|n| n.new_head(&spec(12), CLASSES, 1, 1, &device));
            learner.change(|n| filled(n, "head.", "head2.").set_frozen(case.first, case.bn_freeze));
            optimizer = learner.optimizer(&descent);
        }
        let first = step * BATCH % IMAGES;
        let rows: Vec<usize> = (first..first + BATCH).collect();
        let inputs = Inputs::Images(images(&rows, &device));
        let mut rng = Stream::new(0, "dropout").at(&[step as u64]);
        let got = learner.step(&mut *optimizer, inputs, &rows, &loss, &rates, &mut rng).read().unwrap();
        let error = (got - want).abs() / want.abs().max(1.0);
        device::within(error, 1e-3, &format!("{name}: loss of step {step}")).unwrap();
    }
    let rows: Vec<usize> = (0..IMAGES).collect();
    let network = learner.network().valid();
    let logits = network.forward(images(&rows, &device::under_test())).into_data().try_to_vec::<f32>().unwrap();
    let (got, want) = (loss.of_all(&logits).unwrap(), case.r#final);
    // Where a unit falls on the other side of a kink in one of the steps, evaluation shows it most.
    device::within((got - want).abs() / want.abs().max(1.0), 5e-3, &format!("{name}: loss in evaluation")).unwrap();
}

#[test]
fn networks_train_as_in_pytorch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/training.json");
    let cases: BTreeMap<String, Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 14);
    for (name, case) in &cases {
        trains(name, case);
    }
}
