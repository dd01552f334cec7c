//! What a data set contained when a run began.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Health, Item, Target};
use crate::names::first_names;
use crate::report::{DataFingerprint, PartFingerprint};

/// A digest of a data set: names, labels and the content of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataDigest {
    classes: Vec<String>,
    /// The training, validation and test parts.
    parts: [PartDigest; 3],
}

/// What one part of a data set contains, each image with a digest, so that those that differ can be named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct PartDigest {
    /// Digests of id and label, and of the file's content, in the part's order.
    images: Vec<[[u8; 8]; 2]>,
    ids: Vec<String>,
}

impl DataDigest {
    /// The digest of the images that preflight examined.
    pub(super) fn of(dataset: &Dataset, health: &Health) -> Self {
        DataDigest {
            classes: dataset.classes.clone(),
            parts: [&dataset.train, &dataset.valid, &dataset.test].map(|items| PartDigest::of(items, health)),
        }
    }

    /// What the summary keeps of it, which outlives the run. Its images are those of `dataset`.
    pub(super) fn fingerprint(&self, dataset: &Dataset, health: &Health) -> DataFingerprint {
        let [train, valid, test] = &self.parts;
        DataFingerprint {
            train: train.fingerprint(&dataset.train, health),
            valid: valid.fingerprint(&dataset.valid, health),
            test: test.fingerprint(&dataset.test, health),
        }
    }

    /// The digests of each training image, of its id and label and of its file's content, in the order of the images.
    pub(super) fn of_training_images(&self) -> &[[[u8; 8]; 2]] {
        &self.parts[0].images
    }

    /// Returns the differences between the run's data and `now` in words, one per line.
    pub(super) fn differences(&self, now: &DataDigest) -> Vec<String> {
        let mut found = Vec::new();
        if self.classes != now.classes {
            let (was, is) = (self.classes.join(", "), now.classes.join(", "));
            found.push(format!("classes: {was} when the run began, {is} now"));
        }
        for (what, (was, is)) in ["training", "validation", "test"].iter().zip(self.parts.iter().zip(&now.parts)) {
            found.extend(was.difference(is).map(|how| format!("{what} set: {how}")));
        }
        found
    }
}

impl PartDigest {
    fn of(items: &[Item], health: &Health) -> Self {
        let images = items.iter().map(|item| [labelled("", item), content(item, health)]).collect();
        PartDigest { images, ids: items.iter().map(|item| item.id.clone()).collect() }
    }

    fn fingerprint(&self, items: &[Item], health: &Health) -> PartFingerprint {
        PartFingerprint {
            images: self.images.len(),
            labels: digest_of_all(self.images.iter().map(|image| &image[0])),
            content: digest_of_all(self.images.iter().map(|image| &image[1])),
            read: items.iter().filter(|item| health.content(&item.path).is_some()).count(),
        }
    }

    fn difference(&self, now: &PartDigest) -> Option<String> {
        const NAMED: usize = 5;
        if self == now {
            return None;
        }
        let (was, is) = (self.images.len(), now.images.len());
        if was != is {
            return Some(format!("{was} images when the run began, {is} now"));
        }
        let differ = |of: fn(&[[u8; 8]; 2]) -> [u8; 8]| -> Vec<&str> {
            let pairs = self.images.iter().zip(&now.images).zip(&now.ids);
            pairs.filter(|((a, b), _)| of(a) != of(b)).map(|(_, id)| id.as_str()).collect()
        };
        let (labels, contents) = (differ(|image| image[0]), differ(|image| image[1]));
        let named = |ids: &[&str]| first_names(ids.iter().map(|id| format!("{id:?}")), NAMED);
        let mut how = Vec::new();
        if !labels.is_empty() {
            how.push(format!("other names or labels: {}", named(&labels)));
        }
        let only_content: Vec<&str> = contents.into_iter().filter(|id| !labels.contains(id)).collect();
        if !only_content.is_empty() {
            how.push(format!("other content: {}", named(&only_content)));
        }
        Some(format!("{is} images as before, but {}", how.join("; ")))
    }
}

/// The fingerprint of images of which every file is read now, as preflight reads them.
pub(super) fn fingerprint_of_files(items: &[Item]) -> PartFingerprint {
    let images = items.par_iter().map(|item| [labelled("", item), content_of_file(item)]).collect();
    let digest = PartDigest { images, ids: items.iter().map(|item| item.id.clone()).collect() };
    PartFingerprint { read: items.len(), ..digest.fingerprint(items, &Health::default()) }
}

