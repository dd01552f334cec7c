//! Progress as plain lines, for pipes and log files.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{Progress, table};
use crate::names::visible;

/// Seconds between two lines of a bar.
const EVERY: Duration = Duration::from_secs(10);

/// Prints one line per stage, note and table row. A long-running bar prints its progress and the remaining time every 10
/// seconds.
///
/// A closed pipe does not stop the run: output that cannot be written is dropped.
#[derive(Debug)]
pub struct Lines<W> {
    out: W,
    clock: fn() -> Instant,
    bar: Option<Bar>,
}

#[derive(Debug)]
struct Bar {
    what: String,
    total: u64,
    began: Instant,
    said: Instant,
}

impl<W: Write + Send> Lines<W> {
    /// Writes into `out`, line by line.
    pub fn new(out: W) -> Self {
        Self::with_clock(out, Instant::now)
    }

    /// Uses the given clock.
    fn with_clock(out: W, clock: fn() -> Instant) -> Self {
        Lines { out, clock, bar: None }
    }

    /// The stream.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn line(&mut self, line: &str) {
        // A closed pipe must not cost hours of training.
        let _ = writeln!(self.out, "{}", visible(line)).and_then(|()| self.out.flush());
    }
}

impl<W: Write + Send> Progress for Lines<W> {
    fn note(&mut self, line: &str) {
        self.line(line);
    }

    fn warn(&mut self, line: &str) {
        self.line(&format!("warning: {line}"));
    }

    fn stage(&mut self, index: usize, count: usize, title: &str) {
        self.bar = None;
        self.line(&format!("[{}/{count}] {title}", index + 1));
    }

    fn begin(&mut self, what: &str, total: u64) {
        let now = (self.clock)();
        self.bar = Some(Bar { what: what.to_string(), total, began: now, said: now });
    }

    fn advance(&mut self, done: u64, message: &str) {
        let now = (self.clock)();
        let Some(bar) = &mut self.bar else { return };
        if now.duration_since(bar.said) < EVERY {
            return;
        }
        bar.said = now;
        let line = bar.line(done, message, now);
        self.line(&line);
    }

    fn finish(&mut self) {
        self.bar = None;
    }

    fn table_header(&mut self, columns: &[&str]) {
        self.line(&table::header(columns));
    }

    fn table_row(&mut self, epoch: u64, values: &[f64]) {
        self.line(&table::row(epoch, values));
    }
}

impl Bar {
    fn line(&self, done: u64, message: &str, now: Instant) -> String {
        if self.total == 0 {
            return format!("  {done} {}", self.what);
        }
        let done = done.min(self.total);
        let percent = (u128::from(done) * 100) / u128::from(self.total);
        let mut line = format!("  {done}/{} {} ({percent} %)", self.total, self.what);
        if done > 0 {
            let elapsed = now.duration_since(self.began).as_secs_f64();
            let left = elapsed * (self.total - done) as f64 / done as f64;
            line.push_str(&format!(", {} left", remaining(left)));
        }
        if !message.is_empty() {
            line.push_str(", ");
            line.push_str(message);
        }
        line
    }
}

/// `45s`, `3m05s`, `2h07m`.
pub(super) fn remaining(seconds: f64) -> String {
    // Values beyond u64 saturate.
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{}h{:02}m", s / 3600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::OnceLock;

    use super::*;

    thread_local! {
        static SECONDS: Cell<u64> = const { Cell::new(0) };
    }

    fn clock() -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        *START.get_or_init(Instant::now) + Duration::from_secs(SECONDS.get())
    }

    #[test]
    fn a_run_reads_as_a_log() {
        let mut lines = Lines::with_clock(Vec::new(), clock);
        lines.note("device: CPU, 2 threads (no CUDA driver, no wgpu adapter)");
        lines.stage(0, 2, "precompute(on)");
        lines.begin("images", 300);
        for done in 1..=30 {
            SECONDS.set(SECONDS.get() + 1);
            lines.advance(done * 10, "");
        }
        lines.finish();
        lines.advance(300, "late");
        lines.stage(1, 2, "fit 1e-2 x 2 (head only)");
        lines.table_header(&["epoch", "trn_loss", "val_loss", "accuracy"]);
        for epoch in 0..2 {
            lines.begin("batches", 4);
            for done in 1..=4 {
                SECONDS.set(SECONDS.get() + 60);
                lines.advance(done, "loss 0.4213");
            }
            lines.finish();
            lines.table_row(epoch, &[0.1307871, 0.1213229, 0.99]);
        }
        lines.warn("the validation loss rose");
        let text = String::from_utf8(lines.into_inner()).unwrap();
        let want = "\
device: CPU, 2 threads (no CUDA driver, no wgpu adapter)
[1/2] precompute(on)
  100/300 images (33 %), 20s left
  200/300 images (66 %), 10s left
  300/300 images (100 %), 0s left
[2/2] fit 1e-2 x 2 (head only)
epoch      trn_loss   val_loss   accuracy
  1/4 batches (25 %), 3m00s left, loss 0.4213
  2/4 batches (50 %), 2m00s left, loss 0.4213
  3/4 batches (75 %), 1m00s left, loss 0.4213
  4/4 batches (100 %), 0s left, loss 0.4213
    0      0.130787   0.121323   0.990000
  1/4 batches (25 %), 3m00s left, loss 0.4213
  2/4 batches (50 %), 2m00s left, loss 0.4213
  3/4 batches (75 %), 1m00s left, loss 0.4213
  4/4 batches (100 %), 0s left, loss 0.4213
    1      0.130787   0.121323   0.990000
warning: the validation loss rose
";
        assert_eq!(text, want);
    }

    #[test]
    fn odd_bars_neither_panic_nor_divide_by_nothing() {
        let mut lines = Lines::with_clock(Vec::new(), clock);
        for (done, total) in [(0, 0), (5, 0), (0, 5), (9, 5), (u64::MAX, u64::MAX)] {
            lines.begin("units", total);
            SECONDS.set(SECONDS.get() + 4000);
            lines.advance(done, "");
        }
        let text = String::from_utf8(lines.into_inner()).unwrap();
        let shares: Vec<&str> = text.lines().map(|l| l.split_once(" units").unwrap().1).collect();
        // A total of 0 is not known.
        assert_eq!(shares, ["", "", " (0 %)", " (100 %), 0s left", " (100 %), 0s left"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_or_closed_stream_does_not_stop_the_run() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut lines = Lines::new(full);
        lines.note("lost");
        lines.table_row(0, &[1.0]);
    }

    #[test]
    fn remaining_time_is_short() {
        assert_eq!([0.4, 45.0, 185.0, 7620.0].map(remaining), ["0s", "45s", "3m05s", "2h07m"]);
        assert_eq!(remaining(f64::INFINITY), remaining(u64::MAX as f64));
    }
}
