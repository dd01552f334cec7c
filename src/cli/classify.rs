//! `fastai classify`

use std::path::PathBuf;

use fastai_dsl::{ArchFacts, Weights, arch};
use fastai_runtime::models::weights::{Origin, Published};
use fastai_runtime::models::{imagenet_classes, resolve};
use fastai_runtime::predict::{ImagenetClassifier, NpyRows};
use fastai_runtime::{data, progress};

use super::device::ModelDevice;
use super::failure::{Exit, Failure};
use super::replaced;

/// Images per batch.
const BATCH: usize = 16;

#[derive(clap::Args)]
pub struct ClassifyArgs {
    /// Image files
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// The network, as a recipe names it
    #[arg(long, value_parser = network)]
    arch: &'static ArchFacts,
    /// Its weights: a file, or a name that `fastai weights list` shows; the published ones unless given
    #[arg(long, value_name = "FILE")]
    weights: Option<String>,
    /// How many classes are shown
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    top: u16,
    /// Write the raw logits here, as a NumPy file `[image, class]` of float32
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
    /// Side of the square that the network sees, pixels; that of its publication unless given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    size: Option<u32>,
    /// Show the network only the middle square, whose side is this share of the shorter side; accuracies are mostly
    /// published for 0.875
    #[arg(long, default_value_t = 1.0, value_name = "SHARE", value_parser = share)]
    crop: f64,
    #[command(flatten)]
    device: ModelDevice,
    /// Say nothing but the result and errors
    #[arg(long, short)]
    quiet: bool,
}

/// Finds an architecture by its name.
pub(super) fn network(name: &str) -> Result<&'static ArchFacts, String> {
    arch::find(name).ok_or_else(|| {
        let names: Vec<&str> = arch::ARCHS.iter().map(|a| a.name).collect();
        format!("one of {}", names.join(", "))
    })
}

/// # Errors
/// If the network takes no images of `size` pixels.
pub(super) fn takes_size(facts: &ArchFacts, size: u32) -> Result<(), Failure> {
    let smallest = facts.min_size;
    let why = || Failure::Invalid(format!("--size {size}: {} needs at least {smallest} pixels", facts.name));
    if size < smallest { Err(why()) } else { Ok(()) }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "more than 0 and at most 1".to_owned())
}

pub fn run(args: &ClassifyArgs) -> Result<(), Failure> {
    if let Some(file) = &args.logits {
        replaced::is_own(file, "--logits", &["npy"])?;
    }
    let facts = args.arch;
    let weights = args.weights.clone().map_or(Weights::Pretrained, Weights::File);
    let found = resolve(&weights, facts.name, &mut *progress::auto(args.quiet))?;
    let found = found.ok_or_else(|| Failure::Failed("a network without weights knows no classes".to_string()))?;
    let published = match found.origin {
        Origin::Published(published) => Some(published),
        Origin::Own => Published::of(facts.name).next(),
    };
    let size = args.size.or(published.map(|p| p.size)).unwrap_or(224);
    takes_size(facts, size)?;
    let picked = args.device.picked()?;
    let network = ImagenetClassifier::load(facts, &found.path, size, &picked.device)?.middle(args.crop);
    if !args.quiet {
        eprintln!("{}", found.describe());
    }

    let names = imagenet_classes();
    let mut unread = 0;
    let mut logits: Vec<f32> = Vec::new();
    for paths in args.images.chunks(BATCH) {
        let (mut seen, mut images) = (Vec::new(), Vec::new());
        for path in paths {
            match data::decode(path) {
                Ok(image) => {
                    seen.push(path);
                    images.push(image);
                }
                Err(why) => {
                    eprintln!("error: {}: {why}", path.display());
                    unread += 1;
                }
            }
        }
        let batch = network.logits(&images);
        for (path, row) in seen.iter().zip(batch.chunks(names.len())) {
            println!("{}", path.display());
            for (class, share) in most_probable(row, usize::from(args.top)) {
                println!("  {share:.4}  {class:4}  {}", names[class]);
            }
        }
        logits.extend(batch);
    }
    if let Some(path) = &args.logits {
        if unread > 0 {
            return Err(Failure::Failed(format!("{unread} images could not be read; no logits were written")));
        }
        let mut rows = NpyRows::create(path, names.len())?;
        logits.chunks(names.len()).try_for_each(|row| rows.push(row))?;
        rows.finish()?;
    }
    if unread == 0 { Ok(()) } else { Err(Failure::Reported(Exit::Failed)) }
}

/// Returns the classes with the largest logits and their probabilities, largest first; equal logits keep class order.
fn most_probable(logits: &[f32], top: usize) -> Vec<(usize, f64)> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|v| f64::from(v - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    let mut classes: Vec<(usize, f64)> = powers.iter().map(|p| p / sum).enumerate().collect();
    classes.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    classes.truncate(top);
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_probable_come_first() {
        let shown = most_probable(&[0.0, 2.0, 1.0, 2.0], 3);
        assert_eq!(shown.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [1, 3, 2]);
        let e = std::f64::consts::E;
        assert!((shown[0].1 - e * e / (1.0 + e + 2.0 * e * e)).abs() < 1e-12);
    }
}
