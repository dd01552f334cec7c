//! `batches.csv`: loss and rates of every training batch of a run.

use std::io;
use std::path::Path;

use super::Record;
use crate::RunError;
use crate::train::{FindCurve, FitCurve};

/// Largest `batches.csv` that is read, bytes; ten million batches take less.
const MAX_BYTES: u64 = 2 << 30;

/// A training batch of a `fit` or an `lr_find`: a row of `batches.csv`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchRow {
    /// 0-based index of the recipe's step; the file counts steps from 1.
    pub step: usize,
    /// Epoch of the `fit`, from 0; `None` in an `lr_find`, whose sweep has no epochs.
    pub epoch: Option<u64>,
    /// Batch of the step, from 0.
    pub batch: usize,
    /// Mean loss of the batch.
    pub loss: f64,
    /// Moving average of the losses of the step, as the epoch table shows it.
    pub smoothed: f64,
    /// Learning rate of each layer group that trains, earliest first: the last one is the head's.
    pub rates: Vec<f64>,
}

impl BatchRow {
    /// The batches of all steps of a run, in order.
    pub fn of_run(record: &Record) -> Vec<BatchRow> {
        let finds = record.finds.iter().flat_map(of_find);
        let mut rows: Vec<BatchRow> = finds.chain(record.fits.iter().flat_map(of_fit)).collect();
        // Stable, so the batches of a step keep their order.
        rows.sort_by_key(|row| row.step);
        rows
    }

    /// Reads `batches.csv` of the run folder `folder`; no rows if the folder has no such file.
    ///
    /// # Errors
    /// If the file cannot be read or is not of this format.
    pub fn read(folder: &Path) -> Result<Vec<BatchRow>, RunError> {
        let path = folder.join(FILE);
        let cannot = |e| RunError::file("read", &path, e);
        match std::fs::File::open(&path) {
            Ok(file) => read(&mut io::Read::take(file, MAX_BYTES)).map_err(cannot),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(cannot(e)),
        }
    }
}

/// The file's name within a run folder.
pub(super) const FILE: &str = "batches.csv";
/// The column of the step, from 1. Earlier versions wrote `stage`, from 0.
const STEP: &str = "step";

fn of_find(curve: &FindCurve) -> impl Iterator<Item = BatchRow> {
    let losses = curve.batch_losses.iter().zip(&curve.losses).zip(&curve.rates);
    losses.enumerate().map(|(batch, ((&loss, &smoothed), &rate))| BatchRow {
        step: curve.step,
        epoch: None,
        batch,
        loss,
        smoothed,
        rates: match curve.ratio.as_slice() {
            [] => vec![rate],
            ratio => ratio.iter().map(|factor| factor * rate).collect(),
        },
    })
}

fn of_fit(curve: &FitCurve) -> impl Iterator<Item = BatchRow> {
    let losses = curve.batch_losses.iter().zip(&curve.losses);
    losses.enumerate().map(|(batch, (&loss, &smoothed))| BatchRow {
        step: curve.step,
        epoch: Some(curve.ends.partition_point(|end| *end <= batch) as u64),
        batch,
        loss,
        smoothed,
        rates: curve.rates.iter().filter_map(|group| group.get(batch).copied()).collect(),
    })
}

/// Writes the rows of a network with `groups` layer groups. Columns: `step, epoch, batch, loss, smoothed, lr_0, lr_1, ..`, one rate
/// per layer group, the head's last; those of groups that do not train are empty.
pub(super) fn write(rows: &[BatchRow], groups: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let names = [STEP, "epoch", "batch", "loss", "smoothed"].map(str::to_string);
    csv.write_record(names.into_iter().chain((0..groups).map(|group| format!("lr_{group}"))))?;
    for row in rows {
        let mut fields = vec![
            (row.step + 1).to_string(),
            row.epoch.map_or(String::new(), |epoch| epoch.to_string()),
            row.batch.to_string(),
            row.loss.to_string(),
            row.smoothed.to_string(),
        ];
        fields.resize(fields.len() + groups.saturating_sub(row.rates.len()), String::new());
        fields.extend(row.rates.iter().map(f64::to_string));
        csv.write_record(fields)?;
    }
    csv.flush()
}

