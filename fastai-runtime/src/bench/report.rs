//! The result of a bench: times, rates, memory.

use fastai_data::memory;
use serde::Serialize;

use super::{LayerTime, Workload, median};

/// A device's speed in matrix products.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SgemmSpeed {
    /// Speed in GFLOP/s.
    pub gflops: f64,
    /// The product and the library that computes it.
    pub by: String,
}

/// The result of a [`Bench`](super::Bench).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchReport {
    /// The work that was repeated.
    #[serde(flatten)]
    pub workload: Workload,
    /// Name of the device.
    pub device: String,
    /// Number of CPU threads.
    pub threads: usize,
    /// Seconds of each run, in order, without the first, untimed run.
    pub seconds: Vec<f64>,
    /// Median of the seconds.
    pub median: f64,
    /// Least of the seconds.
    pub best: f64,
    /// Images per second, from the median.
    pub images_per_s: f64,
    /// Multiply-adds of one run, from [`Workload::multiply_adds`].
    pub multiply_adds: u64,
    /// Speed in GFLOP/s, two operations per multiply-add, from the median.
    pub gflops: f64,
    /// The device's speed in matrix products, a CPU's on the same threads.
    pub sgemm: SgemmSpeed,
    /// [`gflops`](Self::gflops) as a share of it.
    pub share_of_sgemm: f64,
    /// Peak resident memory of this process up to the end of the last run (`VmHWM`) in kB of 1024 bytes: program, weights,
    /// feature maps, and pages that the allocator keeps. `None` where the system does not report it (not Linux).
    pub peak_kb: Option<u64>,
    /// Seconds of each layer, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerTime>>,
}

impl BenchReport {
    /// Creates the report of runs that took `seconds`, without those of each layer.
    ///
    /// It reads the peak memory before it calls `sgemm` (normally [`sgemm_speed`](super::sgemm_speed)), so the matrices of that
    /// measurement do not count.
    ///
    /// # Panics
    /// If there are no runs.
    pub fn new(workload: Workload, device: &str, seconds: Vec<f64>, sgemm: impl FnOnce() -> SgemmSpeed) -> Self {
        assert!(!seconds.is_empty(), "a report is of at least one run");
        let peak_kb = memory::peak_resident().map(|bytes| bytes / 1024);
        let sgemm = sgemm();
        let median = median(seconds.clone());
        let multiply_adds = workload.multiply_adds();
        let gflops = 2e-9 * multiply_adds as f64 / median;
        BenchReport {
            threads: rayon::current_num_threads(),
            best: seconds.iter().copied().fold(f64::INFINITY, f64::min),
            images_per_s: workload.batch as f64 / median,
            share_of_sgemm: gflops / sgemm.gflops,
            layers: None,
            device: device.to_owned(),
            workload,
            seconds,
            median,
            multiply_adds,
            gflops,
            sgemm,
            peak_kb,
        }
    }
}
