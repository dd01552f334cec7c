//! Numbers as the commands print and read them.

use clap::builder::RangedI64ValueParser;
pub use fastai_runtime::data::figures::thousands;
use fastai_runtime::device::MOST_THREADS;

/// Reads a number of CPU threads.
pub fn threads() -> RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=MOST_THREADS as i64)
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

/// Bytes of a unit of [`size`] in small letters: none, `b`, and `k`, `kb`, `kib` up to `tib`.
fn unit_bytes(unit: &str) -> Option<u64> {
    let power = |letter: &str| ["", "k", "m", "g", "t"].iter().position(|known| *known == letter);
    match unit.strip_suffix("ib") {
        Some(letter) => power(letter).filter(|power| *power > 0).map(|power| 1u64 << (10 * power)),
        None => power(unit.strip_suffix('b').unwrap_or(unit)).map(|power| 1000u64.pow(power as u32)),
    }
}

/// Reads a number of bytes: `20G`, `1.5 GB`, `8GiB`. K, M, G and T are powers of 1000, KiB to TiB powers of 1024, in small or
/// large letters; without a unit, the number counts bytes.
///
/// # Errors
/// What to write instead.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || {
        "a number of bytes, or of K, M, G or T (powers of 1000) or KiB, MiB, GiB or TiB (powers of 1024), such as 20G or 1.5GiB"
            .to_string()
    };
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    let unit = unit.trim_start().to_ascii_lowercase();
    let bytes = unit_bytes(&unit).ok_or_else(wrong)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part = match part {
        "" => 0.0,
        // There is no part of a byte: a unit was forgotten.
        _ if bytes == 1 => return Err(wrong()),
        digits => format!("0.{digits}").parse::<f64>().map_err(|_| wrong())?,
    };
    let rest = (part * bytes as f64).round() as u64;
    whole.checked_mul(bytes).and_then(|bytes| bytes.checked_add(rest)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(counted(1, "epoch", "epochs"), "1 epoch");
        assert_eq!(counted(1000, "epoch", "epochs"), "1,000 epochs");
        assert_eq!([0.44, 75.2, 130.0, 3723.0].map(seconds), ["0.4", "75", "2:10", "1:02:03"]);
    }

    #[test]
    fn sizes_have_units() {
        let read = |texts: &[&str]| texts.iter().map(|text| size(text).unwrap()).collect::<Vec<_>>();
        assert_eq!(
            read(&["0", "7", "12B", "500M", "20G", "2TB"]),
            [0, 7, 12, 500_000_000, 20_000_000_000, 2_000_000_000_000]
        );
        assert_eq!(read(&["3kB", "3K", "3kb", "3 KB"]), [3000; 4]);
        assert_eq!(read(&["1.5G", "1.5 gb", "1.50G", "1500M"]), [1_500_000_000; 4]);
        assert_eq!(read(&["1KiB", "1.5MiB", "8gib", "1TIB"]), [1 << 10, 3 << 19, 8 << 30, 1 << 40]);
        assert_eq!(read(&["0.1G", "0.0000000004G", "18446744073709551615"]), [100_000_000, 0, u64::MAX]);
        let too_many = ["99999999999T", "18446744073709551616", "18446744073709551.7K"];
        let no_numbers =
            ["", "G", "-1", "+1", "1.5", "1.5B", ".5G", "1..5G", "1,5G", "1e3", "20X", "8Gi", "2é", "nan", "infK"];
        for wrong in too_many.into_iter().chain(no_numbers) {
            assert!(size(wrong).is_err_and(|why| why.ends_with("such as 20G or 1.5GiB")), "{wrong}");
        }
    }
}
