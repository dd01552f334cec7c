//! What `fastai plan` draws is what the optimizers of a run receive.

use fastai_dsl::curve::Curve;
use fastai_dsl::source::RecipeText;
use fastai_dsl::{DeviceWish, Facts, Plan, Recipe, Schedule, Step, Valid};
use image::{Rgb, RgbImage};
use rand_chacha::ChaCha8Rng;

use super::{RunOptions, run};
use crate::data::Dataset;
use crate::progress::Silent;
use crate::random::{Stream, below, chance, uniform};
use crate::train::{GroupRates, received};

const IMAGES: u64 = 23;
/// Of an image, pixels.
const SIDE: u32 = 32;
/// Fits of a run on cached activations, with one rate.
const FITS: usize = 50;
/// Fits after them from images, with a rate a layer group.
const FITS_FROM_IMAGES: usize = 2;

/// A fit with one of the schedules, of a few epochs.
fn drawn_fit(rng: &mut ChaCha8Rng, rates: &str) -> String {
    let (cycles, len) = (1 + below(rng, 3), 1 + below(rng, 3));
    match below(rng, 7) {
        0 => format!("fit({rates}, {cycles});"),
        1 => {
            let (mult, anneal) = (1 + below(rng, 2), ["cosine", "linear"][below(rng, 2) as usize]);
            format!("fit({rates}, {cycles}, cycle_len = {len}, cycle_mult = {mult}, anneal = {anneal});")
        }
        form @ (2 | 3) => {
            let (key, second) = match form {
                2 => ("use_clr", uniform(rng, 1.0, 20.0)),
                _ => ("use_clr_beta", uniform(rng, 1.0, 60.0)),
            };
            let div = uniform(rng, 1.0, 30.0);
            let moms = match chance(rng, 0.5) {
                true => format!(", {:.2}, {:.2}", uniform(rng, 0.85, 0.99), uniform(rng, 0.5, 0.85)),
                false => String::new(),
            };
            format!("fit({rates}, {cycles}, cycle_len = {len}, {key} = [{div:.2}, {second:.2}{moms}]);")
        }
        4 => {
            let (start, div, end) = (uniform(rng, 0.05, 0.95), uniform(rng, 1.0, 30.0), uniform(rng, 1.0, 1e5));
            let moms: Vec<String> = (0..3).map(|_| format!("{:.2}", uniform(rng, 0.5, 0.99))).collect();
            format!(
                "fit_one_cycle({rates}, {cycles}, pct_start = {start:.3}, div = {div:.2}, div_final = {end:.1}, moms = [{}]);",
                moms.join(", ")
            )
        }
        form => {
            let warmup = uniform(rng, 0.0, 0.9 * cycles as f64);
            let fall = match form {
                5 => ["constant", "linear", "cosine"][below(rng, 3) as usize].to_string(),
                _ => format!("step, every = {}, by = {:.2}", 1 + below(rng, 3), uniform(rng, 0.1, 0.9)),
            };
            format!("fit({rates}, {cycles}, schedule = {fall}, warmup = {warmup:.2});")
        }
    }
}

/// Random fits, most of them with a batch size of their own.
fn drawn_recipe(rng: &mut ChaCha8Rng, optimizer: &str, accumulate: u32) -> Recipe {
    let mut steps = "precompute(on);".to_string();
    for _ in 0..FITS {
        let (batch, rate) = (2 + below(rng, IMAGES), uniform(rng, 1e-5, 1e-3));
        steps += &format!(" resize({SIDE}, batch = {batch}); {}", drawn_fit(rng, &format!("{rate:.6}")));
    }
    steps += " precompute(off);";
    for _ in 0..FITS_FROM_IMAGES {
        steps +=
            &format!(" resize({SIDE}, batch = {}); {}", 6 + below(rng, 6), drawn_fit(rng, "[0.00002, 0.0003, 0.001]"));
    }
    let text = format!(
        "Drawn {{ task: single_label, data: given {{ batch: 8 }}, transforms: none {{ size: {SIDE} }}, \
         model: squeezenet1_1 {{ weights: {:?}, hidden: [4] }}, metrics: [accuracy], optimizer: {optimizer}, \
         accumulate: {accumulate}, train: {{ {steps} }} }}",
        concat!(env!("CARGO_MANIFEST_DIR"), "/weights/squeezenet1_1.safetensors")
    );
    let source = RecipeText::new("drawn.recipe", &text, &[]);
    match &source.result {
        Ok(checked) => checked.recipe.clone(),
        Err(_) => panic!("{}", source.render(false)),
    }
}

