//! The combinations of a sweep: keys of a recipe, and the values that each of them takes.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use crate::overrides::Override;
use crate::scan::items;

/// The most combinations that a grid may have.
pub const MOST_COMBINATIONS: usize = 10_000;

/// One key with its values, as a command line gives it: `lr=1e-3,1e-2` or `lr=1e-4..1e-1`.
///
/// ```
/// let axis: fastai_dsl::grid::Axis = "model.dropout=0.25,[0.25, 0.5]".parse().unwrap();
/// assert_eq!(axis.values, fastai_dsl::grid::AxisValues::Listed(vec!["0.25".into(), "[0.25, 0.5]".into()]));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// `data.batch`, `seed`, or the name of a `let`, as in an [`Override`].
    pub key: String,
    /// Its values.
    pub values: AxisValues,
}

/// The values of an [`Axis`].
#[derive(Clone, Debug, PartialEq)]
pub enum AxisValues {
    /// These, as text.
    Listed(Vec<String>),
    /// Any number between two, for random samples: uniform in the logarithm if `high` is at least ten times `low`, otherwise
    /// uniform; whole if both are written as whole numbers.
    Between {
        /// The lowest.
        low: f64,
        /// The highest.
        high: f64,
        /// Whether only whole numbers are drawn.
        whole: bool,
    },
}

