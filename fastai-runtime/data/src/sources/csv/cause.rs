//! What is there instead of the image that a row of a csv file names, and what to do about it.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use fastai_dsl::prepared::is_invisible;

use super::columns::CsvColumns;
use super::{CsvSource, is_inside};
use crate::sources::files;

/// Names of a folder that are looked through.
const LISTED: usize = 200_000;
/// Folders that are listed.
const FOLDERS: usize = 200;

/// What is there, and what to do about it; rows with the same cure are one finding.
pub(super) struct Cause {
    pub(super) there: String,
    /// None if only the suffix differs.
    pub(super) cure: Option<Cure>,
    /// The suffix that the file has beside the name, once that is as the cure says; none if it is not known.
    pub(super) suffix: Option<String>,
}

/// What to do about names of images that are not there.
#[derive(Clone, PartialEq)]
pub(super) enum Cure {
    /// The names are whole, and the recipe adds a suffix.
    Whole,
    /// The names lead out of the folder of images, to nothing that is known.
    Outside,
    /// Anything else.
    Other(String),
}

impl fmt::Display for Cure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cure::Whole => "the names hold their suffix already",
            Cure::Outside => "write the names as they are below the folder of images",
            Cure::Other(text) => text,
        })
    }
}

impl From<&str> for Cure {
    fn from(text: &str) -> Self {
        Cure::Other(text.to_string())
    }
}

impl From<String> for Cure {
    fn from(text: String) -> Self {
        Cure::Other(text)
    }
}

impl Cause {
    /// `file` is there, which is `name` and a suffix.
    pub(super) fn named(name: &str, file: &str, cure: impl Into<Cure>) -> Self {
        let suffix = file[name.len()..].to_string();
        Cause { there: format!("{file:?} is there"), cure: Some(cure.into()), suffix: Some(suffix) }
    }

    /// The same, with another text about what is there.
    pub(super) fn telling(self, there: String) -> Self {
        Cause { there, ..self }
    }

    pub(super) fn new(there: impl Into<String>, cure: impl Into<Cure>) -> Self {
        Cause { there: there.into(), cure: Some(cure.into()), suffix: None }
    }
}

/// The search for what is there instead.
pub(super) struct CauseSearch<'a> {
    pub(super) source: &'a CsvSource<'a>,
    root: &'a Path,
    pub(super) columns: &'a CsvColumns,
    /// Whether any row has its image.
    pub(super) some_found: bool,
    /// The first rows.
    pub(super) samples: &'a [::csv::StringRecord],
    /// Another column that names images, as far as it was searched for.
    pub(super) column: OnceCell<Option<usize>>,
    /// The files of the folders that were looked into, by several forms of their names.
    listings: RefCell<HashMap<PathBuf, HashMap<String, Vec<String>>>>,
}

impl<'a> CauseSearch<'a> {
    pub(super) fn new(
        source: &'a CsvSource<'a>,
        root: &'a Path,
        columns: &'a CsvColumns,
        some_found: bool,
        samples: &'a [::csv::StringRecord],
    ) -> Self {
        let (column, listings) = (OnceCell::new(), RefCell::default());
        CauseSearch { source, root, columns, some_found, samples, column, listings }
    }

    /// The folder of images.
    pub(super) fn images(&self) -> PathBuf {
        self.root.join(self.source.images)
    }

    /// The name of the image with this name below `folder`, with one of the suffixes or without.
    pub(super) fn exists(&self, folder: &Path, name: &str) -> Option<String> {
        if name.is_empty() || !is_inside(Path::new(name)) {
            return None;
        }
        let suffixes = self.source.suffixes.iter().map(String::as_str).chain([""]);
        suffixes.map(|suffix| format!("{name}{suffix}")).find(|file| folder.join(file).is_file())
    }

