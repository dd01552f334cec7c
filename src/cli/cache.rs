//! `fastai cache`

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fastai_dsl::overrides::Override;
use fastai_runtime::activations::{ActivationCache, CacheContent, Purpose, StoredFile, StoredKind};
use fastai_runtime::data::byte_units::in_units;
use fastai_runtime::engine::{WantedCache, wanted_caches};
use fastai_runtime::names::visible_name;
use fastai_runtime::transforms::Signature;

use super::config;
use super::failure::Failure;
use super::numbers::{counted, size, thousands};
use super::paths::shown;
use super::source;
use super::table::table;

#[derive(clap::Args)]
pub struct CacheArgs {
    #[command(subcommand)]
    action: CacheCommand,
}

#[derive(clap::Subcommand)]
enum CacheCommand {
    /// What the caches hold: activations of data sets, scaled copies of images
    List {
        #[command(flatten)]
        folder: CacheFolder,
    },
    /// Why activations are there: of what recipe, images, network and preparation they are, the latest used first
    Why {
        #[command(flatten)]
        folder: CacheFolder,
        /// Only those whose path, recipe or network has this in it; or a recipe file: which ones a run of it would use, and why
        /// those that are missing are
        #[arg(value_name = "TEXT|FILE.recipe")]
        part: Option<PathBuf>,
        /// Change a key of the recipe file, as in `run`
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<Override>,
    },
    /// Remove activations that were not used for longest, until at most a size is left; a run that needs them computes them
    /// again
    Gc {
        #[command(flatten)]
        folder: CacheFolder,
        /// What may stay, e.g. `500M`, `20G` or 0; the `cache_limit` of fastai.toml (50G by default) unless given
        #[arg(long, value_name = "SIZE", value_parser = size)]
        keep: Option<u64>,
        /// Count and remove scaled copies of images too, those made first first; those of a size that a run reads stay
        #[arg(long)]
        copies: bool,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(clap::Args)]
struct CacheFolder {
    /// The folder of the caches; `$FASTAI_CACHE`, else `.fastai/activations`, unless given
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl CacheFolder {
    fn open(&self) -> ActivationCache {
        ActivationCache::new(self.cache.clone().unwrap_or_else(ActivationCache::default_root))
    }
}

pub fn run(args: &CacheArgs) -> Result<(), Failure> {
    match &args.action {
        CacheCommand::List { folder } => list(&folder.open()),
        CacheCommand::Why { folder, part, set } => match part {
            Some(file) if is_recipe(file) => why_of(&folder.open(), file, set),
            _ if !set.is_empty() => {
                Err(Failure::Invalid("`--set` changes a key of a recipe: name its file, `FILE.recipe`".to_string()))
            }
            part => why(&folder.open(), part.as_deref().map(Path::to_string_lossy).as_deref()),
        },
        CacheCommand::Gc { folder, keep, copies, dry_run } => {
            let kinds: &[StoredKind] =
                if *copies { &[StoredKind::Activations, StoredKind::Copy] } else { &[StoredKind::Activations] };
            let keep = keep.or(config::cache_limit().map(|limit| limit.value));
            let keep = keep.ok_or_else(|| {
                Failure::Invalid("what may stay? `--keep 20G`, or `cache_limit = \"20G\"` in fastai.toml".to_string())
            })?;
            gc(&folder.open(), kinds, keep, *dry_run)
        }
    }
}

fn list(cache: &ActivationCache) -> Result<(), Failure> {
    let files = cache.stored()?;
    println!("{}: {}", shown(cache.root()), described(&files));
    let name = |kind| match kind {
        StoredKind::Activations => "activations",
        StoredKind::Copy => "scaled copies",
        StoredKind::Other => "other files",
    };
    let mut rows = Vec::new();
    for kind in [StoredKind::Activations, StoredKind::Copy, StoredKind::Other] {
        let of_kind: Vec<StoredFile> = files.iter().filter(|file| file.kind == kind).cloned().collect();
        let last = of_kind.last().map_or(String::new(), |file| format!("last used {}", age(file.used)));
        rows.push([format!("  {}", name(kind)), described(&of_kind), last]);
    }
    print!("{}", table(&rows, 0));
    Ok(())
}

fn why(cache: &ActivationCache, part: Option<&str>) -> Result<(), Failure> {
    let mut files = cache.stored()?;
    files.retain(|file| file.kind == StoredKind::Activations);
    files.reverse();
    let mut said = 0;
    for file in &files {
        let purpose = Purpose::of(&file.path);
        let (recipe, network) = purpose.as_ref().map_or(("", ""), |p| (&p.recipe, &p.network));
        let path = file.path.display().to_string();
        if part.is_some_and(|part| ![&path, recipe, network].iter().any(|text| text.contains(part))) {
            continue;
        }
        said += 1;
        println!("{}: {}, last used {}", shown(&file.path), in_units(file.bytes), age(file.used));
        if file.is_partial() {
            println!("  not complete: a run that needs them computes those that are missing");
        }
        match purpose {
            Some(p) => {
                let images = thousands(p.images as u64);
                let place = p.directory.map_or(String::new(), |folder| format!(", in {}", visible_name(&folder)));
                println!("  {images} {} images of `{}`{place}", p.part.word(), visible_name(&p.recipe));
                let body = p.body.get(..16).unwrap_or(&p.body);
                println!("  {}, weights {}", visible_name(&p.network), visible_name(body));
                println!("  {}", visible_name(&p.preparation));
            }
            None => println!("  an earlier version wrote it, or what it knew is gone"),
        }
    }
    match (said, part) {
        (0, Some(part)) => println!("{}: no activations with {part:?}", shown(cache.root())),
        (0, None) => println!("{}: no activations", shown(cache.root())),
        _ => println!(
            "\nactivations are found again if the weights of the body, the preparation, and the images with their paths, \
             sizes and times are the same"
        ),
    }
    Ok(())
}

/// Whether it names a recipe file, which need not exist.
fn is_recipe(part: &Path) -> bool {
    part.extension().is_some_and(|suffix| suffix == "recipe")
}

/// Says which activations a run of a recipe would use, and why those that are missing are.
fn why_of(cache: &ActivationCache, file: &Path, set: &[Override]) -> Result<(), Failure> {
    let recipe = source::read(file, set)?.recipe;
    source::finds_data(file, &recipe)?;
    let wanted = wanted_caches(&recipe, cache)?;
    let name = shown(file);
    if wanted.caches.is_empty() && wanted.after_training.is_empty() {
        println!("{name}: no step uses cached activations; `precompute(on);` before a `fit` of the head does");
        return Ok(());
    }
    let stored = cache.stored()?;
    let activations: Vec<&StoredFile> = stored.iter().filter(|file| file.kind == StoredKind::Activations).collect();
    let mut last = None;
    for wish in &wanted.caches {
        if last.replace(wish.step) != Some(wish.step) {
            println!("{name}: step {} `{}`, images of {} px", wish.step + 1, wish.text, wish.size);
        }
        let images = thousands(wish.purpose.images as u64);
        let found = match &wish.held {
            Some(held) => there(held, wish, &activations),
            None => "read from scaled copies, which only a run names: `run` says what it finds".to_string(),
        };
        println!("  {images} {} images: {found}", wish.purpose.part.word());
    }
    for step in wanted.after_training {
        println!("{name}: step {}: earlier steps train the body, so a run computes the activations anew", step + 1);
    }
    if !wanted.examined {
        println!("  nobody looked at all images yet: those that a run leaves out may be among them");
    }
    Ok(())
}

/// What is there of activations, and why not all of them.
fn there(held: &CacheContent, wish: &WantedCache, stored: &[&StoredFile]) -> String {
    let (wanted, images) = (&wish.purpose, |n: usize| thousands(n as u64));
    if held.complete {
        let size = stored.iter().find(|file| file.path == held.path).map_or(String::new(), |file| in_units(file.bytes));
        return format!("there, {size}, {}", shown(&held.path));
    }
    if held.images == wanted.images {
        return "there, in files of other sets or of an interrupted run: a run puts them together".to_string();
    }
    if held.images > 0 {
        let missing = images(wanted.images - held.images);
        return format!(
            "{} there, {missing} missing: new or changed images, or an interrupted run; a run computes the missing ones",
            images(held.images)
        );
    }
    // By recipe, the one used last first.
    let mut others: Vec<(&str, Vec<String>)> = Vec::new();
    for purpose in &wish.others {
        let difference = if purpose.network != wanted.network {
            format!("of {}", visible_name(&purpose.network))
        } else if purpose.body != wanted.body {
            "of other weights".to_string()
        } else {
            let difference = difference(&purpose.preparation, &wanted.preparation);
            format!("of another preparation ({})", visible_name(&difference))
        };
        match others.iter_mut().find(|(recipe, _)| *recipe == purpose.recipe) {
            Some((_, known)) if known.contains(&difference) => {}
            Some((_, known)) => known.push(difference),
            None => others.push((purpose.recipe.as_str(), vec![difference])),
        }
    }
    let of_recipe = |purpose: Purpose| purpose.recipe == wanted.recipe && purpose.part == wanted.part;
    if others.is_empty() && stored.iter().filter_map(|file| Purpose::of(&file.path)).any(of_recipe) {
        let changed = "of other images, or of images whose paths, sizes or times have changed";
        others.push((wanted.recipe.as_str(), vec![changed.to_string()]));
    }
    let of_each = |(recipe, differences): &(&str, Vec<String>)| {
        format!("those of `{}` are {}", visible_name(recipe), differences.join(", or "))
    };
    match others.is_empty() {
        true => "missing: no run has left any of these images; a run computes them".to_string(),
        false => format!("missing: {}", others.iter().map(of_each).collect::<Vec<_>>().join("; ")),
    }
}

/// What differs between the preparation of cached activations and the one that is wanted: `size 32 instead of 48`. Of a text that
/// this version does not know it is the whole of `cached`.
fn difference(cached: &str, wanted: &str) -> String {
    let both = Signature::read(cached).zip(Signature::read(wanted));
    let differing = both.map(|(cached, wanted)| cached.differences(&wanted)).unwrap_or_default();
    if differing.is_empty() { cached.to_string() } else { differing.join("; ") }
}

fn gc(cache: &ActivationCache, kinds: &[StoredKind], keep: u64, dry_run: bool) -> Result<(), Failure> {
    if dry_run {
        println!("{}: {} would be removed", shown(cache.root()), described(&cache.surplus(kinds, keep)?));
        return Ok(());
    }
    let trimmed = cache.trim(kinds, keep)?;
    println!("{}: {} removed", shown(cache.root()), described(&trimmed.removed));
    if !trimmed.in_use.is_empty() {
        let stay = described(&trimmed.in_use);
        println!("{}: {stay} stay: a run reads copies of their size, or nothing can tell", shown(cache.root()));
    }
    Ok(())
}

/// Keeps the caches in `folder`, or where they are by default, to the limit after a run or a sweep, and says what that removed.
/// The results are there whatever becomes of the caches, so a failure is a warning.
pub fn keep_to_limit(folder: Option<&Path>) {
    let Some(limit) = config::cache_limit() else { return };
    let cache = ActivationCache::new(folder.map_or_else(ActivationCache::default_root, Path::to_path_buf));
    match cache.trim(&[StoredKind::Activations, StoredKind::Copy], limit.value) {
        Ok(trimmed) if trimmed.removed.is_empty() => {}
        Ok(trimmed) => {
            let (what, size) = (described(&trimmed.removed), in_units(limit.value));
            eprintln!("removed {what} from {}: {} keeps it to {size}", shown(cache.root()), limit.source);
        }
        Err(error) => eprintln!("warning: the cache is not kept to its limit: {error}"),
    }
}

fn described(files: &[StoredFile]) -> String {
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    format!("{}, {}", counted(files.len() as u64, "file", "files"), in_units(bytes))
}

/// `3 days ago`.
fn age(then: SystemTime) -> String {
    let seconds = then.elapsed().unwrap_or_default().as_secs();
    let (n, one, many) = match seconds {
        0..120 => return "just now".to_string(),
        120..7_200 => (seconds / 60, "minute", "minutes"),
        7_200..172_800 => (seconds / 3600, "hour", "hours"),
        _ => (seconds / 86_400, "day", "days"),
    };
    format!("{} ago", counted(n, one, many))
}
