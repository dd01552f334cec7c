//! The standard streams, for all commands at once.
//!
//! `std`'s `print!` panics when its reader has gone away, as in `fastai plan FILE | head -1`. The macros of the same
//! names here take their place in every command: a reader that went away is no failure, a full disk is one.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Writes to the standard output; what cannot be written for another reason than that nobody reads ends the program.
pub fn print(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(format_args!("error: cannot write the standard output: {error}\n"));
            std::process::exit(i32::from(super::FAILED));
        }
        _ => {}
    }
}

/// Writes to the standard error; where that cannot be written there is nobody to tell.
pub fn complain(text: Arguments<'_>) {
    let _ = std::io::stderr().lock().write_fmt(text);
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
