//! What a program can act on in the findings of runs, sweeps, predictions and submissions: their kinds and fields.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fastai_dsl::Valid;
use fastai_runtime::data::{Dataset, DecodeError, RgbImage, Target};
use fastai_runtime::engine::{resume, run};
use fastai_runtime::error::{DataPart, FindingKind};
use fastai_runtime::metrics::Thresholds;
use fastai_runtime::models::{self, ModelMeta, Network};
use fastai_runtime::predict::{Predictor, Submission, SubmissionFormat, image_files};
use fastai_runtime::progress::{Silent, StopSignal, Watch};
use fastai_runtime::sweep::{Candidate, Stopping, SweepOrigin, SweepSpec, check};
use fastai_runtime::{RunError, RunOptions};

use crate::chips::{Chips, StopAt, recipe, weights};

fn kinds_of(error: RunError) -> Vec<FindingKind> {
    match error {
        RunError::Data(error) => error.findings.into_iter().map(|finding| finding.kind).collect(),
        other => panic!("{other}"),
    }
}

fn kinds<T: Debug>(result: Result<T, RunError>) -> Vec<FindingKind> {
    kinds_of(result.unwrap_err())
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// An untrained model of these classes or tags, saved in `folder`.
fn untrained(folder: &Path, task: &str, classes: &[&str]) -> Predictor {
    let recipe = recipe(&format!(
        "Untrained {{ task: {task}, data: given, transforms: none {{ size: 32 }},
            model: squeezenet1_1 {{ weights: none, hidden: [8] }}, metrics: [], train: {{ fit(0.01, 1); }}, }}"
    ));
    let device = Device::flex();
    let network = Network::new("squeezenet1_1", &recipe.model().head, classes.len(), 1, &device);
    let file = folder.join("untrained.safetensors");
    models::save_model(&network, &ModelMeta::of(&recipe, names(classes)), &file).unwrap();
    Predictor::load(&file, None, &device).unwrap()
}

#[test]
fn a_submission_says_why_it_cannot_be_planned() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (classes, tags) = (
        untrained(folder.path(), "single_label", &["cat", "dog"]),
        untrained(folder.path(), "multi_label", &["clear", "clear sky"]),
    );
    let planned = |predictor: &Predictor, images: Vec<PathBuf>, format: SubmissionFormat| {
        kinds(Submission::in_format(predictor, images, &names(&[".png"]), format, " "))
    };
    let paths = [path("a/1.png"), path("b/1.png")];
    let twice = planned(&classes, vec![paths[1].clone(), path("2.png"), paths[0].clone()], SubmissionFormat::Classes);
    assert_eq!(twice, [FindingKind::SameId { id: "1".to_string(), paths }]);
    let all = (0..25).flat_map(|i| ["a", "b"].map(|part| path(&format!("{part}/{i}.png")))).collect();
    let twice = planned(&classes, all, SubmissionFormat::Classes);
    assert_eq!((twice.len(), &twice[20]), (21, &FindingKind::More { count: 5 }));
    for (predictor, format) in [(&classes, SubmissionFormat::Tags), (&tags, SubmissionFormat::Label)] {
        assert_eq!(planned(predictor, vec![path("1.png")], format), [FindingKind::SubmissionFormat]);
    }
    let tag = "clear sky".to_string();
    assert_eq!(planned(&tags, vec![path("1.png")], SubmissionFormat::Tags), [FindingKind::Separator { tag }]);
}

