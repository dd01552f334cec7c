//! Names what is there instead of a missing file or folder.

use std::path::{Path, PathBuf};

use fastai_dsl::suggest::misspelt;

use super::files;
use crate::DataKey;
use crate::findings::names;

/// Usual names of the folder of held-out images.
pub(crate) const VALID: &[&str] = &["valid", "val", "validation", "dev", "eval"];
/// Usual names of the folder of training images.
const TRAIN: &[&str] = &["train", "training", "trn", "training_set", "train_set"];
/// Usual names of the folder of test images.
pub(crate) const TEST: &[&str] = &["test", "testing", "tst", "test_set"];
/// Suffixes of packed folders.
const PACKED: [&str; 5] = [".zip", ".tar", ".tar.gz", ".tgz", ".7z"];

/// A hint about the missing folder `root/wanted`, which the recipe's key `key` names: what is there instead and the line to
/// type. It begins with `; `.
pub(crate) fn hint(root: &Path, wanted: &str, key: DataKey) -> Option<String> {
    let path = root.join(wanted);
    if path.is_file() {
        return Some("; it is a file, and a folder is expected".to_string());
    }
    let (parent, name) = (path.parent()?, path.file_name()?.to_string_lossy().into_owned());
    let listing = files::list(parent).ok()?;
    let there: Vec<&str> = listing.folders.iter().map(String::as_str).collect();
    let below = wanted.trim_end_matches('/').rsplit_once('/').map_or(String::new(), |(below, _)| format!("{below}/"));
    let synonyms = match key {
        DataKey::Train => TRAIN,
        DataKey::Valid => VALID,
        DataKey::Test => TEST,
        _ => &[],
    };
    if let Some(found) = similar(&name, &there, synonyms) {
        return Some(format!("; {found:?} is there: say `{key}: {:?}`", format!("{below}{found}")));
    }
    for suffix in PACKED {
        let packed = format!("{name}{suffix}");
        if listing.files.contains(&packed) {
            return Some(format!("; {packed:?} is there: unpack it"));
        }
    }
    // An archive often holds a folder of its own name.
    let inner = there.iter().find(|folder| root.join(folder).join(wanted).is_dir())?;
    Some(format!("; {:?} is there: say `root: {:?}`", format!("{inner}/{wanted}"), root.join(inner)))
}

/// The name among `there` that was probably meant: the same in another case, a usual one, alone or as a part of a longer
/// one (`valid_set`), or the most similar one.
fn similar<'a>(name: &str, there: &[&'a str], synonyms: &[&str]) -> Option<&'a str> {
    let same = |wanted: &str| there.iter().copied().find(|folder| folder.eq_ignore_ascii_case(wanted));
    let words =
        |folder: &str| -> Vec<String> { folder.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect() };
    let holds = |synonym: &&str| {
        let is_word =
            |folder: &&str| words(folder).iter().any(|word| word == synonym || *word == format!("{synonym}set"));
        there.iter().copied().find(is_word)
    };
    same(name.trim())
        .or_else(|| synonyms.iter().find_map(|synonym| same(synonym)))
        .or_else(|| synonyms.iter().find_map(holds))
        .or_else(|| misspelt(name, there))
}

/// Suffixes of tables, in the order in which they are proposed.
const TABLES: [&str; 3] = [".csv", ".tsv", ".txt"];
/// Suffixes of workbooks.
const WORKBOOKS: [&str; 3] = [".xlsx", ".xls", ".ods"];

