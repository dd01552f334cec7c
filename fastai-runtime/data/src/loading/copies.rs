//! Scaled copies of large images: later epochs decode the smaller copies.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage};
use rayon::prelude::*;

use crate::atomic::write_own;
use crate::decode::{decode_as, decode_bytes_as, decode_noted, guarded, read, read_described};
use crate::finding::Finding;
use crate::findings::Findings;
use crate::locks;
use crate::preflight::SoundFile;
use crate::progress::{Progress, StopSignal};
use crate::sealed::{SHORT, short_digest};
use crate::transforms::{Demand, Picture, scale_min};
use crate::{DataError, Dataset, DecodeError, FileError, Health, OpenError, OpenReached};

/// Incremented whenever the copies' pixels change.
const VERSION: u32 = 2;
/// Quality of the copies; colours are not subsampled.
const QUALITY: u8 = 95;

/// What [`Copies::make`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyCounts {
    /// Copies written.
    pub made: usize,
    /// Intact copies that existed.
    pub found: usize,
    /// Images that need no copy because they are small enough.
    pub small: usize,
}

/// The folder of scaled copies.
///
/// A copy is an upright JPEG of quality 95 without chroma subsampling. Area averaging scales its shorter side to `side`.
/// The digest of the JPEG follows its end. The digest of the original's bytes names the file, in a folder named after the
/// side and the kind of copy, so other bytes, another side or another version of this code never use it. Copies are written
/// atomically, one by one; an interrupted run continues where it stopped, and a damaged copy is rebuilt.
///
/// Who reads or writes copies of a size takes part in the lock of their folder until the [`Reading`] is gone, and only who has
/// the lock [alone](locks::enter_alone) removes any.
///
/// Preflight supplies the originals' digests. It reads a file again only if the size or modification time differs from the
/// recorded ones: a file that changed with both unchanged is read from its old copy.
#[derive(Clone, Debug)]
pub struct Copies {
    /// Shorter side, pixels.
    pub side: u32,
    /// The bits that 16-bit images use.
    pub bits: u32,
    /// The root folder of copies, shared by data sets and sides.
    pub folder: PathBuf,
}

/// Where the pixels of image files come from.
#[derive(Clone, Debug, Default)]
pub enum Reading {
    /// From the files.
    #[default]
    Files,
    /// From scaled copies, by the path of the image; an image without a copy is read from its own file.
    Copies(Arc<CopiesInUse>),
    /// From the files, scaled and compressed in memory like a copy with this shorter side, pixels. The pixels equal those
    /// of a copy.
    AsCopies(u32),
}

/// The scaled copies that a run reads. Nothing removes them as long as this lives.
#[derive(Debug)]
pub struct CopiesInUse {
    /// The copy of each image that has one.
    paths: HashMap<PathBuf, PathBuf>,
    _locks: [Option<File>; 2],
}

impl Reading {
    /// For images without copies: reads them as copies of that side if the recipe has `resize_to`.
    pub fn of(resize_to: Option<u32>) -> Self {
        resize_to.map_or(Reading::Files, Reading::AsCopies)
    }

    /// Returns the file to open for an image.
    pub fn path<'a>(&'a self, image: &'a Path) -> &'a Path {
        match self {
            Reading::Copies(copies) => copies.paths.get(image).map_or(image, PathBuf::as_path),
            Reading::Files | Reading::AsCopies(_) => image,
        }
    }

    /// Returns the pixels of an image, as demanded.
    ///
    /// # Errors
    /// Those of [`decode`](crate::decode()). The reason names an unreadable copy, but never the image.
    pub fn read(&self, image: &Path, demand: Demand) -> Result<Picture, DecodeError> {
        self.read_checked(image, None, demand)
    }

    /// Like [`read`](Self::read); another content than the one that preflight saw is an error. A copy is named after the content
    /// that it shows and needs no comparison.
    pub(super) fn read_checked(
        &self,
        image: &Path,
        seen: Option<&SoundFile>,
        demand: Demand,
    ) -> Result<Picture, DecodeError> {
        let file = self.path(image);
        if file != image {
            let named = |error| DecodeError::Copy { path: file.to_path_buf(), error: Box::new(error) };
            return decode_as(file, demand).map_err(named);
        }
        let (bytes, metadata) = read_described(image)?;
        if seen.is_some_and(|seen| !seen.is_still(&metadata, &bytes)) {
            return Err(DecodeError::Changed);
        }
        self.read_bytes(&bytes, demand)
    }

