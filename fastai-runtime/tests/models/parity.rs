//! Every network gives the numbers of torchvision or of its home (tools/reference_models.py makes them; it tells the
//! formulas for inputs and weights).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::device::{self, close};
use crate::reference::{formula, noise, noise_images, values, weights, write_body};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};
use fastai_dsl::arch::ARCHS;
use fastai_dsl::{HeadSpec, Weights};
use fastai_runtime::models::{self, Classifier, Network, Pass};
use fastai_runtime::progress::Silent;
use safetensors::SafeTensors;

const SIZES: [(&str, usize, usize); 3] = [("203x257", 203, 257), ("224", 224, 224), ("299", 299, 299)];

pub(crate) type Golden = BTreeMap<String, Vec<f32>>;

pub(crate) fn golden() -> Golden {
    golden_of("models.safetensors")
}

pub(crate) fn golden_of(file: &str) -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |data: &[u8]| data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    file.iter().map(|(name, view)| (name.to_owned(), floats(view.data()))).collect()
}

pub(crate) fn classifier(arch: &str, lift: f64, device: &Device) -> Classifier {
    let network = Classifier::new(arch, 1, device);
    let names: BTreeSet<String> = network.shapes().into_iter().map(|(name, _)| name).collect();
    let is_norms = |name: &str| name.strip_suffix("bias").is_some_and(|n| names.contains(&format!("{n}running_mean")));
    network.filled(|name, shape| Ok(weights(name, shape, is_norms(name).then_some(lift)))).unwrap()
}

/// The published weights, which are not in the repository: `fastai weights get efficientnet_lite0`.
#[test]
#[ignore = "needs the published weights: fastai weights get efficientnet_lite0"]
fn the_published_lite0_says_what_it_says_in_pytorch() {
    let device = device::under_test();
    let found = models::weights::resolve(&Weights::Pretrained, "efficientnet_lite0", &mut Silent).unwrap().unwrap();
    let network =
        models::weights::load_classifier(Classifier::new("efficientnet_lite0", 1, &device), &found.path).unwrap();
    let golden = golden_of("lite0.safetensors");
    for (size, height, width) in SIZES {
        let logits: Vec<f32> =
            values(network.forward(formula(1, height, width, &device))).into_iter().step_by(8).collect();
        close(&logits, &golden[&format!("{size}/logits")], 1e-4, size).unwrap();
    }
}

pub(crate) fn samples(all: &[f32]) -> Vec<f32> {
    all.iter().step_by((all.len() / 64).max(1)).take(64).copied().collect()
}

/// Published name, id and values of the parameters and statistics that `wanted` picks by name.
pub(crate) fn find(network: &Classifier, wanted: impl Fn(&str) -> bool) -> Vec<(String, ParamId, Vec<f32>)> {
    struct Find<F>(Vec<String>, F, Vec<(String, ParamId, Vec<f32>)>);
    impl<F: Fn(&str) -> bool> ModuleVisitor for Find<F> {
        fn enter_module(&mut self, name: &str, container: &str) {
            if !container.starts_with("Enum:") {
                self.0.push(name.to_owned());
            }
        }
        fn exit_module(&mut self, _: &str, container: &str) {
            if !container.starts_with("Enum:") {
                self.0.pop();
            }
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let name = self.0[1..].join(".");
            if (self.1)(&name) {
                self.2.push((name, param.id, values(param.val())));
            }
        }
    }
    let mut find = Find(Vec::new(), wanted, Vec::new());
    network.visit(&mut find);
    find.2
}

/// In evaluation: the logits and the outputs of three units or more.
fn evaluates(golden: &Golden, arch: &str) {
    let device = device::under_test();
    let network = classifier(arch, 0.0, &device);
    for (size, height, width) in SIZES {
        let prefix = format!("{arch}/{size}/");
        let mut seen = BTreeMap::new();
        let mut pass = Pass::eval();
        let x = formula(1, height, width, &device);
        let map = network.body.forward_seen(x, &mut pass, &mut |unit, y| {
            if golden.contains_key(&format!("{prefix}{unit}")) {
                seen.insert(unit.to_owned(), samples(&values(y.clone())));
            }
        });
        let units = golden.keys().filter(|key| key.starts_with(&prefix) && !key.ends_with("/logits")).count();
        assert!(units >= 3 && seen.len() == units, "{prefix}: {:?}", seen.keys());
        for (unit, got) in &seen {
            close(got, &golden[&format!("{prefix}{unit}")], 1e-4, &format!("{prefix}{unit}")).unwrap();
        }
        let logits: Vec<f32> = values(network.top.forward(map, &mut pass)).into_iter().step_by(8).collect();
        close(&logits, &golden[&format!("{prefix}logits")], 1e-4, &format!("{prefix}logits")).unwrap();
    }
}

/// In training: losses over two steps, the first step's gradients of two convolutions, and running statistics after both.
///
/// Rounding may send a pooled maximum's gradient elsewhere, in float32 runs of PyTorch too; so one trial of several has to
/// agree, in everything.
fn trains(golden: &Golden, arch: &str, kind: &str) {
    let mut failures = Vec::new();
    for trial in 0..3 {
        match trial_agrees(golden, arch, kind, trial) {
            Ok(()) => return,
            Err(failure) => failures.push(failure),
        }
    }
    panic!("no trial agrees:\n{}", failures.join("\n"));
}

