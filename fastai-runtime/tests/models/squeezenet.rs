//! SqueezeNet 1.1 with real weights gives PyTorch's numbers (tools/reference_squeezenet.py makes them).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::device;
use crate::reference::{formula, values};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData, activation::relu, module::conv2d, ops::ConvOptions};
use fastai_dsl::source::RecipeText;
use fastai_dsl::{HeadSpec, StatsWish, TaskKind, TransformSet, Transforms, Weights, arch};
use fastai_runtime::metrics::Thresholds;
use fastai_runtime::models::{self, Body, ModelMeta, Network, Pass};
use fastai_runtime::progress::Silent;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use safetensors::{Dtype, SafeTensors};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn head() -> HeadSpec {
    HeadSpec { hidden: vec![16], dropout: vec![0.25, 0.5] }
}

fn weights_file() -> PathBuf {
    root().join("examples/data/squeezenet1_1.safetensors")
}

fn squeezenet(device: &Device) -> Network {
    models::load_body(Network::new("squeezenet1_1", &head(), 5, 1, device), &weights_file()).unwrap()
}

/// All f32 and f16 tensors of a file, widened.
fn tensors(path: &Path) -> HashMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .filter_map(|(name, view)| {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
                Dtype::F16 => data.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
                _ => return None,
            };
            Some((name.to_owned(), (view.shape().to_vec(), values)))
        })
        .collect()
}

fn close(got: &[f32], want: &[f32], what: &str) {
    device::close(got, want, 1e-4, what).unwrap();
}

#[test]
fn pooled_features_and_logits_are_pytorchs() {
    let golden = tensors(&root().join("fastai-runtime/tests/golden/squeezenet1_1.safetensors"));
    let published = tensors(&weights_file());
    let device = device::under_test();
    let network = squeezenet(&device);
    let (shape, kernel) = published["classifier.1.weight"].clone();
    let kernel = Tensor::<4>::from_data(TensorData::new(kernel, shape), &device);
    let (shape, bias) = published["classifier.1.bias"].clone();
    let bias = Tensor::<1>::from_data(TensorData::new(bias, shape), &device);
    for (name, n, h, w) in [("64", 2, 64, 64), ("224", 1, 224, 224), ("203x257", 1, 203, 257)] {
        let x = formula(n, h, w, &device);
        close(&values(x.clone())[..8], &golden[&format!("input_{name}")].1, "input");
        close(&values(network.features(x.clone())), &golden[&format!("pooled_{name}")].1, &format!("pooled {name}"));
        let map = network.body.forward(x, &mut Pass::eval());
        let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
        let logits = relu(conv2d(map, kernel.clone(), Some(bias.clone()), options));
        let logits: Tensor<2> = logits.flatten::<3>(2, 3).mean_dim(2).flatten(1, 2);
        close(&values(logits), &golden[&format!("logits_{name}")].1, &format!("logits {name}"));
    }
}

#[test]
fn networks_have_the_parameters_that_the_language_derives() {
    let device = device::under_test();
    for facts in arch::ARCHS.iter() {
        let network = Network::new(facts.name, &head(), 7, 1, &device);
        assert_eq!(network.groups(), facts.groups(), "{}", facts.name);
        assert_eq!(facts.body().len() + 1, facts.groups(), "{}", facts.name);
        let shapes = network.shapes();
        let is_buffer = |name: &str| name.contains(".running_");
        let count = |group| -> u64 {
            let ours = shapes.iter().filter(|(name, _)| network.group_of(name) == group && !is_buffer(name));
            ours.map(|(_, sides)| sides.iter().product::<usize>() as u64).sum()
        };
        let rows = models::describe(facts.name, facts.min_size as usize);
        for (group, (what, wanted)) in facts.body().iter().enumerate() {
            assert_eq!(count(group), *wanted, "{}: {what}", facts.name);
            let described: u64 = rows.iter().filter(|row| row.group == group).map(|row| row.parameters).sum();
            assert_eq!(described, *wanted, "{}: {what}", facts.name);
        }
        assert_eq!(count(facts.groups() - 1), head().parameters(facts.head_input(), 7), "{}", facts.name);
        let [channels, height, width] = models::map_sides(facts.name, facts.min_size as usize);
        assert_eq!(2 * channels, facts.head_input() as usize, "{}", facts.name);
        assert!(height >= 1 && width >= 1, "{}", facts.name);
        let norms = shapes.iter().any(|(name, _)| name.starts_with("body.") && is_buffer(name));
        assert_eq!(norms, facts.has_batch_norm(), "{}", facts.name);
        for name in std::iter::once(&facts.name).chain(facts.aliases) {
            assert_eq!(arch::find(name).unwrap().name, facts.name);
        }
    }
}

