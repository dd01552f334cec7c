//! Failures of drivers, which burn reports as panics, as errors.

use burn::tensor::Device;
use fastai_data::panics;

use super::{DeviceError, is_cpu};

/// Lines of a cause that are reported: the second one names the file where a compiler says first that it failed.
const LINES: usize = 2;

/// Calls `work`; a panic in it becomes an error with its [cause](cause_in) instead of being printed.
///
/// # Errors
/// That cause.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panics::caught(work).map_err(|text| cause_in(&text))
}

/// Calls `work`, which computes on `device`. A failure of a driver becomes an error with the device's `name`; a panic on the CPU is
/// a mistake of the program and goes on.
///
/// # Errors
/// [`DeviceError::Failed`]
pub(crate) fn guarded_on<T>(device: &Device, name: &str, work: impl FnOnce() -> T) -> Result<T, DeviceError> {
    if is_cpu(device) {
        return Ok(work());
    }
    guarded(work).map_err(|reason| DeviceError::Failed { name: name.to_string(), reason })
}

/// The innermost cause that burn lists in a failure's text, without backtraces; the first line of a text that lists none.
///
/// Devices compute later than they are told to, so the text begins with the result that was read, and what went wrong with an
/// earlier one stands at its end.
pub(crate) fn cause_in(text: &str) -> String {
    let (innermost, most) = match text.rsplit_once("Caused by:") {
        Some((_, innermost)) => (innermost, LINES),
        None => (text, 1),
    };
    let said = innermost.lines().map(str::trim).take_while(|line| *line != "No backtrace available");
    let lines: Vec<&str> = said.filter(|line| !line.is_empty()).take(most).collect();
    if lines.is_empty() { "a panic without a message".to_string() } else { lines.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::is_memory;

    #[test]
    fn a_panic_becomes_its_first_line() {
        assert_eq!(guarded(|| 3), Ok(3));
        assert_eq!(guarded(|| panic!("no kernel\nfor this")), Err::<(), _>("no kernel".into()));
        let number = 7;
        assert_eq!(guarded(|| panic!("device {number} is lost")), Err::<(), _>("device 7 is lost".into()));
        assert_eq!(guarded(|| std::panic::panic_any(1u8)), Err::<(), _>("a panic without a message".into()));
    }

    /// Texts of burn 0.22.1 on CUDA.
    #[test]
    fn of_causes_the_innermost_is_told() {
        let memory = "Error while reading data: use `try_into_scalar` instead to catch the error at runtime: \
                      Execution(An error happened during execution\nCaused by:\n  Several failures at once\nCaused by:\n  \
                      The bytes were never written (failure #161, still claiming 1 buffer(s))\n  skipped \
                      `KernelScalarBinop`: it needed memory ManagedMemoryId { value: 462 }, which carried the failure\n\
                      Caused by:\n  An IO error happened\nCaused by:\n  out of device memory allocating 8388608 bytes\nNo \
                      backtrace available\nAsked at:\nNo backtrace available)";
        assert_eq!(cause_in(memory), "out of device memory allocating 8388608 bytes");
        assert!(is_memory(&cause_in(memory)));
        let lost = "Error while reading data\nCaused by:\n  couldn't find resource for that handle: Memory location was never \
                    initialized\nNo backtrace available";
        assert!(is_memory(&cause_in(lost)));
        let compiler = "Error while reading data\nCaused by:\n  A launch error happened\nCaused by:\n  An error caused the \
                        compilation to fail\nCaused by:\n  [Compilation Error] \n    include/mma.h(55): catastrophic \
                        error: cannot open source file \"crt/mma.h\"\n      #include \"crt/mma.h\"\n[Source]\n..";
        let told = "[Compilation Error] include/mma.h(55): catastrophic error: cannot open source file \"crt/mma.h\"";
        assert_eq!(cause_in(compiler), told);
        assert!(!is_memory(told));
    }

    #[test]
    #[should_panic(expected = "a mistake of the program")]
    fn panics_on_the_cpu_go_on() {
        let _ = guarded_on(&Device::flex(), "CPU", || panic!("a mistake of the program"));
    }
}
