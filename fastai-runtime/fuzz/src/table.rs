//! Any bytes as a csv file; the first three choose how it is read. For the fuzzer, and for the replay of what it found.

use std::path::Path;

use fastai_data::Dataset;
use fastai_dsl::{Column, Corrupt, Data, Duplicates, Encoding, Sampler, Source, TaskKind, Valid};

/// Makes the folder of the data set: images, one of them held out, and a list of held-out ones.
pub fn prepare(root: &Path) {
    for name in ["img/deep", "held"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    for name in ["img/a.jpg", "img/b.jpg", "img/c.jpg", "img/deep/e.jpg", "held/d.jpg"] {
        std::fs::write(root.join(name), "").unwrap();
    }
    std::fs::write(root.join("list.txt"), "a\nb\n").unwrap();
}

/// Opens the data set with this table, in a folder that [`prepare`] made; whether it is one.
pub fn open(root: &Path, bytes: &[u8]) -> bool {
    let Some(([how, split, columns], table)) = bytes.split_first_chunk::<3>() else { return false };
    std::fs::write(root.join("labels.csv"), table).unwrap();
    let task = [TaskKind::SingleLabel, TaskKind::MultiLabel, TaskKind::Regression][usize::from(how % 3)];
    let header = how & 4 != 0;
    let column = |name: &str, place: u8| match header && columns & 64 != 0 {
        true => Column::Name(name.to_string()),
        false => Column::Position(u32::from(place % 4)),
    };
    let (share, seed, fold) = (0.3, 42, u32::from(split >> 4));
    let valid = match split % 8 {
        0 => Valid::Random { share, seed, fold },
        1 => Valid::Stratified { share, seed, fold },
        2 => Valid::Blocks { size: 2, share, seed, fold },
        3 => Valid::Grouped { column: "label".to_string(), share, seed, fold },
        4 => Valid::Folder("held".to_string()),
        5 => Valid::Indices("list.txt".to_string()),
        6 => Valid::Column("label".to_string()),
        _ => Valid::None,
    };
    let data = Data {
        root: Some(root.to_str().unwrap().to_string()),
        source: Source::Csv {
            labels: "labels.csv".to_string(),
            images: "img".to_string(),
            suffix: vec![if how & 8 != 0 { ".jpg" } else { "" }.to_string()],
            id: column("id", *columns),
            label: column("label", columns >> 2),
            columns: match split >> 6 {
                1 => vec![column("a", 1), column("b", 2)],
                _ => Vec::new(),
            },
            separator: if how & 16 != 0 { " " } else { ";" }.to_string(),
            header,
            delimiter: [',', ';', '\t', '|'][usize::from(split >> 3 & 3)],
            encoding: [Encoding::Utf8, Encoding::Utf8, Encoding::Latin1, Encoding::Utf16][usize::from(split >> 5 & 3)],
        },
        valid,
        test: None,
        batch: 4,
        workers: None,
        corrupt: if how & 32 != 0 { Corrupt::Skip } else { Corrupt::Deny },
        duplicates: Duplicates::Drop,
        sampler: Sampler::Balanced,
        resize_to: None,
        preflight: fastai_dsl::Extent::All,
    };
    match Dataset::open(&data, task) {
        Ok(dataset) => {
            assert!(!dataset.train.is_empty());
            let weights = dataset.sampling_weights(Sampler::Balanced).unwrap();
            assert!(weights.iter().all(|weight| weight.is_finite() && *weight > 0.0));
            let inside = |path: &Path| path.starts_with(root);
            assert!(dataset.train.iter().chain(&dataset.valid).all(|item| inside(&item.path)));
            true
        }
        Err(error) => {
            assert!(!error.findings.is_empty() && error.findings.len() < 500, "{error}");
            false
        }
    }
}
