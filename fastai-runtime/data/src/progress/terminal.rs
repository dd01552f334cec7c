//! Progress on a terminal: one bar at the bottom, permanent lines above it.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::lines::remaining;
use super::{Progress, table};
use crate::names::visible;

/// For an unknown number of units.
const COUNT: &str = "  {prefix} {pos}  {msg}";
const BAR: &str = "  {prefix} {bar:32} {pos}/{len} {percent}%{left}  {msg}";

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

    /// Prints a line above the current bar.
    fn line(&self, line: &str) {
        let line = &*visible(line);
        if self.bar.is_hidden() || self.bar.is_finished() {
            // A closed terminal must not stop the run.
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{line}\n"));
        } else {
            self.bar.println(line);
        }
    }
}

/// Writes the remaining time, once it can be estimated.
fn left(state: &ProgressState, out: &mut dyn Write) {
    if state.pos() > 0 {
        let _ = write!(out, "  {} left", remaining(state.eta().as_secs_f64()));
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
        // The templates are constants, and a test checks them.
        let style = ProgressStyle::with_template(if total > 0 { BAR } else { COUNT })
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar = ProgressBar::with_draw_target((total > 0).then_some(total), (self.target)())
            .with_style(style.with_key("left", left).progress_chars("━━─"))
            .with_prefix(what.to_string());
        // The clock advances during long batches.
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
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written to a terminal.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl indicatif::TermLike for Screen {
        fn width(&self) -> u16 {
            120
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_left_to_say_of_a_bar_that_has_not_advanced() {
        let screen = Screen::default();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let style = ProgressStyle::with_template(BAR).unwrap().with_key("left", left);
        let bar = ProgressBar::with_draw_target(Some(10), target).with_style(style).with_prefix("images");
        bar.tick();
        let shown = std::mem::take(&mut *screen.0.lock().unwrap());
        assert!(shown.contains("0/10 0%") && !shown.contains("left"), "{shown}");
        std::thread::sleep(Duration::from_millis(100));
        bar.set_position(5);
        bar.tick();
        let shown = screen.0.lock().unwrap();
        assert!(shown.contains("5/10 50%  0s left"), "{shown}");
    }

    #[test]
    fn bars_follow_the_events() {
        assert!(
            [BAR, COUNT].iter().all(|template| ProgressStyle::with_template(template).is_ok()),
            "templates are valid"
        );
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
