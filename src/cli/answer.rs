//! What a model says of an image, as JSON: the one form of `predict` and `serve`.

use fastai_dsl::TaskKind;
use fastai_runtime::predict::Predictor;
use serde_json::{Map, Value, json};

/// The `k` most probable classes.
fn top(predictor: &Predictor, probabilities: &[f32], k: usize) -> Value {
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
    let said = match predictor.meta().task {
        TaskKind::Regression => {
            object.insert("value".to_string(), json!(probabilities.first()));
            return;
        }
        TaskKind::MultiLabel => json!(names),
        TaskKind::SingleLabel => json!(names.first()),
    };
    object.insert("said".to_string(), said);
    match wanted {
        Some(k) => object.insert("top".to_string(), top(predictor, probabilities, k)),
        None => {
            let all = predictor.classes().iter().cloned().zip(probabilities.iter().map(|p| json!(p)));
            object.insert("probabilities".to_string(), Value::Object(all.collect()))
        }
    };
}
