//! Numbers of bytes as people read them.

/// Formats bytes in the largest unit, of powers of 1000, of which there is a whole one: `812 B`, `4.2 kB`, `94.1 MB`.
pub fn in_units(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_of_which_there_is_one() {
        let found = [0, 812, 999, 1_000, 4_200, 40_300_000, 2_000_000_000].map(in_units);
        assert_eq!(found, ["0 B", "812 B", "999 B", "1.0 kB", "4.2 kB", "40.3 MB", "2.0 GB"]);
    }
}
