//! Failures of drivers, which burn reports as panics, as errors.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether the panics of this thread become errors, so that their text is not printed.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `work`; a panic in it becomes an error with the panic's text instead of being printed.
///
/// # Errors
/// The text of the panic.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let outer = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|payload| text_of(&*payload))
}

/// The first line of a panic's text.
fn text_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given").to_string()
}

/// Silences panics of guarded threads; all others are printed as before.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_first_line() {
        assert_eq!(guarded(|| 3), Ok(3));
        assert_eq!(guarded(|| panic!("no kernel\nfor this")), Err::<(), _>("no kernel".into()));
        let number = 7;
        assert_eq!(guarded(|| panic!("device {number} is lost")), Err::<(), _>("device 7 is lost".into()));
        assert_eq!(guarded(|| std::panic::panic_any(1u8)), Err::<(), _>("no reason given".into()));
        assert!(!GUARDED.get());
    }
}
