//! What a model says of an image, as JSON: the one form of `predict --jsonl` and `serve`.

use fastai_dsl::TaskKind;
use fastai_runtime::predict::Predictor;
use serde_json::{Map, Value, json};

/// What is said: one class, a list of tags, or null for a number.
pub fn said(predictor: &Predictor, names: &[&str]) -> Value {
    match predictor.meta().task {
        TaskKind::MultiLabel => json!(names),
        TaskKind::SingleLabel | TaskKind::Regression => json!(names.first()),
    }
}

/// The `k` most probable classes.
pub fn top(predictor: &Predictor, probabilities: &[f32], k: usize) -> Value {
    let top = predictor.top(probabilities, k);
    top.iter().map(|(class, probability)| json!({ "class": class, "probability": probability })).collect()
}

/// Adds what is said of an image to `object`: `said` with `probabilities` by class, or with `top` if only so many classes are
/// wanted; `value` for a number.
pub fn describe(
    object: &mut Map<String, Value>,
    predictor: &Predictor,
    probabilities: &[f32],
    names: &[&str],
    wanted: Option<usize>,
) {
    if predictor.meta().task == TaskKind::Regression {
        object.insert("value".to_string(), json!(probabilities.first()));
        return;
    }
    object.insert("said".to_string(), said(predictor, names));
    match wanted {
        Some(k) => object.insert("top".to_string(), top(predictor, probabilities, k)),
        None => {
            let all = predictor.classes().iter().cloned().zip(probabilities.iter().map(|p| json!(p)));
            object.insert("probabilities".to_string(), Value::Object(all.collect()))
        }
    };
}
