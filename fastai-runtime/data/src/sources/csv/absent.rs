//! Says why rows have no image: what is there instead of the file that a row names.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fastai_dsl::prepared::is_invisible;
use unicode_normalization::UnicodeNormalization;

use super::columns::{CsvColumns, Labels};
use super::{CsvSource, is_inside};
use crate::findings::{more_lines, names};
use crate::sources::{files, folders};

/// Rows that are looked into; more are only counted.
const MOST: usize = 2_000;
/// Names of a folder that are looked through.
const LISTED: usize = 200_000;
/// Folders that are listed.
const FOLDERS: usize = 200;
/// What to do about names that lead out of the folder of images, to nothing that is known.
const OUTSIDE: &str = "write the names as they are below the folder of images";

/// A row without its image.
pub(super) struct AbsentRow {
    pub(super) id: String,
    pub(super) line: u32,
    /// The file that it would be; none if the name leads out of the folder of images.
    pub(super) file: Option<PathBuf>,
    /// A second place without it.
    pub(super) nor: Option<PathBuf>,
}

/// The search for what is there instead.
pub(super) struct Absent<'a> {
    source: &'a CsvSource<'a>,
    root: &'a Path,
    columns: &'a CsvColumns,
    /// Whether any row has its image.
    some_found: bool,
    /// The first rows.
    samples: &'a [::csv::StringRecord],
    /// Another column that names images, as far as it was searched for.
    column: OnceCell<Option<usize>>,
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

impl<'a> Absent<'a> {
    pub(super) fn new(
        source: &'a CsvSource<'a>,
        root: &'a Path,
        columns: &'a CsvColumns,
        some_found: bool,
        samples: &'a [::csv::StringRecord],
    ) -> Self {
        Absent { source, root, columns, some_found, samples, column: OnceCell::new() }
    }

    /// One finding for each kind of cause.
    pub(super) fn explain(&self, missing: &[AbsentRow], path: &Path) -> Vec<String> {
        let listings = Listings::default();
        let mut kinds: Vec<(String, AbsentKind)> = Vec::new();
        for row in missing.iter().take(MOST) {
            let cause = self.cause(&row.id, row.line, &listings);
            let cure = match &cause {
                None if row.file.is_none() => OUTSIDE.to_string(),
                None => String::new(),
                Some(Cause { suffix: Some(_), .. }) => "suffix".to_string(),
                Some(cause) => cause.cure.clone(),
            };
            let place = match kinds.iter().position(|(known, _)| *known == cure) {
                Some(place) => place,
                None => {
                    let there = match &cause {
                        Some(cause) => format!(", but {}", cause.there),
                        None => self.listing(),
                    };
                    let what = match (&row.file, &row.nor) {
                        (None, _) => format!("the image name {:?} leads out of the folder of images", row.id),
                        (Some(file), None) => format!("no image {}", file.display()),
                        (Some(file), Some(nor)) => format!("no image {}, nor {}", file.display(), nor.display()),
                    };
                    let first = format!("{}:{}: {what}{there}", path.display(), row.line);
                    kinds.push((cure, AbsentKind { first, lines: Vec::new(), suffixes: Vec::new() }));
                    kinds.len() - 1
                }
            };
            let kind = &mut kinds[place].1;
            kind.lines.push(row.line);
            if let Some(suffix) = cause.and_then(|cause| cause.suffix)
                && !kind.suffixes.contains(&suffix)
            {
                kind.suffixes.push(suffix);
            }
        }
        let mut findings = Vec::with_capacity(kinds.len());
        for (cure, kind) in kinds {
            let mut text = kind.first;
            let like = if cure.is_empty() { "nor the images of" } else { "and so in" };
            text += &more_lines(like, &kind.lines[1..], kind.lines.len() - 1);
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
        if missing.len() > MOST {
            let (path, more) = (path.display(), missing.len() - MOST);
            findings.push(format!("{path}: {more} more rows have no image, and were not looked into"));
        }
        findings
    }

    /// Says which files the folder of images holds, where nothing better can be said.
    fn listing(&self) -> String {
        if self.some_found {
            return String::new();
        }
        let Ok(listing) = folders::list(&self.images()) else { return String::new() };
        let images: Vec<&String> = listing.files.iter().filter(|name| files::has_image_suffix(name)).take(4).collect();
        match images.len() {
            0 => format!("; there is no image in {}", self.images().display()),
            _ => format!("; the folder's first images are {}", names(&images[..images.len().min(3)], 3)),
        }
    }

    fn images(&self) -> PathBuf {
        self.root.join(self.source.images)
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
        if self.source.suffixes.iter().any(|suffix| !suffix.is_empty())
            && is_inside(Path::new(id))
            && images.join(id).is_file()
        {
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
        if let Some(cause) = self.rewritten(trimmed) {
            return Some(cause);
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

    /// The name after it was decoded, freed of what does not belong to it, or cut where another delimiter stands.
    fn rewritten(&self, id: &str) -> Option<Cause> {
        let images = self.images();
        let there = |file: &str| format!("{file:?} is there");
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
                return Some(Cause::new(there(&file), self.cured(&name, &file, cure.to_string())));
            }
        }
        if let Some((_, address)) = id.split_once("://") {
            let address = address.split(['?', '#']).next().unwrap_or_default();
            let name = from_percent(address.rsplit('/').next().unwrap_or_default());
            if let Some(file) = self.exists(&images, &name) {
                let cure = "the names are addresses: keep only what comes after the last `/`".to_string();
                return Some(Cause::new(there(&file), self.cured(&name, &file, cure)));
            }
        }
        for delimiter in [';', '\t', '|'] {
            if let Some((name, _)) = id.split_once(delimiter)
                && let Some(file) = self.exists(&images, name.trim_matches(['"', ' ']))
            {
                let delimiter = delimiter.to_string();
                let cure = format!("the cells are parted by {delimiter:?}: say `delimiter: {delimiter:?}`");
                return Some(Cause::new(there(&file), cure));
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

    /// Another column that names images.
    fn another_column(&self, id: &str, images: &Path) -> Option<Cause> {
        let place = (*self.column.get_or_init(|| self.find_column(images)))?;
        let labels = match &self.columns.labels {
            Labels::One { place: own, .. } if *own == place => format!(", label: {}", self.columns.id),
            _ => String::new(),
        };
        let record = self.samples.iter().find(|record| record.get(self.columns.id) == Some(id));
        let file = record.and_then(|record| self.exists(images, record.get(place)?.trim()));
        let there = match file {
            Some(file) => format!("{file:?} of column {place} is there"),
            None => format!("column {place} names images"),
        };
        Some(Cause::new(there, format!("the names of images stand in column {place}: say `id: {place}{labels}`")))
    }

    /// The column, beside that of the names, whose cells in the first rows all name images.
    fn find_column(&self, images: &Path) -> Option<usize> {
        let first = self.samples.first()?;
        let taken = |place: usize| match &self.columns.labels {
            Labels::One { place: own, .. } => *own == place && self.samples.len() < 2,
            Labels::Several(list) => list.iter().any(|(own, _)| *own == place),
        };
        let named = |place: &usize| {
            self.samples
                .iter()
                .all(|record| record.get(*place).is_some_and(|cell| self.exists(images, cell.trim()).is_some()))
        };
        (0..first.len()).find(|place| *place != self.columns.id && !taken(*place) && named(place))
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

/// The text that `%20` and the like stand for; unchanged if it is none.
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
