//! What a run tells the person who waits for it.

mod lines;
mod table;
mod terminal;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use lines::Lines;
pub use terminal::Terminal;

/// Receives a run's events in order; the engine calls it from one thread.
pub trait Progress: Send {
    /// One line worth reading: the device and why, a cache that was found, a notice.
    fn note(&mut self, line: &str);
    /// A warning: nothing failed, but somebody should look.
    fn warn(&mut self, line: &str);
    /// Stage `index` of `count` begins, e.g. `fit 1e-2 x 3 (7 epochs, head only)`.
    fn stage(&mut self, index: usize, count: usize, title: &str);
    /// A bar of `total` units (batches, images) begins; `what` names the units. A bar that runs is replaced.
    fn begin(&mut self, what: &str, total: u64);
    /// `done` units of the bar are through; `message` is short, such as the smoothed loss.
    fn advance(&mut self, done: u64, message: &str);
    /// The bar is over.
    fn finish(&mut self);
    /// Header of fastai's epoch table, shown once a fit: `epoch`, `trn_loss`, `val_loss`, metric columns.
    fn table_header(&mut self, columns: &[&str]);
    /// One row of the table: epoch from 0, and one value a further column (6 decimals).
    fn table_row(&mut self, epoch: u64, values: &[f64]);
}

/// Asks a run to stop at the next batch; cheap to clone, set from a signal handler.
#[derive(Clone, Debug, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Asks for the stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
    /// Whether somebody asked.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a long piece of work reports to, and what may stop it.
pub struct Watch<'a> {
    /// Receives the work's events.
    pub progress: &'a mut dyn Progress,
    /// Asked after every batch.
    pub stop: &'a StopSignal,
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn note(&mut self, _: &str) {}
    fn warn(&mut self, _: &str) {}
    fn stage(&mut self, _: usize, _: usize, _: &str) {}
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64, _: &str) {}
    fn finish(&mut self) {}
    fn table_header(&mut self, _: &[&str]) {}
    fn table_row(&mut self, _: u64, _: &[f64]) {}
}

/// What fits the place where the run's stderr goes: nothing if `quiet`, bars on a terminal, else plain lines.
///
/// Progress goes to stderr, so that stdout stays free for results.
pub fn auto(quiet: bool) -> Box<dyn Progress> {
    if quiet {
        Box::new(Silent)
    } else if std::io::stderr().is_terminal() {
        Box::new(Terminal::new())
    } else {
        Box::new(Lines::new(std::io::stderr()))
    }
}
