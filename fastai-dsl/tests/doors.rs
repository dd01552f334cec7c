//! One recipe written by hand with the builder, and as a file; its plan.

use fastai_dsl::overrides::Override;
use fastai_dsl::pipeline::Start;
use fastai_dsl::schema::{csv, fit, indices, lr_find, model, resize, transforms, tta};
use fastai_dsl::source::RecipeText;
use fastai_dsl::{
    Augmentation, Erased, Facts, LossSpec, OptimizerSpec, Plan, Precision, Recipe, StatsWish, Step, StepKind, check,
    words,
};

fn quickstart() -> Recipe {
    let text = include_str!("../../examples/quickstart.recipe");
    let source = RecipeText::new("quickstart.recipe", text, &[]);
    assert!(source.diagnostics().is_empty(), "an example without warnings:\n{}", source.render(false));
    source.result.unwrap().recipe
}

fn read(text: &str) -> Recipe {
    let source = RecipeText::new("x.recipe", text, &[]);
    source.result.as_ref().unwrap_or_else(|_| panic!("{}", source.render(false))).recipe.clone()
}

/// The canonical text of a recipe, which is that of an equal one.
fn canonical_text(recipe: &Recipe) -> String {
    let text = recipe.to_string();
    assert_eq!(read(&text), *recipe, "{text}");
    text
}

fn by_hand() -> Recipe {
    let data = csv::new()
        .root("examples/data/globe")
        .labels("train_v2.csv")
        .images("train-jpg")
        .suffix(".jpg")
        .valid(indices::new().path("valid.txt"))
        .batch(64);
    let p = Start::new("QuickStart", words::multi_label)
        .doc(quickstart().doc().unwrap())
        .data(data)
        .transforms(words::top_down, transforms::new().size(64).max_zoom(1.05))
        .metric(words::f2)
        .clip(1.0)
        .model(words::squeezenet1_1, model::new().weights("examples/data/squeezenet1_1.safetensors"));
    let (p, lr) = p.precompute(words::on).lr_find(lr_find::new().or(0.2));
    let p =
        p.fit(0.2, 2, fit::new().cycle_len(1).cycle_mult(2)).precompute(words::off).resize(128, resize::new()).freeze();
    let p = p.fit(lr, 1, fit::new().cycle_len(1)).unfreeze();
    let p = p.fit([1e-3, 1e-2, 0.1], 2, fit::new().cycle_len(1).cycle_mult(2));
    p.save("128_all").tta(tta::new()).build().unwrap()
}

#[test]
fn file_and_builder_give_equal_recipes() {
    assert_eq!(quickstart(), by_hand());
}

#[test]
fn augmentations_are_the_same_through_every_door() {
    let text = "Aerial { task: single_label, data: folders { root: \"d\" },
        transforms: none { size: 64, pad: 5, pad_mode: constant, decode: reduced, pixels: bytes,
        stats: normalize(mean = [0.5, 0.25, 0.125], std = 0.2), augment: [
            rotate(9, p = 0.5), lighting(0.05, 0.1), flip, dihedral, zoom(0.2), stretch(max = 0.1),
            rotate_zoom(9, 0.18, 0.1, ps = [0.1, 0.2, 0.3, 0.4]), blur(3), blur, cutout(2, 16, p = 1),
            erase(area = [0.1, 0.2], value = noise), erase(0.3), trivial_augment, rand_augment(m = 12)] },
        model: squeezenet1_1, metrics: [accuracy], label_smoothing: 0.1, mixup: 0.2, cutmix: 1,
        train: { fit(1e-2, 1); } }";
    let recipe = &read(text);
    use fastai_dsl::schema::{
        blur, cutout, dihedral, erase, flip, folders, lighting, normalize, rand_augment, rotate, rotate_zoom, stretch,
        trivial_augment, zoom,
    };
    let stats = normalize::new().mean([0.5, 0.25, 0.125]).std(0.2);
    let transforms = transforms::new().size(64).pad(5).pad_mode(words::constant).stats(stats);
    let transforms = transforms.decode(words::reduced).pixels(words::bytes).augment([
        rotate::new().degrees(9).p(0.5).into(),
        lighting::new().brightness(0.05).contrast(0.1).into(),
        flip::new().into(),
        dihedral::new().into(),
        zoom::new().max(0.2).into(),
        stretch::new().max(0.1).into(),
        rotate_zoom::new().degrees(9).zoom(0.18).stretch(0.1).ps([0.1, 0.2, 0.3, 0.4]).into(),
        blur::new().strength(3).into(),
        blur::new().into(),
        cutout::new().holes(2).length(16).p(1).into(),
        erase::new().area([0.1, 0.2]).value(words::noise).into(),
        erase::new().p(0.3).into(),
        trivial_augment::new().into(),
        rand_augment::new().m(12).into(),
    ]);
    let by_hand = Start::new("Aerial", words::single_label)
        .data(folders::new().root("d"))
        .transforms(words::none, transforms)
        .metric(words::accuracy)
        .label_smoothing(0.1)
        .mixup(0.2)
        .cutmix(1)
        .model(words::squeezenet1_1, model::new())
        .fit(1e-2, 1, fit::new())
        .build()
        .unwrap();
    assert_eq!(recipe, &by_hand);
    assert_eq!((recipe.label_smoothing(), recipe.mixup(), recipe.cutmix()), (0.1, Some(0.2), Some(1.0)));
    assert_eq!(recipe.transforms().augment.len(), 14);
    // fastai's own strength: a square of nine.
    assert_eq!(recipe.transforms().augment[8], Augmentation::Blur { strength: 5, p: 0.5 });
    assert_eq!(recipe.transforms().stats, StatsWish::Given { mean: [0.5, 0.25, 0.125], std: [0.2; 3] });
    assert!(recipe.transforms().stats.is_legal());
    assert!(recipe.transforms().augment.iter().all(Augmentation::is_legal));
    canonical_text(recipe);
}

