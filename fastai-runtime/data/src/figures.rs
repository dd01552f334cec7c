//! Figures as people read them: counts, losses, metrics and learning rates in tables, on pages and in messages.

/// `1,234,567`, in plain text.
pub fn thousands(n: u64) -> String {
    in_groups(n, ',')
}

/// `1 234 567` with narrow no-break spaces, on pages.
pub fn grouped(n: u64) -> String {
    in_groups(n, '\u{202f}')
}

/// The digits in groups of three.
fn in_groups(n: u64, separator: char) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// Figures from here on are powers of ten: their digits say nothing.
const LARGE: f64 = 1e6;

/// Formats a figure with so many decimals, and a large one as a power of ten: `0.1308`, `NaN`, `5.9e35`.
pub fn figure(value: f64, decimals: usize) -> String {
    if value.is_finite() && value.abs() >= LARGE { format!("{value:.1e}") } else { format!("{value:.decimals$}") }
}

/// Three significant digits: `0.012`, `3e-5`.
pub fn short(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if !(1e-3..1e5).contains(&magnitude) {
        let text = format!("{value:.2e}");
        return match text.split_once('e') {
            Some((digits, power)) => format!("{}e{power}", trimmed(digits)),
            None => text,
        };
    }
    let decimals = (2 - magnitude.log10().floor() as i32).max(0) as usize;
    trimmed(&format!("{value:.decimals$}")).to_string()
}

/// Learning rates, one after the other.
pub fn rates(rates: &[f64]) -> String {
    rates.iter().map(|rate| short(*rate)).collect::<Vec<_>>().join(", ")
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_in_groups_of_three() {
        let counts = [0, 999, 1000, 531_463, 1_234_567];
        assert_eq!(counts.map(thousands), ["0", "999", "1,000", "531,463", "1,234,567"]);
        assert_eq!(counts.map(|n| grouped(n).replace('\u{202f}', ",")), counts.map(thousands));
    }

    #[test]
    fn rates_are_short() {
        let shorts = [0.0, 0.01, 0.012345, 3.16e-5, 1e-5, 0.5, 12.34, 1234.0, 2e6, -0.25, f64::NAN].map(short);
        assert_eq!(
            shorts.each_ref().map(String::as_str),
            ["0", "0.01", "0.0123", "3.16e-5", "1e-5", "0.5", "12.3", "1234", "2e6", "-0.25", "NaN"]
        );
        assert_eq!(rates(&[1e-4, 0.209_123]), "1e-4, 0.209");
    }

    #[test]
    fn large_figures_are_powers_of_ten() {
        let four = [0.99125, 999_999.0, 1e6, 588_188_357_325_178_653_661_793_232_282_976_256.0, -2.5e7, f64::INFINITY];
        let four = four.map(|value| figure(value, 4));
        assert_eq!(four, ["0.9912", "999999.0000", "1.0e6", "5.9e35", "-2.5e7", "inf"]);
        assert_eq!((figure(f64::NAN, 4), figure(0.5, 6)), ("NaN".to_string(), "0.500000".to_string()));
    }
}
