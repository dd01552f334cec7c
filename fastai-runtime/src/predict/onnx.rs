//! A saved model as an ONNX model.

use std::path::Path;

use fastai_dsl::{Crop, PixelFormat, TaskKind};
pub use fastai_onnx::ModelInput;
use fastai_onnx::ModelInterface;
use serde_json::{Value, json};

use super::Predictor;
use crate::RunError;
use crate::models::{WeightsError, onnx_model};

impl Predictor {
    /// Returns the model as the bytes of an ONNX file: the body, the head, and `probabilities` beside the `logits`, with a
    /// batch that is chosen when the model runs.
    ///
    /// It takes normalised pixels, or with `pixels` 8-bit RGB pixels `[batch, size, size, 3]`, which it normalises itself;
    /// either way images have to be scaled and cropped before. The file's metadata say how, under
    /// `fastai.preprocessing`, besides `fastai.classes` and other facts, all in JSON.
    ///
    /// # Errors
    /// A model whose image size is too small for its network; no run saves one. An ensemble.
    pub fn onnx(&self, pixels: bool) -> Result<Vec<u8>, RunError> {
        let meta = self.meta();
        let mut networks = self.networks();
        let count = networks.len();
        let (Some(network), None) = (networks.next(), networks.next()) else {
            let why = format!(
                "an ensemble of {count} networks, and an ONNX file holds one: export the model of a fold, `RUN/folds/1`, or \
                 all of them, and average their probabilities"
            );
            return Err(WeightsError::unfit(Path::new(&meta.recipe), why).into());
        };
        let input = match pixels {
            true => ModelInput::Pixels { mean: meta.mean, std: meta.std },
            false => ModelInput::Normalised,
        };
        let interface =
            ModelInterface { side: meta.size as usize, input, task: meta.task, metadata: self.facts(pixels) };
        onnx_model(network, &interface)
            .map_err(|error| WeightsError::unfit(Path::new(&meta.recipe), error.to_string()).into())
    }

    /// The facts that the file carries, by name.
    fn facts(&self, pixels: bool) -> Vec<(String, String)> {
        let meta = self.meta();
        let size = meta.size;
        let squashed = meta.transforms.crop == Crop::None;
        let mut steps = vec![
            "decode to 8-bit RGB and apply the EXIF orientation".to_string(),
            format!("scale the shorter side to {size} pixels, like OpenCV's INTER_AREA"),
        ];
        if squashed && meta.transforms.pad > 0 {
            steps.push(format!("add a border of {} reflected pixels", meta.transforms.pad));
        }
        steps.push(match squashed {
            true => format!("squash the picture to {size} x {size} pixels"),
            false => format!("cut out the middle square of {size} pixels"),
        });
        if meta.transforms.pixels == PixelFormat::Bytes {
            steps.push("round the values to 8 bits".to_string());
        }
        let preprocessing = json!({
            "size": size,
            "steps": steps,
            "crop": if squashed { "none" } else { "center" },
            "channels": "RGB",
            "layout": if pixels { "NHWC, 8 bits" } else { "NCHW, float32" },
            "divide_by": 255,
            "mean": meta.mean,
            "std": meta.std,
            "normalised_by_the_model": pixels,
            "resize_to": meta.resize_to,
        });
        let facts: [(&str, Value); 7] = [
            ("recipe", json!(meta.recipe)),
            ("text", json!(meta.text)),
            ("architecture", json!(meta.arch)),
            ("task", json!(meta.task)),
            ("classes", json!(meta.classes)),
            ("threshold", json!(meta.threshold.as_ref().filter(|_| meta.task == TaskKind::MultiLabel))),
            ("preprocessing", preprocessing),
        ];
        facts.map(|(name, value)| (format!("fastai.{name}"), value.to_string())).into()
    }
}
