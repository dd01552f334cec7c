//! Says why rows have no image: what is there instead of the file that a row names.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::columns::{CsvColumns, Labels};
use super::{CsvSource, is_inside};
use crate::row::SourceRow;
use crate::sources::folders;

/// Rows that are looked into; more are only counted.
const MOST: usize = 2_000;
/// Names of a folder that are looked through.
const LISTED: usize = 200_000;
/// Folders that are listed.
const FOLDERS: usize = 200;
/// Rows of one kind that are named.
const NAMED: usize = 5;

/// The search for what is there instead.
pub(super) struct Absent<'a> {
    pub(super) source: &'a CsvSource<'a>,
    pub(super) root: &'a Path,
    pub(super) columns: &'a CsvColumns,
    /// Whether any row has its image.
    pub(super) some_found: bool,
    /// The first rows.
    pub(super) samples: &'a [::csv::StringRecord],
}

/// What is there, and what to do about it; rows with the same cure are one finding.
struct Cause {
    there: String,
    cure: String,
    /// The suffix of the file that is there, if that is all that differs.
    suffix: Option<String>,
}

impl Cause {
    fn new(there: impl Into<String>, cure: impl Into<String>) -> Self {
        Cause { there: there.into(), cure: cure.into(), suffix: None }
    }
}

/// Rows with the same cure.
struct AbsentKind {
    first: String,
    lines: Vec<u32>,
    suffixes: Vec<String>,
}

/// The names in folders, by folder.
type Listings = RefCell<HashMap<PathBuf, HashMap<String, Vec<String>>>>;

