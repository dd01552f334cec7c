//! Histograms as tables of bars.

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::numbers::{grouped, short};
use crate::data::{Dataset, Histogram, Item, Sizes};

/// Bins of a histogram, as in the lesson.
const BINS: usize = 10;
/// The second histogram omits sides of this length and longer, pixels.
const LONG: u32 = 1000;

/// A histogram as rows of bars.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    /// The title: what was counted.
    pub title: String,
    /// The label of each bar, `97 – 185`, and its count, from the smallest value to the largest.
    pub rows: Vec<(String, u64)>,
}

impl Bars {
    /// Histograms of the widths and heights of training images in ten bins. If some sides reach 1,000 pixels, further
    /// histograms show only the shorter sides, because a few large photos would put all others into one bar.
    pub fn of_sizes(sizes: &Sizes) -> Vec<Bars> {
        let mut all = Vec::new();
        for (title, sides) in [("Width", sizes.widths()), ("Height", sizes.heights())] {
            all.extend(Bars::of_sides(&format!("{title} of training images, pixels"), &sides));
        }
        for (title, mut sides) in [("Width", sizes.widths()), ("Height", sizes.heights())] {
            let images = sides.len();
            sides.retain(|side| *side < LONG);
            if sides.len() < images {
                all.extend(Bars::of_sides(
                    &format!("{title} below 1,000 pixels: {} images", grouped(sides.len() as u64)),
                    &sides,
                ));
            }
        }
        all
    }

    /// Histograms of a regression's targets for training and validation images; none for other tasks.
    pub fn of_targets(dataset: &Dataset) -> Vec<Bars> {
        let what = dataset.classes.first().map_or("value", String::as_str);
        let of = |(set, items): (&str, &[Item])| {
            let values: Vec<f32> = items.iter().filter_map(|item| item.target.value()).collect();
            Bars::of_values(&format!("{what}, {} {set} images", grouped(values.len() as u64)), &values)
        };
        [("training", &dataset.train[..]), ("validation", &dataset.valid)].into_iter().filter_map(of).collect()
    }

    /// Counts integers in ten bins, or each value separately if there are fewer than ten; `None` without values.
    fn of_sides(title: &str, sides: &[u32]) -> Option<Bars> {
        let (low, high) = (*sides.iter().min()?, *sides.iter().max()?);
        let rows = if ((high - low) as usize) < BINS {
            let count = |side: u32| sides.iter().filter(|other| **other == side).count() as u64;
            (low..=high).map(|side| (range(side, side), count(side))).collect()
        } else {
            let Histogram { edges, counts } = Histogram::new(sides, BINS);
            // A bin begins at its lower edge and ends before the next one's, but for the last.
            let first = |bin: usize| edges[bin].ceil() as u32;
            let last = |bin: usize| if bin + 1 == BINS { high } else { first(bin + 1) - 1 };
            counts.iter().enumerate().map(|(bin, count)| (range(first(bin), last(bin)), *count)).collect()
        };
        Some(Bars { title: title.to_string(), rows })
    }

    /// Counts numbers in ten bins, or in one row if all are equal; `None` without values.
    pub fn of_values(title: &str, values: &[f32]) -> Option<Bars> {
        let first = *values.first()?;
        let title = title.to_string();
        if values.iter().all(|value| *value == first) {
            return Some(Bars { title, rows: vec![(short(first.into()), values.len() as u64)] });
        }
        let Histogram { edges, counts } = Histogram::new(values, BINS);
        let text = labels(&edges);
        let ranges = text.windows(2).map(|ends| format!("{} – {}", ends[0], ends[1]));
        Some(Bars { title, rows: ranges.zip(counts).collect() })
    }

    /// The table in a card.
    pub fn card(&self) -> Markup {
        let most = self.rows.iter().map(|row| row.1).max().unwrap_or(0).max(1);
        // A nonzero count is never drawn as empty.
        let width = |count: u64| match count {
            0 => "width:0".to_string(),
            _ => format!("width:max(2px,{:.1}%)", 100.0 * count as f64 / most as f64),
        };
        html! {
            div.card {
                h3 { (self.title) }
                table.bars { tbody { @for (range, count) in &self.rows { tr {
                    td.n { (range) }
                    td.n { (grouped(*count)) }
                    td.bar { i style=(width(*count)) {} }
                } } } }
            }
        }
    }
}

/// `97 – 185`, or `97` if both ends are the same.
pub(super) fn range(first: u32, last: u32) -> String {
    let [first, last] = [first, last].map(|side| grouped(side.into()));
    if first == last { first } else { format!("{first} – {last}") }
}

