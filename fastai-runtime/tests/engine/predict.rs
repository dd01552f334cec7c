//! What can be done with a finished run: predict, measure, submit.

use std::path::{Path, PathBuf};

use crate::chips::Chips;
use burn::tensor::Device;
use fastai_runtime::RunError;
use fastai_runtime::data::DecodeError;
use fastai_runtime::engine::{MeasuringLimits, Outcome, Validated, run, validate};
use fastai_runtime::metrics::{ClassRow, Thresholds, Truth};
use fastai_runtime::predict::{PredictOptions, Predictor, Submission, SubmissionFormat, image_files};
use fastai_runtime::progress::{Progress, Silent, StopSignal, Watch};
use fastai_runtime::report::{Evaluation, Summary};

fn load(path: &Path, model: Option<&str>) -> Result<Predictor, RunError> {
    Predictor::load(path, model, &Device::flex())
}

fn probabilities(predictor: &Predictor, images: &[PathBuf], tta: Option<u32>) -> Vec<f32> {
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    predictor.predict_files(images, tta, watch).unwrap().probabilities.values().to_vec()
}

fn measured(chips: &Chips, recipe: &fastai_dsl::Recipe, outcome: &Outcome) -> Validated {
    let predictor = load(&outcome.folder, None).unwrap();
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    validate(recipe, &predictor, chips.path(), MeasuringLimits::default(), watch).unwrap()
}

/// Everything but the training loss and what was chosen while training, of which a saved model knows nothing.
fn figures(evaluation: &Evaluation) -> impl PartialEq + std::fmt::Debug + use<> {
    let metrics: Vec<_> = evaluation.metrics.iter().map(|m| (m.name.clone(), m.value, m.interval, m.n)).collect();
    (evaluation.set, evaluation.predictions.clone(), evaluation.n, evaluation.val_loss, metrics)
}