#[test]
fn folds_are_the_same_through_every_door_and_each_is_a_recipe() {
    use fastai_dsl::schema::folds;
    use fastai_dsl::{Dealing, Valid};
    let of = |task: &str, metric: &str, split: &str| {
        let text = format!(
            "Folds {{ task: {task}, data: csv {{ root: \"d\", labels: \"l\", images: \"i\", valid: {split} }},
             transforms: none {{ size: 64 }}, model: squeezenet1_1, metrics: [{metric}], train: {{ fit(1e-2, 1); }} }}"
        );
        read(&text)
    };
    let by_hand = |split: folds| {
        Start::new("Folds", words::single_label)
            .data(csv::new().root("d").labels("l").images("i").valid(split))
            .transforms(words::none, transforms::new().size(64))
            .metric(words::accuracy)
            .model(words::squeezenet1_1, model::new())
            .fit(1e-2, 1, fit::new())
            .build()
            .unwrap()
    };
    let single = |split: &str| of("single_label", "accuracy", split);
    assert_eq!(single("folds(5)"), by_hand(folds::new().count(5)));
    let grouped = by_hand(folds::new().count(3).seed(7).grouped("patient"));
    assert_eq!(single("folds(3, seed = 7, grouped = \"patient\")"), grouped);
    assert_eq!(single("folds(3, 42, 2, blocks = 20)"), by_hand(folds::new().count(3).fold(2).blocks(20)));
    let valid = |count, fold, dealing| Valid::Folds { count, seed: 42, fold, dealing };
    assert_eq!(single("folds(5)").data().valid, valid(5, None, Dealing::Stratified));
    assert_eq!(single("folds(5, blocks = 9)").data().valid, valid(5, None, Dealing::Blocks(9)));
    // Numbers have no classes that could be dealt out.
    assert_eq!(of("regression", "mae", "folds(5)").data().valid, valid(5, None, Dealing::Random));

    // What a run of several folds trains.
    assert!(single("folds(5, fold = 1)").folds().is_empty() && single("random(0.2)").folds().is_empty());
    assert_eq!(grouped.folds()[2], single("folds(3, seed = 7, fold = 2, grouped = \"patient\")"));
    for recipe in [single("folds(2)"), grouped, of("regression", "mae", "folds(10, seed = 1)")] {
        for fold in recipe.folds() {
            canonical_text(&fold);
        }
    }
    assert_eq!(single("folds(2)").data().valid.fold_of(3, 1), Some(valid(3, Some(1), Dealing::Stratified)));
}

