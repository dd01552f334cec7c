//! Progress output of a run.

mod lines;
mod table;
mod terminal;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use lines::Lines;
pub use terminal::Terminal;

/// Receives a run's events in order, from a single thread. By default, each method passes the event on to
/// [`inner`](Self::inner), or ignores it if there is none.
///
/// ```
/// use fastai_data::progress::Progress;
///
/// /// Collects the warnings of a run.
/// #[derive(Default)]
/// struct Warnings(Vec<String>);
///
/// impl Progress for Warnings {
///     fn warn(&mut self, line: &str) {
///         self.0.push(line.to_string());
///     }
/// }
///
/// let mut warnings = Warnings::default();
/// warnings.note("the device");
/// warnings.warn("the loss rose");
/// assert_eq!(warnings.0, ["the loss rose"]);
/// ```
pub trait Progress: Send {
    /// Receives the events that the implementation does not handle itself.
    fn inner(&mut self) -> Option<&mut dyn Progress> {
        None
    }
    /// Reports a line of information: the device and the reason for it, a cache hit, a notice.
    fn note(&mut self, line: &str) {
        if let Some(inner) = self.inner() {
            inner.note(line);
        }
    }
    /// Reports a warning that does not stop the run.
    fn warn(&mut self, line: &str) {
        if let Some(inner) = self.inner() {
            inner.warn(line);
        }
    }
    /// Stage `index` of `count` begins, e.g. `fit 1e-2 x 3 (7 epochs, head only)`.
    fn stage(&mut self, index: usize, count: usize, title: &str) {
        if let Some(inner) = self.inner() {
            inner.stage(index, count, title);
        }
    }
    /// Starts a bar of `total` units (batches, images), named by `what`; 0 stands for an unknown number.
    /// Replaces the current bar.
    fn begin(&mut self, what: &str, total: u64) {
        if let Some(inner) = self.inner() {
            inner.begin(what, total);
        }
    }
    /// Sets the bar to `done` units; `message` is short, such as the smoothed loss.
    fn advance(&mut self, done: u64, message: &str) {
        if let Some(inner) = self.inner() {
            inner.advance(done, message);
        }
    }
    /// Ends the bar.
    fn finish(&mut self) {
        if let Some(inner) = self.inner() {
            inner.finish();
        }
    }
    /// Prints the header of fastai's epoch table, once per fit: `epoch`, `trn_loss`, `val_loss`, metric columns.
    fn table_header(&mut self, columns: &[&str]) {
        if let Some(inner) = self.inner() {
            inner.table_header(columns);
        }
    }
    /// Prints one row of the table: the epoch from 0, and one value per further column.
    fn table_row(&mut self, epoch: u64, values: &[f64]) {
        if let Some(inner) = self.inner() {
            inner.table_row(epoch, values);
        }
    }
}

/// A request to stop the run at the next batch. Cheap to clone; a signal handler can set it.
#[derive(Clone, Debug, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Requests the stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
    /// Whether a stop was requested.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Progress output and stop signal of a long operation.
pub struct Watch<'a> {
    /// Receives the progress.
    pub progress: &'a mut dyn Progress,
    /// Checked after every batch.
    pub stop: &'a StopSignal,
}

/// Discards all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}

/// Whether [`auto`] draws no bars.
static PLAIN: AtomicBool = AtomicBool::new(false);

/// Makes [`auto`] return plain lines even on a terminal, from now on and in all threads.
pub fn plain_lines() {
    PLAIN.store(true, Ordering::Relaxed);
}

/// Whether the environment says that the terminal takes no escape sequences (`TERM=dumb`).
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Returns the progress output that suits stderr: none if `quiet`, bars on a terminal, otherwise plain lines. A terminal
/// without escape sequences, a `NO_COLOR` that is not empty and [`plain_lines`] mean plain lines.
///
/// Progress goes to stderr, so that stdout carries only results.
pub fn auto(quiet: bool) -> Box<dyn Progress> {
    if quiet {
        Box::new(Silent)
    } else if std::io::stderr().is_terminal() && draws() {
        Box::new(Terminal::new())
    } else {
        Box::new(Lines::new(std::io::stderr()))
    }
}

fn draws() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !PLAIN.load(Ordering::Relaxed) && !is_dumb() && !no_color
}
