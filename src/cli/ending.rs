//! The end of the program.

use std::io::Write;

/// Ends the program with an exit code, and leaves out what libraries do when a process ends: those of graphics cards have threads
/// that are still leaving by then, and freeing what these use aborts the program after a complete run.
pub fn end(code: i32) -> ! {
    // What std does itself otherwise; there is nobody to tell of an error.
    let _ = std::io::stdout().flush();
    end_at_once(code);
}

/// Like [`end`], without waiting for standard output, which another thread may be writing.
pub fn end_at_once(code: i32) -> ! {
    #[cfg(unix)]
    signal_hook::low_level::exit(code);
    #[cfg(not(unix))]
    std::process::exit(code);
}
