//! `fastai new`

mod pictures;

use std::path::{Path, PathBuf};

use fastai_runtime::RunError;
use fastai_runtime::atomic::write_atomic;
use fastai_runtime::names::typed;

use super::failure::Failure;

#[derive(clap::Args)]
pub struct NewArgs {
    /// The folder to create; its name becomes that of the crate, and `cats-and-dogs` becomes the recipe `CatsAndDogs`
    path: PathBuf,
    /// Write only the recipe and its pictures, without a crate
    #[arg(long)]
    recipe_only: bool,
    /// The folder of the crate `fastai`; the sources that this program was built from, else the registry, unless given
    #[arg(long, value_name = "DIR", conflicts_with = "recipe_only")]
    fastai: Option<PathBuf>,
}

/// The files of a crate: their paths and contents. `{name}`, `{recipe}`, `{library}` and `{dependency}` stand for what
/// differs. The library's documentation shows the profile.
const CRATE: [(&str, &str); 6] = [
    ("Cargo.toml", concat!(include_str!("crate/manifest.txt"), "\n", include_str!("crate/profile.txt"))),
    ("README.md", include_str!("crate/README.md")),
    (".gitignore", include_str!("crate/gitignore.txt")),
    ("src/lib.rs", include_str!("crate/lib.txt")),
    ("src/main.rs", include_str!("crate/main.txt")),
    ("tests/smoke.rs", include_str!("crate/smoke.txt")),
];
const RECIPE: &str = include_str!("crate/template.recipe");

/// Names that a crate cannot have: the keywords of Rust, the crates that the compiler brings or cargo keeps, and this library,
/// which the crate depends on, with its module `progress`, which the program imports.
#[rustfmt::skip] // a table
const TAKEN_BY_CRATES: &[&str] = &[
    "abstract", "alloc", "as", "async", "await", "become", "box", "break", "build", "const", "continue", "core", "crate",
    "deps", "do", "dyn", "else", "enum", "examples", "extern", "false", "fastai", "final", "fn", "for", "gen", "if", "impl",
    "in", "incremental", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "proc_macro", "progress",
    "pub", "ref", "return", "self", "static", "std", "struct", "super", "test", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
/// Names that a recipe's type cannot have where the program uses them for something else: the prelude of Rust and that of this
/// library, as the files of the crate import it, and the keyword `Self`.
#[rustfmt::skip] // a table
const TAKEN_BY_TYPES: &[&str] = &[
    "AsMut", "AsRef", "AsyncFn", "AsyncFnMut", "AsyncFnOnce", "Box", "Class", "Classified", "Clone", "Copy",
    "Default", "DoubleEndedIterator", "Drop", "Eq", "Err", "ExactSizeIterator", "Experiment", "Extend", "Fn", "FnMut", "FnOnce",
    "From", "FromIterator", "Into", "IntoIterator", "Iterator", "MultiLabel", "None", "Ok", "Option", "Ord",
    "PartialEq", "PartialOrd", "Path", "PathBuf", "Prediction", "Predictions", "Regression", "Result", "Run", "RunError",
    "RunOptions", "Self", "Send", "SingleLabel", "Sized", "Some", "String", "Sync", "ToOwned", "ToString", "Trained",
    "TryFrom", "TryInto", "Unpin", "Vec",
];

pub fn run(args: &NewArgs) -> Result<(), Failure> {
    let name = args.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let recipe = recipe_name(name).ok_or_else(|| {
        let why =
            "a crate's name begins with a letter and has letters, digits, `-` and `_` only: `fastai new cats-and-dogs`";
        Failure::Invalid(format!("{}: {why}", args.path.display()))
    })?;
    if !args.recipe_only && is_taken(name, &recipe) {
        let shown = args.path.display();
        let other = typed(&args.path.with_file_name(format!("{name}-recipe")));
        let why =
            format!("Rust or this library has that name already, so the crate would not compile: `fastai new {other}`");
        return Err(Failure::Invalid(format!("{shown}: {why}")));
    }
    if args.path.exists() {
        return Err(Failure::Invalid(format!("{} exists: name a new folder", args.path.display())));
    }
    let dependency = dependency(args.fastai.as_deref())?;
    let replaced = |text: &str| {
        text.replace("{name}", name)
            .replace("{recipe}", &recipe)
            .replace("{library}", &name.replace('-', "_"))
            .replace("{dependency}", &dependency)
    };
    let recipe_file = format!("{name}.recipe");
    let mut files = vec![(recipe_file.as_str(), replaced(RECIPE))];
    if !args.recipe_only {
        files.extend(CRATE.map(|(path, text)| (path, replaced(text))));
    }
    let missing: Vec<&Path> = args.path.ancestors().take_while(|folder| is_missing(folder)).collect();
    let count = fill(&args.path, &files).inspect_err(|_| remove(&missing))?;
    println!(
        "{}: recipe `{recipe}` in {recipe_file}, {count} pictures of two classes in data/train",
        args.path.display()
    );
    let folder = typed(&args.path);
    if args.recipe_only {
        println!("train it:  cd {folder} && fastai run {recipe_file}");
    } else {
        println!("train it:  cd {folder} && cargo run      (compiles the engine once, which takes many minutes)");
        println!("test it:   cargo test");
    }
    println!("then put your own pictures into data/train, one folder per class");
    Ok(())
}

/// Writes the files and the pictures below `folder`; returns the number of pictures.
fn fill(folder: &Path, files: &[(&str, String)]) -> Result<usize, Failure> {
    for (path, text) in files {
        write(&folder.join(path), &|path| Ok(write_atomic(path, |out| out.write_all(text.as_bytes()))?))?;
    }
    let mut count = 0;
    for (path, picture) in pictures::all() {
        let save =
            |path: &Path| picture.save(path).map_err(|e| RunError::file("write", path, std::io::Error::other(e)));
        write(&folder.join("data").join(path), &save)?;
        count += 1;
    }
    Ok(count)
}

/// Whether nothing has this name, not even a link that leads nowhere. The working directory has none.
fn is_missing(folder: &Path) -> bool {
    !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err()
}

/// Removes the folders that a failure leaves half made, of which none was there before, so that the next try finds its name
/// free. Those above the first go if nothing else is in them by now.
fn remove(made: &[&Path]) {
    let Some((folder, above)) = made.split_first() else { return };
    // What stays is told by the next try.
    let _ = std::fs::remove_dir_all(folder);
    above.iter().for_each(|folder| _ = std::fs::remove_dir(folder));
}

/// Writes a file and the folders above it.
fn write(path: &Path, content: &dyn Fn(&Path) -> Result<(), RunError>) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| RunError::file("create", folder, error))?;
    Ok(content(path)?)
}

