//! Submission files for competitions.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use fastai_dsl::TaskKind;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::Predictor;
use crate::RunError;
use crate::atomic::write_atomic;
use crate::data::DataError;
use crate::progress::Watch;

/// The number of ids that an error lists.
const SHOWN: usize = 20;
/// Largest sample submission that is read, bytes after decompression.
const MAX_SAMPLE: u64 = 1 << 30;

/// The rows of a submission: ids sorted, each with its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmissionRows {
    ids: Vec<String>,
    images: Vec<PathBuf>,
}

impl SubmissionRows {
    /// Builds the rows of these images. An id is the file name without its folder and without `suffix`, or without its
    /// extension.
    ///
    /// # Errors
    /// Two images with one id.
    pub fn new(images: Vec<PathBuf>, suffix: &str) -> Result<Self, RunError> {
        let id = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match name.strip_suffix(suffix) {
                Some(id) if !suffix.is_empty() && !id.is_empty() => id.to_string(),
                _ => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            }
        };
        let mut rows: Vec<(String, PathBuf)> = images.into_iter().map(|path| (id(&path), path)).collect();
        rows.sort();
        let twice: Vec<String> = rows
            .windows(2)
            .filter(|w| w[0].0 == w[1].0)
            .map(|w| format!("id {:?} twice: {} and {}", w[0].0, w[0].1.display(), w[1].1.display()))
            .collect();
        if !twice.is_empty() {
            return Err(DataError::from(shortened(twice)).into());
        }
        let (ids, images) = rows.into_iter().unzip();
        Ok(SubmissionRows { ids, images })
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids, sorted.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }
}

/// Returns the header: `id` and one column per class for single-label tasks (the dog-breed competition's),
/// `image_name,tags` for multi-label tasks (the planet competition's).
pub fn submission_header(predictor: &Predictor) -> Vec<String> {
    match predictor.meta().task {
        TaskKind::MultiLabel => vec!["image_name".to_string(), "tags".to_string()],
        _ => std::iter::once("id").chain(predictor.classes().iter().map(String::as_str)).map(String::from).collect(),
    }
}

/// Predicts the rows and writes them to `out`, compressed if its name ends with `.gz`.
///
/// Single-label rows contain a probability per class. Multi-label rows contain the tags with a probability above
/// `threshold`, joined by spaces.
///
/// # Errors
/// All unreadable images; nothing is written then, since a submission without some rows would be rejected.
pub fn write_submission(
    predictor: &Predictor,
    rows: &SubmissionRows,
    tta: Option<u32>,
    threshold: f64,
    out: &Path,
    watch: Watch<'_>,
) -> Result<(), RunError> {
    // Carries an image's error through the writer, whose error type covers only the disk.
    let mut failure = None;
    let written = write_atomic(out, |file| {
        let content = |to: &mut dyn Write| -> io::Result<()> {
            let mut csv = csv::Writer::from_writer(to);
            csv.write_record(submission_header(predictor))?;
            let multi = predictor.meta().task == TaskKind::MultiLabel;
            let mut fields = Vec::new();
            let result = predictor.stream(&rows.images, tta, watch, &mut |said| {
                fields.clear();
                fields.push(rows.ids[said.image].clone());
                if multi {
                    fields.push(predictor.said(said.probabilities, threshold).join(" "));
                } else {
                    fields.extend(said.probabilities.iter().map(f32::to_string));
                }
                csv.write_record(&fields).map_err(|e| RunError::file("write", out, e.into()))
            });
            match result {
                Ok(failed) if failed.is_empty() => csv.flush(),
                Ok(failed) => {
                    let of = format!("{} of {} images cannot be read: nothing is written", failed.len(), rows.len());
                    let list = failed.iter().map(|f| format!("{}: {}", f.path.display(), f.reason)).collect();
                    let findings: Vec<String> = shortened(list).into_iter().chain([of]).collect();
                    failure = Some(DataError::from(findings).into());
                    Err(io::Error::other("unreadable images"))
                }
                Err(error) => {
                    failure = Some(error);
                    Err(io::Error::other("not all images were predicted"))
                }
            }
        };
        if out.extension().is_some_and(|suffix| suffix == "gz") {
            let mut packed = GzEncoder::new(file, Compression::default());
            content(&mut packed)?;
            packed.finish().map(drop)
        } else {
            content(file)
        }
    });
    failure.map_or_else(|| written.map_err(RunError::from), Err)
}

