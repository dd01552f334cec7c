//! `trained_images.bin` in a run's folder: the digests of all images that the run trains on, which tell later whether an image is
//! one of them.

use std::io::{Error, ErrorKind};
use std::path::Path;

use super::data_digest::{DataDigest, digest_of_all};
use crate::RunError;
use crate::report::{PartFingerprint, refuse_link};
use crate::sealed::{read_sealed, write_sealed};

/// What the file begins with.
const KIND: &str = "fastai-trained-images-1";
/// Bytes of an image's two digests.
const AN_IMAGE: u64 = 16;
/// Largest file that is read beyond the digests: the first line and the number of images.
const BESIDE: u64 = 1024;

/// The digests of the images that a run trains on, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TrainedRecord {
    /// Of their ids and labels.
    pub(super) labels: Vec<[u8; 8]>,
    /// Of the files' contents; empty unless the run read all files.
    pub(super) contents: Vec<[u8; 8]>,
}

impl TrainedRecord {
    /// The name of the file, in the folder of the run.
    pub(super) const FILE: &str = "trained_images.bin";

    /// Those of a run on these data, of whose training images `train` is the fingerprint.
    pub(super) fn of(data: &DataDigest, train: &PartFingerprint) -> Self {
        let images = data.of_training_images();
        let labels = images.iter().map(|image| image[0]).collect();
        // Of a file that was not read, there is the digest of its size, which other files have too.
        let read_all = train.read == train.images;
        let contents = if read_all { images.iter().map(|image| image[1]).collect() } else { Vec::new() };
        TrainedRecord { labels, contents }
    }

    /// Writes the file into the folder `run`: the number of images, 8 bytes with the lowest first, and the digests.
    pub(super) fn write(&self, run: &Path) -> Result<(), RunError> {
        let path = run.join(Self::FILE);
        refuse_link(&path)?;
        let count = (self.labels.len() as u64).to_le_bytes();
        let content = [&count[..], self.labels.as_flattened(), self.contents.as_flattened()].concat();
        Ok(write_sealed(&path, KIND, &content)?)
    }

    /// Reads the file of the run in the folder `run`, of whose training images the summary has the fingerprint `train`; `None` if
    /// there is no file.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, is a link, or belongs to another run.
    pub(super) fn read(run: &Path, train: &PartFingerprint) -> Result<Option<Self>, RunError> {
        let path = run.join(Self::FILE);
        let record = if path.is_symlink() {
            Err("it is a link, and a run writes no links".to_string())
        } else if path.is_file() {
            let largest = AN_IMAGE.saturating_mul(train.images as u64).saturating_add(BESIDE);
            read_sealed(&path, KIND, largest)?.and_then(|content| Self::decoded(&content, train))
        } else {
            return Ok(None);
        };
        record.map(Some).map_err(|why| {
            let why = format!(
                "{why}; without the file, `fastai validate` measures, but cannot say whether the run trained on the images"
            );
            RunError::file("read", &path, Error::new(ErrorKind::InvalidData, why))
        })
    }

    /// The record in the content of a file; the error says why it is none of that run.
    fn decoded(content: &[u8], train: &PartFingerprint) -> Result<Self, String> {
        let record = Self::of_content(content).ok_or("its length is not that of its number of images")?;
        let is_of_run = digest_of_all(&record.labels) == train.labels
            && (record.contents.is_empty() || digest_of_all(&record.contents) == train.content);
        if is_of_run { Ok(record) } else { Err("it is not of the run whose `summary.json` lies beside it".to_string()) }
    }

    fn of_content(content: &[u8]) -> Option<Self> {
        let (count, digests) = content.split_first_chunk::<8>()?;
        let (digests, rest) = digests.as_chunks::<8>();
        let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
        let (labels, contents) = digests.split_at_checked(count)?;
        let is_whole = rest.is_empty() && (contents.is_empty() || contents.len() == count);
        is_whole.then(|| TrainedRecord { labels: labels.to_vec(), contents: contents.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(of: std::ops::Range<u64>) -> Vec<[u8; 8]> {
        of.map(u64::to_le_bytes).collect()
    }

    /// What the summary says of the images of a record.
    fn fingerprint(record: &TrainedRecord) -> PartFingerprint {
        let images = record.labels.len();
        let content = digest_of_all(&record.contents);
        PartFingerprint { images, labels: digest_of_all(&record.labels), content, read: images }
    }

    #[test]
    fn what_was_written_is_read() {
        let run = tempfile::tempdir().unwrap();
        let whole = TrainedRecord { labels: digests(0..3), contents: digests(5..8) };
        let sampled = TrainedRecord { contents: Vec::new(), ..whole.clone() };
        assert_eq!(TrainedRecord::read(run.path(), &fingerprint(&whole)).unwrap(), None, "an earlier version's run");
        for record in [whole, sampled, TrainedRecord::default()] {
            record.write(run.path()).unwrap();
            assert_eq!(TrainedRecord::read(run.path(), &fingerprint(&record)).unwrap(), Some(record));
        }
    }

    #[test]
    fn a_file_of_another_run_or_of_an_impossible_length_is_an_error() {
        let run = tempfile::tempdir().unwrap();
        let path = run.path().join(TrainedRecord::FILE);
        let record = TrainedRecord { labels: digests(0..3), contents: digests(5..8) };
        let error = |train: &PartFingerprint| {
            let error = TrainedRecord::read(run.path(), train).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()) && error.contains("without the file"), "{error}");
            error
        };
        record.write(run.path()).unwrap();
        let own = fingerprint(&record);
        for other in [&record.labels[..2], &record.contents] {
            let other = TrainedRecord { labels: other.to_vec(), ..record.clone() };
            assert!(error(&fingerprint(&other)).contains("not of the run"));
        }
        let other = TrainedRecord { contents: digests(6..9), ..record.clone() };
        assert!(error(&fingerprint(&other)).contains("not of the run"));

        let counted = |count: u64, digests: usize| [&count.to_le_bytes()[..], &vec![0; digests]].concat();
        for content in
            [vec![], vec![3; 7], counted(3, 16), counted(3, 40), counted(3, 49), counted(3, 56), counted(u64::MAX, 48)]
        {
            write_sealed(&path, KIND, &content).unwrap();
            assert!(error(&own).contains("its length is not that"), "{content:?}");
        }
        for damaged in [&b""[..], b"fastai-trained-images-2 \n"] {
            std::fs::write(&path, damaged).unwrap();
            assert!(error(&own).contains("does not begin with"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_refused() {
        let (run, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let record = TrainedRecord { labels: digests(0..3), contents: digests(5..8) };
        record.write(other.path()).unwrap();
        let [here, there] = [&run, &other].map(|folder| folder.path().join(TrainedRecord::FILE));
        std::os::unix::fs::symlink(&there, &here).unwrap();
        let error = TrainedRecord::read(run.path(), &fingerprint(&record)).unwrap_err().to_string();
        assert!(error.contains("it is a link"), "{error}");
        assert!(record.write(run.path()).is_err());
    }
}
