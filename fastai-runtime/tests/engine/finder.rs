//! `lr_find` in whole runs.

use crate::chips::{self, Chips, parameters};
use fastai_runtime::engine::run;
use fastai_runtime::progress::Silent;

#[test]
fn the_finder_restores_the_weights_exactly() {
    let chips = Chips::new(40);
    let with = chips.tags("let lr = lr_find(or = 0.01); fit(lr / 1000000000.0, 1);", "", "");
    let plain = chips.tags("save(\"start\");", "", "");
    let swept =
        run(&chips.tags("let lr = lr_find(or = 0.01); save(\"a\");", "", ""), &chips.options("swept"), &mut Silent);
    let swept = swept.unwrap();
    let untouched = run(&plain, &chips.options("plain"), &mut Silent).unwrap();
    assert_eq!(parameters(&swept), parameters(&untouched));
    let found = run(&with, &chips.options("with"), &mut Silent).unwrap();
    assert_eq!(found.summary.found_rates.len(), 1);
    assert!(found.folder.join("lr_find-1.svg").is_file());
}

#[test]
fn the_finder_takes_the_batches_of_a_step_for_each_rate() {
    let chips = Chips::new(40);
    let sweep = "lr_find(or = 0.01, iters = 12); fit(0.01, 1);";
    let images = |name: &str, extra: &str| {
        let outcome = run(&chips.tags(sweep, "", extra), &chips.options(name), &mut Silent).unwrap();
        outcome.summary.stages[0].images
    };
    // 28 images: batches of 8, 8, 8 and 4. Twelve batches are three passes, 24 are six.
    assert_eq!(images("plain", ""), 84);
    assert_eq!(images("twice", "accumulate: 2,"), 168);
}

#[test]
fn the_finder_sweeps_the_rates_of_layer_groups_in_a_ratio() {
    let chips = Chips::new(40);
    let losses = |name: &str, steps: &str| {
        let recipe = chips.tags(&format!("{steps} fit(0.01, 1);"), "", "");
        assert_eq!(recipe, chips::recipe(&recipe.to_string()), "the text says all");
        let batches = run(&recipe, &chips.options(name), &mut Silent).unwrap().batches;
        let sweep = batches.iter().filter(|batch| batch.epoch.is_none());
        sweep.map(|batch| (batch.loss, batch.rates.clone())).unzip::<f64, Vec<f64>, Vec<_>, Vec<_>>()
    };
    let (frozen, _) = losses("frozen", "freeze(); lr_find(or = 0.01, iters = 12, end = 0.1);");
    let (_, alike) = losses("alike", "unfreeze(); lr_find(or = 0.01, iters = 12, end = 0.1);");
    assert_eq!(alike[0], [1e-5; 3]);
    let (still, _) =
        losses("still", "unfreeze(); lr_find(or = 0.01, iters = 12, end = 0.1, ratio = [1e-30, 1e-30, 1]);");
    let (moving, rates) =
        losses("moving", "unfreeze(); lr_find(or = 0.01, iters = 12, end = 0.1, ratio = [0.3, 0.3, 1]);");
    // The same step number draws the same batches. A body at no rate to speak of is a frozen one: SqueezeNet's has no statistics that training would change.
    let apart = |other: &[f64]| frozen.iter().zip(other).map(|(a, b)| (a - b).abs() / a).fold(0.0, f64::max);
    assert_eq!((frozen.len(), still.len()), (12, 12));
    assert!(apart(&still) < 1e-5, "{frozen:?} {still:?}");
    assert_eq!(rates[0], [0.3e-5, 0.3e-5, 1e-5]);
    assert!(apart(&moving) > 1e-4, "{frozen:?} {moving:?}");
}
