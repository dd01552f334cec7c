//! Schedules: a factor of the learning rate and a momentum for each batch, as the only source for the plan, the report and
//! the optimizer.

use crate::recipe::{Anneal, Fit, LrFind};

/// The default momentum: share of the past in the moving average of the gradients.
pub const MOMENTUM: f64 = 0.9;

/// The settings of one batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Factor of the full learning rate of every layer group.
    pub rate: f64,
    /// Momentum of the optimizer.
    pub momentum: f64,
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
}

impl Schedule {
    /// The schedule of a `fit`.
    pub fn of(fit: &Fit) -> Self {
        match fit.cycle_len {
            None => Schedule::Constant,
            Some(cycle_len) => Schedule::Cycles { anneal: fit.anneal, cycle_len, cycle_mult: fit.cycle_mult },
        }
    }

    /// Returns the settings of every batch, as an infinite iterator.
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
        let (anneal, length, mult) = match *self {
            Schedule::Constant => (None, 1, 1),
            Schedule::Cycles { anneal, cycle_len, cycle_mult } => {
                (Some(anneal), batches_per_epoch.max(1) * u64::from(cycle_len), u64::from(cycle_mult))
            }
        };
        Settings { anneal, mult, length, position: 0, batch: 0, warm_until: length as f64 / 20.0 }
    }
}

/// Iterator of [`Schedule::settings`].
#[derive(Clone, Debug)]
pub struct Settings {
    anneal: Option<Anneal>,
    mult: u64,
    length: u64,
    position: u64,
    batch: u64,
    warm_until: f64,
}

impl Iterator for Settings {
    type Item = Setting;

    fn next(&mut self) -> Option<Setting> {
        let Some(anneal) = self.anneal else { return Some(Setting { rate: 1.0, momentum: MOMENTUM }) };
        let part = self.position as f64 / self.length as f64;
        let rate = match anneal {
            Anneal::Cosine if (self.batch as f64) < self.warm_until => 0.01,
            Anneal::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * part).cos()),
            Anneal::Linear => 1.0 - part,
        };
        self.batch += 1;
        self.position += 1;
        if self.position == self.length {
            self.position = 0;
            self.length = self.length.saturating_mul(self.mult);
        }
        Some(Setting { rate, momentum: MOMENTUM })
    }
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
