//! Schedules: a factor of the learning rate and a momentum for each batch, as the only source for the plan, the report and
//! the optimizer.

use std::f64::consts::PI;

use crate::recipe::{Anneal, Fall, Fit, FitCourse, LrFind};

/// The share of the rate with which a warm-up begins, as in torchvision's training scripts.
const WARM: f64 = 0.01;

/// The settings of one batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Factor of the full learning rate of every layer group.
    pub rate: f64,
    /// Momentum of the optimizer; `None` = the optimizer's own.
    pub momentum: Option<f64>,
}

/// The course of learning rate and momentum during a `fit`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// The full rate at every batch.
    Constant,
    /// Cycles with warm restarts (SGDR).
    Cycles {
        /// Shape of a cycle.
        anneal: Anneal,
        /// Epochs of the first cycle.
        cycle_len: u32,
        /// Each cycle is this many times as long as the one before.
        cycle_mult: u32,
    },
    /// Cycles, or one fall, of a form of their own.
    Shaped {
        /// The form.
        course: FitCourse,
        /// Epochs of a cycle, or of the whole `fit`.
        epochs: u32,
    },
}

impl Schedule {
    /// The schedule of a `fit`.
    pub fn of(fit: &Fit) -> Self {
        match (fit.course, fit.cycle_len) {
            (FitCourse::Cycles, None) => Schedule::Constant,
            (FitCourse::Cycles, Some(cycle_len)) => {
                Schedule::Cycles { anneal: fit.anneal, cycle_len, cycle_mult: fit.cycle_mult }
            }
            (course, cycle_len) => Schedule::Shaped { course, epochs: cycle_len.unwrap_or(fit.cycles) },
        }
    }

    /// Returns the settings of every batch, as an infinite iterator; what ends, repeats.
    ///
    /// With cosine cycles, the first `ceil(n / 20)` batches of the whole fit run at a hundredth of the rate, where `n` is
    /// the number of batches in the first cycle. The cosine advances meanwhile, as in fastai 0.7.
    ///
    /// ```
    /// use fastai_dsl::{Anneal, Schedule};
    /// let s = Schedule::Cycles { anneal: Anneal::Cosine, cycle_len: 1, cycle_mult: 2 };
    /// let f: Vec<f64> = s.settings(20).take(21).map(|setting| setting.rate).collect();
    /// assert_eq!(f[0], 0.01);
    /// assert!((f[1] - 0.9938).abs() < 1e-4 && (f[19] - 0.00616).abs() < 1e-5);
    /// assert_eq!(f[20], 1.0);
    /// ```
    pub fn settings(&self, batches_per_epoch: u64) -> Settings {
        let epoch = batches_per_epoch.max(1);
        let (length, mult) = match *self {
            Schedule::Constant => (1, 1),
            Schedule::Cycles { cycle_len, cycle_mult, .. } => {
                (epoch.saturating_mul(u64::from(cycle_len)), u64::from(cycle_mult))
            }
            Schedule::Shaped { epochs, .. } => (epoch.saturating_mul(u64::from(epochs.max(1))), 1),
        };
        Settings { schedule: *self, epoch, mult, length, position: 0, batch: 0, warm_until: length as f64 / 20.0 }
    }
}

/// Iterator of [`Schedule::settings`].
#[derive(Clone, Debug)]
pub struct Settings {
    schedule: Schedule,
    epoch: u64,
    mult: u64,
    length: u64,
    position: u64,
    batch: u64,
    warm_until: f64,
}

impl Iterator for Settings {
    type Item = Setting;

    fn next(&mut self) -> Option<Setting> {
        let part = self.position as f64 / self.length as f64;
        let setting = match self.schedule {
            Schedule::Constant => Setting { rate: 1.0, momentum: None },
            Schedule::Cycles { anneal, .. } => {
                let rate = match anneal {
                    Anneal::Cosine if (self.batch as f64) < self.warm_until => 0.01,
                    Anneal::Cosine => 0.5 * (1.0 + (PI * part).cos()),
                    Anneal::Linear => 1.0 - part,
                };
                Setting { rate, momentum: None }
            }
            Schedule::Shaped { course, .. } => shaped(course, self.position, self.length, self.epoch),
        };
        self.batch += 1;
        self.position += 1;
        if self.position == self.length {
            self.position = 0;
            self.length = self.length.saturating_mul(self.mult);
        }
        Some(setting)
    }
}

