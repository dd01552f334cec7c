//! The standard streams, for all commands at once.
//!
//! `std`'s `print!` panics if the reader closes the pipe, as in `fastai plan FILE | head -1`. These macros of the same name
//! replace it in every command: a closed pipe is no failure, a full disk is one. Characters of names that a terminal would
//! obey are escaped.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

use fastai_runtime::names::{visible, visible_styled};

use super::ending::end;
use super::failure::Failure;

/// Writes to standard output. Any error other than a closed pipe ends the program.
pub fn print(text: Arguments<'_>) {
    print_as_is(&visible(&text.to_string()));
}

/// Like [`print`], for text that must come out as it is, like a file.
pub fn print_as_is(text: &str) {
    let mut out = std::io::stdout().lock();
    must_arrive(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Ends the program if standard output could not be written, unless its reader closed the pipe.
pub fn must_arrive(written: std::io::Result<()>) {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let failure = Failure::Failed(format!("cannot write the standard output: {error}"));
            end(failure.report() as i32);
        }
        _ => {}
    }
}

/// Writes to standard error and ignores write errors.
pub fn complain(text: Arguments<'_>) {
    let _ = std::io::stderr().lock().write_all(visible(&text.to_string()).as_bytes());
}

/// Like [`complain`], for text that the program coloured.
pub fn complain_styled(text: &str) {
    let _ = std::io::stderr().lock().write_all(visible_styled(text).as_bytes());
}

macro_rules! print {
    ($($text:tt)*) => { $crate::cli::output::print(format_args!($($text)*)) };
}

macro_rules! println {
    ($($text:tt)*) => { $crate::cli::output::print(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::cli::output::complain(format_args!("{}\n", format_args!($($text)*))) };
}
