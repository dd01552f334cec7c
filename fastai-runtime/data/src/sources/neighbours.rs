//! Names what is there instead of a missing file or folder.

use std::path::{Path, PathBuf};

use super::folders;
use crate::findings::{names, nearest};

/// Usual names of the folder of held-out images.
pub(crate) const VALID: &[&str] = &["valid", "val", "validation", "dev", "eval"];
/// Usual names of the folder of training images.
pub(crate) const TRAIN: &[&str] = &["train", "training", "trn", "training_set", "train_set"];
/// Usual names of the folder of test images.
pub(crate) const TEST: &[&str] = &["test", "testing", "tst", "test_set"];
/// Suffixes of packed folders.
const PACKED: [&str; 5] = [".zip", ".tar", ".tar.gz", ".tgz", ".7z"];

/// A hint about the missing folder `root/wanted`, which the recipe's key `key` names: what is there instead and the line to
/// type. It begins with `; `, or is empty.
pub(crate) fn hint(root: &Path, wanted: &str, key: &str, synonyms: &[&str]) -> String {
    let path = root.join(wanted);
    if path.is_file() {
        return "; it is a file, and a folder is expected".to_string();
    }
    let (parent, name) = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => (parent.to_path_buf(), name.to_string_lossy().into_owned()),
        _ => return String::new(),
    };
    let Ok(listing) = folders::list(&parent) else { return String::new() };
    let there: Vec<&str> = listing.folders.iter().map(String::as_str).collect();
    let below = wanted.trim_end_matches('/').rsplit_once('/').map_or(String::new(), |(below, _)| format!("{below}/"));
    if let Some(found) = similar(&name, &there, synonyms) {
        return format!("; {found:?} is there: say `{key}: {:?}`", format!("{below}{found}"));
    }
    for suffix in PACKED {
        let packed = format!("{name}{suffix}");
        if listing.files.contains(&packed) {
            return format!("; {packed:?} is there: unpack it");
        }
    }
    // An archive often holds a folder of its own name.
    let inner = there.iter().find(|folder| root.join(folder).join(wanted).is_dir());
    if let Some(inner) = inner {
        return format!("; {:?} is there: say `root: {:?}`", format!("{inner}/{wanted}"), root.join(inner));
    }
    String::new()
}

/// The name among `there` that was probably meant: the same in another case, a usual one, or the most similar one.
fn similar<'a>(name: &str, there: &[&'a str], synonyms: &[&str]) -> Option<&'a str> {
    let same = |wanted: &str| there.iter().copied().find(|folder| folder.eq_ignore_ascii_case(wanted));
    same(name.trim()).or_else(|| synonyms.iter().find_map(|synonym| same(synonym))).or_else(|| nearest(name, there))
}

/// A hint about the missing file `root/wanted`.
pub(crate) fn file(root: &Path, wanted: &str) -> Option<String> {
    let path = root.join(wanted);
    let listing = folders::list(path.parent()?).ok()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    let suffix = Path::new(&name).extension()?.to_string_lossy().into_owned();
    let there: Vec<&str> = listing.files.iter().map(String::as_str).collect();
    let tables: Vec<&str> = there
        .iter()
        .copied()
        .filter(|file| file.to_lowercase().contains(&format!(".{}", suffix.to_lowercase())))
        .collect();
    if let Some(found) = similar(&name, &there, &[]) {
        return Some(format!("{found:?} is there: say `labels: {found:?}`"));
    }
    match &tables[..] {
        [] => None,
        [one] => Some(format!("{one:?} is there: say `labels: {one:?}`")),
        several => Some(format!("there are {}", names(several, 5))),
    }
}

/// A hint about a missing root: `~`, backslashes, blanks, another case. It begins with `; `, or is empty.
pub(crate) fn root_hint(root: &str) -> String {
    let say = |path: &Path| format!("; {} is there: say `root: {:?}`", path.display(), path);
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
    // The deepest part of the path that exists, and what is beside the next one.
    let path = Path::new(root);
    for part in path.ancestors().skip(1) {
        let folder = if part.as_os_str().is_empty() { Path::new(".") } else { part };
        if !folder.is_dir() {
            continue;
        }
        let Ok(rest) = path.strip_prefix(part) else { return String::new() };
        let Some(next) = rest.components().next() else { return String::new() };
        let Ok(listing) = folders::list(folder) else { return String::new() };
        let there: Vec<&str> = listing.folders.iter().map(String::as_str).collect();
        let next = next.as_os_str().to_string_lossy();
        let tail: PathBuf = rest.components().skip(1).collect();
        let whole = |found: &str| part.join(found).components().chain(tail.components()).collect::<PathBuf>();
        let found = similar(&next, &there, &[]).map(whole).filter(|path| path.is_dir());
        return found.map_or(String::new(), |path| say(&path));
    }
    String::new()
}