/// The settings of every step of the optimizers by the plan's curve: one rate a batch, of which a step takes the last one of
/// those whose gradients it has.
fn promised(recipe: &Recipe) -> Vec<GroupRates> {
    let plan = Plan::new(recipe, &Facts { train: Some(IMAGES), classes: Some(2), ..Facts::default() });
    let curve = Curve::new(&plan, usize::MAX).unwrap();
    let mut drawn = curve.parts.iter();
    let own = recipe.optimizer().momentum();
    let mut promised = Vec::new();
    for stage in &plan.stages {
        let (Step::Fit(fit), Some(batches)) = (&stage.step, stage.batches_per_epoch) else { continue };
        let settings = Schedule::of(fit).settings(batches).take(stage.iterations.unwrap() as usize);
        for (batch, setting) in (0..).zip(settings) {
            let &(factor, highest) = drawn.next().unwrap();
            assert_eq!(factor, highest, "a part of the curve for each batch");
            let of_epoch = batch % batches + 1;
            if of_epoch.is_multiple_of(u64::from(recipe.accumulate())) || of_epoch == batches {
                promised.push(GroupRates {
                    lrs: stage.rates.iter().map(|rate| rate.fixed().unwrap() * factor).collect(),
                    wds: vec![0.0; plan.groups.len()],
                    // An optimizer without momentum stays without.
                    momentum: if own > 0.0 { setting.momentum.unwrap_or(own) } else { 0.0 },
                });
            }
        }
    }
    assert_eq!(drawn.next(), None);
    promised
}

#[test]
fn optimizers_receive_what_the_plan_draws() {
    let scratch = tempfile::tempdir().unwrap();
    let mut rng = Stream::new(1, "drawn").at(&[]);
    let images: Vec<(RgbImage, &str)> = (0..IMAGES)
        .map(|n| {
            let image = RgbImage::from_fn(SIDE, SIDE, |_, _| Rgb([(); 3].map(|()| below(&mut rng, 256) as u8)));
            (image, if n % 2 == 0 { "one" } else { "other" })
        })
        .collect();
    let dataset = Dataset::from_images(scratch.path().join("images"), images, &Valid::None).unwrap();
    let cases = [("sgd", 1), ("adamw", 2), ("lamb", 3), ("rmsprop { momentum: 0 }", 1)];
    for (case, (optimizer, accumulate)) in cases.into_iter().enumerate() {
        let recipe = drawn_recipe(&mut rng, optimizer, accumulate);
        let options = RunOptions {
            out: Some(scratch.path().join(case.to_string())),
            cache: Some(scratch.path().join("cache")),
            device: Some(DeviceWish::Cpu.into()),
            dataset: Some(dataset.clone()),
            report: Some(false),
            ..RunOptions::default()
        };
        let (outcome, steps) = received(|| run(&recipe, &options, &mut Silent));
        outcome.unwrap();
        let promised = promised(&recipe);
        assert_eq!(steps.len(), promised.len(), "{optimizer}");
        let same = |a: &f64, b: &f64| (a - b).abs() <= 1e-12 * b.abs();
        for (number, (got, want)) in steps.iter().zip(&promised).enumerate() {
            let pairs = || got.lrs.iter().zip(&want.lrs).chain([(&got.momentum, &want.momentum)]);
            let alike = got.lrs.len() == want.lrs.len() && pairs().all(|(a, b)| same(a, b)) && got.wds == want.wds;
            assert!(alike, "{optimizer}: step {number}: {got:?}, and the plan says {want:?}\n{recipe}");
        }
        let moves = |of: fn(&GroupRates) -> f64| steps.iter().any(|step| of(step) != of(&steps[0]));
        assert!(moves(|step| step.lrs[0]) && moves(|step| step.lrs[2] / step.lrs[0]), "{optimizer}");
        assert_eq!(moves(|step| step.momentum), recipe.optimizer().momentum() > 0.0, "{optimizer}");
    }
}
