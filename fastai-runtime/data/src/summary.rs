//! The summary that `fastai prepare` writes: the counts of a data set, computed from the files.

use std::collections::BTreeMap;
use std::path::Path;

use fastai_dsl::prepared::{Cells, DataSummary, LISTED_SIZES, OTHER_SIZES};
use fastai_dsl::{Corrupt, Recipe, Source, TaskKind};
use image::ImageReader;
use rayon::prelude::*;

use super::dataset::{Dataset, Item};
use super::sources::csv::{self, parse_flag};
use super::{DataError, DecodeError, Finding};

/// Summarises the data set of a recipe from labels, listings and image headers, without pixels. Equal files yield equal
/// summaries, regardless of their modification times. Also returns the notes about the data set.
///
/// # Errors
/// Those of [`Dataset::open`]; images that are no regular files, unless the recipe says `corrupt: skip`.
pub fn summarise(recipe: &Recipe) -> Result<(DataSummary, Vec<String>), DataError> {
    let data = recipe.data();
    let dataset = Dataset::open(data, recipe.task())?;
    let mut summary = DataSummary {
        source: DataSummary::source_of(data),
        split: data.valid.to_string(),
        labels: DataSummary::labels_of(recipe),
        train: dataset.train.len() as u64,
        valid: dataset.valid.len() as u64,
        test: dataset.test.len() as u64,
        ..DataSummary::default()
    };
    // A regression has one output and no classes.
    if recipe.task() != TaskKind::Regression {
        let counts = dataset.counts_of(&dataset.train).into_iter().zip(dataset.counts_of(&dataset.valid));
        summary.classes = dataset.classes.iter().cloned().zip(counts).collect();
    }

    let images: Vec<&Item> = dataset.train.iter().chain(&dataset.valid).collect();
    let sizes: Vec<Option<(u32, u32)>> = images.par_iter().map(|item| size(&item.path)).collect();
    let no_files = images.iter().zip(&sizes).filter(|(_, size)| size.is_none());
    let refused: Vec<Finding> =
        no_files.map(|(item, _)| Finding::broken_image(&item.path, &DecodeError::NoFile)).collect();
    if data.corrupt == Corrupt::Deny && !refused.is_empty() {
        return Err(DataError { findings: refused, notes: dataset.notes });
    }
    summary.tags = images.iter().map(|item| item.target.classes().len() as u64).max().unwrap_or(0);
    let sizes = sizes.into_iter().map(|size| size.unwrap_or(OTHER_SIZES)).collect();
    summary.sizes = most_frequent(sizes, LISTED_SIZES);
    let mut listing: Vec<(String, u64)> = Vec::with_capacity(images.len());
    for item in images {
        let name = item.path.file_name().map_or(String::new(), |n| n.to_string_lossy().into_owned());
        let suffix = name.rfind('.').map_or("", |dot| &name[dot..]);
        *summary.suffixes.entry(suffix.to_string()).or_default() += 1;
        listing.push((item.id.clone(), std::fs::metadata(&item.path).map_or(0, |m| m.len())));
    }
    listing.sort();
    let mut digest = blake3::Hasher::new();
    for (id, bytes) in listing {
        digest.update(&(id.len() as u64).to_le_bytes()).update(id.as_bytes()).update(&bytes.to_le_bytes());
    }
    summary.digests = BTreeMap::from([("images".to_string(), short(&digest.finalize()))]);
    if let Source::Csv { labels, header, delimiter, encoding, .. } = &data.source {
        let path = dataset.root.join(labels);
        let cannot = |error: &dyn std::fmt::Display| DataError::one(format!("cannot read {}: {error}", path.display()));
        let mut digest = blake3::Hasher::new();
        digest.update_mmap(&path).map_err(|error| cannot(&error))?;
        summary.digests.insert(labels.clone(), short(&digest.finalize()));
        let mut reader = csv::open(&path, *delimiter, *encoding).map_err(DataError::one)?;
        if *header {
            let mut header = ::csv::StringRecord::new();
            reader.read_record(&mut header).map_err(|error| cannot(&error))?;
            summary.header = Some(header.iter().map(|name| name.trim().to_string()).collect());
        }
        summary.columns = columns(&mut reader).map_err(|error| cannot(&error))?;
    }
    Ok((summary, dataset.notes))
}

