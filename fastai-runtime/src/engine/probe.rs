//! Estimates the time and memory of a recipe from its first batches.

use std::time::Instant;

use fastai_data::memory;
use fastai_dsl::{Facts, Plan, Recipe, Stage, Step};
use serde::Serialize;

use super::{RunOptions, run};
use crate::RunError;
use crate::data::Dataset;
use crate::device::{self, DeviceKind};
use crate::progress::Progress;
use crate::report::{StageSummary, Summary};

/// Measurements of the first batches, and the estimates for the whole recipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probed {
    /// The device, in words.
    pub device: String,
    /// One per step, in order.
    pub stages: Vec<ProbedStage>,
    /// Estimated seconds for the final measurement, the report and saving.
    pub ending: f64,
    /// Estimated seconds of the steps and the ending together, without preflight.
    pub seconds: f64,
    /// Peak resident memory of the process during the probe, bytes; Linux only. GPU memory is not included.
    pub peak_bytes: Option<u64>,
}

/// Measurements of the first batches of one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbedStage {
    /// 0-based index of the recipe's step.
    pub step: usize,
    /// The step as the recipe's author reads it.
    pub text: String,
    /// Training throughput, images per second, if the step trains.
    pub images_per_s: Option<f64>,
    /// Estimated seconds of the whole step.
    pub seconds: f64,
    /// Peak resident memory of the process during the step, bytes. Pages that the allocator kept from an earlier step are
    /// included.
    pub peak_bytes: Option<u64>,
}

/// Runs two batches of every step on the recipe's own data and device, in a temporary folder, and extrapolates: the
/// measured time per image times the number of images in the plan. Activations are always computed anew.
///
/// Of a recipe with `valid: folds(5)`, the first fold is measured, and the seconds are those of all folds.
///
/// On a GPU everything runs twice and the second time counts, since the first one compiles kernels.
///
/// # Errors
/// Those of [`run`].
pub fn probe(recipe: &Recipe, options: &RunOptions, progress: &mut dyn Progress) -> Result<Probed, RunError> {
    let folds = recipe.folds();
    if let Some(first) = folds.first() {
        let mut probed = probe(first, options, progress)?;
        let times = folds.len() as f64;
        probed.stages.iter_mut().for_each(|stage| stage.seconds *= times);
        (probed.ending, probed.seconds) = (probed.ending * times, probed.seconds * times);
        return Ok(probed);
    }
    let whole = match &options.dataset {
        Some(dataset) => dataset.facts(),
        None => Dataset::open(recipe.data(), recipe.task())?.facts(),
    };
    let picked = device::pick(options.device.clone().unwrap_or(recipe.device().into()))?;
    let scratch = tempfile::tempdir().map_err(|e| RunError::file("create", std::env::temp_dir(), e))?;
    let smoke = |number: usize| RunOptions {
        smoke: true,
        out: Some(scratch.path().join(format!("run-{number}"))),
        cache: Some(scratch.path().join(format!("cache-{number}"))),
        ..options.clone()
    };
    if picked.kind != DeviceKind::Cpu {
        run(recipe, &smoke(0), progress)?;
    }
    let mut watched = Watched { inner: progress, stages: Vec::new() };
    memory::reset_peak();
    let outcome = run(recipe, &smoke(1), &mut watched)?;
    let last = watched.stages.last().map(|stage| stage.begun.elapsed().as_secs_f64());
    let (plan, summary) = (Plan::new(recipe, &whole), &outcome.summary);
    let scale = ProbeScale { whole, part: summary, batch: recipe.data().batch };
    let after = watched.peaks();
    let stages: Vec<ProbedStage> = plan
        .stages
        .iter()
        .zip(&summary.stages)
        .zip(&after)
        .map(|((stage, measured), peak_bytes)| ProbedStage {
            step: measured.step,
            text: measured.text.clone(),
            images_per_s: (measured.images > 0).then_some(measured.images_per_s),
            seconds: scale.seconds(stage, measured),
            peak_bytes: *peak_bytes,
        })
        .collect();
    let own = summary.stages.last().map_or(0.0, |stage| stage.seconds);
    let ending = (last.unwrap_or_default() - own).max(0.0) * scale.measured();
    let seconds = ending + stages.iter().map(|stage| stage.seconds).sum::<f64>();
    Ok(Probed { device: picked.name, stages, ending, seconds, peak_bytes: after.into_iter().max().flatten() })
}

/// Scales the images of a probe to those of the whole run.
struct ProbeScale<'a> {
    whole: Facts,
    part: &'a Summary,
    batch: u32,
}

