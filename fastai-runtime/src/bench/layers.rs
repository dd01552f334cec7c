//! The time of a body, layer by layer.

use fastai_dsl::arch::graph::Graph;
use serde::Serialize;

use super::{Workload, median};
use crate::models::{PassDirection, UnitTime, describe};

/// The time of one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerTime {
    /// Published name of the layer, or `rest` for the remainder.
    pub name: String,
    /// Description, as in `fastai summary`.
    pub kind: String,
    /// Channels, height and width of its output.
    pub output: [usize; 3],
    /// Multiply-adds of the forward pass of the batch.
    pub multiply_adds: u64,
    /// Seconds of the forward pass of the batch: convolution, norm, residual and activation.
    pub forward: f64,
    /// Seconds of the backward pass of the batch; 0 if there is none.
    pub backward: f64,
}

impl LayerTime {
    /// Returns the seconds of both passes.
    pub fn seconds(&self) -> f64 {
        self.forward + self.backward
    }

    /// Returns the speed of the forward pass in GFLOP/s, two operations per multiply-add, or `None` for a layer without
    /// multiply-adds.
    pub fn gflops(&self) -> Option<f64> {
        (self.multiply_adds > 0 && self.forward > 0.0).then(|| 2e-9 * self.multiply_adds as f64 / self.forward)
    }
}

/// Returns the layers of the workload with their medians over the passes, followed by the remainder of the median pass. A pass
/// is its seconds and the times of its units.
pub(super) fn rows(workload: &Workload, graph: &Graph, passes: &[(f64, Vec<UnitTime>)]) -> Vec<LayerTime> {
    let seconds = |name: &str, direction: PassDirection| {
        let is_it = |time: &&UnitTime| {
            time.direction == direction && graph.units.get(time.unit).is_some_and(|unit| unit.name() == name)
        };
        // The sum of none would be -0.
        let of_pass = |times: &[UnitTime]| times.iter().filter(is_it).fold(0.0, |sum, time| sum + time.seconds);
        median(passes.iter().map(|(_, times)| of_pass(times)).collect())
    };
    let layers = describe(workload.arch, workload.size).into_iter().filter(|layer| !layer.name.is_empty());
    let mut rows: Vec<LayerTime> = layers
        .map(|layer| LayerTime {
            forward: seconds(&layer.name, PassDirection::Forward),
            backward: seconds(&layer.name, PassDirection::Backward),
            name: layer.name,
            kind: layer.kind,
            output: layer.output,
            multiply_adds: layer.multiply_adds * workload.batch as u64,
        })
        .collect();
    let known: f64 = rows.iter().map(LayerTime::seconds).sum();
    let whole = median(passes.iter().map(|(seconds, _)| *seconds).collect());
    rows.push(LayerTime {
        name: "rest".to_owned(),
        kind: String::new(),
        output: [0; 3],
        multiply_adds: 0,
        forward: (whole - known).max(0.0),
        backward: 0.0,
    });
    rows
}