/// The digest of digests in this order, as a fingerprint has it.
pub(super) fn digest_of_all<'d>(digests: impl IntoIterator<Item = &'d [u8; 8]>) -> String {
    let mut hash = blake3::Hasher::new();
    for digest in digests {
        hash.update(digest);
    }
    hash.finalize().to_hex()[..32].to_string()
}

/// The digest of an image's id, after the folder `below` (which ends with a slash, or is empty), and of its label.
pub(super) fn labelled(below: &str, item: &Item) -> [u8; 8] {
    let mut hash = blake3::Hasher::new();
    hash.update(below.as_bytes());
    hash.update(item.id.as_bytes());
    hash.update(b"\0");
    match &item.target {
        Target::Class(class) => hash.update(&class.to_le_bytes()),
        Target::Tags(tags) => tags.iter().fold(&mut hash, |hash, tag| hash.update(&tag.to_le_bytes())),
        Target::Value(value) => hash.update(&value.to_le_bytes()),
        Target::Unlabelled => hash.update(b"?"),
    };
    first_bytes(hash.finalize().as_bytes())
}

/// The digest of the file's content, which is read now; zeros if it cannot be read.
pub(super) fn content_of_file(item: &Item) -> [u8; 8] {
    // What is no file has no content; opening a pipe would wait for its writer.
    let bytes = item.path.is_file().then(|| std::fs::read(&item.path).ok()).flatten();
    bytes.map_or([0; 8], |bytes| first_bytes(blake3::hash(&bytes).as_bytes()))
}

/// The digest of the file's content, or of its size if preflight did not examine it (`preflight: sample(..)`).
fn content(item: &Item, health: &Health) -> [u8; 8] {
    if let Some(digest) = health.content(&item.path) {
        return first_bytes(&digest);
    }
    std::fs::metadata(&item.path).map_or([0; 8], |file| file.len().to_le_bytes())
}

fn first_bytes(digest: &[u8]) -> [u8; 8] {
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_content_have_a_fingerprint_each() {
        let health = Health::default();
        let items = ["a", "b"].map(|id| Item { id: id.into(), path: id.into(), target: Target::Class(0) });
        let of = |images: [[[u8; 8]; 2]; 2]| {
            let part = PartDigest { images: images.to_vec(), ids: vec!["a".into(), "b".into()] };
            part.fingerprint(&items, &health)
        };
        let was = of([[[1; 8], [2; 8]], [[3; 8], [4; 8]]]);
        assert_eq!((was.images, was.read, was.labels.len(), was.content.len()), (2, 0, 32, 32));
        let relabelled = of([[[1; 8], [2; 8]], [[5; 8], [4; 8]]]);
        assert!(relabelled.labels != was.labels && relabelled.content == was.content);
        let changed = of([[[1; 8], [2; 8]], [[3; 8], [6; 8]]]);
        assert!(changed.labels == was.labels && changed.content != was.content);
        let turned = of([[[3; 8], [4; 8]], [[1; 8], [2; 8]]]);
        assert!(turned.labels != was.labels && turned.content != was.content, "the order counts");
    }

    #[test]
    fn differences_name_what_differs() {
        let parts = [0, 1, 2].map(|n| PartDigest {
            images: vec![[[n; 8]; 2]; n.into()],
            ids: (0..n).map(|i| format!("image {i}")).collect(),
        });
        let was = DataDigest { classes: vec!["a".into()], parts };
        let mut now = was.clone();
        assert_eq!(was.differences(&now), Vec::<String>::new());
        now.parts[0].images.push([[9; 8]; 2]);
        now.parts[1].images[0][1] = [5; 8];
        now.parts[2].images[1][0] = [5; 8];
        now.classes.push("b".into());
        let found = was.differences(&now).join("\n");
        for part in [
            "classes: a when the run began, a, b now",
            "training set: 0 images when the run began, 1 now",
            "validation set: 1 images as before, but other content: \"image 0\"",
            "test set: 2 images as before, but other names or labels: \"image 1\"",
        ] {
            assert!(found.contains(part), "{found}");
        }
    }
}
