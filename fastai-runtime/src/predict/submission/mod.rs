//! Submission files for competitions.

mod layout;
mod names;
mod sample;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{PredictOptions, Predictor};
use crate::RunError;
use crate::atomic::write_atomic;
use crate::data::{DataError, Finding, FindingKind, test_id};
use crate::metrics::Thresholds;
use crate::models::ModelMeta;
use crate::progress::Watch;

pub use layout::{SubmissionCell, SubmissionFormat, tag_separator};

/// The number of ids that an error lists.
const SHOWN: usize = 20;

/// A submission before its predictions: the header, what each column holds, and an image for each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    header: Vec<String>,
    cells: Vec<SubmissionCell>,
    ids: Vec<String>,
    images: Vec<PathBuf>,
    notes: Vec<String>,
    /// The classes that cells name.
    labels: Vec<String>,
    /// Whether a sample gives the names.
    of_sample: bool,
    /// Whether cells that a spreadsheet would compute get an apostrophe.
    guarded: bool,
}

impl Submission {
    /// Plans a submission of these images in a known format.
    ///
    /// An id is the file name without its folder and without one of `suffixes`, or without its extension. Rows are sorted by
    /// id, and columns by class; numbers are sorted by value.
    ///
    /// # Errors
    /// Two images with one id; a format that does not fit the model's task; a tag that holds the separator.
    pub fn in_format(
        predictor: &Predictor,
        images: Vec<PathBuf>,
        suffixes: &[String],
        format: SubmissionFormat,
        separator: &str,
    ) -> Result<Self, RunError> {
        let (header, cells) = layout::of_format(predictor.meta(), format, separator)?;
        let id = |path: &PathBuf| test_id(&path.file_name().unwrap_or_default().to_string_lossy(), suffixes);
        let mut rows: Vec<(String, PathBuf)> = images.into_iter().map(|path| (id(&path), path)).collect();
        rows.sort();
        let twice: Vec<Finding> = rows
            .windows(2)
            .filter(|w| w[0].0 == w[1].0)
            .map(|w| {
                let text = format!("id {:?} twice: {} and {}", w[0].0, w[0].1.display(), w[1].1.display());
                let (id, paths) = (w[0].0.clone(), [w[0].1.clone(), w[1].1.clone()]);
                Finding::new(FindingKind::SameId { id, paths }, text)
            })
            .collect();
        if !twice.is_empty() {
            return Err(DataError::from(first_of(twice)).into());
        }
        let order = layout::natural(&rows.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>());
        let (ids, images) = order.into_iter().map(|row| rows[row].clone()).unzip();
        let labels = labels(predictor.meta(), &cells);
        Ok(Submission { header, cells, ids, images, notes: Vec::new(), labels, of_sample: false, guarded: false })
    }

    /// Plans a submission in the form of a sample, a csv file or a gzipped one: its header, its ids, and its order of rows
    /// and columns. `format` decides about a single column of labels whose meaning the sample does not show.
    ///
    /// # Errors
    /// Every kind of difference at once: ids without an image, columns that are no classes, classes without a column.
    pub fn like_sample(
        predictor: &Predictor,
        images: Vec<PathBuf>,
        suffixes: &[String],
        sample: &Path,
        format: Option<SubmissionFormat>,
        separator: &str,
    ) -> Result<Self, RunError> {
        sample::plan(predictor.meta(), images, suffixes, sample, format, separator)
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids, in the order of the rows.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The header.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// What is remarkable about the plan, such as images that the sample does not name, or names that a spreadsheet would
    /// compute.
    pub fn notes(&self) -> Vec<String> {
        self.notes.iter().cloned().chain(self.name_notes()).collect()
    }

    /// What each column holds, in words: `label: probability of "dogs"`.
    pub fn describe(&self) -> String {
        let columns = self.header.iter().zip(&self.cells);
        let labels: Vec<String> = columns
            .filter(|(_, cell)| **cell != SubmissionCell::Id)
            .map(|(name, cell)| format!("{name}: {cell}"))
            .collect();
        match &labels[..] {
            [one] => one.clone(),
            several => format!("{} columns of probabilities", several.len()),
        }
    }

    /// Predicts the rows and writes them to `out`, compressed if its name ends with `.gz`. Tags are those with a probability
    /// above `thresholds`.
    ///
    /// # Errors
    /// All unreadable images; nothing is written then, since a submission without some rows would be rejected.
    pub fn write(
        &self,
        predictor: &Predictor,
        tta: Option<u32>,
        thresholds: &Thresholds,
        out: &Path,
        watch: Watch<'_>,
    ) -> Result<(), RunError> {
        // Carries an image's error through the writer, whose error type covers only the disk.
        let mut failure = None;
        let written = write_atomic(out, |file| {
            let content = |to: &mut dyn Write| -> io::Result<()> {
                let mut csv = csv::Writer::from_writer(to);
                csv.write_record(self.header.iter().map(|name| self.cell(name).into_owned()))?;
                let mut fields = Vec::with_capacity(self.cells.len());
                let options = PredictOptions { tta, embeddings: false };
                let mut failed = Vec::new();
                let result = predictor.stream(self.images.iter().map(Ok), &options, watch, &mut |said| {
                    let said = match said {
                        Ok(said) => said,
                        Err(image) => {
                            failed.push(Finding::broken_image(&image.path, &image.reason));
                            return Ok(());
                        }
                    };
                    fields.clear();
                    for cell in &self.cells {
                        fields.push(match cell {
                            SubmissionCell::Id => self.cell(&self.ids[said.image]).into_owned(),
                            SubmissionCell::Probability { place, .. } => said.probabilities[*place].to_string(),
                            SubmissionCell::Number { .. } => said.probabilities[0].to_string(),
                            SubmissionCell::Class => {
                                self.cell(&predictor.said(said.probabilities, thresholds).concat()).into_owned()
                            }
                            SubmissionCell::Tags { separator } => {
                                self.cell(&predictor.said(said.probabilities, thresholds).join(separator)).into_owned()
                            }
                        });
                    }
                    csv.write_record(&fields).map_err(|e| RunError::file("write", out, e.into()))
                });
                match result {
                    Ok(_) if failed.is_empty() => csv.flush(),
                    Ok(_) => {
                        let (count, of) = (failed.len(), self.len());
                        let mut findings = first_of(failed);
                        let text = format!("{count} of {of} images cannot be read: nothing is written");
                        findings.push(Finding::new(FindingKind::Unusable { count, of }, text));
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
}

/// The classes that these cells name.
fn labels(meta: &ModelMeta, cells: &[SubmissionCell]) -> Vec<String> {
    let names = |cell: &SubmissionCell| matches!(cell, SubmissionCell::Class | SubmissionCell::Tags { .. });
    if cells.iter().any(names) { meta.classes.clone() } else { Vec::new() }
}

/// The first findings; the others are counted.
fn first_of(mut findings: Vec<Finding>) -> Vec<Finding> {
    let more = findings.len().saturating_sub(SHOWN);
    findings.truncate(SHOWN);
    if more > 0 {
        findings.push(Finding::new(FindingKind::More { count: more }, format!("and {more} more")));
    }
    findings
}