#[test]
fn a_submission_says_how_it_differs_from_its_sample() {
    let folder = tempfile::tempdir().unwrap();
    let predictor = untrained(folder.path(), "single_label", &["cat", "dog"]);
    let file = folder.path().join("sample.csv");
    let like = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let images = vec![folder.path().join("1.png")];
        kinds(Submission::like_sample(&predictor, images, &names(&[".png"]), &file, None, " "))
    };
    let wanted = [
        FindingKind::Sample { file: file.clone() },
        FindingKind::SampleColumns { columns: names(&["mud"]) },
        FindingKind::NoSampleColumn { classes: names(&["cat"]) },
        FindingKind::SampleIds { ids: names(&["2", "3"]) },
    ];
    assert_eq!(like("id,dog,mud\n2,0,0\n1,0,0\n3,0,0\n"), wanted);
    let table = |line| [FindingKind::Table { file: file.clone(), line }];
    assert_eq!(like("id,cat,dog\n1,0,0\n2,0\n"), table(Some(3)));
    assert_eq!(like("id\n1\n"), table(None));
}

#[test]
fn images_that_cannot_be_predicted_are_told_by_file_or_number() {
    let folder = tempfile::tempdir().unwrap();
    let predictor = untrained(folder.path(), "single_label", &["cat", "dog"]);
    let images = ["1.png", "2.png"].map(|name| folder.path().join(name));
    RgbImage::new(40, 40).save(&images[0]).unwrap();
    std::fs::write(&images[1], "no image").unwrap();
    let broken = FindingKind::BrokenImage { path: images[1].clone(), reason: DecodeError::UnknownFormat };
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    assert_eq!(kinds(predictor.predict_files(&images, None, watch)), std::slice::from_ref(&broken));

    let out = folder.path().join("submission.csv");
    let plan = Submission::in_format(&predictor, images.to_vec(), &[], SubmissionFormat::Label, " ").unwrap();
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    let written = plan.write(&predictor, None, &Thresholds::All(0.5), &out, watch);
    assert_eq!(kinds(written), [broken, FindingKind::Unusable { count: 1, of: 2 }]);
    assert!(!out.exists());

    let empty = predictor.predict(&[RgbImage::new(1, 1), RgbImage::new(0, 3)]);
    assert_eq!(kinds(empty), [FindingKind::BrokenInput { image: 1 }]);
}

#[test]
fn a_sweep_says_why_its_candidates_cannot_be_compared() {
    let chips = Chips::new(3);
    let candidate = |metric: &str, valid: &str| {
        let recipe = recipe(&format!(
            "Swept {{ task: single_label,
                data: csv {{ root: {:?}, labels: \"labels.csv\", images: \"images\", valid: {valid} }},
                transforms: none {{ size: 32 }}, model: squeezenet1_1 {{ weights: none, hidden: [8] }},
                metrics: [{metric}], train: {{ fit(0.01, 1); }}, }}",
            chips.path()
        ));
        let settings = vec![("metrics".to_string(), metric.to_string())];
        Candidate { settings, folds: vec![recipe.clone()], recipe }
    };
    let found = |candidates: Vec<Candidate>| -> Vec<FindingKind> {
        let (seeds, origin) = (vec![42], SweepOrigin::default());
        let spec = SweepSpec { candidates, seeds, stopping: Stopping::Never, shard: None, origin };
        let obstacles = check(&spec, &RunOptions::default(), &mut Silent);
        obstacles.into_iter().flat_map(|obstacle| kinds_of(obstacle.error)).collect()
    };
    let drawn = "random(0.2)";
    assert_eq!(found(Vec::new()), [FindingKind::NoCandidates]);
    let others = ["accuracy", "accuracy", "log_loss"].map(|metric| candidate(metric, drawn));
    assert_eq!(found(others.to_vec()), [FindingKind::OtherMetric { candidate: 2 }]);
    let unmeasured = vec![candidate("accuracy", "none")];
    assert_eq!(found(unmeasured), [FindingKind::TooFew { part: DataPart::Valid }]);
    assert!(found(vec![candidate("accuracy", drawn), candidate("accuracy", drawn)]).is_empty());
}

/// The split of the recipes of [`Chips`].
const SPLIT: &str = "random(0.3, seed = 42, fold = 0)";

