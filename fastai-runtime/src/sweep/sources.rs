//! Whether the data of a sweep's candidates is there, asked before the first of them trains.

use std::collections::BTreeSet;
use std::path::Path;

use fastai_dsl::{Data, Source, TaskKind, Valid};

use super::SweepSpec;
use super::obstacle::Obstacle;
use super::remark::add;
use crate::RunError;
use crate::data::Dataset;

/// Returns the folders and files of data that are missing, each reason once. What is wrong with data that is there is for the
/// trials to say.
pub(super) fn check(spec: &SweepSpec) -> Vec<Obstacle> {
    let own: BTreeSet<usize> = spec.own_trials().iter().map(|key| key.candidate).collect();
    let (mut sound, mut missing): (Vec<(&Data, TaskKind)>, _) = (Vec::new(), Vec::new());
    for &candidate in &own {
        let recipe = &spec.candidates[candidate].recipe;
        let wanted = (recipe.data(), recipe.task());
        if sound.contains(&wanted) {
            continue;
        }
        // Listing all images takes a while: it is for the words about a place that is missing.
        let (data, task) = wanted;
        let opened = if has_places(data) { Ok(()) } else { Dataset::open(data, task).map(drop) };
        match opened {
            Ok(()) => sound.push(wanted),
            Err(error) => add(&mut missing, candidate, "", RunError::from(error)),
        }
    }
    missing.into_iter().map(|found| Obstacle { whom: found.whom(spec, own.len()), error: found.said }).collect()
}

/// Whether the folders and files that the data names are there.
fn has_places(data: &Data) -> bool {
    // Without a root, a program gives the images.
    let Some(root) = data.root.as_deref().map(Path::new) else { return true };
    let source = match &data.source {
        Source::Folders { train } => root.join(train).is_dir(),
        Source::Csv { labels, images, .. } => root.join(labels).is_file() && root.join(images).is_dir(),
        Source::Given => true,
    };
    let held_out = match &data.valid {
        Valid::Folder(folder) => root.join(folder).is_dir(),
        Valid::Indices(file) => root.join(file).is_file(),
        _ => true,
    };
    source && held_out && data.test.iter().all(|folder| root.join(folder).is_dir())
}

#[cfg(test)]
mod tests {
    use super::super::examples::recipe;
    use super::*;

    #[test]
    fn every_place_that_the_data_names_counts() {
        let scratch = tempfile::tempdir().unwrap();
        let there = || "there".to_string();
        std::fs::create_dir(scratch.path().join(there())).unwrap();
        let data = Data {
            root: scratch.path().to_str().map(str::to_string),
            source: Source::Folders { train: there() },
            valid: Valid::Folder(there()),
            test: Some(there()),
            ..recipe("fit(0.01, 1);").data().clone()
        };
        assert!(has_places(&data));
        let gone = || "gone".to_string();
        for other in [
            Data { source: Source::Folders { train: gone() }, ..data.clone() },
            Data { valid: Valid::Folder(gone()), ..data.clone() },
            Data { valid: Valid::Indices(gone()), ..data.clone() },
            Data { test: Some(gone()), ..data.clone() },
        ] {
            assert!(!has_places(&other), "{other:?}");
        }
    }
}
