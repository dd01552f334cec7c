//! `fastai.toml`: the defaults of a project and of a user.
//!
//! What a command line says comes first, then the environment, then the project's file, then the user's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fastai_dsl::{DeviceWish, Recipe};
use fastai_runtime::defaults::{Defaults, set_defaults};
use fastai_runtime::device::DeviceRequest;
use serde::Deserialize;

use super::failure::Failure;
use super::numbers;

/// The name of the file, in the working directory or a folder above it, or in the user's folder of configurations.
pub const NAME: &str = "fastai.toml";

/// What a file may say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConfigFile {
    /// Where to compute: auto, cuda, wgpu, vulkan, metal or cpu, `cuda:1`, or `remote:ws://box:7600`.
    device: Option<String>,
    /// The folder of activation caches, relative to the file.
    cache: Option<PathBuf>,
    /// What `fastai run` and `sweep` leave of cached activations and scaled copies at most, such as `20G`, or `none`.
    cache_limit: Option<String>,
    /// The folder that is searched first for weights, relative to the file.
    weights: Option<PathBuf>,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Sourced<T> {
    pub value: T,
    /// `$FASTAI_CACHE`, or the path of a file.
    pub source: String,
}

/// Where files of defaults are looked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Search {
    /// Nowhere: `$FASTAI_CONFIG` is empty.
    #[default]
    Nowhere,
    /// Only here: `$FASTAI_CONFIG` names the file.
    Named(PathBuf),
    /// For want of `$FASTAI_CONFIG`, in two places.
    Usual {
        /// The working directory, with which the search for the project's file begins.
        from: PathBuf,
        /// The project's file, if there is one.
        project: Option<PathBuf>,
        /// Where the user's file belongs; `None` without a home folder.
        user: Option<PathBuf>,
    },
}

impl Search {
    /// The places that the environment and the working directory say.
    fn of_this_process() -> Self {
        match std::env::var_os("FASTAI_CONFIG") {
            Some(path) if path.is_empty() => Search::Nowhere,
            Some(path) => Search::Named(path.into()),
            None => {
                let from = std::env::current_dir().unwrap_or_default();
                let project = from.ancestors().map(|folder| folder.join(NAME)).find(|path| path.is_file());
                Search::Usual { from, project, user: user_folder().map(|folder| folder.join(NAME)) }
            }
        }
    }

    /// The files to read, the project's before the user's.
    fn files(&self) -> Vec<PathBuf> {
        match self {
            Search::Nowhere => Vec::new(),
            Search::Named(path) => vec![path.clone()],
            Search::Usual { project, user, .. } => {
                let user = user.iter().filter(|path| path.is_file());
                let mut files: Vec<PathBuf> = project.iter().chain(user).cloned().collect();
                files.dedup();
                files
            }
        }
    }
}

/// The defaults of this process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Where files were looked for.
    pub search: Search,
    pub device: Option<Sourced<DeviceRequest>>,
    pub cache: Option<Sourced<PathBuf>>,
    pub cache_limit: Option<Sourced<u64>>,
    pub weights: Option<Sourced<PathBuf>>,
}

/// Bytes of cached activations and scaled copies that stay unless a file says otherwise: the activations of some ten million
/// images.
const CACHE_LIMIT: u64 = 50_000_000_000;
/// `cache_limit = "none"`.
const UNLIMITED: u64 = u64::MAX;

static CONFIG: OnceLock<Config> = OnceLock::new();

/// The configuration that [`load`] read.
pub fn get() -> &'static Config {
    CONFIG.get_or_init(Config::default)
}

/// What `fastai run` and `sweep` leave in the caches: what a file says, else [`CACHE_LIMIT`]. `None`: everything.
pub fn cache_limit() -> Option<Sourced<u64>> {
    let default = || Sourced { value: CACHE_LIMIT, source: "the default of `cache_limit` in fastai.toml".to_string() };
    let limit = get().cache_limit.clone().unwrap_or_else(default);
    (limit.value < UNLIMITED).then_some(limit)
}

/// Where to compute: what the command line says, else `$FASTAI_DEVICE`, else what a file says, else auto.
pub fn device(flag: Option<&DeviceRequest>) -> DeviceRequest {
    flag.or(get().device.as_ref().map(|device| &device.value)).cloned().unwrap_or(DeviceWish::Auto.into())
}

/// Where to run a recipe: what the command line says, else what the recipe says, else `$FASTAI_DEVICE`, else what a file says;
/// `None` leaves it to the recipe.
pub fn device_of(flag: Option<&DeviceRequest>, recipe: &Recipe) -> Option<DeviceRequest> {
    let default = || get().device.as_ref().map(|device| &device.value);
    flag.or_else(|| if recipe.device() == DeviceWish::Auto { default() } else { None }).cloned()
}

