//! What a run began with: its data and its weights, as far as two runs can be compared by it.

use serde::{Deserialize, Serialize};

/// Digests of a data set, as a run found it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFingerprint {
    /// The training images.
    pub train: PartFingerprint,
    /// The validation images.
    pub valid: PartFingerprint,
    /// The test images.
    pub test: PartFingerprint,
}

/// Digests of one part of a data set, 32 hexadecimal digits each. The order of the images counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartFingerprint {
    /// Number of images.
    pub images: usize,
    /// Digest of the images' ids and labels; a class counts by its place among the classes.
    pub labels: String,
    /// Digest of the files' content, and of the size of those files that were not read.
    pub content: String,
    /// Number of files that were read: all unless the recipe says `preflight: sample(..)`.
    pub read: usize,
}

impl DataFingerprint {
    /// Returns how `other` differs, a line for each part that does.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let parts = [
            ("training", &self.train, &other.train),
            ("validation", &self.valid, &other.valid),
            ("test", &self.test, &other.test),
        ];
        let line =
            |(part, a, b): (&str, &PartFingerprint, &PartFingerprint)| Some(format!("{part}: {}", a.difference(b)?));
        parts.into_iter().filter_map(line).collect()
    }
}

impl PartFingerprint {
    fn difference(&self, other: &Self) -> Option<String> {
        if self.images != other.images {
            return Some(format!("{} and {} images", self.images, other.images));
        }
        let images = self.images;
        if self.labels != other.labels {
            return Some(format!("{images} images in both, but other images, labels or order"));
        }
        if self.content == other.content {
            return None;
        }
        if self.read.min(other.read) < images {
            let read = self.read.min(other.read);
            return Some(format!(
                "the same ids and labels; a run read only {read} of {images} files, so content is not compared"
            ));
        }
        Some(format!("the same ids and labels of {images} images, but files of other content"))
    }
}

/// What the body of a run began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitialWeights {
    /// Random numbers.
    Random,
    /// A file of weights.
    File {
        /// Name of the file, without its folder.
        name: String,
        /// The sha256 of the file, 64 hexadecimal digits.
        sha256: String,
        /// The name of the published weights that it has, such as `squeezenet1_1`; `None` for one's own.
        published: Option<String>,
    },
}

impl InitialWeights {
    /// Describes them in a few words: `resnet34-b627a593.pth, published as resnet34, sha256 b627a593bcbe140c`.
    pub fn describe(&self) -> String {
        match self {
            InitialWeights::Random => "random numbers".to_string(),
            InitialWeights::File { name, sha256, published } => {
                let whose = published.as_ref().map_or(String::new(), |name| format!("published as {name}, "));
                format!("{name}, {whose}sha256 {}", sha256.get(..16).unwrap_or(sha256))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(images: usize, labels: &str, content: &str, read: usize) -> PartFingerprint {
        PartFingerprint { images, labels: labels.into(), content: content.into(), read }
    }

    #[test]
    fn what_differs_is_said_of_each_part() {
        let data = |train: PartFingerprint| DataFingerprint { train, ..DataFingerprint::default() };
        let of = |a: PartFingerprint, b: PartFingerprint| data(a).differences(&data(b)).join("\n");
        assert_eq!(of(part(3, "l", "c", 3), part(3, "l", "c", 1)), "");
        assert_eq!(of(part(3, "l", "c", 3), part(4, "l", "c", 4)), "training: 3 and 4 images");
        let other = of(part(3, "l", "c", 3), part(3, "m", "c", 3));
        assert_eq!(other, "training: 3 images in both, but other images, labels or order");
        let other = of(part(3, "l", "c", 3), part(3, "l", "d", 3));
        assert_eq!(other, "training: the same ids and labels of 3 images, but files of other content");
        let other = of(part(3, "l", "c", 3), part(3, "l", "d", 2));
        assert!(other.contains("read only 2 of 3 files"), "{other}");
        let changed = DataFingerprint { valid: part(1, "v", "", 1), ..data(part(3, "l", "c", 3)) };
        assert_eq!(data(part(2, "l", "c", 2)).differences(&changed).len(), 2);
    }

    #[test]
    fn what_an_earlier_version_sampled_of_the_images_is_ignored() {
        let text = r#"{"images":3,"labels":"l","content":"c","read":3}"#;
        let sampled = text.replace('}', r#","labels_sketch":"0101010101010101","content_sketch":""}"#);
        for text in [text, sampled.as_str()] {
            assert_eq!(serde_json::from_str::<PartFingerprint>(text).unwrap(), part(3, "l", "c", 3));
        }
        assert_eq!(serde_json::to_string(&part(3, "l", "c", 3)).unwrap(), text);
    }

    #[test]
    fn weights_are_told_by_file_and_digest() {
        let file = InitialWeights::File { name: "a.pth".into(), sha256: "0123456789abcdef".repeat(4), published: None };
        assert_eq!(file.describe(), "a.pth, sha256 0123456789abcdef");
        let text = serde_json::to_string(&[file.clone(), InitialWeights::Random]).unwrap();
        assert!(text.contains("{\"file\":{\"name\":\"a.pth\"") && text.ends_with(",\"random\"]"), "{text}");
        assert_eq!(serde_json::from_str::<[InitialWeights; 2]>(&text).unwrap(), [file, InitialWeights::Random]);
    }
}
