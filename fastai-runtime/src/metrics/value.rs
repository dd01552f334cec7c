//! A measured metric.

use std::fmt;

use fastai_dsl::Direction;
use serde::{Deserialize, Deserializer, Serialize};

use super::lower_is_better;
use crate::data::figures::figure;

/// One metric with what is needed to read it honestly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// Column name, `f2`.
    pub name: String,
    /// Which values are the better ones.
    #[serde(rename = "lower_is_better", with = "lower_is_better", default = "lower_is_better::unstated")]
    pub direction: Direction,
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
        write!(f, "{} {}", self.name, figure(self.value, 4))?;
        if let Some([low, high]) = self.interval {
            write!(f, " (95 % {} to {})", figure(low, 4), figure(high, 4))?;
        }
        self.chosen_here.as_ref().map_or(Ok(()), |chosen| write!(f, ", {chosen}"))
    }
}

/// JSON has no NaN: it is written as `null`, and read back as what it was.
pub(crate) fn number_or_nan<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_states_the_direction_as_whether_lower_is_better() {
        for (direction, stated) in [(Direction::Lower, "true"), (Direction::Higher, "false")] {
            let value =
                MetricValue { name: "m".into(), direction, value: 0.5, interval: None, n: 2, chosen_here: None };
            let text = serde_json::to_string(&value).unwrap();
            assert!(text.starts_with(&format!("{{\"name\":\"m\",\"lower_is_better\":{stated},")), "{text}");
            assert_eq!(serde_json::from_str::<MetricValue>(&text).unwrap(), value);
        }
        let old = r#"{"name":"m","value":0.5,"interval":null,"n":2,"chosen_here":null}"#;
        assert_eq!(serde_json::from_str::<MetricValue>(old).unwrap().direction, Direction::Higher);
    }
}