/// What the language says of bodies that are cut is what the engine makes of them.
#[test]
fn every_cut_is_known_by_its_name_parameters_and_channels() {
    let device = device::under_test();
    for facts in arch::ARCHS.iter() {
        let whole = Body::new(facts.name, 1, &device);
        assert_eq!(whole.graph().cuts(), facts.cuts().len(), "{}", facts.name);
        assert!(facts.max_cut() > 0, "{}", facts.name);
        for cut in 0..=facts.max_cut() {
            let network = Network::cut(facts.name, cut, &head(), 7, 1, &device);
            assert_eq!(network.head_input(), facts.head_input_without(cut) as usize, "{} {cut}", facts.name);
            let units = &network.body.graph().units;
            if let Some(first) = whole.graph().units.get(units.len()) {
                assert!(first.name().starts_with(&facts.cuts()[cut as usize - 1].name), "{} {cut}", facts.name);
            }
            let rows = models::describe_cut(facts.name, cut, facts.min_size as usize);
            for (group, (holds, parameters)) in facts.groups_without(cut).into_iter().enumerate() {
                let described: u64 = rows.iter().filter(|row| row.group == group).map(|row| row.parameters).sum();
                assert!(described > 0 && described == parameters, "{} {cut}: {holds}", facts.name);
            }
            let last = network.body.graph().units.iter().map(|unit| unit.group).max();
            assert_eq!(last, Some(1), "{} {cut}", facts.name);
        }
    }
}

#[test]
fn a_cut_model_is_saved_with_its_cut() {
    let device = device::under_test();
    let network = Network::cut("squeezenet1_1", 2, &head(), 5, 1, &device);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.safetensors");
    let meta = ModelMeta { cut: 2, ..meta() };
    models::save_model(&network, &meta, &path).unwrap();
    let (read, found) = models::read_model(&path, &device).unwrap();
    assert_eq!((found.cut, read.head_input()), (2, 768));
    let x = formula(1, 64, 64, &device);
    assert_eq!(values(read.forward(x.clone())), values(network.forward(x)));
    let whole = Network::new("squeezenet1_1", &head(), 5, 1, &device);
    let error = models::load_model(whole, &ModelMeta { cut: 0, ..meta }, &path, None).unwrap_err().to_string();
    assert!(error.contains("modules cut: 0 wanted, 2 in the file"), "{error}");
}

#[test]
fn layers_are_described_as_they_run() {
    let device = device::under_test();
    for arch in ["squeezenet1_1", "efficientnet_lite0", "efficientnet_b0", "convnext_tiny", "resnet18", "densenet121"] {
        let network = Network::new(arch, &head(), 7, 1, &device);
        let mut rows = models::describe(arch, 75).into_iter().filter(|row| !row.name.is_empty());
        // A shortcut runs before the branch that it is listed after.
        let mut expected: Vec<_> = rows.by_ref().map(|row| (row.name, row.output)).collect();
        let mut seen = Vec::new();
        network.body.forward_seen(Tensor::zeros([1, 3, 75, 75], &device), &mut Pass::eval(), &mut |name, y| {
            let [_, channels, height, width] = y.dims();
            seen.push((name.to_owned(), [channels, height, width]));
        });
        expected.sort();
        seen.sort();
        assert_eq!(seen, expected, "{arch}");
    }
}

