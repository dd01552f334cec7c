//! Scaled copies of large images, so that every later epoch decodes small ones.

use std::collections::{HashMap, HashSet};
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;

use super::decode::{decode, guarded};
use super::findings::Findings;
use super::{Dataset, Health};
use crate::RunError;
use crate::progress::{Progress, StopSignal};
use crate::report::write_atomic;
use crate::transforms::scale_min;

/// Raised whenever copies would come out differently.
const VERSION: u32 = 1;
/// Quality of the copies; colours are not subsampled.
const QUALITY: u8 = 95;

/// What [`Copies::make`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyCounts {
    /// Copies that were made.
    pub made: usize,
    /// Copies that were there.
    pub found: usize,
    /// Images that are small enough as they are.
    pub small: usize,
}

/// Where scaled copies are kept.
///
/// A copy is a JPEG of quality 95 without colour subsampling, upright, its shorter side scaled to `side` by area
/// averaging. Its name is the digest of the original's bytes below a folder named by side and kind of copy, so a changed
/// image, another side and another version of this code never meet an old copy. Copies are written one by one and
/// atomically: a run that was interrupted goes on where it stopped.
#[derive(Clone, Debug)]
pub struct Copies {
    /// Shorter side, pixels.
    pub side: u32,
    /// The folder that may hold copies of any data set and side.
    pub folder: PathBuf,
}

impl Copies {
    /// Lets `dataset` read copies in place of images whose shorter side is longer than [`side`](Self::side); copies that
    /// are missing are made on all cores. `health` is what preflight said of the data set.
    ///
    /// # Errors
    /// Images that changed since preflight and cannot be decoded any more, a folder that cannot be written,
    /// [`RunError::Stopped`].
    pub fn make(
        &self,
        dataset: &mut Dataset,
        health: &Health,
        stop: &StopSignal,
        progress: &mut dyn Progress,
    ) -> Result<CopyCounts, RunError> {
        let mut counts = CopyCounts::default();
        let (mut copies, mut missing) = (HashMap::new(), Vec::new());
        let mut wanted = HashSet::new();
        for item in dataset.train.iter().chain(&dataset.valid).chain(&dataset.test) {
            if copies.contains_key(&item.path) {
                continue;
            }
            let Some(file) = health.files.get(&item.path).filter(|file| file.shorter_side() > self.side) else {
                counts.small += 1;
                continue;
            };
            let copy = self.path(&file.digest);
            // Twins share a copy.
            if std::fs::metadata(&copy).is_ok_and(|m| m.is_file() && m.len() > 0) {
                counts.found += 1;
            } else if wanted.insert(copy.clone()) {
                missing.push((item.path.clone(), copy.clone()));
            }
            copies.insert(item.path.clone(), copy);
        }
        counts.made = missing.len();
        self.make_missing(&missing, stop, progress)?;
        for item in dataset.train.iter_mut().chain(&mut dataset.valid).chain(&mut dataset.test) {
            if let Some(copy) = copies.get(&item.path) {
                item.path.clone_from(copy);
            }
        }
        Ok(counts)
    }

    /// Where the copy of an image with this digest is.
    fn path(&self, digest: &[u8; 16]) -> PathBuf {
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        // A folder of its own for each first byte keeps listings short.
        self.folder.join(format!("{}px-v{VERSION}", self.side)).join(&name[..2]).join(format!("{name}.jpg"))
    }

    fn make_missing(
        &self,
        missing: &[(PathBuf, PathBuf)],
        stop: &StopSignal,
        progress: &mut dyn Progress,
    ) -> Result<(), RunError> {
        if missing.is_empty() {
            return Ok(());
        }
        let folders: HashSet<&Path> = missing.iter().filter_map(|(_, copy)| copy.parent()).collect();
        for folder in folders {
            std::fs::create_dir_all(folder).map_err(|error| RunError::file("create", folder, error))?;
        }
        progress.begin("images scaled", missing.len() as u64);
        let mut done = 0;
        for chunk in missing.chunks(8 * rayon::current_num_threads()) {
            if stop.requested() {
                progress.finish();
                return Err(RunError::Stopped(format!(
                    "{done} of {} images were scaled; the next run goes on from there",
                    missing.len()
                )));
            }
            let results: Vec<Result<(), RunError>> =
                chunk.par_iter().map(|(image, copy)| self.make_one(image, copy)).collect();
            let mut findings = Findings::default();
            for result in results {
                match result {
                    Err(RunError::Data(error)) => findings.extend("broken images", error.findings),
                    other => other?,
                }
            }
            findings.or(())?;
            done += chunk.len();
            progress.advance(done as u64, "");
        }
        progress.finish();
        Ok(())
    }