/// The settings of batch `at`, from 0, of `length`; an epoch has `epoch` batches.
fn shaped(course: FitCourse, at: u64, length: u64, epoch: u64) -> Setting {
    let (i, n) = (at as f64, length as f64);
    let between = |from: f64, to: f64, part: f64| from + part * (to - from);
    match course {
        FitCourse::Cycles => Setting { rate: 1.0, momentum: None },
        FitCourse::UseClr { div, cut_div, moms } => {
            let cut = (n / cut_div).floor();
            // From 0 at the ends to 1 at the cut.
            let up = if i > cut { 1.0 - (i - cut) / (n - cut) } else { part_of(i, cut) };
            Setting { rate: between(1.0 / div, 1.0, up), momentum: moms.map(|[max, min]| between(max, min, up)) }
        }
        FitCourse::UseClrBeta { div, pct, moms } => {
            let half = (n * (1.0 - pct / 100.0) / 2.0).floor();
            let (rate, up) = if i > 2.0 * half {
                let tail = (i - 2.0 * half) / (n - 2.0 * half);
                (between(1.0, 0.01, tail) / div, 0.0)
            } else {
                let up = if i > half { 1.0 - (i - half) / half } else { part_of(i, half) };
                (between(1.0 / div, 1.0, up), up)
            };
            Setting { rate, momentum: moms.map(|[max, min]| between(max, min, up)) }
        }
        FitCourse::OneCycle { pct_start, div, div_final, moms } => {
            let cosine = |from: f64, to: f64, part: f64| between(from, to, (1.0 + (PI * (1.0 - part)).cos()) / 2.0);
            let pos = i / n;
            let (rate, momentum) = if pos < pct_start {
                let part = pos / pct_start;
                (cosine(1.0 / div, 1.0, part), cosine(moms[0], moms[1], part))
            } else {
                let part = (pos - pct_start) / (1.0 - pct_start);
                (cosine(1.0, 1.0 / div_final, part), cosine(moms[1], moms[2], part))
            };
            Setting { rate, momentum: Some(momentum) }
        }
        FitCourse::Fall { fall, warmup, every, by } => {
            let warm = (warmup * epoch as f64).round().min(n);
            let rate = if i < warm {
                between(WARM, 1.0, i / warm)
            } else {
                let part = (i - warm) / (n - warm);
                match fall {
                    Fall::Constant => 1.0,
                    Fall::Linear => 1.0 - part,
                    Fall::Cosine => 0.5 * (1.0 + (PI * part).cos()),
                    Fall::Step => by.powf(((i - warm) / (epoch as f64 * f64::from(every.max(1)))).floor()),
                }
            };
            Setting { rate, momentum: None }
        }
    }
}

/// `i / n`, and 1 for nothing of nothing.
fn part_of(i: f64, n: f64) -> f64 {
    if n > 0.0 { i / n } else { 1.0 }
}

/// Epochs of a `fit`: `n`, `n * L`, or `L * (1 + m + .. + m^(n-1))`. Saturates.
///
/// ```
/// use fastai_dsl::schedule::epochs;
/// assert_eq!(epochs(3, Some(1), 2), 7);
/// assert_eq!(epochs(5, None, 1), 5);
/// assert_eq!(epochs(3, Some(3), 1), 9);
/// ```
pub fn epochs(cycles: u32, cycle_len: Option<u32>, cycle_mult: u32) -> u64 {
    let mut total = 0u64;
    let mut length = u64::from(cycle_len.unwrap_or(1));
    for _ in 0..cycles {
        total = total.saturating_add(length);
        length = length.saturating_mul(u64::from(cycle_mult));
        if total == u64::MAX || (cycle_mult <= 1) {
            break;
        }
    }
    if cycle_mult <= 1 { u64::from(cycles) * u64::from(cycle_len.unwrap_or(1)) } else { total }
}

/// The rates of a finder's sweep: `start * (end / start)^(k / iterations)`, `k` from 0; the sweep stays below `end`.
pub fn sweep(find: &LrFind, iterations: u32) -> impl Iterator<Item = f64> + Clone + use<> {
    let (start, ratio) = (find.start, find.end / find.start);
    (0..iterations).map(move |k| start * ratio.powf(f64::from(k) / f64::from(iterations)))
}