    /// Why the row with this id, in this line, has no image; `None` if that is not known.
    pub(super) fn cause(&self, id: &str, line: u32) -> Option<Cause> {
        let images = self.images();
        if !self.source.header && line == 1 && self.samples.len() > 1 {
            let rest = self.samples[1..].iter().filter_map(|record| record.get(self.columns.id));
            if rest.clone().count() > 0 && rest.into_iter().all(|id| self.exists(&images, id).is_some()) {
                return Some(Cause::new(
                    "the rows after it have theirs",
                    "the first row looks like a header: say `header: on`",
                ));
            }
        }
        if self.source.suffixes.iter().any(|suffix| !suffix.is_empty())
            && is_inside(Path::new(id))
            && images.join(id).is_file()
        {
            return Some(Cause::named(id, id, Cure::Whole));
        }
        let trimmed = id.trim();
        if trimmed != id
            && let Some(file) = self.exists(&images, trimmed)
        {
            return Some(Cause::named(trimmed, &file, "there are blanks around the names: take them out of the file"));
        }
        for quote in ['\'', '"', '`', '’', '“', '”'] {
            let plain = trimmed.trim_matches(quote);
            if plain != trimmed
                && let Some(file) = self.exists(&images, plain)
            {
                let cure = format!("the names stand in {quote} quotes: take them out of the file");
                return Some(Cause::named(plain, &file, cure));
            }
        }
        if let Some(cause) = self.rewritten(trimmed) {
            return Some(cause);
        }
        let slashes = trimmed.replace('\\', "/");
        if slashes != trimmed
            && let Some(file) = self.exists(&images, &slashes)
        {
            return Some(Cause::named(&slashes, &file, "write `/` instead of `\\` in the names"));
        }
        if let Some(cause) = self.below(&slashes) {
            return Some(cause);
        }
        if let Some((whole, zeros)) = trimmed.split_once('.')
            && !whole.is_empty()
            && whole.bytes().all(|b| b.is_ascii_digit())
            && !zeros.is_empty()
            && zeros.bytes().all(|b| b == b'0')
            && let Some(file) = self.exists(&images, whole)
        {
            let cure = "the names were saved as numbers with a fraction: write `0`, not `0.0` (pandas: `astype(int)`)";
            return Some(Cause::named(whole, &file, cure));
        }
        if let Some(cause) = self.another_column(id, &images) {
            return Some(cause);
        }
        self.listed(id, &images)
    }

    /// The end of a path, below the folder of images or below the root.
    fn below(&self, path: &str) -> Option<Cause> {
        let images = self.images();
        let own = self.source.images.trim_end_matches('/');
        // Another folder of images would lose the rows that are found.
        if !self.some_found
            && let Some(inner) = path.trim_start_matches("./").strip_prefix(own).and_then(|rest| rest.strip_prefix('/'))
            && let Some(file) = self.exists(&images, inner)
        {
            let cure = format!("the names begin with {own:?} already: say `images: \".\"`");
            return Some(Cause::named(inner, &file, cure));
        }
        let mut rest = path;
        while let Some((_, end)) = rest.split_once('/') {
            rest = end;
            if let Some(file) = self.exists(&images, rest) {
                let start = &path[..path.len() - rest.len()];
                let cure = format!("take the start, {start:?}, out of the names");
                return Some(Cause::named(rest, &file, cure));
            }
        }
        None
    }

    /// The name after it was decoded, freed of what does not belong to it, or cut where another delimiter stands.
    fn rewritten(&self, id: &str) -> Option<Cause> {
        let images = self.images();
        let visible = || id.replace(is_invisible, "");
        let grouped = || match id.bytes().all(|byte| byte.is_ascii_digit() || byte == b',') {
            true => id.replace(',', ""),
            false => id.to_string(),
        };
        let candidates: [(&dyn Fn() -> String, &str); 3] = [
            (&visible, "there are invisible characters in the names: take them out of the file"),
            (
                &|| from_percent(id),
                "the names are encoded as in an address (`%20`): write them as the files are called",
            ),
            (&grouped, "the names were saved as numbers with commas: write them without"),
        ];
        for (rewrite, cure) in candidates {
            let name = rewrite();
            if name != id
                && let Some(file) = self.exists(&images, &name)
            {
                return Some(Cause::named(&name, &file, cure));
            }
        }
        if let Some((_, address)) = id.split_once("://") {
            let address = address.split(['?', '#']).next().unwrap_or_default();
            let name = from_percent(address.rsplit('/').next().unwrap_or_default());
            if let Some(file) = self.exists(&images, &name) {
                let cure = "the names are addresses: keep only what comes after the last `/`";
                return Some(Cause::named(&name, &file, cure));
            }
        }
        for delimiter in [';', '\t', '|'] {
            let Some(name) = id.split_once(delimiter).map(|(name, _)| name.trim_matches(['"', ' '])) else { continue };
            if let Some(file) = self.exists(&images, name) {
                let (other, own) = (delimiter.to_string(), self.source.delimiter.to_string());
                let cure = match self.some_found {
                    true => format!(
                        "the cells are parted by {other:?}, and those of other rows by {own:?}: write all alike"
                    ),
                    false => format!("the cells are parted by {other:?}: say `delimiter: {other:?}`"),
                };
                return Some(Cause::named(name, &file, cure));
            }
        }
        // 1.2E+11, which no file is called.
        let rounded = id.parse::<f64>().is_ok() && id.contains(['e', 'E']) && id.contains('+');
        rounded.then(|| {
            Cause::new(
                "this is a rounded number",
                "a spreadsheet took the names for numbers, and their digits are lost: export the table again, with the \
                 names as text",
            )
        })
    }