impl Absent<'_> {
    /// One finding for each kind of cause. `missing` are rows with the line of each and a second place without its file.
    pub(super) fn explain<'r>(
        &self,
        missing: impl Iterator<Item = (&'r SourceRow, u32, Option<&'r Path>)>,
        path: &Path,
    ) -> Vec<String> {
        let listings = Listings::default();
        let mut kinds: Vec<(String, AbsentKind)> = Vec::new();
        let mut total = 0;
        let mut more = 0;
        for (row, line, nor) in missing {
            total += 1;
            if total > MOST {
                more += 1;
                continue;
            }
            let cause = self.cause(&row.id, line, &listings);
            let cure = cause.as_ref().map_or(String::new(), |cause| match cause.suffix {
                Some(_) => "suffix".to_string(),
                None => cause.cure.clone(),
            });
            let place = match kinds.iter().position(|(known, _)| *known == cure) {
                Some(place) => place,
                None => {
                    let nor = nor.map_or(String::new(), |nor| format!(", nor {}", nor.display()));
                    let there = cause.as_ref().map_or(String::new(), |cause| format!(", but {}", cause.there));
                    let first = format!("{}:{line}: no image {}{nor}{there}", path.display(), row.path.display());
                    kinds.push((cure, AbsentKind { first, lines: Vec::new(), suffixes: Vec::new() }));
                    kinds.len() - 1
                }
            };
            let kind = &mut kinds[place].1;
            kind.lines.push(line);
            if let Some(suffix) = cause.and_then(|cause| cause.suffix)
                && !kind.suffixes.contains(&suffix)
            {
                kind.suffixes.push(suffix);
            }
        }
        let mut findings = Vec::with_capacity(kinds.len());
        for (cure, kind) in kinds {
            let mut text = kind.first;
            if kind.lines.len() > 1 {
                let lines: Vec<String> = kind.lines[1..].iter().take(NAMED).map(u32::to_string).collect();
                let rest = if kind.lines.len() > NAMED + 1 { ", .." } else { "" };
                let like = if cure.is_empty() { "nor the images of" } else { "and so in" };
                text += &format!("; {like} {} more rows (lines {}{rest})", kind.lines.len() - 1, lines.join(", "));
            }
            match &kind.suffixes[..] {
                [] if cure.is_empty() => {}
                [] => text += &format!(": {cure}"),
                several => {
                    // Rows that are found need the suffix that they have.
                    let needed = |suffix: &&String| self.some_found && !several.contains(suffix) && !suffix.is_empty();
                    let own = self.source.suffixes.iter().filter(needed);
                    let all: Vec<String> = own.chain(several).map(|suffix| format!("{suffix:?}")).collect();
                    text += &match &all[..] {
                        [one] => format!(": say `suffix: {one}`"),
                        all => format!(": say `suffix: [{}]`", all.join(", ")),
                    };
                }
            }
            findings.push(text);
        }
        if more > 0 {
            findings.push(format!("{}: {more} more rows have no image", path.display()));
        }
        findings
    }

    fn images(&self) -> PathBuf {
        self.root.join(self.source.images)
    }

    /// The hint about a name that leads out of the folder, such as an absolute path.
    pub(super) fn outside(&self, id: &str) -> String {
        let cause = self.below(&id.replace('\\', "/"));
        cause.map_or(String::new(), |cause| format!(", but {}: {}", cause.there, cause.cure))
    }

    /// The name of the image with this name below `folder`, with one of the suffixes or without.
    fn exists(&self, folder: &Path, name: &str) -> Option<String> {
        if name.is_empty() || !is_inside(Path::new(name)) {
            return None;
        }
        let suffixes = self.source.suffixes.iter().map(String::as_str).chain([""]);
        suffixes.map(|suffix| format!("{name}{suffix}")).find(|file| folder.join(file).is_file())
    }

    /// Adds what to say about the suffix if the file is there without it.
    fn cured(&self, name: &str, file: &str, cure: String) -> String {
        let needs = self.source.suffixes.iter().all(|suffix| !suffix.is_empty());
        if file == name && needs { format!("{cure}, and say `suffix: \"\"`") } else { cure }
    }

    fn cause(&self, id: &str, line: u32, listings: &Listings) -> Option<Cause> {
        let images = self.images();
        let there = |file: &str| format!("{file:?} is there");
        if !self.source.header && line == 1 && self.samples.len() > 1 {
            let rest = self.samples[1..].iter().filter_map(|record| record.get(self.columns.id));
            if rest.clone().count() > 0 && rest.into_iter().all(|id| self.exists(&images, id).is_some()) {
                return Some(Cause::new(
                    "the rows after it have theirs",
                    "the first row looks like a header: say `header: on`",
                ));
            }
        }
        if self.source.suffixes.iter().any(|suffix| !suffix.is_empty()) && images.join(id).is_file() {
            return Some(Cause::new(there(id), "the names hold their suffix already: say `suffix: \"\"`"));
        }
        let trimmed = id.trim();
        if trimmed != id
            && let Some(file) = self.exists(&images, trimmed)
        {
            let cure = "there are blanks around the names: take them out of the file".to_string();
            return Some(Cause::new(there(&file), self.cured(trimmed, &file, cure)));
        }
        for quote in ['\'', '"', '`', '’', '“', '”'] {
            let plain = trimmed.trim_matches(quote);
            if plain != trimmed
                && let Some(file) = self.exists(&images, plain)
            {
                let cure = format!("the names stand in {quote} quotes: take them out of the file");
                return Some(Cause::new(there(&file), self.cured(plain, &file, cure)));
            }
        }
        let slashes = trimmed.replace('\\', "/");
        if slashes != trimmed
            && let Some(file) = self.exists(&images, &slashes)
        {
            let cure = "write `/` instead of `\\` in the names".to_string();
            return Some(Cause::new(there(&file), self.cured(&slashes, &file, cure)));
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
            return Some(Cause::new(there(&file), self.cured(whole, &file, cure.to_string())));
        }
        if let Some(cause) = self.another_column(id, &images) {
            return Some(cause);
        }
        self.listed(id, &images, listings)
    }

    /// The end of a path, below the folder of images or below the root.
    fn below(&self, path: &str) -> Option<Cause> {
        let images = self.images();
        let there = |file: &str| format!("{file:?} is there");
        let own = self.source.images.trim_end_matches('/');
        if let Some(inner) = path.trim_start_matches("./").strip_prefix(own).and_then(|rest| rest.strip_prefix('/'))
            && let Some(file) = self.exists(&images, inner)
        {
            let cure = format!("the names begin with {own:?} already: say `images: \".\"`");
            return Some(Cause::new(there(&file), self.cured(inner, &file, cure)));
        }
        let mut rest = path;
        while let Some((_, end)) = rest.split_once('/') {
            rest = end;
            if let Some(file) = self.exists(&images, rest) {
                let start = &path[..path.len() - rest.len()];
                let cure = format!("take the start, {start:?}, out of the names");
                return Some(Cause::new(there(&file), self.cured(rest, &file, cure)));
            }
        }
        None
    }

    /// Another column that names images.
    fn another_column(&self, id: &str, images: &Path) -> Option<Cause> {
        let record = self.samples.iter().find(|record| record.get(self.columns.id) == Some(id))?;
        let taken = |place: usize| match &self.columns.labels {
            Labels::One { place: own, .. } => *own == place && self.samples.len() < 2,
            Labels::Several(list) => list.iter().any(|(own, _)| *own == place),
        };
        let named = |place: &usize| {
            self.samples
                .iter()
                .all(|record| record.get(*place).is_some_and(|cell| self.exists(images, cell.trim()).is_some()))
        };
        let place = (0..record.len()).find(|place| *place != self.columns.id && !taken(*place) && named(place))?;
        let file = self.exists(images, record[place].trim())?;
        Some(Cause::new(
            format!("{file:?} of column {place} is there"),
            format!("the names of images stand in column {place}: say `id: {place}`"),
        ))
    }

    /// What listings of folders show: another suffix, another case, lost zeros, another folder.
    fn listed(&self, id: &str, images: &Path, listings: &Listings) -> Option<Cause> {
        let (below, name) = id.rsplit_once('/').map_or(("", id), |(below, name)| (below, name));
        let folder = if is_inside(Path::new(below)) { images.join(below) } else { images.to_path_buf() };
        if let Some(cause) = in_listing(&folder, name, below, self.source.suffixes, listings) {
            return Some(cause);
        }
        // Folders inside the folder of images, and beside it.
        let mut near: Vec<(PathBuf, String, bool)> = Vec::new();
        let mut add = |parent: &Path, inside: bool| {
            let Ok(listing) = folders::list(parent) else { return };
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
                let cure = match inside {
                    true => {
                        "images lie in folders of their own: write the folder's name before the image's".to_string()
                    }
                    false => format!("if the images are those of {child:?}, say `images: {child:?}`"),
                };
                return Some(Cause::new(format!("{:?} is there", format!("{child}/{file}")), cure));
            }
        }
        None
    }
}