    /// Like [`read`](Self::read), for the bytes of an image file in memory, which has no copy.
    ///
    /// # Errors
    /// Those of [`decode`](crate::decode()).
    pub fn read_bytes(&self, bytes: &[u8], demand: Demand) -> Result<Picture, DecodeError> {
        if bytes.is_empty() {
            return Err(DecodeError::Empty);
        }
        guarded(|| match self {
            Reading::AsCopies(side) => {
                let (whole, _) = decode_noted(bytes, demand.bits)?;
                if is_larger(&whole, *side) {
                    decode_bytes_as(&scaled_jpeg(&whole, *side as usize)?, demand)
                } else {
                    decode_bytes_as(bytes, demand)
                }
            }
            Reading::Files | Reading::Copies(_) => decode_bytes_as(bytes, demand),
        })
    }

    /// Returns what a copy of an already decoded image would contain, as demanded; `None` where the image itself is read.
    ///
    /// # Errors
    /// An image that cannot be scaled or compressed.
    pub fn reread(&self, image: &RgbImage, demand: Demand) -> Result<Option<Picture>, DecodeError> {
        match self {
            Reading::AsCopies(side) if is_larger(image, *side) => {
                guarded(|| decode_bytes_as(&scaled_jpeg(image, *side as usize)?, demand)).map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl Copies {
    /// Returns how to read the images of `dataset` through copies. Each image whose shorter side exceeds
    /// [`side`](Self::side) has a copy; missing and damaged copies are made on all cores. `health` is the result of
    /// preflight.
    ///
    /// # Errors
    /// Images that changed after preflight and can no longer be decoded; [`OpenError::File`] if the folder cannot be written;
    /// [`OpenError::Stopped`].
    pub fn make(
        &self,
        dataset: &Dataset,
        health: &Health,
        stop: &StopSignal,
        progress: &mut dyn Progress,
    ) -> Result<(Reading, CopyCounts), OpenError> {
        let mut counts = CopyCounts::default();
        let (mut copies, mut large) = (HashMap::new(), Vec::new());
        let mut seen = HashSet::new();
        for item in dataset.train.iter().chain(&dataset.valid).chain(&dataset.test) {
            if !seen.insert(&item.path) {
                continue;
            }
            match health.files.get(&item.path).filter(|file| file.shorter_side() > self.side) {
                Some(file) => large.push((item.path.as_path(), self.path(&file.digest))),
                None => counts.small += 1,
            }
        }
        let held = self.hold();
        let checking = |done, of| OpenReached::CheckingCopies { done, of };
        let whole = in_chunks(&large, "copies checked", checking, stop, progress, |(_, copy)| Ok(is_whole(copy)))?;
        let mut missing = Vec::new();
        for ((image, copy), whole) in large.into_iter().zip(whole) {
            if whole {
                counts.found += 1;
                copies.insert(image.to_path_buf(), copy);
            } else {
                missing.push(image);
            }
        }
        // Of the copies, only those that are missing are written.
        let entered = if missing.is_empty() { None } else { self.enter()? };
        let scaling = |done, of| OpenReached::Scaling { done, of };
        let made = in_chunks(&missing, "images scaled", scaling, stop, progress, |image| self.make_one(image))?;
        for (image, copy) in missing.into_iter().zip(made) {
            match copy {
                Some(copy) => {
                    counts.made += 1;
                    copies.insert(image.to_path_buf(), copy);
                }
                // A small file replaced the image after preflight.
                None => counts.small += 1,
            }
        }
        let in_use = CopiesInUse { paths: copies, _locks: [held, entered] };
        Ok((Reading::Copies(Arc::new(in_use)), counts))
    }

    /// The folder of all copies of the size of this copy.
    pub fn folder_of(copy: &Path) -> Option<&Path> {
        copy.ancestors().nth(2)
    }

    /// Keeps the copies of this size that are there from being removed, as long as the lock lives, and removes what killed
    /// processes left. `None` without copies, and on file systems without locks.
    fn hold(&self) -> Option<File> {
        let folder = self.sized();
        if !folder.is_dir() {
            return None;
        }
        // Copies that another user made can be read, if not added to.
        self.enter().unwrap_or_else(|_| locks::enter_to_read(&folder))
    }

    /// Locks the folder of the copies of this size and removes what killed processes left in it.
    fn enter(&self) -> Result<Option<File>, FileError> {
        let folder = self.sized();
        let below = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        locks::enter_with(&folder, &below.collect::<Vec<_>>())
    }

    fn sized(&self) -> PathBuf {
        let bits = if self.bits == Demand::FULL.bits { String::new() } else { format!("-{}bit", self.bits) };
        self.folder.join(format!("{}px-v{VERSION}{bits}", self.side))
    }

    /// Returns the path of the copy of an image with this digest.
    fn path(&self, digest: &[u8; SHORT]) -> PathBuf {
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        // One folder per first byte keeps listings short.
        self.sized().join(&name[..2]).join(format!("{name}.jpg"))
    }

    /// Writes the copy of an image and returns its path, or `None` if the image needs no copy. The name is the digest of
    /// the bytes that the copy was made from, even if they differ from those that preflight saw.
    fn make_one(&self, image: &Path) -> Result<Option<PathBuf>, OpenError> {
        let broken = |reason: DecodeError| {
            let mut finding = Finding::broken_image(image, &reason);
            finding.text += "; it was sound when the images were checked, so it has changed since: put it right, or start \
                             again, and it is checked anew";
            DataError::one(finding)
        };
        let bytes = read(image).map_err(broken)?;
        let (decoded, _) = guarded(|| decode_noted(&bytes, self.bits)).map_err(broken)?;
        if !is_larger(&decoded, self.side) {
            return Ok(None);
        }
        let copy = self.path(&short_digest(&bytes));
        let mut bytes = guarded(|| scaled_jpeg(&decoded, self.side as usize)).map_err(broken)?;
        let end = short_digest(&bytes);
        bytes.extend(end);
        if let Some(folder) = copy.parent() {
            std::fs::create_dir_all(folder).map_err(|error| FileError::new("create", folder, error))?;
        }
        write_own(&copy, |out| out.write_all(&bytes))?;
        Ok(Some(copy))
    }
}

/// Applies `work` to each item of `list` on all cores; the results keep the order. `counted` is what the progress bar counts, and
/// `reached` what a stop says of so many done of so many.
fn in_chunks<T: Sync, R: Send>(
    list: &[T],
    counted: &str,
    reached: fn(usize, usize) -> OpenReached,
    stop: &StopSignal,
    progress: &mut dyn Progress,
    work: impl Fn(&T) -> Result<R, OpenError> + Sync,
) -> Result<Vec<R>, OpenError> {
    let mut all = Vec::with_capacity(list.len());
    if list.is_empty() {
        return Ok(all);
    }
    progress.begin(counted, list.len() as u64);
    for chunk in list.chunks(8 * rayon::current_num_threads()) {
        if stop.requested() {
            progress.finish();
            return Err(OpenError::Stopped(reached(all.len(), list.len())));
        }
        let results: Vec<Result<R, OpenError>> = chunk.par_iter().map(&work).collect();
        let mut findings = Findings::default();
        for result in results {
            match result {
                Ok(one) => all.push(one),
                Err(OpenError::Data(error)) => findings.extend("broken images", error.findings),
                Err(other) => return Err(other),
            }
        }
        findings.or(())?;
        progress.advance(all.len() as u64, "");
    }
    progress.finish();
    Ok(all)
}

fn is_larger(image: &RgbImage, side: u32) -> bool {
    image.width().min(image.height()) > side
}

/// Whether the copy exists and is intact.
fn is_whole(copy: &Path) -> bool {
    let Ok(bytes) = std::fs::read(copy) else { return false };
    bytes.split_last_chunk::<SHORT>().is_some_and(|(jpeg, end)| short_digest(jpeg) == *end)
}

fn scaled_jpeg(image: &RgbImage, side: usize) -> Result<Vec<u8>, DecodeError> {
    let small = scale_min(image, side);
    let levels: Vec<u8> = small.to_rgb().into_iter().map(|value| (value * 255.0 + 0.5) as u8).collect();
    let mut bytes = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(&levels, small.width() as u32, small.height() as u32, ExtendedColorType::Rgb8)
        .map_err(|error| DecodeError::NotCompressed { reason: error.to_string() })?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use fastai_dsl::{Corrupt, Duplicates, Valid};
    use image::Rgb;
    use tempfile::TempDir;

    use super::*;
    use crate::decode;
    use crate::progress::Silent;
    use crate::tests::check;

    /// So many images of 60 x 40 pixels and one of 20 x 30.
    fn dataset(folder: &TempDir, large: u32) -> (Dataset, Health) {
        let file = |i: u32| {
            let path = folder.path().join(format!("{i}.png"));
            let (width, height) = if i == large { (20, 30) } else { (60, 40) };
            let shade = |v: u32| (v * 4 + i * 9) as u8;
            RgbImage::from_fn(width, height, |x, y| Rgb([shade(x), shade(y), shade(x / 2 + y / 2)]))
                .save(&path)
                .unwrap();
            (path, ["x", "y"][(i % 2) as usize])
        };
        let files: Vec<_> = (0..=large).map(file).collect();
        let dataset = Dataset::from_files(files, &Valid::None).unwrap();
        let health = look(&dataset);
        (dataset, health)
    }

    fn look(dataset: &Dataset) -> Health {
        check(&mut dataset.clone(), Corrupt::Deny, Duplicates::Keep, 8).unwrap()
    }

    fn make(copies: &Copies, dataset: &Dataset, health: &Health) -> (Reading, CopyCounts) {
        copies.make(dataset, health, &StopSignal::default(), &mut Silent).unwrap()
    }

    #[test]
    fn copies_are_made_once_and_show_the_same() {
        let folder = TempDir::new().unwrap();
        let (dataset, health) = dataset(&folder, 6);
        let copies = Copies { side: 20, bits: 16, folder: folder.path().join("copies") };
        let (reading, counts) = make(&copies, &dataset, &health);
        assert_eq!(counts, CopyCounts { made: 6, found: 0, small: 1 });
        for item in &dataset.train[..6] {
            assert_ne!(reading.path(&item.path), item.path);
            let copy = reading.read(&item.path, Demand::FULL).unwrap();
            assert_eq!((copy.width(), copy.height()), (30, 20));
            let expected = scale_min(&decode(&item.path).unwrap(), 20).to_rgb();
            let difference = copy.as_raw().iter().zip(&expected).map(|(a, b)| (f32::from(*a) - b * 255.0).abs());
            let mean = difference.sum::<f32>() / expected.len() as f32;
            assert!(mean < 1.5, "{mean} levels");
        }
        assert_eq!(reading.path(&dataset.train[6].path), dataset.train[6].path);
        // Without a copy the same pixels come, reduced or not.
        for (item, shorter) in dataset.train.iter().flat_map(|item| [None, Some(5)].map(|shorter| (item, shorter))) {
            let [copy, made] = [&reading, &Reading::of(Some(20))]
                .map(|reading| reading.read(&item.path, Demand { shorter, ..Demand::FULL }).unwrap());
            assert_eq!((copy.width(), copy.as_raw()), (made.width(), made.as_raw()), "{shorter:?}");
        }
        assert_eq!(make(&copies, &dataset, &health).1, CopyCounts { made: 0, found: 6, small: 1 });
    }

    #[test]
    fn what_is_gone_damaged_or_changed_is_made_again() {
        let folder = TempDir::new().unwrap();
        let (dataset, health) = dataset(&folder, 6);
        let copies = Copies { side: 20, bits: 16, folder: folder.path().join("copies") };
        let reading = make(&copies, &dataset, &health).0;
        let image = |i: usize| dataset.train[i].path.as_path();
        let whole: Vec<Vec<u8>> = (0..6).map(|i| std::fs::read(reading.path(image(i))).unwrap()).collect();
        std::fs::remove_file(reading.path(image(0))).unwrap();
        std::fs::write(reading.path(image(1)), "").unwrap();
        std::fs::write(reading.path(image(2)), &whole[2][..whole[2].len() / 2]).unwrap();
        // A bit that flips leaves an image with other pixels.
        let mut flipped = whole[3].clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 4;
        std::fs::write(reading.path(image(3)), flipped).unwrap();
        RgbImage::from_pixel(50, 50, Rgb([1, 2, 3])).save(image(4)).unwrap();
        let (again, counts) = make(&copies, &dataset, &look(&dataset));
        assert_eq!(counts, CopyCounts { made: 5, found: 1, small: 1 });
        for (i, bytes) in whole.iter().enumerate().filter(|(i, _)| *i != 4) {
            assert!(std::fs::read(again.path(image(i))).unwrap() == *bytes, "copy {i}");
        }
        assert_ne!(again.path(image(4)), reading.path(image(4)));
        assert_eq!(again.read(image(4), Demand::FULL).unwrap().width(), 20);
    }

    #[test]
    fn a_file_that_changes_after_preflight_leaves_no_copy_under_its_old_name() {
        let folder = TempDir::new().unwrap();
        let (dataset, health) = dataset(&folder, 6);
        let copies = Copies { side: 20, bits: 16, folder: folder.path().join("copies") };
        let (old, replaced, shrunk) =
            (std::fs::read(&dataset.train[0].path).unwrap(), &dataset.train[0].path, &dataset.train[1].path);
        RgbImage::from_pixel(90, 90, Rgb([200, 2, 3])).save(replaced).unwrap();
        RgbImage::from_pixel(9, 9, Rgb([1, 2, 3])).save(shrunk).unwrap();
        let (reading, counts) = make(&copies, &dataset, &health);
        assert_eq!(counts, CopyCounts { made: 5, found: 0, small: 2 });
        assert_eq!(reading.path(shrunk), shrunk);
        assert_eq!(reading.read(replaced, Demand::FULL).unwrap().width(), 20);
        // The old file comes back, and so do its own pixels.
        std::fs::write(replaced, old).unwrap();
        let (reading, counts) = make(&copies, &dataset, &look(&dataset));
        assert_eq!((counts.made, reading.read(replaced, Demand::FULL).unwrap().width()), (1, 30));
        // What breaks then is named with the reason and what to do.
        std::fs::write(replaced, "spoilt").unwrap();
        let fresh = Copies { side: 21, bits: 16, folder: folder.path().join("copies") };
        let error = fresh.make(&dataset, &health, &StopSignal::default(), &mut Silent).unwrap_err().to_string();
        assert!(error.contains("0.png: not an image") && error.contains("it has changed since"), "{error}");
        // So is an image whose copy breaks while it is used, beside the copy.
        let (image, copy) = (&dataset.train[2].path, reading.path(&dataset.train[2].path));
        std::fs::write(copy, "spoilt").unwrap();
        let error = reading.read(image, Demand::FULL).unwrap_err().to_string();
        assert!(error.contains(&format!("its copy {} cannot be read (not an image", copy.display())), "{error}");
    }

    #[test]
    fn copies_that_are_read_are_not_removed() {
        let folder = TempDir::new().unwrap();
        let (dataset, health) = dataset(&folder, 6);
        let copies = Copies { side: 20, bits: 16, folder: folder.path().join("copies") };
        let made = make(&copies, &dataset, &health).0;
        let sized = Copies::folder_of(made.path(&dataset.train[0].path)).unwrap();
        assert_eq!(sized, copies.sized());
        let alone = || locks::enter_alone(&copies.sized()).is_some();
        assert!(!alone());
        let (found, counts) = make(&copies, &dataset, &health);
        assert_eq!(counts.found, 6);
        drop(made);
        assert!(!alone());
        drop(found.clone());
        assert!(!alone(), "a clone is in use");
        drop(found);
        assert!(alone());
    }

    /// Asks for a stop when so many of one kind are done.
    struct StopAt(StopSignal, &'static str, u64, bool);

    impl Progress for StopAt {
        fn begin(&mut self, what: &str, _: u64) {
            self.3 = what == self.1;
        }
        fn advance(&mut self, done: u64, _: &str) {
            if self.3 && done >= self.2 {
                self.0.request();
            }
        }
    }

    #[test]
    fn a_stop_in_the_middle_leaves_what_was_made() {
        let folder = TempDir::new().unwrap();
        let (dataset, health) = dataset(&folder, 28);
        let copies = Copies { side: 20, bits: 16, folder: folder.path().join("copies") };
        let stopped = |what: &'static str, at: u64| {
            let stop = StopSignal::default();
            let error = copies.make(&dataset, &health, &stop, &mut StopAt(stop.clone(), what, at, false)).unwrap_err();
            assert!(matches!(error, OpenError::Stopped(_)), "{error:?}");
            error.to_string()
        };
        // One thread does eight at a time.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| {
            assert!(stopped("copies checked", 8).contains("8 of 28 copies checked"));
            assert!(!copies.folder.exists());
            let error = stopped("images scaled", 16);
            assert!(error.contains("16 of 28 images scaled; the next run goes on from there"), "{error}");
            assert_eq!(make(&copies, &dataset, &health).1, CopyCounts { made: 12, found: 16, small: 1 });
        });
    }
}
