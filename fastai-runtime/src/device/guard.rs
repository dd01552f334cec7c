//! Failures of drivers, which burn reports as panics, as errors.

use fastai_data::panics;

/// Calls `work`; a panic in it becomes an error with the first line of the panic's text instead of being printed.
///
/// # Errors
/// That line.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panics::caught(work).map_err(|text| {
        let first = text.lines().map(str::trim).find(|line| !line.is_empty());
        first.unwrap_or("a panic without a message").to_string()
    })
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
        assert_eq!(guarded(|| std::panic::panic_any(1u8)), Err::<(), _>("a panic without a message".into()));
    }
}