#[test]
fn metrics_with_arguments_are_the_same_through_every_door() {
    let text = "Tags { task: multi_label, data: folders { root: \"d\" }, transforms: none { size: 64 },
        model: squeezenet1_1, metrics: [f2(threshold = search), f_beta(0.5, average = macro), precision(micro),
        recall(average = samples, threshold = 0.3), brier], train: { fit(1e-2, 1); } }";
    let recipe = &read(text);
    use fastai_dsl::schema::{f_beta, f2, folders, precision, recall};
    let by_hand = Start::new("Tags", words::multi_label)
        .data(folders::new().root("d"))
        .transforms(words::none, transforms::new().size(64))
        .metric(f2::new().threshold(words::search))
        .metric(f_beta::new().beta(0.5).average(words::r#macro))
        .metric(precision::new().average(words::micro))
        .metric(recall::new().average(words::samples).threshold(0.3))
        .metric(words::brier)
        .model(words::squeezenet1_1, model::new())
        .fit(1e-2, 1, fit::new())
        .build()
        .unwrap();
    assert_eq!(recipe, &by_hand);
    let columns: Vec<String> = recipe.metrics().iter().map(|metric| metric.column()).collect();
    assert_eq!(columns, ["f2_best", "f_beta_0.5", "precision_micro", "recall_samples_0.3", "brier"]);
    let canonical = canonical_text(recipe);
    assert!(canonical.contains("f_beta(beta = 0.5), precision(average = micro)"), "{canonical}");
}

#[test]
fn losses_are_the_same_through_every_door() {
    use fastai_dsl::schema::{self, given};
    macro_rules! same {
        ($($task:ident: $text:literal is $loss:expr, which is $spec:expr;)+) => { $(
            let text = format!("Loss {{ task: {}, data: given, transforms: none {{ size: 64 }},
                model: squeezenet1_1, metrics: [], loss: {}, train: {{ fit(1e-2, 1); }} }}", stringify!($task), $text);
            let recipe = &read(&text);
            let by_hand = Start::new("Loss", words::$task)
                .data(given::new())
                .transforms(words::none, transforms::new().size(64))
                .no_metrics()
                .loss($loss)
                .model(words::squeezenet1_1, model::new())
                .fit(1e-2, 1, fit::new())
                .build()
                .unwrap();
            assert_eq!((recipe, recipe.loss()), (&by_hand, $spec));
            let canonical = canonical_text(recipe);
            assert!(canonical.contains(&format!("    loss: {},", recipe.loss())), "{canonical}");
        )+ };
    }
    same! {
        single_label: "cross_entropy" is schema::cross_entropy::new(), which is LossSpec::CrossEntropy;
        single_label: "bce" is schema::bce::new(), which is LossSpec::Bce;
        single_label: "focal" is schema::focal::new(), which is LossSpec::Focal { gamma: 2.0, alpha: None };
        multi_label: "focal { gamma: 1.5, alpha: 0.25 }" is schema::focal::new().gamma(1.5).alpha(0.25),
            which is LossSpec::Focal { gamma: 1.5, alpha: Some(0.25) };
        multi_label: "asymmetric { clip: 0 }" is schema::asymmetric::new().clip(0),
            which is LossSpec::Asymmetric { gamma_neg: 4.0, gamma_pos: 1.0, clip: 0.0 };
        multi_label: "given" is words::given, which is LossSpec::Given;
        regression: "l1" is schema::l1::new(), which is LossSpec::L1;
        regression: "mse" is schema::mse::new(), which is LossSpec::Mse;
        regression: "huber { delta: 0.5 }" is schema::huber::new().delta(0.5), which is LossSpec::Huber { delta: 0.5 };
    }
}