impl ProbeScale<'_> {
    /// Returns the ratio of a part's images to those of the probe.
    fn times(whole: Option<u64>, part: usize) -> f64 {
        if part == 0 { 0.0 } else { whole.unwrap_or(0) as f64 / part as f64 }
    }

    /// The ratio for the validation part.
    fn valid(&self) -> f64 {
        Self::times(self.whole.valid, self.part.counts.valid)
    }

    /// The ratio for the final measurement.
    fn measured(&self) -> f64 {
        let counts = &self.part.counts;
        let whole = self.whole.valid.unwrap_or(0) + self.whole.test.unwrap_or(0);
        Self::times(Some(whole), counts.valid + counts.test).max(1.0)
    }

    /// The ratio for all parts together, whose activations are cached.
    fn all(&self) -> f64 {
        let counts = &self.part.counts;
        let whole = [self.whole.train, self.whole.valid, self.whole.test].into_iter().flatten().sum();
        Self::times(Some(whole), counts.train + counts.valid + counts.test)
    }

    /// Estimates the seconds of a whole stage from the measurements of its first batches.
    fn seconds(&self, stage: &Stage, measured: &StageSummary) -> f64 {
        let cache = measured.cache.as_ref().map_or(0.0, |cache| cache.seconds);
        let per_image = if measured.images_per_s > 0.0 { 1.0 / measured.images_per_s } else { 0.0 };
        let training = measured.images as f64 * per_image;
        // Mainly validation.
        let rest = (measured.seconds - cache - training).max(0.0);
        let whole = match &stage.step {
            Step::Fit(fit) => {
                let images = self.whole.train.unwrap_or(0) as f64;
                // The pass that estimates the statistics of a mean takes no longer than an epoch.
                let more = if fit.swa.is_some() { images * per_image } else { 0.0 };
                stage.epochs as f64 * (images * per_image + rest * self.valid()) + more
            }
            Step::LrFind(_) => {
                let images = stage.iterations.unwrap_or(0) as f64 * f64::from(self.batch);
                images * per_image + rest
            }
            Step::Tta { .. } => rest * self.valid(),
            _ => rest,
        };
        cache * self.all() + whole
    }
}

/// Forwards a run's events and records the start of each stage and the peak memory of the stage before it.
struct Watched<'a> {
    inner: &'a mut dyn Progress,
    stages: Vec<Begun>,
}

struct Begun {
    begun: Instant,
    /// The peak before it.
    before: Option<u64>,
}

impl Watched<'_> {
    /// Returns the peak memory of every started stage; that of the last one is the peak so far.
    fn peaks(&self) -> Vec<Option<u64>> {
        let after = self.stages.iter().skip(1).map(|stage| stage.before);
        let mut peaks: Vec<Option<u64>> = after.chain([memory::peak_resident()]).collect();
        // The first stage includes the time to open the session.
        if let (Some(first), Some(stage)) = (peaks.first_mut(), self.stages.first()) {
            *first = (*first).max(stage.before);
        }
        peaks
    }
}

impl Progress for Watched<'_> {
    fn inner(&mut self) -> Option<&mut dyn Progress> {
        Some(&mut *self.inner)
    }
    fn stage(&mut self, index: usize, count: usize, title: &str) {
        self.stages.push(Begun { begun: Instant::now(), before: memory::peak_resident() });
        memory::reset_peak();
        self.inner.stage(index, count, title);
    }
}

#[cfg(test)]
mod tests {
    use fastai_dsl::source::RecipeText;

    use super::*;
    use crate::report::{CacheUse, Counts};

    fn plan(steps: &str) -> Plan {
        let text = format!(
            "A {{ task: single_label, data: folders {{ root: \"d\", batch: 10 }}, transforms: side_on {{ size: 64 }}, \
             model: squeezenet1_1, metrics: [accuracy], train: {{ {steps} }} }}"
        );
        let recipe = RecipeText::new("a.recipe", &text, &[]).result.unwrap().recipe;
        Plan::new(&recipe, &WHOLE)
    }

    const WHOLE: Facts = Facts { train: Some(1000), valid: Some(200), test: Some(100), classes: Some(2) };

    #[test]
    fn measured_seconds_are_scaled_by_the_images_of_each_set() {
        let part = Summary { counts: Counts { train: 20, valid: 20, test: 10 }, ..Summary::default() };
        let scale = ProbeScale { whole: WHOLE, part: &part, batch: 10 };
        let plan = plan(
            "fit(0.1, 3); lr_find(or = 0.1, iters = 40); precompute(on); precompute(off); tta(n_aug = 2); \
             fit(0.1, 3, swa = 2);",
        );
        // 20 images trained in 2 seconds, and a second beside.
        let measured = StageSummary { images: 20, images_per_s: 10.0, seconds: 3.0, ..StageSummary::default() };
        let found = |stage: usize, measured: &StageSummary| scale.seconds(&plan.stages[stage], measured);
        assert_eq!(found(0, &measured), 3.0 * (1000.0 / 10.0 + 1.0 * 10.0));
        assert_eq!(found(5, &measured), found(0, &measured) + 1000.0 / 10.0);
        assert_eq!(found(1, &measured), 40.0 * 10.0 / 10.0 + 1.0);
        let cached = StageSummary {
            seconds: 5.0,
            cache: Some(CacheUse { seconds: 5.0, ..CacheUse::default() }),
            ..StageSummary::default()
        };
        assert_eq!(found(2, &cached), 5.0 * 1300.0 / 50.0);
        assert_eq!(found(4, &StageSummary { seconds: 2.0, ..StageSummary::default() }), 2.0 * 10.0);
    }
}
