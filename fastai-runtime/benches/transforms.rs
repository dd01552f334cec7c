//! Images a second from files to network inputs, on one thread:
//! `cargo bench --profile dev --workspace --bench transforms -- FOLDER [IMAGES]`.
//!
//! `tools/bench_transforms.py` runs this beside OpenCV and torchvision. One JSON object a line: `what`, `images`, `rounds`
//! and `images_per_s`, the best round's by the processor time of the thread (by the clock where the system does not tell
//! it), so that other work on the machine counts little. Then where the time of `train` goes, `phase` and `us_per_image`:
//! the phases are fused, so each is what it adds to those before it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use fastai_dsl::{Decode, Stats, TransformSet, Transforms};
use fastai_runtime::data::{decode, decode_as};
use fastai_runtime::random::Stream;
use fastai_runtime::transforms::{Draw, Effect, Transform};

/// Side of the square, pixels.
const SIZE: u32 = 224;
/// Side of a smaller square, for which large images may be decoded at a part of their size.
const SMALL: u32 = 64;
/// How often everything is measured.
const ROUNDS: usize = 3;

fn main() {
    // Cargo passes `--bench` too.
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let Some(folder) = args.next() else {
        println!("skipped: give a folder of images");
        return;
    };
    let mut files = Vec::new();
    list(Path::new(&folder), &mut files);
    files.sort();
    files.truncate(args.next().map_or(400, |n| n.parse().expect("the number of images")));
    assert!(!files.is_empty(), "no images below {folder}");

    let config = Transforms { max_zoom: [1.0, 1.1], ..Transforms::new(TransformSet::SideOn, SIZE) };
    let transform = Transform::new(&config, Stats::IMAGENET);
    let stream = Stream::new(42, "transform");
    let mut out = vec![0.0; 3 * (SIZE * SIZE) as usize];
    measure("decode", &files, |_, file| {
        decode(file).unwrap();
    });
    measure("train", &files, |row, file| {
        let image = decode(file).unwrap();
        transform.train(&image, stream.address(&[0, 0, row as u64]), &mut out);
    });
    let mut out = vec![0.0; 3 * (SIZE * SIZE) as usize];
    measure("valid", &files, |_, file| transform.valid(&decode(file).unwrap(), &mut out));
    for (what, decode) in [("train 64 full", Decode::Full), ("train 64 reduced", Decode::Reduced)] {
        let transform = Transform::new(&Transforms { size: SMALL, decode, ..config.clone() }, Stats::IMAGENET);
        let mut out = vec![0.0; 3 * (SMALL * SMALL) as usize];
        measure(what, &files, |row, file| {
            let image = decode_as(file, transform.demand()).unwrap();
            transform.train(&image, stream.address(&[0, 0, row as u64]), &mut out);
        });
    }
    phases(&files, &transform, stream);
}

/// Prints what each phase of a training image takes, microseconds an image.
fn phases(files: &[PathBuf], transform: &Transform, stream: Stream) {
    let print = |phase: &str, seconds: f64| {
        println!("{{\"phase\": \"{phase}\", \"us_per_image\": {:.1}}}", 1e6 * seconds / files.len() as f64);
    };
    // One takes less than the clock tells.
    const DRAWS: u64 = 1000;
    let mut parts = 0;
    let draws = best(files, |row, _| {
        parts +=
            (0..DRAWS).map(|epoch| transform.draw(stream.address(&[0, epoch, row as u64])).parts.len()).sum::<usize>();
    });
    assert!(parts > 0);
    print("draw", draws / DRAWS as f64);
    print("decode", best(files, |_, file| drop(decode(file).unwrap())));
    let images: Vec<_> = files.iter().map(|file| decode(file).unwrap()).collect();
    let mut out = vec![0.0; 3 * (SIZE * SIZE) as usize];
    // Neither scaling nor cropping is left to do.
    let square = image::RgbImage::from_fn(SIZE, SIZE, |x, y| image::Rgb([x as u8, y as u8, (x ^ y) as u8]));
    let mut before = best(files, |_, _| transform.valid(&square, &mut out));
    print("normalise", before);
    let draws: Vec<Draw> = (0..files.len()).map(|row| transform.draw(stream.address(&[0, 0, row as u64]))).collect();
    let bare = |draw: &Draw| Draw { parts: Vec::new(), ..draw.clone() };
    for (phase, part) in
        [("scale and crop", &bare as &dyn Fn(&Draw) -> Draw), ("rotate and flip", &unlit), ("lighting", &Draw::clone)]
    {
        let draws: Vec<Draw> = draws.iter().map(part).collect();
        let seconds = best(files, |row, _| transform.apply(&images[row], &draws[row], &mut out));
        print(phase, seconds - before);
        before = seconds;
    }
}

fn unlit(draw: &Draw) -> Draw {
    let mut draw = draw.clone();
    draw.parts.retain(|part| !matches!(part, Effect::Lighting(_)));
    draw
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder that can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("jpg")) {
            files.push(path);
        }
    }
}

fn measure(what: &str, files: &[PathBuf], run: impl FnMut(usize, &Path)) {
    let rate = files.len() as f64 / best(files, run);
    println!(
        "{{\"what\": \"{what}\", \"images\": {}, \"rounds\": {ROUNDS}, \"images_per_s\": {rate:.1}}}",
        files.len()
    );
}

/// Seconds that all `files` take in the best round.
fn best(files: &[PathBuf], mut run: impl FnMut(usize, &Path)) -> f64 {
    files.iter().take(20).enumerate().for_each(|(row, file)| run(row, file));
    let mut round = || {
        let (clock, processor) = (Instant::now(), processor_seconds());
        files.iter().enumerate().for_each(|(row, file)| run(row, file));
        match (processor, processor_seconds()) {
            (Some(before), Some(after)) => after - before,
            _ => clock.elapsed().as_secs_f64(),
        }
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

/// What this thread has taken of a processor, as Linux counts it.
fn processor_seconds() -> Option<f64> {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(counts.split(' ').next()?.parse::<f64>().ok()? * 1e-9)
}
