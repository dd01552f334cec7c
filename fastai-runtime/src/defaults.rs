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

/// The folder for what all projects of a user share: `$XDG_CACHE_HOME/fastai`, otherwise `~/.cache/fastai`, on Windows
/// `%LOCALAPPDATA%\fastai`; `None` without a home folder.
pub(crate) fn user_cache() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
    // The specification of these folders ignores relative ones.
    let stated = of("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let local = || if cfg!(windows) { of("LOCALAPPDATA") } else { None };
    let home = || of("HOME").or_else(|| of("USERPROFILE")).map(|home| home.join(".cache"));
    stated.or_else(local).or_else(home).map(|base| base.join("fastai"))
}

/// The folder in the variable `name`, otherwise the one that `of` takes from the defaults.
pub(crate) fn folder(name: &str, of: fn(&Defaults) -> &Option<PathBuf>) -> Option<PathBuf> {
    let stated = std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    stated.or_else(|| DEFAULTS.get().and_then(|defaults| of(defaults).clone()))
}
