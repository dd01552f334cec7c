//! Numbers as the commands print them.

/// `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// `1 batch`, `2,000 batches`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// `0.4`, `75`, `1:02:03`.
pub fn seconds(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1}"),
        10..120 => whole.to_string(),
        120..3600 => format!("{}:{:02}", whole / 60, whole % 60),
        _ => format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60),
    }
}

/// Reads a size with an optional suffix, in powers of 1000.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a whole number with K, M, G or T, such as 20G".to_string();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor: u64 = match &text[digits.len()..] {
        "" => 1,
        "K" | "kB" => 1000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "T" | "TB" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    let number: Option<u64> = digits.parse().ok();
    number.and_then(|n| n.checked_mul(factor)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0, 999, 1000, 531_463].map(thousands), ["0", "999", "1,000", "531,463"]);
        assert_eq!(counted(1, "epoch", "epochs"), "1 epoch");
        assert_eq!(counted(1000, "epoch", "epochs"), "1,000 epochs");
        assert_eq!([0.44, 75.2, 130.0, 3723.0].map(seconds), ["0.4", "75", "2:10", "1:02:03"]);
    }

    #[test]
    fn sizes_have_suffixes() {
        assert_eq!(
            ["0", "500M", "20G", "7", "3kB"].map(|text| size(text).unwrap()),
            [0, 500_000_000, 20_000_000_000, 7, 3000]
        );
        for wrong in ["", "G", "1.5G", "-1", "20X", "99999999999T", "2é"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