#[test]
fn frozen_groups_get_no_gradient_and_the_head_still_learns() {
    let device = device::under_test().autodiff();
    let network = squeezenet(&device);
    for first in 0..3 {
        let mut network = network.clone().set_frozen(first, false);
        for p in network.parameters() {
            assert_eq!(p.trainable, !p.buffer && p.group >= first, "{} with {first}", p.name);
        }
        let before = models::body_digest(&network);
        let mean = |n: &Network| values(n.head.layers[0].norm.running_mean.val());
        let start = mean(&network);
        let snapshot = network.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let loss = network.forward_train(formula(3, 64, 64, &device), &mut rng).square().mean();
        let grads = burn::optim::GradientsParams::from_grads(loss.backward(), &network);
        let trained = network.parameters().iter().filter(|p| p.trainable).count();
        assert_eq!(grads.len(), trained, "with {first}");
        assert_eq!(models::body_digest(&network), before);
        assert_ne!(mean(&network), start, "the head's statistics follow the data");
        assert_eq!(mean(&snapshot), start, "a clone is a snapshot");
    }
}

#[test]
fn training_passes_depend_on_nothing_but_the_stream() {
    let device = device::under_test().autodiff();
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let mut network = squeezenet(&device);
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            values(network.forward_train(formula(4, 64, 64, &device), &mut rng))
        })
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn the_wrong_file_is_refused_by_its_first_differences() {
    let device = device::under_test();
    let network = Network::new("squeezenet1_1", &head(), 5, 1, &device);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.safetensors");
    let data = [0u8; 64 * 3 * 4];
    let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![64, 3], &data).unwrap();
    let bytes = safetensors::serialize([("features.0.weight", view)], None).unwrap();
    std::fs::write(&file, &bytes).unwrap();
    let error = models::load_body(network.clone(), &file).unwrap_err().to_string();
    assert!(error.contains("other.safetensors"), "{error}");
    assert!(error.contains("features.0.weight: [64, 3, 3, 3] wanted, [64, 3] in the file"), "{error}");
    assert!(error.contains("features.0.bias: [64] wanted, not in the file"), "{error}");
    assert!(error.contains("more"), "{error}");
    // Hostile files: every cut, and a claim of a huge header.
    for cut in 0..bytes.len().min(200) {
        std::fs::write(&file, &bytes[..cut]).unwrap();
        models::load_body(network.clone(), &file).unwrap_err();
    }
    std::fs::write(&file, u64::MAX.to_le_bytes()).unwrap();
    models::load_body(network, &file).unwrap_err();
}

#[test]
fn missing_weights_name_the_absolute_path() {
    let error =
        models::resolve(&Weights::File("no/such.safetensors".into()), "squeezenet1_1", &mut Silent).unwrap_err();
    let absolute = std::path::absolute("no/such.safetensors").unwrap();
    assert!(error.to_string().contains(&absolute.display().to_string()), "{error}");
    assert_eq!(models::resolve(&Weights::None, "squeezenet1_1", &mut Silent).unwrap(), None);
}

/// What is stored beside a model of [`squeezenet`].
fn meta() -> ModelMeta {
    ModelMeta {
        recipe: "Globe".into(),
        text: "recipe! {}".into(),
        arch: "squeezenet1_1".into(),
        cut: 0,
        head: head(),
        classes: ["a", "b", "c", "d", "e"].map(String::from).to_vec(),
        size: 64,
        task: TaskKind::MultiLabel,
        transforms: Transforms { max_zoom: [1.0, 1.05], ..Transforms::new(TransformSet::TopDown, 64) },
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        batch: 8,
        seed: 42,
        threshold: Some(Thresholds::All(0.2)),
        tta: Some(4),
        class_weights: None,
        resize_to: None,
    }
}

