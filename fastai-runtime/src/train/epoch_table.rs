//! The table of a fit's epochs.

use super::curves::EpochRow;
use crate::metrics::Measure;
use crate::progress::Progress;

/// Prints the header, with the columns of a validation set if one is `measured`.
pub(super) fn header(metrics: &[Box<dyn Measure>], measured: bool, progress: &mut dyn Progress) {
    let mut columns = vec!["epoch".to_string(), "trn_loss".to_string()];
    if measured {
        columns.push("val_loss".to_string());
        columns.extend(metrics.iter().map(|metric| metric.column()));
    }
    progress.table_header(&columns.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Prints an epoch.
pub(super) fn row(row: &EpochRow, measured: bool, progress: &mut dyn Progress) {
    let mut values = vec![row.trn_loss];
    if measured {
        values.push(row.val_loss);
        values.extend(row.metrics.iter().map(|(_, v)| *v));
    }
    progress.table_row(row.epoch, &values);
}