    fn make_one(&self, image: &Path, copy: &Path) -> Result<(), RunError> {
        let broken = |reason| super::DataError::one(format!("{}: {reason}", image.display()));
        let decoded = decode(image).map_err(broken)?;
        let bytes = guarded(|| scaled_jpeg(&decoded, self.side as usize)).map_err(broken)?;
        write_atomic(copy, |out| out.write_all(&bytes))
    }
}

fn scaled_jpeg(image: &RgbImage, side: usize) -> Result<Vec<u8>, String> {
    let small = scale_min(image, side);
    let levels = small.to_rgb().into_iter().map(|value| (value * 255.0 + 0.5) as u8).collect();
    let small = RgbImage::from_raw(small.width() as u32, small.height() as u32, levels);
    let small = small.ok_or("the scaled image has another size than its pixels")?;
    let mut bytes = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&small).map_err(|e| e.to_string())?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use fastai_dsl::{Corrupt, Duplicates, Valid};
    use image::Rgb;
    use tempfile::TempDir;

    use super::*;
    use crate::data::Preflight;
    use crate::progress::Silent;

    /// Six images of 60 x 40 pixels and one of 20 x 30.
    fn dataset(folder: &TempDir) -> (Dataset, Health) {
        let file = |i: u32| {
            let path = folder.path().join(format!("{i}.png"));
            let (width, height) = if i == 6 { (20, 30) } else { (60, 40) };
            let shade = |v: u32| (v * 4 + i * 9) as u8;
            RgbImage::from_fn(width, height, |x, y| Rgb([shade(x), shade(y), shade(x / 2 + y / 2)]))
                .save(&path)
                .unwrap();
            (path, ["x", "y"][(i % 2) as usize])
        };
        let files: Vec<_> = (0..7).map(file).collect();
        let mut dataset = Dataset::from_files(files, &Valid::None).unwrap();
        let health = look(&mut dataset);
        (dataset, health)
    }

    fn look(dataset: &mut Dataset) -> Health {
        let stop = StopSignal::default();
        let (corrupt, duplicates) = (Corrupt::Deny, Duplicates::Keep);
        let preflight = Preflight { corrupt, duplicates, size: 8, limit: None, known: None, stop: &stop };
        preflight.check(dataset, &mut Silent).unwrap()
    }

    #[test]
    fn copies_are_made_once_and_show_the_same() {
        let folder = TempDir::new().unwrap();
        let (original, health) = dataset(&folder);
        let copies = Copies { side: 20, folder: folder.path().join("copies") };
        let make = |health: &Health| {
            let mut dataset = original.clone();
            let counts = copies.make(&mut dataset, health, &StopSignal::default(), &mut Silent).unwrap();
            (dataset, counts)
        };
        let (scaled, counts) = make(&health);
        assert_eq!(counts, CopyCounts { made: 6, found: 0, small: 1 });
        for (item, whole) in scaled.train.iter().zip(&original.train).take(6) {
            assert_eq!((&item.id, &item.target), (&whole.id, &whole.target));
            let copy = decode(&item.path).unwrap();
            assert_eq!(copy.dimensions(), (30, 20));
            let expected = scale_min(&decode(&whole.path).unwrap(), 20).to_rgb();
            let difference = copy.as_raw().iter().zip(&expected).map(|(a, b)| (f32::from(*a) - b * 255.0).abs());
            let mean = difference.sum::<f32>() / expected.len() as f32;
            assert!(mean < 1.5, "{mean} levels");
        }
        assert_eq!(scaled.train[6], original.train[6]);
        assert_eq!(make(&health).1, CopyCounts { made: 0, found: 6, small: 1 });
        // A copy that is gone, one that was never finished, and an image with new content.
        std::fs::remove_file(&scaled.train[0].path).unwrap();
        std::fs::write(&scaled.train[1].path, "").unwrap();
        RgbImage::from_pixel(50, 50, Rgb([1, 2, 3])).save(&original.train[2].path).unwrap();
        let health = look(&mut original.clone());
        let (again, counts) = make(&health);
        assert_eq!(counts, CopyCounts { made: 3, found: 3, small: 1 });
        assert_ne!(again.train[2].path, scaled.train[2].path);
        assert_eq!(decode(&again.train[2].path).unwrap().dimensions(), (20, 20));
    }

    #[test]
    fn a_stop_leaves_what_was_made() {
        let folder = TempDir::new().unwrap();
        let (mut dataset, health) = dataset(&folder);
        let copies = Copies { side: 20, folder: folder.path().join("copies") };
        let stop = StopSignal::default();
        stop.request();
        let before = dataset.train.clone();
        let result = copies.make(&mut dataset, &health, &stop, &mut Silent);
        assert!(matches!(result, Err(RunError::Stopped(_))), "{result:?}");
        assert_eq!(dataset.train, before);
    }
}