#[test]
fn a_saved_model_comes_back_and_another_recipes_is_refused() {
    let device = device::under_test();
    let network = squeezenet(&device);
    let meta = meta();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("models/last.safetensors");
    models::save_model(&network, &meta, &path).unwrap();
    let (read, found) = models::read_model(&path, &device).unwrap();
    assert_eq!(found, meta);
    let x = formula(2, 64, 64, &device);
    assert_eq!(values(read.forward(x.clone())), values(network.forward(x)));
    assert_eq!(models::body_digest(&read), models::body_digest(&network));
    assert_eq!(network.num_params(), read.num_params());
    let other = ModelMeta { recipe: "Planet".into(), classes: meta.classes[..4].to_vec(), ..meta.clone() };
    let error = models::load_model(network, &other, &path, None).unwrap_err().to_string();
    assert!(error.contains("recipe: Planet wanted, Globe in the file"), "{error}");
    assert!(error.contains("classes"), "{error}");
    let mut hostile = [(); 13].map(|()| meta.clone());
    hostile[0].head.hidden = vec![u32::MAX; 3];
    hostile[0].head.dropout = vec![0.0; 4];
    hostile[1].head.dropout = vec![1.0, 0.5];
    hostile[2].arch = "no_such_net".into();
    hostile[3].head.hidden = vec![1 << 20];
    hostile[4].transforms.size = u32::MAX;
    hostile[5].transforms.max_zoom = [1.0, 1e30];
    hostile[6].std[1] = 0.0;
    hostile[7].tta = Some(u32::MAX);
    hostile[8].threshold = Some(Thresholds::All(-1.0));
    hostile[9].batch = 0;
    hostile[10].cut = 99;
    hostile[11].transforms.stats = StatsWish::Given { mean: [0.5; 3], std: [0.5, 0.0, 0.5] };
    hostile[12].threshold = Some(Thresholds::Each(vec![0.2]));
    for (number, lie) in hostile.iter().enumerate() {
        models::save_model(&read, lie, &path).unwrap();
        models::read_model(&path, &device).expect_err(&format!("description {number}"));
    }
    let error = models::read_model(&weights_file(), &device).unwrap_err().to_string();
    assert!(error.contains("not a model that `save` wrote"), "{error}");
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_saved_model_knows_the_statistics_of_its_recipe() {
    let device = device::under_test();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("given.safetensors");
    let classes: Vec<String> = ["a", "b", "c", "d", "e"].map(String::from).to_vec();
    for (stats, wanted) in [
        ("stats: normalize(mean = [0.5, 0.25, 0.125], std = 0.2)", "mean [0.5, 0.25, 0.125] std [0.2, 0.2, 0.2]"),
        ("stats: inception", "mean [0.5, 0.5, 0.5] std [0.5, 0.5, 0.5]"),
        ("crop: random", "mean [0.485, 0.456, 0.406] std [0.229, 0.224, 0.225]"),
    ] {
        let text = format!(
            "Demo {{ task: single_label, data: folders {{ root: \"d\" }}, transforms: none {{ size: 64, {stats} }}, \
             model: squeezenet1_1 {{ hidden: [16] }}, metrics: [accuracy], train: {{ fit(1e-2, 1); }} }}"
        );
        let recipe = RecipeText::new("demo.recipe", &text, &[]).result.unwrap().recipe;
        models::save_model(&squeezenet(&device), &ModelMeta::of(&recipe, classes.clone()), &path).unwrap();
        let (_, read) = models::read_model(&path, &device).unwrap();
        let signature = read.transform().signature().to_string();
        assert!(signature.contains(wanted), "{signature}");
        assert_eq!(format!("mean {:?} std {:?}", read.mean, read.std), wanted);
    }
}