#[test]
fn optimizers_and_schedules_are_the_same_through_every_door() {
    let text = "Cycle { task: single_label, data: folders { root: \"d\" }, transforms: none { size: 64 },
        model: squeezenet1_1, metrics: [], optimizer: adamw { betas: [0.9, 0.99] }, clip_value: 0.5, accumulate: 4, ema: 0.999,
        precision: mixed,
        train: {
            fit(1e-2, 9, stop_early = 3);
            fit(1e-2, 2, cycle_len = 1, cycle_save_name = \"a b\"); load(\"a b_cyc_1\");
            fit_one_cycle(1e-2, 5, pct_start = 0.3, wds = 0.01);
            fit(1e-2, 6, schedule = cosine, warmup = 1);
            fit(1e-2, 2, cycle_len = 1, use_clr = [20, 8, 0.95, 0.85]);
            fit(1e-2, 1, cycle_len = 3, use_clr_beta = [10, 13.68]);
            fit(1e-2, 6, schedule = step, every = 2, by = 0.5); } }";
    let recipe = &read(text);
    use fastai_dsl::schema::{adamw, fit_one_cycle, folders};
    let by_hand = Start::new("Cycle", words::single_label)
        .data(folders::new().root("d"))
        .transforms(words::none, transforms::new().size(64))
        .no_metrics()
        .optimizer(adamw::new().betas([0.9, 0.99]))
        .clip_value(0.5)
        .accumulate(4)
        .ema(0.999)
        .precision(words::mixed)
        .model(words::squeezenet1_1, model::new())
        .fit(1e-2, 9, fit::new().stop_early(3))
        .fit(1e-2, 2, fit::new().cycle_len(1).cycle_save_name("a b"))
        .load("a b_cyc_1")
        .fit_one_cycle(1e-2, 5, fit_one_cycle::new().pct_start(0.3).wds(0.01))
        .fit(1e-2, 6, fit::new().schedule(words::cosine).warmup(1))
        .fit(1e-2, 2, fit::new().cycle_len(1).use_clr([20.0, 8.0, 0.95, 0.85]))
        .fit(1e-2, 1, fit::new().cycle_len(3).use_clr_beta([10.0, 13.68]))
        .fit(1e-2, 6, fit::new().schedule(words::step).every(2).by(0.5))
        .build()
        .unwrap();
    assert_eq!(recipe, &by_hand);
    assert_eq!(recipe.optimizer(), OptimizerSpec::Adamw { betas: [0.9, 0.99], eps: 1e-8 });
    assert_eq!(recipe.steps()[0].kind(), StepKind::Fit);
    let canonical = canonical_text(recipe);
    assert!(canonical.contains("optimizer: adamw { betas: [0.9, 0.99] },"), "{canonical}");
    assert_eq!((recipe.accumulate(), recipe.ema(), recipe.precision()), (4, Some(0.999), Precision::Mixed));
    assert!(canonical.contains("fit(0.01, 9, stop_early = 3);"), "{canonical}");
    assert!(canonical.contains("cycle_len = 1, cycle_save_name = \"a b\");"), "{canonical}");
    assert!(canonical.contains("fit_one_cycle(0.01, 5, wds = 0.01, pct_start = 0.3);"), "{canonical}");
}