/// A training pass; of kind `depth` with golden factors for the branches that stochastic depth leaves out.
fn pass_of(network: &Classifier, kind: &str) -> Pass {
    let branches = network.body.graph().skippable().into_iter().enumerate();
    let factors = branches.map(|(k, (unit, _))| {
        let name = format!("depth {k}");
        let noise = noise(&name);
        let factor = |u: f32| if u < 0.0 { 0.0 } else { 1.0 + u };
        (unit, (0..4).map(|image| factor(noise(image) as f32)).collect())
    });
    if kind == "depth" { Pass::train().with_depth(factors.collect()) } else { Pass::train() }
}

fn trial_agrees(golden: &Golden, arch: &str, kind: &str, trial: usize) -> Result<(), String> {
    let prefix = format!("{arch}/{kind}{trial}");
    let wanted = |name: &str| golden.get(&format!("{prefix}/{name}"));
    let device = device::under_test().autodiff();
    let mut network = classifier(arch, if arch.starts_with("vgg") { 2.0 } else { 3.0 }, &device);
    let side = if arch.starts_with("inception") { 107 } else { 64 };
    let images = noise_images(&format!("images {trial}"), [4, 3, side, side], &device);
    let labels = Tensor::<2, Int>::from_ints([[3], [10], [17], [24]], &device);
    let mut optimizer = SgdConfig::new().init();
    let mut losses = Vec::new();
    for step in 0..3 {
        let pass = pass_of(&network, kind);
        let logits = network.forward_in(images.clone(), pass);
        let loss = -log_softmax(logits, 1).gather(1, labels.clone()).mean();
        losses.push(loss.clone().into_scalar::<f32>());
        if step == 2 {
            break;
        }
        let grads = GradientsParams::from_grads(loss.backward(), &network);
        if step == 0 {
            let convs = find(&network, |name| name.ends_with(".weight") && wanted(name).is_some());
            assert!(convs.len() >= 2, "{prefix}: gradients");
            for (name, id, _) in convs {
                let got = samples(&values(grads.get::<4>(id).unwrap()));
                close(&got, wanted(&name).unwrap(), 1e-3, &format!("{prefix}: gradient of {name}"))?;
            }
        }
        network = optimizer.step(0.001, network, grads);
        if step == 1 {
            let statistics = find(&network, |name| name.contains(".running_") && wanted(name).is_some());
            assert_eq!(statistics.len(), if network.facts().has_batch_norm() { 4 } else { 0 }, "{prefix}: statistics");
            for (name, _, found) in statistics {
                close(&samples(&found), wanted(&name).unwrap(), 1e-3, &format!("{prefix}: {name}"))?;
            }
        }
    }
    close(&losses, wanted("loss").unwrap(), 1e-3, &format!("{prefix}: losses"))
}

macro_rules! networks {
    ($($arch:ident)*) => {
        $(mod $arch {
            #[test]
            fn evaluates_as_at_home() {
                super::evaluates(&super::golden(), stringify!($arch));
            }
            #[test]
            fn trains_as_at_home() {
                super::trains(&super::golden(), stringify!($arch), "train");
            }
        })*
        const TESTED: &[&str] = &[$(stringify!($arch)),*];
    };
}
networks! {
    mobilenet_v2 mobilenet_v3_large efficientnet_lite0 efficientnet_lite1 efficientnet_lite2 efficientnet_b0 convnext_tiny
    resnet18 resnet34 resnet50 resnet101 resnet152
    resnext50_32x4d resnext101_32x4d resnext101_64x4d wide_resnet50_2
    vgg16_bn vgg19_bn densenet121 densenet161 densenet169 densenet201
    inception_v4 inception_resnet_v2
}

#[test]
fn branches_are_left_out_as_in_torchvision() {
    for arch in ["efficientnet_b0", "convnext_tiny"] {
        trains(&golden(), arch, "depth");
    }
}

/// The body as one operation, and burn's operations one after another.
#[test]
fn branches_are_left_out_alike_by_both_walks() {
    let device = device::under_test().autodiff();
    for arch in ["efficientnet_b0", "convnext_tiny"] {
        let network = classifier(arch, 3.0, &device);
        let images = || noise_images("images 0", [4, 3, 64, 64], &device);
        let joined = network.body.forward(images(), &mut pass_of(&network, "depth"));
        let single = network.body.forward_seen(images(), &mut pass_of(&network, "depth"), &mut |_, _| ());
        let whole = network.body.forward(images(), &mut pass_of(&network, "train"));
        let [joined, single, whole] = [joined, single, whole].map(|map| samples(&values(map)));
        close(&joined, &single, 1e-4, arch).unwrap();
        close(&joined, &whole, 1e-4, arch).unwrap_err();
    }
}

/// Bodies without their last modules, loaded from files of whole ones.
#[test]
fn cut_bodies_give_the_features_of_home() {
    let (golden, device) = (golden(), device::under_test());
    let head = HeadSpec { hidden: vec![], dropout: vec![0.0] };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.safetensors");
    let mut tested = 0;
    for (key, wanted) in golden.iter().filter(|(key, _)| key.ends_with("/features")) {
        let (arch, rest) = key.split_once("/cut").unwrap();
        let cut = rest.trim_end_matches("/features").parse().unwrap();
        write_body(&Network::new(arch, &head, 2, 1, &device), "", &file);
        let network = models::load_body(Network::cut(arch, cut, &head, 2, 1, &device), &file).unwrap();
        let features = network.features(formula(1, 203, 257, &device));
        assert_eq!(features.dims()[1], network.head_input(), "{key}");
        close(&samples(&values(features)), wanted, 1e-4, key).unwrap();
        tested += 1;
    }
    assert_eq!(tested, 18);
}

#[test]
fn every_network_is_tested() {
    // The first has real weights, and a test of its own.
    let all: Vec<&str> = ARCHS.iter().map(|arch| arch.name).filter(|name| *name != "squeezenet1_1").collect();
    assert_eq!(all, TESTED);
}
