//! fastai's epoch table as text.

use crate::figures::figure;

/// Width of every column.
const WIDTH: usize = 10;

/// `epoch      trn_loss   val_loss   f2`: each name padded to 10 characters, separated by spaces.
pub fn header(columns: &[&str]) -> String {
    joined(columns.iter().map(|name| format!("{name:<WIDTH$}")))
}

/// `    0      0.130787   0.121323   0.896181`: the epoch centred in 10, the values with 6 decimals, left-aligned in 10;
/// [large ones](figure) are powers of ten.
pub fn row(epoch: u64, values: &[f64]) -> String {
    let values = values.iter().map(|value| format!("{:<WIDTH$}", figure(*value, 6)));
    joined(std::iter::once(format!("{:^WIDTH$}", epoch.to_string())).chain(values))
}

fn joined(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(" ").trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_fastais() {
        // The header as in the lesson's notebooks: names padded to 10 and a space.
        assert_eq!(header(&["epoch", "trn_loss", "val_loss", "f2"]), "epoch      trn_loss   val_loss   f2");
        assert_eq!(row(0, &[0.130787123, 0.1213234, 0.8961809]), "    0      0.130787   0.121323   0.896181");
        assert_eq!(row(12, &[0.5, 12.0]), "    12     0.500000   12.000000");
    }

    #[test]
    fn losses_out_of_any_range_keep_their_column() {
        assert_eq!(row(1, &[5.88e35, 2.0e6, 0.5]), "    1      5.9e35     2.0e6      0.500000");
    }

    #[test]
    fn what_does_not_fit_pushes_but_never_runs_together() {
        assert_eq!(header(&["epoch", "accuracy_thresh", "f2"]), "epoch      accuracy_thresh f2");
        assert_eq!(row(0, &[f64::NAN, 123_456.0, 0.1]), "    0      NaN        123456.000000 0.100000");
    }
}