#[test]
fn averages_are_the_same_through_every_door() {
    let text = "Mean { task: single_label, data: folders { root: \"d\" }, transforms: none { size: 64 },
        model: squeezenet1_1, metrics: [], train: {
            fit(1e-2, 9, swa = 5);
            fit(1e-2, 3, cycle_len = 1, cycle_mult = 2, swa = 2, cycle_save_name = \"a b\");
            average([\"a b_cyc_0\", \"a b_cyc_2\"]); } }";
    let recipe = &read(text);
    let by_hand = Start::new("Mean", words::single_label)
        .data(fastai_dsl::schema::folders::new().root("d"))
        .transforms(words::none, transforms::new().size(64))
        .no_metrics()
        .model(words::squeezenet1_1, model::new())
        .fit(1e-2, 9, fit::new().swa(5))
        .fit(1e-2, 3, fit::new().cycle_len(1).cycle_mult(2).swa(2).cycle_save_name("a b"))
        .average(["a b_cyc_0", "a b_cyc_2"])
        .build()
        .unwrap();
    assert_eq!(recipe, &by_hand);
    let ends = |step: usize| match &recipe.steps()[step] {
        Step::Fit(fit) => fit.averaged_ends().collect::<Vec<_>>(),
        _ => panic!("a fit"),
    };
    assert_eq!((ends(0), ends(1)), (vec![5, 6, 7, 8, 9], vec![3, 7]));
    let canonical = canonical_text(recipe);
    assert!(canonical.contains("fit(0.01, 9, swa = 5);"), "{canonical}");
    assert!(canonical.contains("average([\"a b_cyc_0\", \"a b_cyc_2\"]);"), "{canonical}");
}

#[test]
fn decayed_rates_are_rates_of_the_layer_groups_through_every_door() {
    let text = "Rates { task: single_label, data: folders { root: \"d\" }, transforms: none { size: 64 },
        model: squeezenet1_1, metrics: [], train: {
            let lr = lr_find(or = 1e-2);
            fit(lr, 1); unfreeze();
            fit(lr / 2, 1, layer_decay = 0.5);
            fit_one_cycle(0.01, 2, layer_decay = 0.1); } }";
    let recipe = &read(text);
    use fastai_dsl::schema::{fit_one_cycle, folders};
    let p = Start::new("Rates", words::single_label)
        .data(folders::new().root("d"))
        .transforms(words::none, transforms::new().size(64))
        .no_metrics()
        .model(words::squeezenet1_1, model::new());
    let (p, lr) = p.lr_find(lr_find::new().or(1e-2));
    let by_hand = p
        .called("lr")
        .fit(lr, 1, fit::new())
        .unfreeze()
        .fit(lr / 2.0, 1, fit::new().layer_decay(0.5))
        .fit_one_cycle(0.01, 2, fit_one_cycle::new().layer_decay(0.1))
        .build()
        .unwrap();
    assert_eq!(recipe, &by_hand);
    // Recipes that differ in names alone are equal, so these are compared by themselves.
    assert_eq!(recipe.shown(&recipe.steps()[1]), "fit(lr, 1)");
    assert_eq!(by_hand.shown(&by_hand.steps()[1]), "fit(lr, 1)");
    let plan = Plan::new(recipe, &Facts::default());
    let rates = |stage: usize| plan.stages[stage].rates.iter().map(|rate| rate.resolve(&[0.08]).unwrap());
    assert_eq!(rates(3).collect::<Vec<_>>(), [0.01, 0.02, 0.04]);
    // Products without their rounding, in training as in every text.
    assert_eq!(rates(4).collect::<Vec<_>>(), [1e-4, 1e-3, 1e-2]);
    let canonical = canonical_text(recipe);
    assert!(canonical.contains("fit([lr1 * 0.25 / 2.0, lr1 * 0.5 / 2.0, lr1 / 2.0], 1);"), "{canonical}");
    assert_eq!(plan.stages[4].text, "fit_one_cycle([0.0001, 0.001, 0.01], 2)");
    assert!(canonical.contains("fit_one_cycle([0.0001, 0.001, 0.01], 2);"), "{canonical}");
}

#[test]
fn labels_are_mixed_and_smoothed_from_outside_too() {
    let text = include_str!("../../examples/dogs_vs_cats.recipe");
    let set = |text: &str| text.parse::<Override>().unwrap();
    let overrides = ["label_smoothing=0.1", "mixup=0.4", "cutmix=0", "transforms.augment=[erase, trivial_augment]"];
    let source = RecipeText::new("dogs_vs_cats.recipe", text, &overrides.map(set));
    let recipe = &source.result.as_ref().unwrap_or_else(|_| panic!("{}", source.render(false))).recipe;
    assert_eq!((recipe.label_smoothing(), recipe.mixup(), recipe.cutmix()), (0.1, Some(0.4), None));
    let erase = Augmentation::Erase { p: 0.5, area: [0.02, 0.33], value: Erased::Mean };
    assert_eq!(recipe.transforms().augment, [erase, Augmentation::TrivialAugment]);
}

#[test]
fn the_trace_leads_back_to_the_text() {
    let text = include_str!("../../examples/quickstart.recipe");
    let source = RecipeText::new("quickstart.recipe", text, &[]);
    let checked = source.result.as_ref().unwrap();
    for (step, site) in checked.recipe.steps().iter().zip(&checked.trace) {
        assert_eq!(&text[source.place(*site)], step.word());
    }
    assert_eq!(checked.trace.len(), checked.recipe.steps().len());
    assert!(check(source.draft.as_ref().unwrap()).is_ok());
}

#[test]
fn the_plan_counts_epochs_batches_and_rates() {
    let facts = Facts { train: Some(828), valid: Some(307), test: Some(0), classes: Some(7) };
    let plan = Plan::new(&quickstart(), &facts);
    // 828 images in batches of 64: 13, the last of 60.
    let fits: Vec<(u64, Option<u64>)> =
        plan.stages.iter().filter(|s| s.epochs > 0).map(|s| (s.epochs, s.iterations)).collect();
    assert_eq!(fits, [(3, Some(39)), (1, Some(13)), (3, Some(39))]);
    let last = plan.stages.iter().rfind(|s| s.epochs > 0).unwrap();
    assert_eq!(last.state.size, 128);
    assert_eq!(last.rates.iter().map(|r| r.fixed().unwrap()).collect::<Vec<_>>(), [1e-3, 1e-2, 0.1]);
    assert_eq!(last.factors().count(), 39);
    assert_eq!(plan.groups.iter().map(|g| g.parameters.unwrap()).collect::<Vec<_>>(), [25_632, 696_864, 531_463]);
    assert_eq!(plan.epochs(), 7);
    // A trailing batch of one is merged.
    assert_eq!(fastai_dsl::plan::batches_per_epoch(129, 64), 2);
}
