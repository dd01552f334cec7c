//! `out_of_fold.csv`: what is predicted for each image by a network that did not train on it.

use std::io;

use crate::metrics::Truth;

/// An image and its predictions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OutOfFoldRow {
    pub(crate) id: String,
    /// From 1.
    pub(crate) fold: usize,
    /// Tags are separated by spaces.
    pub(crate) label: String,
    /// One for each class.
    pub(crate) values: Vec<f32>,
}

/// Writes a row for each image: its id, its fold, its label, and what is predicted for each class.
pub(crate) fn write(
    classes: &[String],
    rows: impl IntoIterator<Item = OutOfFoldRow>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["id", "fold", "label"].into_iter().chain(classes.iter().map(String::as_str)))?;
    for OutOfFoldRow { id, fold, label, values } in rows {
        csv.write_record([id, fold.to_string(), label].into_iter().chain(values.iter().map(f32::to_string)))?;
    }
    csv.flush()
}

/// The label of an image, in words.
pub(crate) fn label(truth: &Truth, image: usize, classes: &[String]) -> String {
    match truth {
        Truth::Classes(labels) => classes.get(labels[image] as usize).cloned().unwrap_or_default(),
        Truth::Values(values) => values[image].to_string(),
        tags @ Truth::Tags { .. } => {
            let named = classes.iter().zip(tags.tags_of(image)).filter(|(_, has)| **has);
            named.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
        }
    }
}
