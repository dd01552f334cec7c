//! A measured metric.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// One metric with what is needed to read it honestly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// Column name, `f2`.
    pub name: String,
    /// Whether lower values are better.
    #[serde(default)]
    pub lower_is_better: bool,
    /// The value.
    #[serde(deserialize_with = "number_or_nan")]
    pub value: f64,
    /// 95 % interval: Wilson for shares of images, bootstrap over images for all else.
    pub interval: Option<[f64; 2]>,
    /// Images it was measured on.
    pub n: usize,
    /// What was chosen on these very images, such as a searched threshold.
    pub chosen_here: Option<String>,
}

/// `accuracy 0.9825 (95 % 0.9643 to 0.9915), what was chosen`
impl fmt::Display for MetricValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:.4}", self.name, self.value)?;
        if let Some([low, high]) = self.interval {
            write!(f, " (95 % {low:.4} to {high:.4})")?;
        }
        self.chosen_here.as_ref().map_or(Ok(()), |chosen| write!(f, ", {chosen}"))
    }
}

/// JSON has no NaN: it is written as `null`, and read back as what it was.
pub(crate) fn number_or_nan<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}
