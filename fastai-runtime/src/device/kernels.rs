//! Where the kernels of GPUs are kept.

use std::path::PathBuf;

use crate::defaults;

/// The folder of the kernels that were compiled for this machine's GPUs and of the measurements that chose among them, for
/// all projects; `None` without a home folder, or without the feature `tuned`, which keeps them. A `cubecl.toml` beside the
/// program may name another.
pub fn kernels_folder() -> Option<PathBuf> {
    defaults::user_cache().filter(|_| cfg!(feature = "tuned")).map(|folder| folder.join("kernels"))
}

/// Keeps kernels in [`kernels_folder`] instead of `target/environment` below the working directory. Call this before the
/// first use of a GPU; only the first call of a process counts.
#[cfg(feature = "gpu")]
pub(super) fn keep() {
    use burn::cubecl::config::cache::CacheConfig;
    use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    if let (CacheConfig::Target, Some(folder)) = (&config.environment.path, kernels_folder()) {
        config.environment.path = CacheConfig::Directory(folder);
    }
    CubeClRuntimeConfig::try_set(config);
}
