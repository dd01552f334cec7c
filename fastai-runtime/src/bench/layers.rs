//! The time of a body, layer by layer.

use std::collections::HashMap;
use std::time::Instant;

use burn::tensor::Tensor;
use serde::Serialize;

use super::{Workload, median};
use crate::models::{Body, Pass, describe};

/// The time of one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerTime {
    /// Published name of the layer, or `rest` for the remainder.
    pub name: String,
    /// Description, as in `fastai summary`.
    pub kind: String,
    /// Channels, height and width of its output.
    pub output: [usize; 3],
    /// Multiply-adds of the batch.
    pub multiply_adds: u64,
    /// Seconds for the batch: convolution, norm, residual and activation, and the pool or concatenation before them.
    pub seconds: f64,
}

impl LayerTime {
    /// Returns the speed in GFLOP/s, two operations per multiply-add, or `None` for a layer without multiply-adds.
    pub fn gflops(&self) -> Option<f64> {
        (self.multiply_adds > 0 && self.seconds > 0.0).then(|| 2e-9 * self.multiply_adds as f64 / self.seconds)
    }
}

/// Returns the seconds of each layer in one forward pass, by name.
///
/// No other code knows how layers are timed: a body that runs as one operation reports its own times here.
pub(super) fn seconds(body: &Body, images: Tensor<4>, training: bool) -> HashMap<String, f64> {
    let mut pass = if training { Pass::train() } else { Pass::eval() };
    let mut times = HashMap::new();
    let mut begun = Instant::now();
    // Operations on the CPU are complete when they return.
    let mut see = |name: &str, _: &Tensor<4>| {
        times.insert(name.to_owned(), begun.elapsed().as_secs_f64());
        begun = Instant::now();
    };
    drop(body.forward_seen(images, &mut pass, &mut see));
    times
}

/// Returns the layers of the workload with their medians over the passes, followed by the remainder of `whole` seconds.
pub(super) fn rows(workload: &Workload, passes: &[HashMap<String, f64>], whole: f64) -> Vec<LayerTime> {
    let layers = describe(workload.arch, workload.size).into_iter().filter(|layer| !layer.name.is_empty());
    let mut rows: Vec<LayerTime> = layers
        .map(|layer| LayerTime {
            seconds: median(passes.iter().filter_map(|pass| pass.get(&layer.name).copied()).collect()),
            name: layer.name,
            kind: layer.kind,
            output: layer.output,
            multiply_adds: layer.multiply_adds * workload.batch as u64,
        })
        .collect();
    let known: f64 = rows.iter().map(|row| row.seconds).sum();
    rows.push(LayerTime {
        name: "rest".to_owned(),
        kind: String::new(),
        output: [0; 3],
        multiply_adds: 0,
        seconds: (whole - known).max(0.0),
    });
    rows
}
