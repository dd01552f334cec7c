//! The head, the losses and the optimizer against PyTorch: 30 steps from the same weights over the same batches.
//! The golden file is made by `tools/reference_head.py`.

use std::collections::HashMap;

use crate::device::{self, worst};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use fastai_dsl::HeadSpec;
use fastai_runtime::metrics::Truth;
use fastai_runtime::models::{Head, Network};
use fastai_runtime::random::Stream;
use fastai_runtime::train::{Clip, Descent, GroupRates, Inputs, Learner, Loss};
use safetensors::SafeTensors;

pub const ROWS: usize = 200;
pub const FEATURES: usize = 128;
pub const CLASSES: usize = 7;
pub const BATCH: usize = 64;

pub struct Golden(HashMap<String, (Vec<usize>, Vec<u8>)>);

impl Golden {
    pub fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/head.safetensors");
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter();
        Golden(tensors.map(|(name, t)| (name, (t.shape().to_vec(), t.data().to_vec()))).collect())
    }
    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.0[name].1.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }
    pub fn integers(&self, name: &str) -> Vec<usize> {
        self.0[name].1.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as usize).collect()
    }
    /// A weight `[output, input]` of PyTorch as burn's `[input, output]`.
    fn transposed(&self, name: &str) -> Vec<f32> {
        let (shape, _) = &self.0[name];
        let values = self.floats(name);
        (0..shape[1]).flat_map(|i| (0..shape[0]).map(move |o| o * shape[1] + i)).map(|at| values[at]).collect()
    }
}

pub fn start(golden: &Golden, device: &Device) -> Network {
    let spec = HeadSpec { hidden: vec![64], dropout: vec![0.0, 0.0] };
    let mut network = Network::new("squeezenet1_1", &spec, CLASSES, 0, device);
    let mut head = Head::new(&spec, FEATURES, CLASSES, 0, 0, device);
    for (k, layer) in head.layers.iter_mut().enumerate() {
        let vector = |name: &str| {
            let values = golden.floats(name);
            let width = values.len();
            Param::from_data(TensorData::new(values, [width]), device)
        };
        let dims = layer.linear.weight.val().dims();
        let weight = golden.transposed(&format!("lin{k}.weight"));
        layer.linear.weight = Param::from_data(TensorData::new(weight, dims), device);
        layer.linear.bias = Some(vector(&format!("lin{k}.bias")));
        layer.norm.weight = vector(&format!("bn{k}.weight"));
        layer.norm.bias = vector(&format!("bn{k}.bias"));
    }
    network.head = head;
    network.set_frozen(2, false)
}

fn run(case: &str, truth: Truth, wd: f64, clip: Option<f64>) {
    let golden = Golden::read();
    let device = device::under_test().autodiff();
    let mut learner = Learner::new(start(&golden, &device), device.clone());
    let loss = Loss::new(truth, None, &device);
    let clip = Clip { norm: clip, value: None };
    let mut sgd = learner.optimizer(&Descent { clip, ..Descent::default() });
    let features = golden.floats("features");
    let order = golden.integers("order");
    let batches = order.chunks(ROWS).flat_map(|epoch| epoch.chunks(BATCH));
    let lrs = golden.floats(&format!("{case}.lrs"));
    let mut losses = Vec::new();
    for (step, (images, lr)) in batches.zip(lrs).enumerate() {
        let x: Vec<f32> = images.iter().flat_map(|i| features[i * FEATURES..][..FEATURES].iter().copied()).collect();
        let x = Tensor::from_data(TensorData::new(x, [images.len(), FEATURES]), &device);
        let rates = GroupRates { lrs: vec![f64::from(lr); 3], wds: vec![wd; 3], momentum: 0.9 };
        let mut rng = Stream::new(0, "dropout").at(&[step as u64]);
        let loss = learner.step(&mut *sgd, Inputs::Features(x), images, &loss, &rates, &mut rng);
        losses.push(loss.read().unwrap() as f32);
    }
    let same = |got: &[f32], bound: f64, name: &str| {
        let what = format!("{case}.{name}");
        device::within(f64::from(worst(got, &golden.floats(&what))), bound, &what).unwrap();
    };
    same(&losses, 1e-4, "losses");
    assert_eq!(losses.len(), 30);

    let network = learner.network().valid();
    for (k, layer) in network.head.layers.iter().enumerate() {
        let mean = layer.norm.running_mean.val().into_data().try_to_vec::<f32>().unwrap();
        let variance = layer.norm.running_var.val().into_data().try_to_vec::<f32>().unwrap();
        same(&mean, 1e-4, &format!("bn{k}.running_mean"));
        same(&variance, 1e-3, &format!("bn{k}.running_var"));
        let weight = layer.linear.weight.val().into_data().try_to_vec::<f32>().unwrap();
        let name = format!("{case}.lin{k}.weight");
        device::within(f64::from(worst(&weight, &golden.transposed(&name))), 1e-4, &name).unwrap();
    }
    let x = Tensor::from_data(TensorData::new(features, [ROWS, FEATURES]), &device::under_test());
    let logits = network.logits(x).into_data().try_to_vec::<f32>().unwrap();
    same(&logits, 1e-3, "eval");
}

#[test]
fn multi_label_at_a_constant_rate() {
    let cells = Golden::read().floats("targets_multi").iter().map(|t| *t > 0.5).collect();
    run("multi", Truth::Tags { cells, tags: CLASSES }, 0.0, None);
}

#[test]
fn single_label_with_cycles_decay_and_clipping() {
    let classes = Golden::read().integers("targets_single").iter().map(|c| *c as u32).collect();
    run("single", Truth::Classes(classes), 1e-4, Some(0.5));
}