#[test]
fn folds_with_other_classes_are_told_by_both_lists() {
    let chips = Chips::new(30);
    let drawn = chips.classes("fit(0.05, 1);", "", "").to_string();
    let few = recipe(&drawn.replace(SPLIT, "folds(9, blocks = 15)"));
    assert_eq!(kinds(run(&few, &chips.options("few"), &mut Silent)), [FindingKind::Split]);

    let folded = recipe(&drawn.replace(SPLIT, "folds(2)"));
    let options = chips.options("run");
    let mut epochs = 0;
    let mut second_fold = StopAt::new(&options, move |what: &str| {
        epochs += usize::from(what.contains("epoch"));
        epochs == 2
    });
    let stopped = run(&folded, &options, &mut second_fold).unwrap_err();
    assert!(matches!(stopped, RunError::Stopped(_)), "{stopped}");
    // As if the second fold had not begun.
    let folder = chips.path().join("run");
    std::fs::remove_dir_all(folder.join("folds/2")).unwrap();
    let table = chips.path().join("classes.csv");
    let text = std::fs::read_to_string(&table).unwrap();
    std::fs::write(&table, text.replace(",wet\n", ",damp\n")).unwrap();
    let found = kinds(resume(&folded, &folder, &chips.options("run"), &mut Silent));
    let (wanted, now) = (names(&["dry", "wet"]), names(&["damp", "dry"]));
    assert_eq!(found, [FindingKind::OtherClasses { wanted, found: now }]);
}

#[test]
fn what_a_run_needs_of_its_data_is_told_by_name_and_number() {
    let chips = Chips::new(30);
    let ran = |text: &str, options: RunOptions| kinds(run(&recipe(text), &options, &mut Silent));
    let plain = chips.classes("fit(0.05, 1);", "", "").to_string();
    let classes = Some(names(&["dry", "sea"]));
    let (wanted, found) = (names(&["dry", "sea"]), names(&["dry", "wet"]));
    let stated = ran(&plain, RunOptions { classes, ..chips.options("stated") });
    assert_eq!(stated, [FindingKind::OtherClasses { wanted, found }]);

    let weighted = chips.classes("fit(0.05, 1);", "", "class_weights: [1, 2, 3],").to_string();
    let weighted = ran(&weighted, chips.options("weighted"));
    assert_eq!(weighted, [FindingKind::ClassWeights { weights: 3, classes: 2 }]);

    // One image is not of two classes.
    let alone = plain.replace(SPLIT, "rows([0])").replace("accuracy, log_loss", "auroc");
    let metric = "auroc".to_string();
    assert_eq!(ran(&alone, chips.options("alone")), [FindingKind::Unmeasurable { metric }]);

    let given = |steps: &str| {
        format!(
            "Given {{ task: single_label, data: given {{ batch: 8 }}, transforms: none {{ size: 64 }},
                model: squeezenet1_1 {{ weights: {:?}, hidden: [16] }}, metrics: [accuracy], train: {{ {steps} }}, }}",
            weights()
        )
    };
    let files = image_files(&[chips.path().join("images")]).unwrap();
    let labelled = files.into_iter().zip(["a", "b"].into_iter().cycle());
    let mut dataset = Dataset::from_files(labelled, &Valid::None).unwrap();
    let of = |dataset: &Dataset, name: &str| RunOptions { dataset: Some(dataset.clone()), ..chips.options(name) };
    assert_eq!(ran(&plain, of(&dataset, "both")), [FindingKind::Recipe]);
    let unmeasured = ran(&given("fit(0.05, 1); tta();"), of(&dataset, "unmeasured"));
    assert_eq!(unmeasured, [FindingKind::TooFew { part: DataPart::Valid }]);
    dataset.train[1].target = Target::Unlabelled;
    let path = dataset.train[1].path.clone();
    assert_eq!(ran(&given("fit(0.05, 1);"), of(&dataset, "unlabelled")), [FindingKind::Unlabelled { path }]);
}
