//! Folders that a program may choose for the whole process, below what the environment says.

use std::path::PathBuf;
use std::sync::OnceLock;

/// The folders that count where the environment says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Activation caches, instead of `.fastai/activations`; `$FASTAI_CACHE` comes before it.
    pub cache: Option<PathBuf>,
    /// The folder that is searched first for weights; `$FASTAI_WEIGHTS` comes before it.
    pub weights: Option<PathBuf>,
}

static DEFAULTS: OnceLock<Defaults> = OnceLock::new();

/// Sets the defaults of this process. Only the first call counts, so that a run never changes its folders.
///
/// Returns whether this was the first.
pub fn set_defaults(defaults: Defaults) -> bool {
    DEFAULTS.set(defaults).is_ok()
}

/// The folder in the variable `name`, otherwise the one that `of` takes from the defaults.
pub(crate) fn folder(name: &str, of: fn(&Defaults) -> &Option<PathBuf>) -> Option<PathBuf> {
    let stated = std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    stated.or_else(|| DEFAULTS.get().and_then(|defaults| of(defaults).clone()))
}