impl FromStr for Axis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, values) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` has no `=`: write `lr=1e-3,1e-2` or `model.dropout=0.25,0.5`"))?;
        let (key, values) = (key.trim(), values.trim());
        if let Some(between) = range(values) {
            return Ok(Axis { key: key.to_string(), values: between? });
        }
        let listed = items(values);
        if listed.iter().any(String::is_empty) {
            return Err(format!("`{text}` lacks a value: write `{key}=1e-3,1e-2`, values with commas between them"));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = listed.iter().find(|value| !seen.insert(*value)) {
            return Err(format!("`{text}` names `{twice}` twice: once is enough, `--seeds 3` repeats runs"));
        }
        Ok(Axis { key: key.to_string(), values: AxisValues::Listed(listed) })
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.values {
            AxisValues::Listed(values) => write!(f, "{}={}", self.key, values.join(",")),
            AxisValues::Between { low, high, whole: true } => write!(f, "{}={low}..{high}", self.key),
            AxisValues::Between { low, high, whole: false } => write!(f, "{}={low:?}..{high:?}", self.key),
        }
    }
}

/// `LOW..HIGH`, if the text is two numbers around two dots.
fn range(text: &str) -> Option<Result<AxisValues, String>> {
    let (low_text, high_text) = text.split_once("..")?;
    let (low, high) = (low_text.trim().parse::<f64>().ok()?, high_text.trim().parse::<f64>().ok()?);
    let whole = [low_text, high_text].iter().all(|part| part.trim().parse::<i64>().is_ok());
    let sound = low.is_finite() && high.is_finite() && low < high;
    Some(if sound {
        Ok(AxisValues::Between { low, high, whole })
    } else {
        Err(format!("the range `{text}` is empty: write the lower number first, `1e-4..1e-1`"))
    })
}

/// All combinations of the values; the last key changes fastest.
///
/// # Errors
/// A range, which has no end of values; a key given twice; more than [`MOST_COMBINATIONS`].
pub fn grid(axes: &[Axis]) -> Result<Vec<Vec<Override>>, String> {
    distinct(axes)?;
    let mut combinations: Vec<Vec<Override>> = vec![Vec::new()];
    for axis in axes {
        let AxisValues::Listed(values) = &axis.values else {
            return Err(format!(
                "`{}` is a range, which a grid cannot exhaust: list values, `{}=1e-3,1e-2`, or add `--random 20`",
                axis.key, axis.key
            ));
        };
        if combinations.len() * values.len() > MOST_COMBINATIONS {
            return Err(format!(
                "the grid has more than {MOST_COMBINATIONS} combinations: take a sample, `--random 50`"
            ));
        }
        let with = |before: &Vec<Override>, value: &String| {
            let mut next = before.clone();
            next.push(over(axis, value.clone()));
            next
        };
        combinations = combinations.iter().flat_map(|before| values.iter().map(move |v| with(before, v))).collect();
    }
    Ok(combinations)
}

fn over(axis: &Axis, value: String) -> Override {
    Override { key: axis.key.clone(), value: Some(value), option: "--over" }
}

/// Draws `count` different combinations; `unit` returns independent, uniform numbers from `[0, 1)`. The whole grid if it has
/// no more than `count`.
///
/// # Errors
/// A key given twice; more than [`MOST_COMBINATIONS`].
pub fn sample(axes: &[Axis], count: usize, unit: &mut dyn FnMut() -> f64) -> Result<Vec<Vec<Override>>, String> {
    distinct(axes)?;
    if count > MOST_COMBINATIONS {
        return Err(format!("a sweep has at most {MOST_COMBINATIONS} combinations, not {count}"));
    }
    if let Ok(all) = grid(axes)
        && all.len() <= count
    {
        return Ok(all);
    }
    let (mut seen, mut drawn) = (HashSet::new(), Vec::new());
    // A range of few whole numbers may have fewer combinations than are wanted.
    for _ in 0..count.saturating_mul(100) {
        let combination: Vec<Override> = axes.iter().map(|axis| over(axis, axis.values.draw(unit()))).collect();
        if seen.insert(combination.iter().map(Override::text).collect::<Vec<_>>()) {
            drawn.push(combination);
        }
        if drawn.len() == count {
            break;
        }
    }
    Ok(drawn)
}

fn distinct(axes: &[Axis]) -> Result<(), String> {
    let mut seen = HashSet::new();
    match axes.iter().find(|axis| !seen.insert(axis.key.as_str())) {
        Some(twice) => Err(format!("`{0}` is given twice: list its values once, `{0}=1e-3,1e-2`", twice.key)),
        None => Ok(()),
    }
}

impl AxisValues {
    /// The value at `unit`, from `[0, 1)`.
    fn draw(&self, unit: f64) -> String {
        match self {
            AxisValues::Listed(values) => values[((unit * values.len() as f64) as usize).min(values.len() - 1)].clone(),
            AxisValues::Between { low, high, whole: true } => format!("{}", (low + unit * (high - low + 1.0)).floor()),
            AxisValues::Between { low, high, whole: false } => {
                let logarithmic = *low > 0.0 && high / low >= 10.0;
                let value = if logarithmic { low * (high / low).powf(unit) } else { low + unit * (high - low) };
                // Three digits are as fine as anybody reads them; rounding stays within the range.
                let rounded = format!("{value:.2e}").parse().unwrap_or(value);
                format!("{}", rounded.clamp(*low, *high))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(text: &str) -> Axis {
        text.parse().unwrap()
    }

    fn values(combinations: &[Vec<Override>]) -> Vec<Vec<&str>> {
        combinations.iter().map(|c| c.iter().map(|o| o.value.as_deref().unwrap()).collect()).collect()
    }

    #[test]
    fn values_are_split_outside_brackets_and_strings() {
        let listed = |text: &str| match axis(text).values {
            AxisValues::Listed(values) => values,
            other => panic!("{other:?}"),
        };
        assert_eq!(listed("lr=1e-3, 1e-2,0.1"), ["1e-3", "1e-2", "0.1"]);
        assert_eq!(listed("o=adamw { betas: [0.9, 0.99] },sgd"), ["adamw { betas: [0.9, 0.99] }", "sgd"]);
        assert_eq!(listed(r#"data.label="a,\"b",c"#), [r#""a,\"b""#, "c"]);
        assert_eq!(axis("lr=1e-4..1e-1").values, AxisValues::Between { low: 1e-4, high: 0.1, whole: false });
        assert_eq!(axis("b=8..64").values, AxisValues::Between { low: 8.0, high: 64.0, whole: true });
        for text in ["lr=1e-3,1e-2", "o=adamw { betas: [0.9, 0.99] },sgd", "lr=1e-4..1e-1", "d=1..2.5", "b=8..64"] {
            assert_eq!(axis(&axis(text).to_string()), axis(text));
        }
        for (text, part) in [
            ("lr", "has no `=`"),
            ("lr=", "lacks a value"),
            ("lr=1,,2", "lacks a value"),
            ("lr=1,2,1", "names `1` twice"),
            ("lr=2..1", "lower number first"),
        ] {
            let error = text.parse::<Axis>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let axes = [axis("lr=1,2,3"), axis("d=4,5")];
        let all = grid(&axes).unwrap();
        assert_eq!(values(&all), [["1", "4"], ["1", "5"], ["2", "4"], ["2", "5"], ["3", "4"], ["3", "5"]]);
        assert!(grid(&[axis("lr=1,2"), axis("lr=3,4")]).unwrap_err().contains("given twice"));
        assert!(grid(&[axis("lr=1..2")]).unwrap_err().contains("--random"));
        assert_eq!(values(&grid(&[]).unwrap()), [Vec::<&str>::new()]);
        let many =
            |key: &str| Axis { key: key.into(), values: AxisValues::Listed((0..101).map(|i| i.to_string()).collect()) };
        assert!(grid(&[many("a"), many("b")]).unwrap_err().contains("10000"));
    }

    #[test]
    fn a_sample_has_different_combinations_within_the_ranges() {
        let mut state = 0.0;
        // A Weyl sequence: equidistributed, and good enough here.
        let mut unit = || {
            state = (state + 0.618_033_988_749_895_f64) % 1.0;
            state
        };
        let axes = [axis("lr=1e-4..1e-1"), axis("d=0.25,0.5"), axis("b=8..9")];
        let drawn = sample(&axes, 40, &mut unit).unwrap();
        assert_eq!(drawn.len(), 40);
        assert_eq!(drawn.iter().map(|c| format!("{c:?}")).collect::<HashSet<_>>().len(), 40);
        let rates: Vec<f64> = drawn.iter().map(|c| c[0].value.as_ref().unwrap().parse().unwrap()).collect();
        assert!(rates.iter().all(|r| (1e-4..=1e-1).contains(r)), "{rates:?}");
        // A third of the logarithms lies below 1e-3.
        let low = rates.iter().filter(|r| **r < 1e-3).count();
        assert!((10..=17).contains(&low), "{low} of 40");
        assert!(drawn.iter().all(|c| ["8", "9"].contains(&c[2].value.as_deref().unwrap())));
        assert_eq!(sample(&[axis("b=1..3")], 10, &mut unit).unwrap().len(), 3);
        assert_eq!(sample(&[axis("b=1,2,3")], 10, &mut unit).unwrap().len(), 3);
    }
}