/// Checks header and ids against a sample submission, a csv file or a gzipped one; the order of its rows does not matter.
///
/// # Errors
/// Every kind of difference: columns, missing ids, surplus ids.
pub fn check_sample(sample: &Path, header: &[String], ids: &[String]) -> Result<(), RunError> {
    let cannot = |e: io::Error| RunError::file("read", sample, e);
    let file = BufReader::new(File::open(sample).map_err(cannot)?);
    let text: Box<dyn Read> = match sample.extension() {
        Some(suffix) if suffix == "gz" => Box::new(MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(text.take(MAX_SAMPLE));
    let mut findings = Vec::new();
    let columns: Vec<String> = csv.headers().map_err(|e| cannot(e.into()))?.iter().map(|c| c.trim().into()).collect();
    let columns: Vec<String> = columns.iter().map(|c| c.trim_start_matches('\u{feff}').to_string()).collect();
    if columns != header {
        findings.push(match columns.iter().zip(header).position(|(a, b)| a != b) {
            Some(i) => format!("column {} is {:?} in the sample, {:?} here", i + 1, columns[i], header[i]),
            None => format!("the sample has {} columns, there are {} here", columns.len(), header.len()),
        });
    }
    let mut wanted = BTreeSet::new();
    for row in csv.records() {
        let row = row.map_err(|e| cannot(e.into()))?;
        wanted.insert(row.get(0).unwrap_or_default().trim().to_string());
    }
    let have: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    let missing: Vec<String> =
        wanted.iter().filter(|id| !have.contains(id.as_str())).map(|id| format!("{id:?}")).collect();
    let more: Vec<String> = have.iter().filter(|id| !wanted.contains(**id)).map(|id| format!("{id:?}")).collect();
    for (ids, what) in [(missing, "in the sample without an image"), (more, "with an image but not in the sample")] {
        if !ids.is_empty() {
            findings.push(format!("{} ids {what}: {}", ids.len(), shortened(ids).join(", ")));
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    findings.insert(0, format!("{}: the submission does not fit this sample", sample.display()));
    Err(DataError::from(findings).into())
}

fn shortened(mut list: Vec<String>) -> Vec<String> {
    let more = list.len().saturating_sub(SHOWN);
    list.truncate(SHOWN);
    if more > 0 {
        list.push(format!("and {more} more"));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_no_folder_and_no_suffix_and_are_sorted() {
        let images = ["test/b.x.jpg", "test/a.jpg", "other/c.png"].map(PathBuf::from).to_vec();
        let rows = SubmissionRows::new(images.clone(), ".jpg").unwrap();
        assert_eq!(rows.ids(), ["a", "b.x", "c"]);
        assert_eq!(rows.images[1], images[0]);
        assert_eq!(SubmissionRows::new(images, ".x.jpg").unwrap().ids(), ["a", "b", "c"]);
        let error =
            SubmissionRows::new(["a/x.jpg", "b/x.png"].map(PathBuf::from).to_vec(), "").unwrap_err().to_string();
        assert!(error.contains("id \"x\" twice: a/x.jpg and b/x.png"), "{error}");
    }

    #[test]
    fn a_sample_says_what_is_missing_and_what_is_too_much() {
        let folder = tempfile::tempdir().unwrap();
        let header = ["id", "cat", "dog"].map(String::from);
        let ids: Vec<String> = (0..40).map(|i| format!("{i:02}")).collect();
        let text = |header: &str, ids: &[&str]| {
            format!("{header}\n{}", ids.iter().map(|i| format!("{i},0.5,0.5\n")).collect::<String>())
        };
        let path = folder.path().join("sample.csv");
        std::fs::write(&path, text("\u{feff}id,cat,dog", &ids.iter().rev().map(String::as_str).collect::<Vec<_>>()))
            .unwrap();
        check_sample(&path, &header, &ids).unwrap();

        let packed = folder.path().join("sample.csv.gz");
        let mut out = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
        out.write_all(text("id,dog,cat", &["01", "99"]).as_bytes()).unwrap();
        out.finish().unwrap();
        let error = check_sample(&packed, &header, &ids).unwrap_err().to_string();
        for part in [
            "column 2 is \"dog\" in the sample, \"cat\" here",
            "1 ids in the sample without an image: \"99\"",
            "39 ids with an image but not in the sample: \"00\", ",
            "and 19 more",
        ] {
            assert!(error.contains(part), "{part} is not in\n{error}");
        }
        std::fs::write(&path, text("id,cat", &["01"])).unwrap();
        assert!(
            check_sample(&path, &header, &["01".into()])
                .unwrap_err()
                .to_string()
                .contains("has 2 columns, there are 3")
        );
        assert!(check_sample(&folder.path().join("none"), &header, &ids).unwrap_err().to_string().contains("none"));
    }
}
