//! Counts in bins of equal width.

use serde::Serialize;

/// Counts of values in bins of equal width, like `numpy.histogram`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// Edges of the bins, ascending; one more than there are bins.
    pub edges: Vec<f64>,
    /// Values in each bin; the last one includes its upper end.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Counts `values` in `bins` bins from the smallest value to the largest. A single distinct value lies in the middle of
    /// a range of width 1; without values the range is 0 to 1. The values must be finite.
    ///
    /// # Panics
    /// If `bins` is 0.
    pub fn new<T: Copy + Into<f64>>(values: &[T], bins: usize) -> Histogram {
        assert!(bins > 0, "a histogram needs a bin");
        let all = || values.iter().map(|value| (*value).into());
        let (low, high) = match (all().reduce(f64::min), all().reduce(f64::max)) {
            (Some(low), Some(high)) if low < high => (low, high),
            (Some(only), _) => (only - 0.5, only + 0.5),
            (None, _) => (0.0, 1.0),
        };
        let width = (high - low) / bins as f64;
        let edges: Vec<f64> = (0..=bins).map(|i| if i == bins { high } else { low + width * i as f64 }).collect();
        let mut counts = vec![0; bins];
        for value in all() {
            let guess = (((value - low) / (high - low)) * bins as f64) as usize;
            let mut bin = guess.min(bins - 1);
            // The edges decide, not the rounding of the division.
            if value < edges[bin] {
                bin -= 1;
            }
            if value >= edges[bin + 1] && bin + 1 < bins {
                bin += 1;
            }
            counts[bin] += 1;
        }
        Histogram { edges, counts }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// From `tools/reference_histograms.py`.
    const GOLDEN: &str = include_str!("../../tests/golden/histograms.json");

    #[test]
    fn histograms_are_numpys_to_the_last_bit() {
        let cases: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
        for case in &cases {
            let list = |key: &str| case[key].as_array().unwrap();
            // Text is read exactly, which serde_json does not promise of its numbers; those of the values are short.
            let edges: Vec<f64> = list("edges").iter().map(|edge| edge.as_str().unwrap().parse().unwrap()).collect();
            let values: Vec<f64> = list("values").iter().map(|value| value.to_string().parse().unwrap()).collect();
            let histogram = Histogram::new(&values, edges.len() - 1);
            assert_eq!(histogram.edges, edges, "{}", case["name"]);
            assert_eq!(histogram.counts, list("counts").iter().map(|n| n.as_u64().unwrap()).collect::<Vec<_>>());
        }
        assert!(cases.len() > 35);
    }

    /// The lesson plots the sides of 8,178 dog breeds that are below 1,000 pixels: widths of 97 to 982, counted as 135, 592,
    /// 1347, 1164, 4599, 128, 76, 62, 14 and 11, heights of 102 to 982, counted as 235, 733, 2205, 2979, 1807, 98, 27, 33,
    /// 7 and 10. The photos themselves are not here, so the edges are what can be compared.
    #[test]
    fn the_edges_are_those_of_the_lesson() {
        for (low, high, width) in [(97u32, 982, 88.5), (102, 982, 88.0)] {
            let edges: Vec<f64> = (0..=10).map(|i| f64::from(low) + width * f64::from(i)).collect();
            assert_eq!(Histogram::new(&[low, 500, high], 10).edges, edges);
        }
    }
}
