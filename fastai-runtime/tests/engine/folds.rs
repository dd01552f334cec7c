//! Runs that hold out several folds in turn, and the ensembles that they end with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fastai_dsl::{Metric, Recipe};
use fastai_runtime::RunOptions;
use fastai_runtime::engine::{
    MeasuringLimits, completed, is_unfinished, recipe_of_run, resume, run, validate, validate_all,
};
use fastai_runtime::metrics::{self, Thresholds, Truth};
use fastai_runtime::predict::{PredictOptions, Predictor, image_files};
use fastai_runtime::progress::{Silent, StopSignal, Watch};
use fastai_runtime::report::{Evaluation, Status, Summary};

use crate::chips::{Chips, StopAt, bar, history, in_pieces, recipe};

/// The head with a rate of its own, the body, and test-time augmentation.
const STEPS: &str =
    "precompute(on); let lr = lr_find(or = 0.03, iters = 12); fit(lr, 2); precompute(off); save(\"head\");
    unfreeze(); fit([0.0005, 0.001, 0.01], 1); tta(n_aug = 1);";

/// The recipe with another split.
fn with_split(of: &Recipe, split: &str) -> Recipe {
    recipe(&of.to_string().replace("random(0.3, seed = 42, fold = 0)", split))
}

fn load(path: &Path) -> Predictor {
    Predictor::load(path, None, &Device::flex()).unwrap()
}

fn predicted(predictor: &Predictor, images: &[PathBuf], tta: Option<u32>) -> Vec<f32> {
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    predictor.predict_files(images, tta, watch).unwrap().probabilities.values().to_vec()
}

/// What a saved model measures again.
fn figures(evaluation: &Evaluation) -> impl PartialEq + std::fmt::Debug + use<> {
    let metrics: Vec<_> = evaluation.metrics.iter().map(|m| (m.name.clone(), m.value, m.interval, m.n)).collect();
    (evaluation.predictions.clone(), evaluation.n, evaluation.val_loss, metrics)
}

fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn each_fold_is_the_run_that_it_would_be_alone_and_all_of_them_are_an_ensemble() {
    let chips = Chips::new(41);
    let drawn = chips.tags(STEPS, "", "");
    let folded = with_split(&drawn, "folds(3)");
    assert_eq!(folded.folds().len(), 3);
    let outcome = run(&folded, &chips.options("whole"), &mut Silent).unwrap();
    let folder = &outcome.folder;
    assert!(!folder.join("resume").exists() && completed(folder).unwrap().is_some());

    // One fold alone; and the same images held out by their positions.
    let second = with_split(&drawn, "folds(3, fold = 1)");
    assert_eq!(folded.folds()[1], second);
    let elsewhere = RunOptions { cache: Some(chips.path().join("cache-alone")), ..chips.options("alone") };
    let alone = run(&second, &elsewhere, &mut Silent).unwrap();
    let (of_whole, of_one) = (folder.join("folds/2"), &alone.folder);
    for name in ["models/final.safetensors", "models/head.safetensors", "recipe.recipe"] {
        assert!(read(of_whole.join(name)) == read(of_one.join(name)), "{name} differs");
    }
    assert_eq!(history(&of_whole), history(of_one));
    // The first fold computes the activations of all images, the others copy them.
    let found = |run: &Path| Summary::read(run).unwrap().stages[0].cache.clone().unwrap().found;
    let folds = [1, 2, 3].map(|fold| found(&folder.join(format!("folds/{fold}"))));
    assert_eq!((folds, found(of_one)), ([false, true, true], false));
    let held_out = alone.held_out.as_ref().unwrap();
    let table = std::fs::read_to_string(chips.path().join("labels.csv")).unwrap();
    let ids: Vec<&str> = table.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    let places: Vec<String> =
        held_out.ids.iter().map(|id| ids.iter().position(|other| other == id).unwrap().to_string()).collect();
    let listed = with_split(&drawn, &format!("rows([{}])", places.join(", ")));
    let listed = run(&listed, &chips.options("listed"), &mut Silent).unwrap();
    assert_eq!(history(&listed.folder), history(of_one));
    assert_eq!(listed.held_out.as_ref().unwrap(), held_out);

    // Every image is predicted once, by the network that did not see it.
    let all = outcome.held_out.as_ref().unwrap();
    assert_eq!(all.ids.iter().map(String::as_str).collect::<BTreeSet<_>>(), ids.iter().copied().collect());
    assert_eq!(all.ids.len(), 41);
    let start = all.ids.iter().position(|id| *id == held_out.ids[0]).unwrap();
    let own: Vec<usize> = (start..start + held_out.ids.len()).collect();
    assert_eq!(all.probabilities.select(&own), held_out.probabilities);
    assert_eq!(all.augmented.as_ref().unwrap().select(&own), *held_out.augmented.as_ref().unwrap());
    let table = String::from_utf8(read(folder.join("out_of_fold.csv"))).unwrap();
    assert_eq!(table.lines().count(), 42);
    let row: Vec<&str> = table.lines().nth(start + 1).unwrap().split(',').collect();
    assert_eq!((row[0], row[1]), (held_out.ids[0].as_str(), "2"));
    let values: Vec<f32> = row[3..].iter().map(|cell| cell.parse().unwrap()).collect();
    assert_eq!(values, held_out.probabilities.row(0));
    assert!(folder.join("out_of_fold_tta.csv").is_file());

    // The figures: each fold's, their mean and deviation, and those of all images.
    let summary = Summary::read(folder).unwrap();
    assert_eq!((summary.status, summary.counts.valid), (Status::Complete, 41));
    // Those in memory: a number of a JSON file may be off by its last bit.
    let folds = outcome.summary.folds.as_ref().unwrap();
    assert_eq!(summary.folds.as_ref().map(|folds| folds.each.len()), Some(3));
    assert_eq!(folds.each[1].r#final, alone.summary.r#final);
    assert_eq!(folds.each[1].found_rates, alone.summary.found_rates);
    let f2s: Vec<f64> = folds.each.iter().map(|fold| fold.tta.as_ref().unwrap().metrics[0].value).collect();
    let mean = f2s.iter().sum::<f64>() / 3.0;
    let deviation = (f2s.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    let spread = folds.spread();
    assert!((spread[0].mean - mean).abs() < 1e-12 && (spread[0].deviation.unwrap() - deviation).abs() < 1e-12);
    let last = outcome.summary.r#final.as_ref().unwrap();
    let whole = metrics::of(&folded.metrics()[0]).value(&all.probabilities, &all.truth);
    assert_eq!((last.metrics[0].value, last.n, last.predictions.as_str()), (whole, 41, "plain, out of fold"));
    assert!(last.metrics[0].interval.is_some());

    // A saved ensemble measures as its run did.
    let ensemble = load(folder);
    assert_eq!((ensemble.networks().len(), ensemble.folds().len()), (3, 3));
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    let again = validate(&folded, &ensemble, chips.path(), MeasuringLimits::default(), watch).unwrap();
    assert_eq!(figures(&again.plain.evaluation), figures(last));
    assert_eq!(figures(&again.tta.unwrap().evaluation), figures(outcome.summary.tta.as_ref().unwrap()));
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    let of_fold = validate(&folded, &load(&of_whole), chips.path(), MeasuringLimits::default(), watch).unwrap();
    assert_eq!(figures(&of_fold.plain.evaluation), figures(alone.summary.r#final.as_ref().unwrap()));

    // It predicts the mean of what its networks predict.
    let images = image_files(&[chips.path().join("images")]).unwrap();
    for tta in [None, Some(2)] {
        let each: Vec<Vec<f32>> =
            (1..=3).map(|fold| predicted(&load(&folder.join(format!("folds/{fold}"))), &images, tta)).collect();
        let mean = |cell: usize| (each.iter().map(|fold| f64::from(fold[cell])).sum::<f64>() / 3.0) as f32;
        let together = predicted(&ensemble, &images, tta);
        assert_eq!(together, (0..each[0].len()).map(mean).collect::<Vec<_>>(), "{tta:?}");
        assert_ne!(together, each[0]);
        assert_eq!(predicted(&outcome.predictor(), &images, tta), together);
    }
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    let everything = validate_all(&folded, &ensemble, chips.path(), MeasuringLimits::default(), watch).unwrap();
    assert_eq!(everything.plain.predictions.len(), 41);

    // What an ensemble is not.
    let error = ensemble.onnx(false).unwrap_err().to_string();
    assert!(error.contains("ensemble of 3 networks") && error.contains("RUN/folds/1"), "{error}");
    let features = ensemble.predict_encoded(&[read(images[0].clone())], &PredictOptions::default().with_embeddings());
    let features = features.unwrap()[0].as_ref().unwrap().embedding.clone().unwrap();
    assert_eq!(features.len(), ensemble.embedding_len());
    let one = load(&of_whole);
    let own = one.predict_encoded(&[read(images[0].clone())], &PredictOptions::default().with_embeddings()).unwrap();
    let width = one.embedding_len();
    assert_eq!(features[width..2 * width], *own[0].as_ref().unwrap().embedding.as_ref().unwrap());
}

#[test]
fn a_run_of_folds_that_is_stopped_again_and_again_ends_as_one_that_never_was() {
    let chips = Chips::new(36);
    let steps = STEPS.replace("0.01], 1)", "0.01], 2)");
    let folded = with_split(&chips.tags(&steps, "", "keep_best: f2,"), "folds(2, seed = 7, blocks = 3)");
    let whole = run(&folded, &chips.options("whole"), &mut Silent).unwrap();
    let (outcome, stops) = in_pieces(
        &folded,
        &chips,
        |stops| bar([1, 4, 2, 5][stops % 4]),
        |parts| {
            assert!(is_unfinished(parts) && completed(parts).unwrap().is_none());
            assert_eq!(recipe_of_run(parts).unwrap(), folded.kept_text());
            let stopped = Summary::read(parts).unwrap();
            assert_eq!(stopped.status, Status::Stopped);
            // Of the folds that are complete, or else of the first.
            let folds = stopped.folds.unwrap().each.len().max(1);
            assert_eq!((stopped.counts.valid, stopped.counts.train), (18 * folds, 18));
            assert_eq!(stopped.classes, whole.summary.classes);
            let error = Predictor::load(parts, None, &Device::flex()).unwrap_err().to_string();
            assert!(error.contains("of 2 folds are complete") && error.contains("--resume"), "{error}");
        },
    );
    let parts = outcome.folder.clone();
    assert!(stops >= 6, "{stops}");
    for name in ["out_of_fold.csv", "out_of_fold_tta.csv", "recipe.recipe"] {
        assert!(read(whole.folder.join(name)) == read(parts.join(name)), "{name} differs");
    }
    for fold in ["folds/1", "folds/2"] {
        let model = |run: &Path| read(run.join(fold).join("models/final.safetensors"));
        assert!(model(&whole.folder) == model(&parts), "{fold} differs");
        assert_eq!(history(&whole.folder.join(fold)), history(&parts.join(fold)));
    }
    assert_eq!(whole.summary.r#final, outcome.summary.r#final);
    assert_eq!(whole.summary.tta, outcome.summary.tta);
    let chosen = |summary: &Summary| summary.r#final.as_ref().unwrap().metrics[0].chosen_here.clone();
    assert!(chosen(&whole.summary).is_some(), "the best epochs were chosen on these images");
    assert!(!parts.join("resume").exists());
    let error = resume(&folded, &parts, &chips.options("parts"), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("is complete"), "{error}");
}

#[test]
fn a_run_of_folds_goes_on_with_what_it_began_with_only() {
    let chips = Chips::new(30);
    let drawn = chips.classes("fit(0.05, 1);", "", "");
    let folded = with_split(&drawn, "folds(2)");
    let options = chips.options("run");
    let mut progress = StopAt::new(&options, |what: &str| what.contains("epoch"));
    let error = run(&folded, &options, &mut progress).unwrap_err();
    assert!(error.to_string().contains(&format!("{}", chips.path().join("run").display())), "{error}");
    let again = |recipe: &Recipe, options: &RunOptions| {
        resume(recipe, &chips.path().join("run"), options, &mut Silent).unwrap_err().to_string()
    };
    let error = again(&with_split(&drawn, "folds(3)"), &chips.options("run"));
    assert!(error.contains("+ ") && error.contains("folds(3, seed = 42)"), "{error}");
    let error = again(&drawn, &chips.options("run"));
    assert!(error.contains("folds(2, seed = 42)"), "{error}");
    let error = again(&folded, &RunOptions { seed: Some(5), ..chips.options("run") });
    assert!(error.contains("42 when the run began, 5 now"), "{error}");

    // A fold whose state is damaged begins anew.
    let fold = chips.path().join("run/folds/1/resume");
    for entry in std::fs::read_dir(&fold).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "cbor") {
            std::fs::write(&path, b"x").unwrap();
        }
    }
    // So does one whose predictions were changed after its end.
    let options = chips.options("run");
    let mut folds = 0;
    let mut progress = StopAt::new(&options, move |what: &str| {
        folds += usize::from(what.contains("epoch"));
        folds == 2
    });
    resume(&folded, &chips.path().join("run"), &options, &mut progress).unwrap_err();
    let kept = chips.path().join("run/resume/fold-1.kept");
    let mut bytes = read(kept.clone());
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&kept, bytes).unwrap();
    let outcome = resume(&folded, &chips.path().join("run"), &chips.options("run"), &mut Silent).unwrap();
    let whole = run(&folded, &chips.options("whole"), &mut Silent).unwrap();
    assert_eq!(outcome.held_out, whole.held_out);
    assert!(matches!(whole.held_out.unwrap().truth, Truth::Classes(_)));

    // What fails before the first fold leaves nothing.
    let elsewhere = recipe(&folded.to_string().replace("classes.csv", "none.csv"));
    run(&elsewhere, &chips.options("failed"), &mut Silent).unwrap_err();
    assert!(!chips.path().join("failed").exists());
    // Folds without images are found before any trains.
    let few = with_split(&drawn, "folds(9, blocks = 15)");
    let error = run(&few, &chips.options("few"), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("`valid: folds(9, blocks = 15)` needs at least 9 blocks, and there are "), "{error}");
    assert!(!chips.path().join("few").exists());
}

#[test]
fn thresholds_of_an_ensemble_are_those_of_all_folds() {
    let chips = Chips::new(36);
    let text = chips.tags("fit(0.05, 2);", "", "").to_string().replace("f2,", "f2(threshold = search),");
    let folded = with_split(&recipe(&text), "folds(2)");
    assert!(matches!(folded.metrics()[0], Metric::F2 { .. }));
    let outcome = run(&folded, &chips.options("run"), &mut Silent).unwrap();
    let all = outcome.held_out.as_ref().unwrap();
    let (threshold, best) = metrics::f2_search(&all.probabilities, &all.truth);
    assert_eq!(load(&outcome.folder).meta().threshold, Some(Thresholds::All(threshold)));
    let last = &outcome.summary.r#final.as_ref().unwrap().metrics[0];
    assert_eq!(last.value, best);
    assert!(last.chosen_here.is_some());
    assert_eq!(outcome.predictor().meta().threshold, Some(Thresholds::All(threshold)));

    let folded = recipe(&folded.to_string().replace("threshold = search", "threshold = search_each"));
    let outcome = run(&folded, &chips.options("each"), &mut Silent).unwrap();
    let all = outcome.held_out.as_ref().unwrap();
    let thresholds = metrics::f2_search_each(&all.probabilities, &all.truth);
    let loaded = load(&outcome.folder);
    assert_eq!(loaded.meta().threshold, Some(thresholds.clone()));
    assert_eq!(outcome.predictor().meta().threshold, Some(thresholds));
    assert_eq!(loaded.thresholds(Some(0.4)), Thresholds::All(0.4));
    let last = &outcome.summary.r#final.as_ref().unwrap().metrics[0];
    assert_eq!((last.name.as_str(), &last.chosen_here), ("f2_best_each", &None));
}

#[test]
fn a_labelled_test_set_measures_the_ensemble_once() {
    let chips = Chips::new(40);
    for class in ["dry", "wet"] {
        std::fs::create_dir_all(chips.path().join("test").join(class)).unwrap();
    }
    let table = std::fs::read_to_string(chips.path().join("classes.csv")).unwrap();
    let mut kept = String::from("id,kind\n");
    for (row, line) in table.lines().skip(1).enumerate() {
        let (id, class) = line.split_once(',').unwrap();
        if row % 4 == 0 {
            let image = chips.path().join("images").join(format!("{id}.jpg"));
            std::fs::rename(image, chips.path().join("test").join(class).join(format!("{id}.jpg"))).unwrap();
        } else {
            kept += &format!("{line}\n");
        }
    }
    std::fs::write(chips.path().join("classes.csv"), kept).unwrap();
    let folded = with_split(&chips.classes("fit(0.05, 1); tta(n_aug = 1);", "test: \"test\",", ""), "folds(2)");
    let outcome = run(&folded, &chips.options("run"), &mut Silent).unwrap();
    let test = outcome.summary.test.as_ref().unwrap();
    assert_eq!((test.set.word(), test.n, test.predictions.as_str()), ("test", 10, "plain"));
    assert!(outcome.summary.test_tta.is_some());
    // The mean of the networks' probabilities, against the folders.
    let images = image_files(&[chips.path().join("test")]).unwrap();
    let said = predicted(&outcome.predictor(), &images, None);
    let right = images.iter().zip(said.chunks_exact(2)).filter(|(image, row)| {
        let class = image.parent().unwrap().file_name().unwrap();
        class == if row[1] > row[0] { "wet" } else { "dry" }
    });
    assert!((test.metrics[0].value - right.count() as f64 / 10.0).abs() < 1e-12);
}
