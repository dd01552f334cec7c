//! The rows of a csv file without their image.

use std::path::{Path, PathBuf};

use super::cause::{CauseSearch, Cure};
use crate::finding::{Finding, FindingKind, RowFault};
use crate::findings::{more_lines, names};
use crate::sources::files;

/// Rows that are looked into; more are only counted.
const MOST: usize = 2_000;

/// A row without its image.
pub(super) struct AbsentRow {
    pub(super) id: String,
    pub(super) line: u32,
    /// The file that it would be; none if the name leads out of the folder of images.
    pub(super) file: Option<PathBuf>,
    /// The other file that it could be.
    pub(super) nor: Option<PathBuf>,
}

/// Rows with the same cure.
struct AbsentKind {
    cure: Option<Cure>,
    /// What is wrong with the first of them.
    fault: RowFault,
    /// Whether the recipe lacks the suffix of their files.
    lacks_suffix: bool,
    first: String,
    lines: Vec<u32>,
}

/// Explains the rows of the file at `path` that are `missing` their image: one finding for each kind of cause.
pub(super) fn explain(missing: &[AbsentRow], search: &CauseSearch<'_>, path: &Path) -> Vec<Finding> {
    let mut kinds: Vec<AbsentKind> = Vec::new();
    // Whether the recipe's own suffixes stay: rows that have their image need them, and so may files under other names.
    let mut own = search.some_found;
    let mut others: Vec<String> = Vec::new();
    for row in missing.iter().take(MOST) {
        let cause = search.cause(&row.id, row.line);
        let cure = match &cause {
            None => row.file.is_none().then_some(Cure::Outside),
            Some(cause) => cause.cure.clone(),
        };
        let suffix = cause.as_ref().and_then(|cause| cause.suffix.as_ref());
        let lacks_suffix = suffix.is_some_and(|suffix| !search.source.suffixes.contains(suffix));
        own |= cause.is_some() && !lacks_suffix;
        others.extend(suffix.filter(|suffix| lacks_suffix && !others.contains(suffix)).cloned());
        let place = match kinds.iter().position(|kind| kind.cure == cure && kind.lacks_suffix == lacks_suffix) {
            Some(place) => place,
            None => {
                let there = match &cause {
                    Some(cause) => format!(", but {}", cause.there),
                    None => listing(search),
                };
                let what = match (&row.file, &row.nor) {
                    (None, _) => format!("the image name {:?} leads out of the folder of images", row.id),
                    (Some(file), None) => format!("no image {}", file.display()),
                    (Some(file), Some(nor)) => format!("no image {}, nor {}", file.display(), nor.display()),
                };
                let first = format!("{}:{}: {what}{there}", path.display(), row.line);
                let fault = if row.file.is_none() { RowFault::Outside } else { RowFault::NoImage };
                kinds.push(AbsentKind { cure, fault, lacks_suffix, first, lines: Vec::new() });
                kinds.len() - 1
            }
        };
        kinds[place].lines.push(row.line);
    }
    // One recipe serves all rows, so that each of the findings says what all of them need.
    let suffixes = search.source.suffixes.iter().filter(|_| own).chain(&others);
    let quoted: Vec<String> = suffixes.map(|suffix| format!("{suffix:?}")).collect();
    let say = match &quoted[..] {
        [one] => format!("say `suffix: {one}`"),
        all => format!("say `suffix: [{}]`", all.join(", ")),
    };
    let mut findings = Vec::with_capacity(kinds.len());
    for AbsentKind { cure, fault, lacks_suffix, first, lines } in kinds {
        let unknown = cure.is_none() && !lacks_suffix;
        let like = if unknown { "nor the images of" } else { "and so in" };
        let more = more_lines(like, &lines[1..], lines.len() - 1);
        let cure = match (cure, lacks_suffix) {
            (None, false) => String::new(),
            (Some(cure), false) => format!(": {cure}"),
            (None, true) => format!(": {say}"),
            (Some(cure @ Cure::Whole), true) => format!(": {cure}: {say}"),
            (Some(cure), true) => format!(": {cure}, and {say}"),
        };
        let kind = FindingKind::Rows { file: path.to_path_buf(), fault, line: lines[0], count: lines.len() };
        findings.push(Finding::new(kind, first + &more + &cure));
    }
    if missing.len() > MOST {
        let (path, more) = (path.display(), missing.len() - MOST);
        let text = format!("{path}: {more} more rows have no image, and were not looked into");
        findings.push(Finding::new(FindingKind::More { count: more }, text));
    }
    findings
}

/// Says which images the folder of images holds; nothing if some row has its image.
fn listing(search: &CauseSearch<'_>) -> String {
    if search.some_found {
        return String::new();
    }
    let Ok(listing) = files::list(&search.images()) else { return String::new() };
    let images: Vec<&String> = listing.files.iter().filter(|name| files::has_image_suffix(name)).take(4).collect();
    match images.len() {
        0 => format!("; there is no image in {}", search.images().display()),
        _ => format!("; the folder's first images are {}", names(&images[..images.len().min(3)], 3)),
    }
}
