//! Submissions in the form of a competition's sample.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use fastai_data::memory;
use fastai_dsl::TaskKind;
use flate2::read::MultiGzDecoder;

use super::layout::{probability, single};
use super::{SHOWN, Submission, SubmissionCell, SubmissionFormat};
use crate::RunError;
use crate::data::{CsvText, DataError, Finding, FindingKind, test_id};
use crate::models::ModelMeta;
use crate::names::first_names;

/// Largest sample submission that is read, bytes after decompression.
const MOST: u64 = 1 << 30;
/// What a row takes in memory beside its text, bytes.
const ROW_BYTES: u64 = 200;

/// What a sample shows.
struct Sample {
    header: Vec<String>,
    /// The column of ids.
    id: usize,
    ids: Vec<String>,
    /// The cells of the one column beside the ids, if there is one.
    labels: Vec<String>,
}

pub(super) fn plan(
    meta: &ModelMeta,
    images: Vec<PathBuf>,
    suffixes: &[String],
    path: &Path,
    format: Option<SubmissionFormat>,
    separator: &str,
) -> Result<Submission, RunError> {
    let names = Names::new(&images, suffixes);
    let sample = read(path, &names)?;
    let mut findings = Vec::new();
    let cells = columns(meta, &sample, format, separator, &mut findings)?;
    let found: Vec<Option<usize>> = sample.ids.iter().map(|id| names.find(id)).collect();
    let missing: Vec<String> =
        sample.ids.iter().zip(&found).filter(|(_, image)| image.is_none()).map(|(id, _)| id.clone()).collect();
    if !missing.is_empty() {
        let have: Vec<String> = names.ids.iter().take(3).map(|id| format!("{id:?}")).collect();
        let text = format!(
            "{} ids in the sample without an image: {}; the images are called {}, ..",
            missing.len(),
            listed(&missing),
            have.join(", ")
        );
        findings.push(Finding::new(FindingKind::SampleIds { ids: missing }, text));
    }
    if !findings.is_empty() {
        let text = format!("{}: the submission does not fit this sample", path.display());
        findings.insert(0, Finding::new(FindingKind::Sample { file: path.to_path_buf() }, text));
        return Err(DataError::from(findings).into());
    }
    let rows: Vec<usize> = found.into_iter().flatten().collect();
    let used: HashSet<usize> = rows.iter().copied().collect();
    let left: Vec<String> =
        (0..images.len()).filter(|image| !used.contains(image)).map(|image| names.ids[image].to_string()).collect();
    let notes = match left.len() {
        0 => Vec::new(),
        n => vec![format!("{n} images are not in the sample and are left out: {}", listed(&left))],
    };
    let images = rows.into_iter().map(|image| images[image].clone()).collect();
    let labels = super::labels(meta, &cells);
    let (header, ids) = (sample.header, sample.ids);
    Ok(Submission { header, cells, ids, images, notes, labels, of_sample: true, guarded: false })
}

/// The images by each name that a sample may give them.
struct Names {
    /// The id of each image, without suffix.
    ids: Vec<String>,
    /// Images by file name and by id; `None` where two images share a name.
    images: HashMap<String, Option<usize>>,
}

impl Names {
    fn new(images: &[PathBuf], suffixes: &[String]) -> Self {
        let file = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ids: Vec<String> = images.iter().map(|path| test_id(&file(path), suffixes)).collect();
        let mut names: HashMap<String, Option<usize>> = HashMap::with_capacity(2 * images.len());
        let mut add = |name: String, image: usize| {
            names.entry(name).and_modify(|known| *known = known.filter(|known| *known == image)).or_insert(Some(image));
        };
        for (image, path) in images.iter().enumerate() {
            add(file(path), image);
            add(ids[image].clone(), image);
        }
        Names { ids, images: names }
    }

    /// The image of an id with or without suffix, and with or without folders.
    fn find(&self, id: &str) -> Option<usize> {
        let name = id.rsplit(['/', '\\']).next().unwrap_or(id);
        let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let known = |name: &str| self.images.get(name).copied().flatten();
        known(id).or_else(|| known(name)).or_else(|| known(&stem?))
    }
}

fn too_large(path: &Path) -> RunError {
    let why = "this sample is larger than memory allows; is it a submission's sample?";
    no_table(path, None, format!("{}: {why}", path.display()))
}

fn no_table(path: &Path, line: Option<u64>, text: String) -> RunError {
    DataError::one(Finding::new(FindingKind::Table { file: path.to_path_buf(), line }, text)).into()
}

/// The first names, in quotes.
fn listed(names: &[String]) -> String {
    first_names(names.iter().map(|name| format!("{name:?}")), SHOWN)
}