/// Formats the edges with enough decimals to distinguish neighbours, or as powers of ten if that takes many digits.
fn labels(edges: &[f64]) -> Vec<String> {
    let width = (edges[edges.len() - 1] - edges[0]) / (edges.len() - 1) as f64;
    let decimals = (1.0 - width.log10().floor()).max(0.0);
    let largest = edges.iter().fold(0f64, |most, edge| most.max(edge.abs()));
    if decimals > 6.0 || largest >= 1e7 {
        let digits = ((largest / width).log10() - 1e-9).ceil().max(1.0) as usize;
        return edges.iter().map(|edge| format!("{edge:.digits$e}")).collect();
    }
    let decimals = decimals as usize;
    let label = |edge: &f64| {
        let text = format!("{edge:.decimals$}");
        // A small negative number is not rounded to minus zero.
        let zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
        if zero { text.trim_start_matches('-').to_string() } else { text }
    };
    edges.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bars: &Bars) -> Vec<(&str, u64)> {
        bars.rows.iter().map(|(range, count)| (range.as_str(), *count)).collect()
    }

    #[test]
    fn sides_are_shown_by_the_whole_numbers_of_their_bins() {
        // The edges lie at 97, 185.5, 274 ..
        let bars = Bars::of_sides("Width", &[97, 185, 186, 273, 274, 982]).unwrap();
        let shown = rows(&bars);
        assert_eq!(shown[..3], [("97 – 185", 2), ("186 – 273", 2), ("274 – 362", 1)]);
        assert_eq!(shown[9], ("894 – 982", 1));
        let few = Bars::of_sides("Width", &[256, 258, 256, 253]).unwrap();
        assert_eq!(rows(&few), [("253", 1), ("254", 0), ("255", 0), ("256", 2), ("257", 0), ("258", 1)]);
        assert_eq!(rows(&Bars::of_sides("Width", &[60; 20]).unwrap()), [("60", 20)]);
        assert_eq!(Bars::of_sides("Width", &[]), None);
    }

    #[test]
    fn long_sides_bring_a_histogram_without_them() {
        let all = Bars::of_sizes(&Sizes(vec![[300, 999, 4], [400, 1000, 2], [3000, 2000, 1]]));
        let titles: Vec<&str> = all.iter().map(|bars| bars.title.as_str()).collect();
        let short = ["Width below 1,000 pixels: 6 images", "Height below 1,000 pixels: 4 images"];
        let whole = ["Width of training images, pixels", "Height of training images, pixels"];
        assert_eq!(titles, [whole, short].concat());
        let counted: Vec<u64> = all.iter().map(|bars| bars.rows.iter().map(|row| row.1).sum()).collect();
        assert_eq!(counted, [7, 7, 6, 4]);
        assert_eq!(rows(&all[2])[0], ("300 – 309", 4));
        assert_eq!(rows(&all[3]), [("999", 4)]);
        assert_eq!(Bars::of_sizes(&Sizes(vec![[300, 999, 4]])).len(), 2);
        // No side is short: there is nothing to draw a second time.
        assert_eq!(Bars::of_sizes(&Sizes(vec![[2000, 1500, 4]])).len(), 2);
    }

    #[test]
    fn edges_of_values_can_be_told_apart() {
        let ends = |values: &[f32]| {
            let bars = Bars::of_values("age", values).unwrap();
            (bars.rows[0].0.clone(), bars.rows[9].0.clone())
        };
        assert_eq!(ends(&[-10.0, 0.0, 10.0]), ("-10.0 – -8.0".into(), "8.0 – 10.0".into()));
        assert_eq!(ends(&[0.0, 885.0]), ("0 – 88".into(), "796 – 885".into()));
        assert_eq!(ends(&[1.5, 1.515]), ("1.5000 – 1.5015".into(), "1.5135 – 1.5150".into()));
        assert_eq!(ends(&[-9.0, -0.001]).1, "-0.90 – 0.00");
        assert_eq!(ends(&[0.0, 5e9]), ("0.0e0 – 5.0e8".into(), "4.5e9 – 5.0e9".into()));
        assert_eq!(ends(&[0.0, 1e-9]).1, "9.0e-10 – 1.0e-9");
        assert_eq!(rows(&Bars::of_values("age", &[3.5; 4]).unwrap()), [("3.5", 4)]);
        assert_eq!(Bars::of_values("age", &[]), None);
    }
}
