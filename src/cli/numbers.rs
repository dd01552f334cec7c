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

/// `1,234 MB`.
pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", thousands((bytes as f64 / 1e6).round() as u64))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0, 999, 1000, 531_463].map(thousands), ["0", "999", "1,000", "531,463"]);
        assert_eq!(counted(1, "epoch", "epochs"), "1 epoch");
        assert_eq!(counted(1000, "epoch", "epochs"), "1,000 epochs");
        assert_eq!(megabytes(1_234_567_890), "1,235 MB");
        assert_eq!([0.44, 75.2, 130.0, 3723.0].map(seconds), ["0.4", "75", "2:10", "1:02:03"]);
    }
}