/// Looks for a similar name in one folder.
fn in_listing(folder: &Path, name: &str, below: &str, suffixes: &[String], listings: &Listings) -> Option<Cause> {
    let mut known = listings.borrow_mut();
    if !known.contains_key(folder) && known.len() < FOLDERS {
        let mut names: HashMap<String, Vec<String>> = HashMap::new();
        for file in folders::list(folder).map(|listing| listing.files).unwrap_or_default().into_iter().take(LISTED) {
            let stem = Path::new(&file).file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
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
        return Some(Cause { there: there(file), cure: String::new(), suffix: Some(suffix) });
    }
    let whole = suffixes.iter().map(|suffix| format!("/{name}{suffix}").to_lowercase());
    if let Some(file) = whole.into_iter().find_map(|whole| names.get(&whole)).and_then(|files| files.first()) {
        return Some(Cause::new(there(file), "upper and lower case differ: write the names alike"));
    }
    let stem = Path::new(name).file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
    if let Some(file) = names.get(&stem.to_lowercase()).and_then(|files| files.first()) {
        let cure =
            "the suffixes differ: write the names as the files are called, or without suffix and say `suffix: [..]`";
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

/// The same name in the other Unicode normal forms.
pub(super) fn other_forms(name: &str) -> Vec<String> {
    let forms: [String; 2] = [name.nfc().collect(), name.nfd().collect()];
    forms.into_iter().filter(|form| form != name).collect()
}
