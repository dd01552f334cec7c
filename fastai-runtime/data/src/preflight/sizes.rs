//! Counts of image sizes.

use serde::Serialize;

/// Image sizes of one part: distinct `[width, height, count]`, upright, pixels, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes(pub Vec<[u32; 3]>);

impl Sizes {
    /// Images.
    pub fn images(&self) -> u64 {
        self.0.iter().map(|size| u64::from(size[2])).sum()
    }

    /// The width of each image, ascending, for a [`Histogram`](crate::Histogram).
    pub fn widths(&self) -> Vec<u32> {
        self.sides(0)
    }

    /// The height of each image, for a [`Histogram`](crate::Histogram).
    pub fn heights(&self) -> Vec<u32> {
        self.sides(1)
    }

    /// The smallest and the largest width, then the smallest and the largest height; `None` without images.
    pub fn extremes(&self) -> Option<[[u32; 2]; 2]> {
        let of = |side: usize| {
            let sides = || self.0.iter().map(|size| size[side]);
            Some([sides().min()?, sides().max()?])
        };
        Some([of(0)?, of(1)?])
    }

    fn sides(&self, which: usize) -> Vec<u32> {
        self.0.iter().flat_map(|size| std::iter::repeat_n(size[which], size[2] as usize)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_unfold_into_sides() {
        let sizes = Sizes(vec![[3, 4, 2], [5, 1, 1]]);
        assert_eq!((sizes.widths(), sizes.heights(), sizes.images()), (vec![3, 3, 5], vec![4, 4, 1], 3));
        assert_eq!(sizes.extremes(), Some([[3, 5], [1, 4]]));
        assert_eq!(Sizes::default().extremes(), None);
    }
}
