//! Progress on a terminal: one bar at the bottom, what lasts above it.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Progress, table};

const BAR: &str = "  {prefix} {bar:32} {pos}/{len} {percent}%  {eta_precise} left  {msg}";

/// A bar with the remaining time and the loss; notes, stages and the epoch table stay above it.
#[derive(Debug)]
pub struct Terminal {
    bar: ProgressBar,
    target: fn() -> ProgressDrawTarget,
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Terminal {
    /// Draws on stderr, so that stdout stays free for results.
    pub fn new() -> Self {
        Terminal { bar: ProgressBar::hidden(), target: ProgressDrawTarget::stderr }
    }

    /// Prints above the bar, if one runs.
    fn line(&self, line: &str) {
        if self.bar.is_hidden() || self.bar.is_finished() {
            // A terminal that went away must not stop the run.
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{line}\n"));
        } else {
            self.bar.println(line);
        }
    }
}

impl Progress for Terminal {
    fn note(&mut self, line: &str) {
        self.line(line);
    }

    fn warn(&mut self, line: &str) {
        self.line(&format!("warning: {line}"));
    }

    fn stage(&mut self, index: usize, count: usize, title: &str) {
        self.finish();
        self.line(&format!("[{}/{count}] {title}", index + 1));
    }

    fn begin(&mut self, what: &str, total: u64) {
        self.finish();
        // The template is a constant, and a test holds it to be valid.
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar = ProgressBar::with_draw_target(Some(total), (self.target)())
            .with_style(style.progress_chars("━━─"))
            .with_prefix(what.to_string());
        // The clock runs on while one batch takes long.
        self.bar.enable_steady_tick(Duration::from_millis(500));
    }

    fn advance(&mut self, done: u64, message: &str) {
        if self.bar.message() != message {
            self.bar.set_message(message.to_string());
        }
        self.bar.set_position(done);
    }

    fn finish(&mut self) {
        self.bar.finish_and_clear();
    }

    fn table_header(&mut self, columns: &[&str]) {
        self.line(&table::header(columns));
    }

    fn table_row(&mut self, epoch: u64, values: &[f64]) {
        self.line(&table::row(epoch, values));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_follow_the_events() {
        assert!(ProgressStyle::with_template(BAR).is_ok(), "the template is valid");
        let mut terminal = Terminal { bar: ProgressBar::hidden(), target: ProgressDrawTarget::hidden };
        terminal.advance(1, "before any bar");
        terminal.begin("batches", 10);
        terminal.advance(4, "loss 0.5");
        assert_eq!((terminal.bar.position(), terminal.bar.length()), (4, Some(10)));
        assert_eq!((terminal.bar.prefix().as_str(), terminal.bar.message().as_str()), ("batches", "loss 0.5"));
        let first = terminal.bar.clone();
        terminal.begin("images", 3);
        assert!(first.is_finished(), "a bar that runs is replaced");
        assert_eq!((terminal.bar.position(), terminal.bar.length()), (0, Some(3)));
        terminal.finish();
        assert!(terminal.bar.is_finished());
    }
}
