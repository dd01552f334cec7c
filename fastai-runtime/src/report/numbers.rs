//! Number formats of the report.

use crate::data::figures::figure;
pub use crate::data::figures::{grouped, rates, short};

/// The label of a log axis: `1e-5`, `0.01`, `10`.
pub fn power(value: f64) -> String {
    let exponent = value.log10();
    match exponent.round() as i32 {
        _ if (exponent - exponent.round()).abs() > 1e-6 => short(value),
        n @ -2..=3 => short(10f64.powi(n)),
        n => format!("1e{n}"),
    }
}

/// Four decimals for metrics and losses, a power of ten for [large ones](figure); a dash for a missing value.
pub fn metric(value: f64) -> String {
    if value.is_nan() { "–".to_string() } else { figure(value, 4) }
}

/// `0.42 s`, `12.3 s`, `3 min 05 s`, `1 h 02 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        _ if seconds < 1.0 => format!("{:.2} s", seconds.max(0.0)),
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_plain() {
        assert_eq!(
            [1e-5, 0.01, 1.0, 10.0, 3e-4].map(power).each_ref().map(String::as_str),
            ["1e-5", "0.01", "1", "10", "3e-4"]
        );
        assert_eq!(
            [0.424, 12.34, 59.97, 185.2, 3725.0].map(duration).each_ref().map(String::as_str),
            ["0.42 s", "12.3 s", "1 min 00 s", "3 min 05 s", "1 h 02 min"]
        );
        assert_eq!([metric(0.99125), metric(f64::NAN), metric(5.88e35)], ["0.9912", "–", "5.9e35"]);
    }
}