/// A hint about the missing file `root/wanted`: what is there instead, beside it, in a folder below, or above the root.
pub(crate) fn file(root: &Path, wanted: &str) -> Option<String> {
    let path = root.join(wanted);
    let folder = path.parent()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    let below = wanted.rsplit_once('/').map_or(String::new(), |(below, _)| format!("{below}/"));
    let listing = files::list(folder).unwrap_or_default();
    let ends = |file: &&str, suffixes: &[&str]| suffixes.iter().any(|suffix| file.to_lowercase().ends_with(suffix));
    let there: Vec<&str> = listing.files.iter().map(String::as_str).collect();
    let tables: Vec<&str> = there.iter().copied().filter(|file| ends(file, &TABLES)).collect();
    let say = |found: &str| Some(format!("{found:?} is there: say `labels: {found:?}`"));
    if let Some(found) = similar(&name, &tables, &[]) {
        return say(&format!("{below}{found}"));
    }
    let stem = Path::new(&name).file_stem()?.to_string_lossy().to_lowercase();
    let packed =
        there.iter().find(|file| file.to_lowercase().starts_with(&stem) && ends(file, &[".zip", ".gz", ".7z"]));
    if let Some(packed) = packed {
        return Some(format!("{packed:?} is there: unpack it"));
    }
    // In a folder below, or beside the root.
    for folder in &listing.folders {
        if path.with_file_name(folder).join(&name).is_file() {
            return say(&format!("{below}{folder}/{name}"));
        }
    }
    if root.parent()?.join(&name).is_file() {
        return say(&format!("../{name}"));
    }
    match &tables[..] {
        [] => there
            .iter()
            .find(|file| ends(file, &WORKBOOKS))
            .map(|book| format!("{book:?} is there: save the sheet as csv, and name that file as `labels`")),
        [one] => say(&format!("{below}{one}")),
        several => Some(format!("there are {}", names(several, 5))),
    }
}

/// A hint about a missing root: `~`, backslashes, blanks, another case. It begins with `; `, or is empty.
pub(crate) fn root_hint(root: &str) -> String {
    let say = |path: &Path| format!("; {} is there: say `root: {:?}`", path.display(), path);
    if let Some(variable) = root.strip_prefix('$') {
        let (name, rest) = variable.split_once('/').unwrap_or((variable, ""));
        let value = std::env::var_os(name.trim_matches(['{', '}'])).map(|value| PathBuf::from(value).join(rest));
        return match value {
            Some(path) => format!("; variables are not replaced in a recipe: say `root: {path:?}`"),
            None => "; variables are not replaced in a recipe: write the whole path".to_string(),
        };
    }
    if let Some(rest) = root.strip_prefix('~') {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let path = home.map(|home| home.join(rest.trim_start_matches('/')));
        return match path {
            Some(path) => format!("; `~` is not replaced in a recipe: say `root: {path:?}`"),
            None => "; `~` is not replaced in a recipe: write the whole path".to_string(),
        };
    }
    let slashes = root.replace('\\', "/");
    if slashes != root && Path::new(&slashes).is_dir() {
        return format!("; folders are parted by `/` on this system: say `root: {slashes:?}`");
    }
    if Path::new(root.trim()).is_dir() {
        return say(Path::new(root.trim()));
    }
    // A drive of Windows, as a Linux within it sees it.
    let mut letters = slashes.chars();
    if let (Some(drive), Some(':'), Some('/')) = (letters.next(), letters.next(), letters.next()) {
        let mounted = Path::new("/mnt").join(drive.to_lowercase().to_string()).join(letters.as_str());
        if mounted.is_dir() {
            return say(&mounted);
        }
    }
    for suffix in PACKED {
        let packed = PathBuf::from(format!("{}{suffix}", root.trim_end_matches('/')));
        if packed.is_file() {
            return format!("; {} is there: unpack it", packed.display());
        }
    }
    if Path::new(root).is_relative() {
        let here = std::env::current_dir().unwrap_or_default();
        let above = here.ancestors().skip(1).take(3).map(|folder| folder.join(root)).find(|path| path.is_dir());
        if let Some(path) = above {
            return say(&path);
        }
    }
    // The deepest part of the path that exists, and what is beside the next one.
    let path = Path::new(root);
    for part in path.ancestors().skip(1) {
        let folder = if part.as_os_str().is_empty() { Path::new(".") } else { part };
        if !folder.is_dir() {
            continue;
        }
        let Ok(rest) = path.strip_prefix(part) else { return String::new() };
        let Some(next) = rest.components().next() else { return String::new() };
        let Ok(listing) = files::list(folder) else { return String::new() };
        let there: Vec<&str> = listing.folders.iter().map(String::as_str).collect();
        let next = next.as_os_str().to_string_lossy();
        let tail: PathBuf = rest.components().skip(1).collect();
        let whole = |found: &str| part.join(found).components().chain(tail.components()).collect::<PathBuf>();
        let found = similar(&next, &there, &[]).map(whole).filter(|path| path.is_dir());
        return found.map_or(String::new(), |path| say(&path));
    }
    String::new()
}
