//! Figures as people read them: losses and metrics in tables, on pages and in messages.

/// Figures from here on are powers of ten: their digits say nothing.
const LARGE: f64 = 1e6;

/// Formats a figure with so many decimals, and a large one as a power of ten: `0.1308`, `NaN`, `5.9e35`.
pub fn figure(value: f64, decimals: usize) -> String {
    if value.is_finite() && value.abs() >= LARGE { format!("{value:.1e}") } else { format!("{value:.decimals$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_figures_are_powers_of_ten() {
        let four = [0.99125, 999_999.0, 1e6, 588_188_357_325_178_653_661_793_232_282_976_256.0, -2.5e7, f64::INFINITY];
        let four = four.map(|value| figure(value, 4));
        assert_eq!(four, ["0.9912", "999999.0000", "1.0e6", "5.9e35", "-2.5e7", "inf"]);
        assert_eq!((figure(f64::NAN, 4), figure(0.5, 6)), ("NaN".to_string(), "0.500000".to_string()));
    }
}