/// Reads the files and the environment, once, before a command runs.
///
/// # Errors
/// A file that cannot be read, or that says something unknown; a variable that names no device.
pub fn load() -> Result<(), Failure> {
    let search = Search::of_this_process();
    let files = search.files();
    let mut config = Config { search, ..Config::default() };
    if let Some(word) = variable("FASTAI_DEVICE") {
        let word = word.to_string_lossy();
        let value = word.parse().map_err(|why| Failure::Invalid(format!("$FASTAI_DEVICE is {word:?}: {why}")))?;
        config.device = Some(Sourced { value, source: "$FASTAI_DEVICE".to_string() });
    }
    for (name, place) in [("FASTAI_CACHE", &mut config.cache), ("FASTAI_WEIGHTS", &mut config.weights)] {
        *place = variable(name).map(|path| Sourced { value: path.into(), source: format!("${name}") });
    }
    for path in files {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::Invalid(format!("cannot read {}: {error}", path.display())))?;
        config.add(&path, &text).map_err(Failure::Invalid)?;
    }
    let value = |sourced: &Option<Sourced<PathBuf>>| sourced.as_ref().map(|sourced| sourced.value.clone());
    set_defaults(Defaults { cache: value(&config.cache), weights: value(&config.weights) });
    let _ = CONFIG.set(config);
    Ok(())
}

/// The value of a variable that is set and not empty.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// `$XDG_CONFIG_HOME/fastai`, else `~/.config/fastai`; on Windows `%APPDATA%\fastai`.
fn user_folder() -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").or_else(|| {
        absolute(if cfg!(windows) { "APPDATA" } else { "HOME" })
            .map(|home| if cfg!(windows) { home } else { home.join(".config") })
    });
    base.map(|base| base.join("fastai"))
}

impl Config {
    /// Adds what the file `path` says where nothing is said yet.
    ///
    /// # Errors
    /// What is wrong, with the file and the line.
    fn add(&mut self, path: &Path, text: &str) -> Result<(), String> {
        let content: ConfigFile =
            toml::from_str(text).map_err(|error| format!("{}: {}", path.display(), error.to_string().trim_end()))?;
        let wrong = |key: &str, value: &str, why: String| format!("{}: {key} is {value:?}: {why}", path.display());
        let source = path.display().to_string();
        let folder = path.parent().unwrap_or(Path::new(""));
        let below = |of: PathBuf| Sourced { value: folder.join(of), source: source.clone() };
        if let Some(word) = &content.device {
            let value = word
                .parse()
                .map_err(|why: fastai_runtime::device::DeviceRequestError| wrong("device", word, why.to_string()))?;
            self.device.get_or_insert(Sourced { value, source: source.clone() });
        }
        if let Some(size) = &content.cache_limit {
            let value = match size.as_str() {
                "none" => UNLIMITED,
                size => numbers::size(size).map_err(|why| wrong("cache_limit", size, why))?,
            };
            self.cache_limit.get_or_insert(Sourced { value, source: source.clone() });
        }
        for (given, place, key) in
            [(content.cache, &mut self.cache, "cache"), (content.weights, &mut self.weights, "weights")]
        {
            match given {
                Some(path) if path.as_os_str().is_empty() => {
                    return Err(wrong(key, "", "a folder is wanted".to_string()));
                }
                Some(path) => {
                    place.get_or_insert(below(path));
                }
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_before_counts_and_folders_are_those_of_the_file() {
        let mut config = Config::default();
        config.add(Path::new("/a/b/fastai.toml"), "device = \"cpu\"\ncache = \"x\"\n").unwrap();
        let user = "device = \"cuda:1\"\ncache = \"/y\"\nweights = \"/w\"\ncache_limit = \"20G\"";
        config.add(Path::new("/home/me/fastai.toml"), user).unwrap();
        assert_eq!(config.device.as_ref().unwrap().value, DeviceWish::Cpu.into());
        let cache = config.cache.as_ref().unwrap();
        assert_eq!((cache.value.as_path(), cache.source.as_str()), (Path::new("/a/b/x"), "/a/b/fastai.toml"));
        assert_eq!(config.weights.as_ref().unwrap().value, Path::new("/w"));
        assert_eq!(config.cache_limit.as_ref().unwrap().value, 20_000_000_000);
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_file() {
        for (text, parts) in [
            ("devise = \"cpu\"", &["devise", "device", "line 1"][..]),
            ("\n\ndevice = 3", &["line 3", "string"]),
            ("device = \"gpu\"", &["device is \"gpu\"", "one of auto"]),
            ("cache_limit = \"lots\"", &["cache_limit is \"lots\"", "20G"]),
            ("cache = \"\"", &["cache is \"\""]),
            ("[device]", &["line 1"]),
            ("device = ", &["line 1"]),
        ] {
            let error = Config::default().add(Path::new("/a/fastai.toml"), text).unwrap_err();
            assert!(error.starts_with("/a/fastai.toml: "), "{error}");
            for part in parts {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
    }
}