/// Returns the kind of cells in each column.
fn columns<R: std::io::Read>(reader: &mut ::csv::Reader<R>) -> ::csv::Result<Vec<Cells>> {
    let mut columns: Vec<Option<Cells>> = Vec::new();
    let mut record = ::csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        columns.resize(columns.len().max(record.len()), None);
        for (cells, cell) in columns.iter_mut().zip(&record) {
            let here = match cell.trim() {
                "" => continue,
                cell if parse_flag(cell).is_some() => Cells::Flag,
                cell if cell.parse::<f32>().is_ok_and(f32::is_finite) => Cells::Number,
                _ => Cells::Text,
            };
            *cells = Some(match (*cells, here) {
                (None, here) => here,
                (Some(before), here) if before == here => here,
                // 0 and 1 are numbers too; a column that mixes true and false with numbers has no kind.
                (Some(Cells::Flag | Cells::Number), Cells::Flag | Cells::Number) => Cells::Number,
                _ => Cells::Text,
            });
        }
    }
    Ok(columns.into_iter().map(|cells| cells.unwrap_or(Cells::Text)).collect())
}

/// Counts the `most` most frequent sizes, and all others under 0 x 0. Of two equally frequent sizes, the smaller one is
/// kept.
fn most_frequent(sizes: Vec<(u32, u32)>, most: usize) -> BTreeMap<(u32, u32), u64> {
    let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for size in sizes {
        *counts.entry(size).or_default() += 1;
    }
    let mut order: Vec<((u32, u32), u64)> = counts.into_iter().collect();
    order.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let mut kept: BTreeMap<(u32, u32), u64> = order.iter().take(most).copied().collect();
    let others: u64 = order.iter().skip(most).map(|(_, n)| n).sum();
    if others > 0 {
        *kept.entry(OTHER_SIZES).or_default() += others;
    }
    kept
}

/// Width and height from the file's header, 0 x 0 if the header cannot be read; `None` if there is something other than a file,
/// such as a pipe, which who opens it waits for.
fn size(path: &Path) -> Option<(u32, u32)> {
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return None;
    }
    let dimensions = || ImageReader::open(path).ok()?.with_guessed_format().ok()?.into_dimensions().ok();
    Some(std::panic::catch_unwind(dimensions).ok().flatten().unwrap_or(OTHER_SIZES))
}

fn short(hash: &blake3::Hash) -> String {
    hash.to_hex()[..16].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_sizes_are_counted_together() {
        let sizes = vec![(4, 3), (5, 3), (4, 3), (0, 0), (3, 4), (5, 3), (9, 9)];
        assert_eq!(most_frequent(sizes.clone(), 2), BTreeMap::from([((0, 0), 3), ((4, 3), 2), ((5, 3), 2)]));
        assert_eq!(most_frequent(sizes, 9).len(), 5);
    }

    #[test]
    #[cfg(unix)]
    fn a_pipe_is_refused_without_waiting_for_its_writer() {
        let folder = tempfile::TempDir::new().unwrap();
        for class in ["a", "b"] {
            std::fs::create_dir_all(folder.path().join("train").join(class)).unwrap();
            image::RgbImage::new(4, 3).save(folder.path().join("train").join(class).join("1.png")).unwrap();
        }
        let pipe = folder.path().join("train/a/x.jpg");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let of = |corrupt: &str| {
            let text = format!(
                "Piped {{ task: single_label, data: folders {{ root: {:?}, valid: rows([0]){corrupt} }},
                    transforms: side_on {{ size: 64 }}, model: squeezenet1_1, metrics: [accuracy],
                    train: {{ fit(1e-2, 1); }}, }}",
                folder.path()
            );
            let recipe = fastai_dsl::source::RecipeText::new("piped", &text, &[]).result.unwrap().recipe;
            summarise(&recipe)
        };
        let refused = of("").unwrap_err();
        assert_eq!(refused.texts().collect::<Vec<_>>(), [format!("{}: is no regular file", pipe.display())]);
        // A run leaves it out.
        let (summary, _) = of(", corrupt: skip").unwrap();
        assert_eq!(summary.sizes, BTreeMap::from([((4, 3), 2), (OTHER_SIZES, 1)]));
    }

    #[test]
    fn columns_are_flags_numbers_or_text() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("l.csv");
        let text = "id,flag,word,count,mixed,empty,price\na,1,true,0,1,,1.5\nb,0,FALSE,7,x,,\nc,,true,1,0,,-2e3,more\n";
        std::fs::write(&path, text).unwrap();
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(true)
            .flexible(true)
            .from_reader(std::fs::File::open(&path).unwrap());
        let (f, n, t) = (Cells::Flag, Cells::Number, Cells::Text);
        assert_eq!(columns(&mut reader).unwrap(), [t, f, f, n, t, t, n, t]);
    }
}