#[test]
fn a_saved_model_measures_as_its_run_did() {
    let chips = Chips::new(40);
    let recipe =
        chips.tags("fit(0.05, 1); unfreeze(); fit([0.001, 0.005, 0.02], 1); tta(n_aug = 2);", "", "clip: 1.0,");
    let outcome = run(&recipe, &chips.options("tags"), &mut Silent).unwrap();
    let again = measured(&chips, &recipe, &outcome);
    assert_eq!(figures(&again.plain.evaluation), figures(outcome.summary.r#final.as_ref().unwrap()));
    let tta = again.tta.unwrap();
    assert_eq!(figures(&tta.evaluation), figures(outcome.summary.tta.as_ref().unwrap()));
    // An image has the same augmented views among others and as a file.
    let predictor = load(&outcome.folder, None).unwrap();
    let files: Vec<_> = tta.predictions.ids.iter().map(|id| chips.path().join(format!("images/{id}.jpg"))).collect();
    let (mut last, augmented) = (files.clone(), tta.predictions.probabilities.values());
    assert!(probabilities(&predictor, &files, Some(2)) == augmented, "predicted as the run did");
    last.reverse();
    let backwards: Vec<f32> = probabilities(&predictor, &last, Some(2));
    let rows: Vec<&[f32]> = backwards.chunks_exact(predictor.classes().len()).rev().collect();
    assert!(rows.concat() == augmented, "in any order");
    assert!(matches!(again.plain.predictions.targets, Some(Truth::Tags { .. })));

    // Another data set: other images, fewer tags, the same names.
    let other = Chips::new(16);
    let text = std::fs::read_to_string(other.path().join("labels.csv")).unwrap();
    std::fs::write(other.path().join("labels.csv"), text.replace(" mountain", "")).unwrap();
    assert_ne!(measured(&other, &recipe, &outcome).plain.evaluation.n, again.plain.evaluation.n);
    std::fs::write(other.path().join("labels.csv"), text.replace("ocean", "sea")).unwrap();
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    let error =
        validate(&recipe, &load(&outcome.folder, None).unwrap(), other.path(), MeasuringLimits::default(), watch)
            .unwrap_err();
    assert!(error.to_string().contains("none of the model's: sea"), "{error}");
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    let wrong = chips.classes("fit(0.05, 1);", "", "");
    let error =
        validate(&wrong, &load(&outcome.folder, None).unwrap(), chips.path(), MeasuringLimits::default(), watch)
            .unwrap_err();
    assert!(matches!(error, RunError::Weights(_)), "{error}");
}

#[test]
fn scaled_copies_are_measured_and_predicted_as_they_were_trained_on() {
    let chips = Chips::new(40);
    let text = chips.classes("fit(0.05, 1); tta(n_aug = 1);", "", "").to_string();
    let sets = ["transforms.size=40", "data.resize_to=48"].map(|set| set.parse().unwrap());
    let recipe = fastai_dsl::source::RecipeText::new("x", &text, &sets).result.unwrap().recipe;
    let outcome = run(&recipe, &chips.options("copies"), &mut Silent).unwrap();
    assert!(outcome.summary.notes.iter().any(|note| note.contains(": 40 made, 0 found, 0 images")));
    let again = measured(&chips, &recipe, &outcome);
    assert_eq!(figures(&again.plain.evaluation), figures(outcome.summary.r#final.as_ref().unwrap()));
    assert_eq!(figures(&again.tta.unwrap().evaluation), figures(outcome.summary.tta.as_ref().unwrap()));
    // New files are seen as copies of them would be, so the held-out ones come out as measured.
    let images: Vec<PathBuf> =
        again.plain.predictions.ids.iter().map(|id| chips.path().join(format!("images/{id}.jpg"))).collect();
    let measured = again.plain.predictions.probabilities.values();
    let far = |said: &[f32]| said.iter().zip(measured).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let said = probabilities(&load(&outcome.folder, None).unwrap(), &images, None);
    assert!(said.len() == 24 && far(&said) < 1e-6, "{}", far(&said));
    let file = outcome.folder.join("models/final.safetensors");
    let plain = chips.path().join("plain.safetensors");
    let bytes = std::fs::read(file).unwrap();
    let key = br#"\"resize_to\":48"#;
    let at = bytes.windows(key.len()).position(|w| w == key).expect("the model says what it read");
    let mut other = bytes;
    // Copies of 60 pixels have other pixels.
    other[at + key.len() - 2..at + key.len()].copy_from_slice(b"60");
    std::fs::write(&plain, &other).unwrap();
    let error = load(&plain, None).unwrap_err().to_string();
    assert!(error.contains("plain.safetensors") && error.contains("does not match its digest"), "{error}");
    seal(&mut other);
    std::fs::write(&plain, other).unwrap();
    let said = probabilities(&load(&plain, None).unwrap(), &images, None);
    assert!(far(&said) > 1e-4, "{}", far(&said));
}

/// Gives an edited model the digest of its content.
fn seal(model: &mut [u8]) {
    let key = br#"\"blake3\":\""#;
    let at = model.windows(key.len()).position(|w| w == key).expect("a model has a digest") + key.len();
    model[at..at + 64].fill(b'0');
    let digest = blake3::hash(model).to_hex();
    model[at..at + 64].copy_from_slice(digest.as_bytes());
}

/// Keeps the notes.
#[derive(Default)]
struct Notes(Vec<String>);

impl Progress for Notes {
    fn note(&mut self, line: &str) {
        self.0.push(line.to_string());
    }
}

#[test]
fn a_labelled_test_set_is_cached_with_the_others_and_measured_once() {
    let chips = Chips::new(50);
    // The last ten rows become the test set.
    let labels = std::fs::read_to_string(chips.path().join("classes.csv")).unwrap();
    let rows: Vec<&str> = labels.lines().collect();
    for row in &rows[41..] {
        let (id, class) = row.split_once(',').unwrap();
        let folder = chips.path().join("test").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::rename(chips.path().join(format!("images/{id}.jpg")), folder.join(format!("{id}.jpg"))).unwrap();
    }
    std::fs::write(chips.path().join("classes.csv"), rows[..41].join("\n")).unwrap();
    let recipe = chips.classes("precompute(on); fit(0.05, 2); precompute(off); tta(n_aug = 1);", "test: \"test\"", "");
    let mut notes = Notes::default();
    let outcome = run(&recipe, &chips.options("run"), &mut notes).unwrap();
    let made = notes.0.iter().find(|note| note.contains("made the cache")).unwrap();
    assert!(made.contains("activations of 50 images"), "training, validation and test images: {made}");
    let summary = Summary::read(&outcome.folder).unwrap();
    assert!(summary.test.is_some() && summary.test_tta.is_some(), "they are in summary.json");
    let (plain, tta) = (outcome.summary.test.as_ref().unwrap(), outcome.summary.test_tta.as_ref().unwrap());
    assert_eq!((plain.set.word(), plain.n, plain.predictions.as_str()), ("test", 10, "plain"));
    assert_eq!((tta.n, tta.predictions.as_str()), (10, "tta: 1 plain + 1 augmented"));
    // The table of the classes is of the validation images, each of which is of one class and said to be of one.
    let classes = &summary.by_class.as_ref().unwrap().table;
    let count = |of: fn(&ClassRow) -> u64| classes.rows.iter().map(of).sum::<u64>();
    assert_eq!((classes.f_name().as_str(), classes.rows.len()), ("F1", summary.classes.len()));
    let valid = summary.counts.valid as u64;
    assert_eq!((count(|row| row.support), count(|row| row.said)), (valid, valid));
    let accuracy = &plain.metrics[0];
    assert!(accuracy.chosen_here.is_none() && accuracy.interval.is_some() && (0.0..=1.0).contains(&accuracy.value));

    // Features and images give the same figures.
    let again = measured(&chips, &recipe, &outcome);
    let last = summary.r#final.unwrap();
    assert!((again.plain.evaluation.val_loss - last.val_loss).abs() < 1e-4);

    // The dog-breed layout: a probability a class, sorted ids.
    let images = image_files(&[chips.path().join("test")]).unwrap();
    let out = chips.path().join("submission.csv");
    let predictor = outcome.predictor();
    let suffixes = [".jpg".to_string()];
    let plan = Submission::in_format(&predictor, images.clone(), &suffixes, SubmissionFormat::Classes, " ").unwrap();
    let submit = |out: &Path| {
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        plan.write(&predictor, Some(1), &Thresholds::All(0.5), out, watch)
    };
    submit(&out).unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines.len()), ("id,dry,wet", 11));
    let ids: Vec<&str> = lines[1..].iter().map(|line| line.split(',').next().unwrap()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    for line in &lines[1..] {
        let sum: f32 = line.split(',').skip(1).map(|p| p.parse::<f32>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{line}");
    }
    // In the form of a sample: its header, its order of rows and columns, its ids with suffix.
    let sample = chips.path().join("sample.csv");
    let like = |text: &str, format: Option<SubmissionFormat>| {
        std::fs::write(&sample, text).unwrap();
        Submission::like_sample(&predictor, images.clone(), &suffixes, &sample, format, " ")
    };
    let rows = |value: &str| -> String { ids.iter().rev().map(|id| format!("{id}.jpg,{value}\n")).collect() };
    let written = |plan: &Submission| -> Vec<Vec<String>> {
        let out = chips.path().join("like.csv");
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        plan.write(&predictor, Some(1), &Thresholds::All(0.5), &out, watch).unwrap();
        let text = std::fs::read_to_string(&out).unwrap();
        text.lines().map(|line| line.split(',').map(str::to_string).collect()).collect()
    };
    let other_order = written(&like(&format!("image,wet,dry\n{}", rows("0.5,0.5")), None).unwrap());
    assert_eq!(other_order[0], ["image", "wet", "dry"]);
    let by_id = |row: &[String]| lines[1..].iter().find(|line| line.starts_with(&row[0].replace(".jpg", ","))).copied();
    for (row, id) in other_order[1..].iter().zip(ids.iter().rev()) {
        assert_eq!(row[0], format!("{id}.jpg"));
        assert_eq!(by_id(row).unwrap(), format!("{id},{},{}", row[2], row[1]));
    }
    let redux = written(&like(&format!("id,label\n{}", rows("0.5")), None).unwrap());
    assert_eq!(redux[0], ["id", "label"]);
    for row in &redux[1..] {
        assert!(by_id(row).unwrap().ends_with(&format!(",{}", row[1])), "the probability of the second class");
    }
    let classes = written(&like(&format!("id,label\n{}", rows("dry")), None).unwrap());
    assert!(classes[1..].iter().all(|row| row[1] == "dry" || row[1] == "wet"), "{classes:?}");
    let chosen = written(&like(&format!("id,label\n{}", rows("0")), Some(SubmissionFormat::Label)).unwrap());
    assert_eq!(chosen[1..], classes[1..]);
    let some = like(&format!("id,dry,wet\n{}.jpg,0,0\n", ids[2]), None).unwrap();
    assert!(some.len() == 1 && some.notes()[0].starts_with("9 images are not in the sample"), "{:?}", some.notes());
    let error = like("id,dry,mud\nnone,0,0\n", None).unwrap_err().to_string();
    for part in
        ["no class of the model: \"mud\"", "without a column in the sample: \"wet\"", "without an image: \"none\""]
    {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    let error = like("id,dry,wet\n1,0\n", None).unwrap_err().to_string();
    assert!(error.contains("sample.csv:2: 2 cells, the header has 3"), "{error}");
    let error = Submission::in_format(&predictor, images.clone(), &suffixes, SubmissionFormat::Tags, " ").unwrap_err();
    assert!(error.to_string().contains("needs tags"), "{error}");
    // A submission lacks no row: the old file stays.
    std::fs::write(&images[3], b"no image").unwrap();
    let error = submit(&out).unwrap_err();
    assert!(
        matches!(error, RunError::Data(_)) && error.to_string().contains("1 of 10 images cannot be read"),
        "{error}"
    );
    assert!(error.to_string().contains(images[3].to_str().unwrap()), "{error}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), text);
}

#[test]
fn a_model_file_is_all_that_predicting_needs() {
    let chips = Chips::new(30);
    let recipe = chips.tags("fit(0.05, 1); save(\"head\"); resize(48); fit(0.01, 1); tta(n_aug = 3);", "", "");
    let outcome = run(&recipe, &chips.options("run"), &mut Silent).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("model.safetensors");
    std::fs::copy(outcome.folder.join("models/final.safetensors"), &file).unwrap();
    let images = elsewhere.path().join("images");
    std::fs::rename(chips.path().join("images"), &images).unwrap();
    drop(chips);

    let predictor = load(&file, None).unwrap();
    let meta = predictor.meta();
    assert_eq!((meta.size, meta.tta, &meta.threshold), (48, Some(3), &Some(Thresholds::All(0.2))));
    let files = image_files(&[images]).unwrap();
    let all = probabilities(&predictor, &files, Some(3));
    assert_eq!(all.len(), 30 * predictor.classes().len());
    assert!(all.iter().all(|p| (0.0..=1.0).contains(p)));
    // What is said of an image does not depend on what else is asked.
    let one = probabilities(&predictor, &files[20..21], Some(3));
    let width = predictor.classes().len();
    assert!(one.iter().zip(&all[20 * width..]).all(|(a, b)| (a - b).abs() < 1e-5));
    assert_ne!(one, probabilities(&predictor, &files[20..21], None));

    // Images that cannot be read are listed, the others predicted.
    std::fs::write(&files[7], b"no image").unwrap();
    let mut asked = files.clone();
    asked.push(elsewhere.path().join("gone.jpg"));
    let (mut order, mut failed) = (Vec::new(), Vec::new());
    let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
    let plain = PredictOptions::default();
    let count = predictor.stream(asked.iter().map(Ok), &plain, watch, &mut |said| {
        match said {
            Ok(said) => order.push(said.image),
            Err(image) => {
                order.push(image.image);
                failed.push(image);
            }
        }
        Ok(())
    });
    assert_eq!((count.unwrap(), order), (31, (0..31).collect::<Vec<_>>()));
    let failed: Vec<_> = failed.iter().map(|f| (f.image, f.reason.to_string())).collect();
    assert!(failed[0].0 == 7 && failed[0].1.starts_with("not an image"), "{failed:?}");
    assert!(failed[1].0 == 30 && failed[1].1.starts_with("cannot be read"), "{failed:?}");

    let stop = StopSignal::default();
    stop.request();
    let watch = Watch { progress: &mut Silent, stop: &stop };
    let error = predictor.stream(files.iter().map(Ok), &plain, watch, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(error, RunError::Stopped(_)), "{error}");
}

#[test]
fn models_of_a_run_are_found_by_name() {
    let chips = Chips::new(30);
    let recipe = chips.tags("fit(0.05, 1); save(\"head\"); fit(0.01, 1);", "", "");
    let options = chips.options("run");
    let outcome = run(&recipe, &options, &mut Silent).unwrap();
    assert!(load(&outcome.folder, Some("head")).is_ok());
    let error = load(&outcome.folder, Some("heads")).unwrap_err().to_string();
    assert!(error.contains("no model \"heads\"; it has final, head"), "{error}");
    std::fs::remove_file(outcome.folder.join("models/final.safetensors")).unwrap();
    let error = load(&outcome.folder, None).unwrap_err().to_string();
    assert!(error.contains("so it was removed since") && error.contains("--model`: head"), "{error}");
    let error = load(&chips.path().join("nothing"), None).unwrap_err().to_string();
    assert!(error.contains("nothing"), "{error}");
}

#[test]
fn images_in_memory_are_predicted_like_their_files_from_any_thread() {
    let chips = Chips::new(30);
    let text = chips.classes("fit(0.05, 1);", "", "").to_string();
    let sets = ["transforms.size=40", "data.resize_to=48"].map(|set| set.parse().unwrap());
    let recipe = fastai_dsl::source::RecipeText::new("x", &text, &sets).result.unwrap().recipe;
    let outcome = run(&recipe, &chips.options("run"), &mut Silent).unwrap();
    let predictor = load(&outcome.folder, None).unwrap();
    let files = image_files(&[chips.path().join("images")]).unwrap();
    let wanted = probabilities(&predictor, &files, None);
    let images: Vec<_> = files.iter().map(|file| fastai_runtime::data::decode(file).unwrap()).collect();
    let near = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);

    let said = predictor.predict(&images).unwrap();
    assert!(near(said.probabilities.values(), &wanted), "the files are read as copies, so are the images");
    assert_eq!((said.ids[29].as_str(), &said.classes), ("29", &predictor.meta().classes));
    let augmented = PredictOptions::augmented(2);
    let tta = predictor.predict_with(&images, &augmented).unwrap();
    assert!(!near(tta.probabilities.values(), &wanted));
    assert!(near(tta.probabilities.values(), &probabilities(&predictor, &files, Some(2))), "the same views");
    let alone = predictor.predict_with(&images[20..21], &augmented).unwrap();
    let width = predictor.classes().len();
    assert!(
        near(alone.probabilities.values(), tta.probabilities.row(20)),
        "an image is predicted as without the others"
    );

    let mut encoded: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    encoded[3] = b"no image".to_vec();
    encoded[4].clear();
    let answers = predictor.predict_encoded(&encoded, &PredictOptions::default().with_embeddings()).unwrap();
    assert_eq!(answers[3], Err(DecodeError::UnknownFormat));
    assert_eq!(answers[4], Err(DecodeError::Empty));
    let embedded = predictor.embed(&images).unwrap();
    assert_eq!((embedded.width(), embedded.rows().len()), (predictor.embedding_len(), 30));
    for (index, answer) in answers.iter().enumerate().filter(|(index, _)| ![3, 4].contains(index)) {
        let answer = answer.as_ref().unwrap();
        assert!(near(&answer.probabilities, &wanted[index * width..][..width]), "image {index}");
        assert!(near(answer.embedding.as_ref().unwrap(), embedded.rows().nth(index).unwrap()), "image {index}");
    }

    // A million images would be drawn as they are needed.
    let mut drawn = 0;
    let endless = std::iter::from_fn(|| {
        drawn += 1;
        Some(images[drawn % 30].clone())
    });
    let first: Vec<f32> = predictor
        .predict_iter(endless, PredictOptions::default())
        .take(3)
        .flat_map(|a| a.unwrap().probabilities)
        .collect();
    assert!(near(&first, &wanted[width..4 * width]));
    assert!(drawn <= 1024, "{drawn} images were drawn for 3");

    // Threads share a predictor.
    std::thread::scope(|scope| {
        let each: Vec<_> = images.chunks(8).map(|part| scope.spawn(|| predictor.predict(part).unwrap())).collect();
        let all: Vec<f32> =
            each.into_iter().flat_map(|thread| thread.join().unwrap().probabilities.values().to_vec()).collect();
        assert!(near(&all, &wanted));
    });
    let error = predictor.predict(&[images[0].clone(), fastai_runtime::data::RgbImage::new(0, 3)]).unwrap_err();
    assert!(error.to_string().contains("image 1: 0 x 3 pixels"), "{error}");
    assert!(predictor.predict(&[]).unwrap().is_empty());
}