fn read(path: &Path, names: &Names) -> Result<Sample, RunError> {
    let cannot = |e: io::Error| RunError::file("read", path, e);
    let file = BufReader::new(File::open(path).map_err(cannot)?);
    let text: Box<dyn Read> = match path.extension() {
        Some(suffix) if suffix == "gz" => Box::new(MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    let limit = memory::limit().unwrap_or(u64::MAX);
    // A packed file may be a bomb: one row is never more than this, and all rows together are counted.
    let mut csv =
        csv::ReaderBuilder::new().flexible(true).from_reader(CsvText::new(text.take(MOST.min(limit / 16)), b','));
    let header: Vec<String> = csv.headers().map_err(|e| cannot(e.into()))?.iter().map(|c| c.trim().into()).collect();
    let header: Vec<String> = header.iter().map(|c| c.trim_start_matches('\u{feff}').to_string()).collect();
    if header.len() < 2 {
        let why = format!("a sample has at least two columns, the id and a label; this one has {header:?}");
        return Err(no_table(path, None, format!("{}: {why}", path.display())));
    }
    let mut rows: Vec<csv::StringRecord> = Vec::new();
    let mut bytes = 0;
    let mut records = csv.records();
    while let Some(row) = records.next() {
        let row = row.map_err(|e| cannot(e.into()))?;
        bytes += ROW_BYTES + row.as_slice().len() as u64;
        if bytes > limit / 4 {
            return Err(too_large(path));
        }
        if row.len() != header.len() {
            let line = row.position().map_or(0, |place| records.reader_mut().get_mut().line_of(place));
            let text = format!("{}:{line}: {} cells, the header has {}", path.display(), row.len(), header.len());
            return Err(no_table(path, Some(line), text));
        }
        rows.push(row);
    }
    if csv.into_inner().into_inner().limit() == 0 {
        return Err(too_large(path));
    }
    // Usually the first column; another one if its cells name more of the images.
    let named = |column: usize| rows.iter().take(100).filter(|row| names.find(row[column].trim()).is_some()).count();
    let id = (0..header.len()).rev().max_by_key(|column| named(*column)).unwrap_or(0);
    let other = (0..header.len()).find(|column| *column != id).filter(|_| header.len() == 2);
    let cells = |column: usize| rows.iter().map(|row| row[column].trim().to_string()).collect();
    Ok(Sample { id, ids: cells(id), labels: other.map_or_else(Vec::new, cells), header })
}

/// What each column of the sample holds.
fn columns(
    meta: &ModelMeta,
    sample: &Sample,
    format: Option<SubmissionFormat>,
    separator: &str,
    findings: &mut Vec<Finding>,
) -> Result<Vec<SubmissionCell>, RunError> {
    let place = |name: &str| {
        let exact = meta.classes.iter().position(|class| class == name);
        let alike = || {
            let mut like =
                (0..meta.classes.len()).filter(|class| meta.classes[*class].trim().eq_ignore_ascii_case(name));
            like.next().filter(|_| like.next().is_none())
        };
        exact.or_else(alike)
    };
    if sample.header.len() == 2 {
        let name = &sample.header[1 - sample.id];
        let cell = match (format, place(name)) {
            (Some(format), _) => single(meta, format, separator)?,
            (None, Some(class)) if meta.task != TaskKind::MultiLabel => probability(meta, class),
            (None, _) => single(meta, meant(meta, &sample.labels), separator)?,
        };
        return Ok(if sample.id == 0 { vec![SubmissionCell::Id, cell] } else { vec![cell, SubmissionCell::Id] });
    }
    let mut cells = Vec::new();
    let (mut unknown, mut used) = (Vec::new(), HashSet::new());
    for (column, name) in sample.header.iter().enumerate() {
        if column == sample.id {
            cells.push(SubmissionCell::Id);
            continue;
        }
        match place(name).filter(|class| used.insert(*class)) {
            Some(class) => cells.push(probability(meta, class)),
            None => unknown.push(name.clone()),
        }
    }
    let without: Vec<String> =
        (0..meta.classes.len()).filter(|class| !used.contains(class)).map(|c| meta.classes[c].clone()).collect();
    if !unknown.is_empty() {
        let text = format!("columns of the sample that are no class of the model: {}", listed(&unknown));
        findings.push(Finding::new(FindingKind::SampleColumns { columns: unknown }, text));
    }
    if !without.is_empty() {
        let text = format!("classes of the model without a column in the sample: {}", listed(&without));
        findings.push(Finding::new(FindingKind::NoSampleColumn { classes: without }, text));
    }
    Ok(cells)
}

/// The meaning of one column of labels: class names are classes; other numbers beside two classes are the probability of the
/// second.
fn meant(meta: &ModelMeta, labels: &[String]) -> SubmissionFormat {
    match meta.task {
        TaskKind::MultiLabel => SubmissionFormat::Tags,
        TaskKind::Regression => SubmissionFormat::Classes,
        TaskKind::SingleLabel => {
            let classes = labels.iter().all(|label| meta.classes.contains(label));
            let numbers = labels.iter().all(|label| label.parse::<f64>().is_ok());
            if meta.classes.len() == 2 && numbers && !classes && !labels.is_empty() {
                SubmissionFormat::Probability
            } else {
                SubmissionFormat::Label
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_another_length_is_named_by_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.csv");
        for end in ["\n", "\r\n", "\r"] {
            std::fs::write(&path, ["id,label", "a,0", "", "b", ""].join(end)).unwrap();
            let error = read(&path, &Names::new(&[], &[])).err().unwrap().to_string();
            assert!(error.ends_with("sample.csv:4: 1 cells, the header has 2"), "{end:?}: {error}");
        }
    }

    #[test]
    fn ids_are_found_with_and_without_suffix_and_folder() {
        let images = ["test/b.x.jpg", "test/a.jpg", "other/c.png"].map(PathBuf::from);
        let names = Names::new(&images, &[".jpg".to_string()]);
        assert_eq!(names.ids, ["b.x", "a", "c"]);
        for (id, image) in [("a", 1), ("a.jpg", 1), ("test/a.jpg", 1), ("b.x", 0), ("b.x.jpg", 0), ("c.png", 2)] {
            assert_eq!(names.find(id), Some(image), "{id}");
        }
        assert_eq!(names.find("d"), None);
        let twice = Names::new(&["x/a.jpg", "y/a.png"].map(PathBuf::from), &[]);
        assert_eq!((twice.find("a"), twice.find("a.png")), (None, Some(1)));
    }
}