/// `CatsAndDogs` for `cats-and-dogs`; `None` if cargo would refuse the name.
fn recipe_name(name: &str) -> Option<String> {
    let legal = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let words = name.split(['-', '_']).filter(|word| !word.is_empty());
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    legal.then(|| words.map(capital).collect())
}

/// Whether the crate of that name, or the type of its recipe, would hide what the crate's own files use.
fn is_taken(name: &str, recipe: &str) -> bool {
    // The compiler tells crates apart by their names with underscores.
    let library = name.replace('-', "_");
    TAKEN_BY_CRATES.contains(&library.as_str()) || TAKEN_BY_TYPES.contains(&recipe)
}

/// The dependency on this library: the folder given, the sources of this program if they are still there, else this version.
fn dependency(given: Option<&Path>) -> Result<String, Failure> {
    let is_fastai = |folder: &Path| folder.join("fastai-runtime").is_dir() && folder.join("Cargo.toml").is_file();
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = match given {
        Some(folder) if !is_fastai(folder) => {
            let why = "the sources of fastai are not there: name the folder with its `Cargo.toml` and `fastai-runtime`";
            return Err(Failure::Invalid(format!("--fastai {}: {why}", folder.display())));
        }
        Some(folder) => Some(std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf())),
        None => is_fastai(built_from).then(|| built_from.to_path_buf()),
    };
    Ok(match folder {
        // A literal string of TOML, in which backslashes are themselves.
        Some(folder) => format!("path = '{}'", folder.display()),
        None => format!("version = \"{}\"", env!("CARGO_PKG_VERSION")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_crates_and_recipes() {
        assert_eq!(recipe_name("cats-and_dogs").as_deref(), Some("CatsAndDogs"));
        assert_eq!(recipe_name("Shapes2").as_deref(), Some("Shapes2"));
        for wrong in ["", "2cats", "-a", "ca ts", "été", "a/b", ".."] {
            assert_eq!(recipe_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_that_rust_uses_itself_are_taken() {
        let taken = |name: &str| is_taken(name, &recipe_name(name).unwrap());
        for name in [
            "result",
            "Vec",
            "self",
            "crate",
            "fn",
            "std",
            "core",
            "String",
            "Option",
            "test",
            "progress",
            "proc-macro",
            "run",
        ] {
            assert!(taken(name), "{name}");
        }
        for name in ["result-recipe", "vec-recipe", "cats-and-dogs", "tests", "format"] {
            assert!(!taken(name), "{name}");
        }
        assert!(TAKEN_BY_CRATES.is_sorted() && TAKEN_BY_TYPES.is_sorted());
    }
}