    /// What listings of folders show: another suffix, another case, lost zeros, another folder.
    fn listed(&self, id: &str, images: &Path) -> Option<Cause> {
        let (below, name) = id.rsplit_once('/').map_or(("", id), |(below, name)| (below, name));
        let folder = if is_inside(Path::new(below)) { images.join(below) } else { images.to_path_buf() };
        if let Some(cause) = self.in_listing(&folder, name, below) {
            return Some(cause);
        }
        // Folders inside the folder of images, and beside it.
        let mut near: Vec<(PathBuf, String, bool)> = Vec::new();
        let mut add = |parent: &Path, inside: bool| {
            let Ok(listing) = files::list(parent) else { return };
            for child in listing.folders {
                near.push((parent.join(&child), child, inside));
            }
        };
        add(images, true);
        add(self.root, false);
        let suffixes = || self.source.suffixes.iter().map(String::as_str).chain([""]);
        for (folder, child, inside) in near.into_iter().take(FOLDERS) {
            let found = suffixes().map(|suffix| format!("{name}{suffix}")).find(|file| folder.join(file).is_file());
            if let Some(file) = found {
                let cure = match (inside, self.some_found) {
                    (true, _) => {
                        "images lie in folders of their own: write the folder's name before the image's".to_string()
                    }
                    (false, true) => "images lie in several folders: say `images: \".\"`, and write the folder's name \
                                      before each image's"
                        .to_string(),
                    (false, false) => format!("if the images are those of {child:?}, say `images: {child:?}`"),
                };
                let there = format!("{:?} is there", format!("{child}/{file}"));
                return Some(Cause::named(name, &file, cure).telling(there));
            }
        }
        None
    }

    /// Looks for a similar name in one folder.
    fn in_listing(&self, folder: &Path, name: &str, below: &str) -> Option<Cause> {
        let mut known = self.listings.borrow_mut();
        if !known.contains_key(folder) && known.len() < FOLDERS {
            let mut names: HashMap<String, Vec<String>> = HashMap::new();
            for file in files::list(folder).map(|listing| listing.files).unwrap_or_default().into_iter().take(LISTED) {
                let stem = stem_of(&file);
                if stem.bytes().all(|b| b.is_ascii_digit()) {
                    names.entry(format!("#{}", stem.trim_start_matches('0'))).or_default().push(file.clone());
                }
                names.entry(stem.to_lowercase()).or_default().push(file.clone());
                names.entry(format!("/{}", file.to_lowercase())).or_default().push(file);
            }
            known.insert(folder.to_path_buf(), names);
        }
        let names = known.get(folder)?;
        let there = |file: &str| match below {
            "" => format!("{file:?} is there"),
            below => format!("{:?} is there", format!("{below}/{file}")),
        };
        // The same name with another suffix, or with the suffix in another case.
        if let Some(file) = names.get(&name.to_lowercase()).into_iter().flatten().find(|file| file.starts_with(name)) {
            let suffix = file[name.len()..].to_string();
            return Some(Cause { there: there(file), cure: None, suffix: Some(suffix) });
        }
        let whole = self.source.suffixes.iter().map(|suffix| format!("/{name}{suffix}").to_lowercase());
        if let Some(file) = whole.into_iter().find_map(|whole| names.get(&whole)).and_then(|files| files.first()) {
            return Some(Cause::new(there(file), "upper and lower case differ: write the names alike"));
        }
        let stem = stem_of(name);
        if let Some(file) = names.get(&stem.to_lowercase()).and_then(|files| files.first()) {
            let cure = "the suffixes differ: write the names as the files are called, or without suffix and say \
                        `suffix: [..]`";
            return Some(Cause::new(there(file), cure));
        }
        if stem.bytes().all(|b| b.is_ascii_digit()) && !stem.is_empty() {
            let file = names.get(&format!("#{}", stem.trim_start_matches('0'))).and_then(|files| files.first())?;
            let cure = "the names were read as numbers and lost their zeros: write them as the files are called \
                        (pandas: `read_csv(.., dtype=str)`)";
            return Some(Cause::new(there(file), cure));
        }
        None
    }
}

/// A name without its suffix.
fn stem_of(name: &str) -> String {
    Path::new(name).file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned())
}

/// The text that `%20` and the like stand for; a text without them stays as it is.
fn from_percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
}