fn read(from: &mut dyn io::Read) -> io::Result<Vec<BatchRow>> {
    let mut csv = csv::Reader::from_reader(from);
    let first = usize::from(csv.headers()?.get(0) == Some(STEP));
    let mut rows = Vec::new();
    for (line, record) in csv.records().enumerate() {
        let record = record?;
        let broken = |column: &str| {
            let what = format!("line {}: expected a number in column `{column}`", line + 2);
            io::Error::new(io::ErrorKind::InvalidData, what)
        };
        let field = |index: usize| record.get(index).unwrap_or_default();
        let number = |index: usize, column| field(index).parse::<f64>().map_err(|_| broken(column));
        let whole = |index: usize, column| field(index).parse::<usize>().map_err(|_| broken(column));
        let rates = record.iter().skip(5).filter(|rate| !rate.is_empty());
        rows.push(BatchRow {
            step: whole(0, STEP)?.checked_sub(first).ok_or_else(|| broken(STEP))?,
            epoch: match field(1) {
                "" => None,
                text => Some(text.parse().map_err(|_| broken("epoch"))?),
            },
            batch: whole(2, "batch")?,
            loss: number(3, "loss")?,
            smoothed: number(4, "smoothed")?,
            rates: rates.map(|rate| rate.parse().map_err(|_| broken("lr"))).collect::<Result<_, _>>()?,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let find = FindCurve {
            step: 1,
            rates: vec![1e-5, 2e-5],
            losses: vec![0.7, 0.69],
            batch_losses: vec![0.7, 0.68],
            ..FindCurve::default()
        };
        let fit = |step, rates: Vec<Vec<f64>>| FitCurve {
            step,
            rates,
            losses: vec![0.5, 0.4, 0.3],
            batch_losses: vec![0.5, 0.1, f64::NAN],
            ends: vec![2],
            ..FitCurve::default()
        };
        let groups = vec![vec![1e-4; 3], vec![1e-3; 3], vec![0.1 / 3.0; 3]];
        Record { finds: vec![find], fits: vec![fit(0, vec![vec![0.01; 3]]), fit(4, groups)], ..Record::default() }
    }

    #[test]
    fn rows_come_back_bit_for_bit_in_the_order_of_the_steps() {
        let rows = BatchRow::of_run(&record());
        assert_eq!(rows.iter().map(|row| row.step).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 4, 4, 4]);
        let epochs: Vec<Option<u64>> = rows.iter().map(|row| row.epoch).collect();
        assert_eq!(epochs, [Some(0), Some(0), Some(1), None, None, Some(0), Some(0), Some(1)]);
        let mut file = Vec::new();
        write(&rows, 3, &mut file).unwrap();
        let text = String::from_utf8(file.clone()).unwrap();
        assert!(text.starts_with("step,epoch,batch,loss,smoothed,lr_0,lr_1,lr_2\n1,0,0,0.5,0.5,,,0.01\n"), "{text}");
        assert!(text.contains("\n2,,1,0.68,0.69,,,0.00002\n"), "{text}");
        let read = read(&mut file.as_slice()).unwrap();
        assert_eq!(format!("{rows:?}"), format!("{read:?}"), "NaN differs from itself");
        // Of earlier versions, with as many columns as groups trained.
        let earlier = "stage,epoch,batch,loss,smoothed,lr_0\n0,0,0,0.5,0.5,0.01\n";
        assert_eq!(super::read(&mut earlier.as_bytes()).unwrap(), rows[..1]);
        // The head alone trained.
        let mut file: Vec<u8> = Vec::new();
        write(&rows[..1], 3, &mut file).unwrap();
        assert_eq!(file, b"step,epoch,batch,loss,smoothed,lr_0,lr_1,lr_2\n1,0,0,0.5,0.5,,,0.01\n");
    }

    #[test]
    fn a_broken_file_names_its_line() {
        let broken = |row: &str| {
            let text = format!("step,epoch,batch,loss,smoothed,lr_0\n{row}\n");
            read(&mut text.as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(broken("1,0,0,x,1,1"), "line 2: expected a number in column `loss`");
        assert_eq!(broken("0,0,0,1,1,1"), "line 2: expected a number in column `step`");
    }
}
