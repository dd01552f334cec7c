//! Lengths cut into nearly equal parts.

use std::ops::Range;

/// Part `number` of `parts` parts of `length`.
///
/// # Panics
/// If the product of `length` and `parts` has more than 64 bits.
#[inline]
pub(crate) fn nth(number: usize, parts: usize, length: usize) -> Range<usize> {
    // In 64 bits where addresses have 32, too: pixels times blocks of pixels are more.
    let bound = |number: usize| {
        let product = (number as u64).checked_mul(length as u64).expect("a product of 64 bits");
        (product / parts as u64) as usize
    };
    bound(number)..bound(number + 1)
}

/// As few parts as are at most `most` long; of nothing one that is empty.
#[inline]
pub(crate) fn at_most(most: usize, length: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = length.div_ceil(most).max(1);
    (0..parts).map(move |number| nth(number, parts, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_and_differ_by_one_at_most() {
        for (most, length) in [(14, 1), (14, 14), (14, 15), (14, 300), (256, 1170), (1, 7)] {
            let parts: Vec<Range<usize>> = at_most(most, length).collect();
            assert_eq!(parts.len(), length.div_ceil(most));
            assert!(parts.windows(2).all(|two| two[0].end == two[1].start), "{parts:?}");
            assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, length));
            let lengths = parts.iter().map(Range::len);
            let (least, longest) = (lengths.clone().min().unwrap(), lengths.max().unwrap());
            assert!(longest <= most && longest - least <= 1, "{parts:?}");
        }
        assert!(at_most(14, 0).eq(std::iter::once(0..0)));
    }

    #[test]
    fn products_of_more_than_32_bits_do_not_wrap() {
        // Pixels of a large batch in blocks of 112.
        let (pixels, blocks) = (64 * 112 * 112, 64 * 112);
        assert_eq!(nth(blocks - 1, blocks, pixels), pixels - 112..pixels);
    }
}
