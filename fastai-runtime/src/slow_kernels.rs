//! The warning of a program whose kernels are not built for speed.

use std::sync::atomic::{AtomicBool, Ordering};

/// What such a program reads.
const WARNING: &str = "the kernels of this program are not optimised, so training and predictions take many times as long: build \
                       with `--release`, or write `[profile.dev.package.\"*\"]` with `opt-level = 3` and \
                       `[profile.dev.package.fastai-kernels]` with `debug-assertions = false` into Cargo.toml, as `fastai new` \
                       does";

/// Whether this process has warned, or a run has told its progress, which may be silent.
static SAID: AtomicBool = AtomicBool::new(false);

/// Returns the warning if it is due: in a program with slow kernels, once in a process, whatever it does first.
pub(crate) fn first_warning() -> Option<&'static str> {
    due(fastai_kernels::OPTIMISED, &SAID)
}

/// Says the warning on standard error if it is due; for work that reports no progress.
pub(crate) fn warn() {
    if let Some(warning) = first_warning() {
        eprintln!("warning: {warning}");
    }
}

fn due(optimised: bool, said: &AtomicBool) -> Option<&'static str> {
    (!optimised && !said.swap(true, Ordering::Relaxed)).then_some(WARNING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slow_kernels_are_warned_of_and_only_once() {
        let said = AtomicBool::new(false);
        assert_eq!(due(true, &said), None);
        let warning = due(false, &said).unwrap();
        for part in ["not optimised", "predictions", "`--release`", "[profile.dev.package.fastai-kernels]"] {
            assert!(warning.contains(part), "{part}: {warning}");
        }
        assert_eq!(due(false, &said), None);
    }
}
