//! Sketches of sets of images, which tell about how many of other images are in the set.

use serde::{Deserialize, Serialize};

/// Digests that a sketch keeps, at most.
const KEPT: usize = 256;
/// Hexadecimal digits of a digest.
const DIGITS: usize = 16;

/// The 256 smallest of the digests of a set of images, or all of fewer; empty if nothing is known of the set. Its text has 16
/// hexadecimal digits for each, in ascending order.
///
/// Digests are as good as random, so the images whose digests are smallest are a sample: of other images, those with digests
/// up to the largest of a sketch are in the set exactly if they are in the sketch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sketch(Vec<u64>);

/// How many of other images are in the set of a [`Sketch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recognised {
    /// The images of which the sketch tells whether they are.
    pub(crate) compared: usize,
    /// Those of them that are.
    pub(crate) found: usize,
}

impl Sketch {
    /// The sketch of the images with these digests.
    pub(crate) fn of(digests: impl IntoIterator<Item = [u8; 8]>) -> Self {
        Self::smallest(digests.into_iter().map(u64::from_be_bytes).collect())
    }

    fn smallest(mut digests: Vec<u64>) -> Self {
        digests.sort_unstable();
        digests.dedup();
        digests.truncate(KEPT);
        digests.shrink_to_fit();
        Sketch(digests)
    }

    /// Whether nothing is known of the set.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sketch of the images of both sets; empty if nothing is known of one.
    pub(crate) fn with(self, other: Sketch) -> Self {
        if self.is_empty() || other.is_empty() {
            return Sketch::default();
        }
        Self::smallest([self.0, other.0].concat())
    }

    /// Looks for images with these digests in the set.
    pub(crate) fn recognise(&self, digests: impl IntoIterator<Item = [u8; 8]>) -> Recognised {
        let largest = self.0.last().filter(|_| self.0.len() == KEPT).copied().unwrap_or(u64::MAX);
        let mut recognised = Recognised { compared: 0, found: 0 };
        for digest in digests.into_iter().map(u64::from_be_bytes).filter(|digest| *digest <= largest) {
            recognised.compared += 1;
            recognised.found += usize::from(self.0.binary_search(&digest).is_ok());
        }
        recognised
    }
}

impl From<Sketch> for String {
    fn from(sketch: Sketch) -> String {
        sketch.0.iter().map(|digest| format!("{digest:0DIGITS$x}")).collect()
    }
}

impl TryFrom<String> for Sketch {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |group: &[u8]| u64::from_str_radix(str::from_utf8(group).ok()?, 16).ok();
        let digests: Option<Vec<u64>> = text.as_bytes().chunks(DIGITS).map(number).collect();
        // What another text stands for has another order, number or spelling.
        digests.map(Self::smallest).filter(|sketch| String::from(sketch.clone()) == text).ok_or_else(|| {
            format!(
                "the sketch of a set of images is broken: expected at most {KEPT} different digests of {DIGITS} digits \
                 (0-9, a-f), ascending"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of images with these numbers.
    fn digests(numbers: std::ops::Range<u64>) -> impl Iterator<Item = [u8; 8]> {
        numbers.map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes().first_chunk().unwrap())
    }

    #[test]
    fn a_small_set_is_known_exactly() {
        let sketch = Sketch::of(digests(0..100).chain(digests(0..50)));
        assert_eq!(sketch.recognise(digests(90..110)), Recognised { compared: 20, found: 10 });
        assert_eq!(sketch.recognise(digests(90..100).chain(digests(90..100))), Recognised { compared: 20, found: 20 });
        assert_eq!(sketch.recognise([]), Recognised { compared: 0, found: 0 });
    }

    #[test]
    fn a_share_of_a_large_set_is_estimated() {
        let sketch = Sketch::of(digests(0..10_000));
        let share = |numbers| {
            let Recognised { compared, found } = sketch.recognise(digests(numbers));
            assert!(compared < 600, "a sample: {compared}");
            found as f64 / compared as f64
        };
        assert!(share(0..10_000) == 1.0 && share(3_000..9_000) == 1.0, "subsets");
        assert!((share(5_000..15_000) - 0.5).abs() < 0.1 && (share(8_000..18_000) - 0.2).abs() < 0.08);
        assert_eq!(share(10_000..20_000), 0.0);
    }

    #[test]
    fn the_sketch_of_two_sets_follows_from_theirs() {
        let of = |numbers| Sketch::of(digests(numbers));
        assert_eq!(of(0..3_000).with(of(1_000..4_000)), of(0..4_000));
        assert_eq!(of(0..3_000).with(of(3_000..3_010)), of(0..3_010));
        assert_eq!(of(0..3_000).with(Sketch::default()), Sketch::default());
    }

    #[test]
    fn only_its_own_text_is_a_sketch() {
        let read = |text: String| serde_json::from_str::<Sketch>(&serde_json::to_string(&text).unwrap());
        for sketch in [Sketch::default(), Sketch::of(digests(0..3)), Sketch::of(digests(0..1_000))] {
            let text = String::from(sketch.clone());
            assert_eq!(text.len(), 16 * sketch.0.len());
            assert_eq!(serde_json::to_string(&sketch).unwrap(), format!("\"{text}\""));
            assert_eq!(read(text).unwrap(), sketch);
        }
        let group = |n: usize| format!("{n:016x}");
        let many: String = (0..257).map(group).collect();
        for broken in [
            "0".repeat(15),
            "0".repeat(17),
            group(1) + &group(1),
            group(2) + &group(1),
            group(0xabc).to_uppercase(),
            "+".to_string() + &"1".repeat(15),
            "g".repeat(16),
            "é".repeat(8),
            many,
        ] {
            let error = read(broken.clone()).unwrap_err().to_string();
            assert!(error.contains("at most 256 different digests of 16 digits"), "{broken}: {error}");
        }
    }
}
