//! `fastai show`

use std::path::PathBuf;

use fastai_dsl::overrides::Override;
use fastai_runtime::activations::ActivationCache;
use fastai_runtime::atomic::write_atomic;
use fastai_runtime::report::Show;
use fastai_runtime::{RunError, progress};

use super::failure::{Exit, Failure};
use super::replaced;

#[derive(clap::Args)]
pub struct ShowArgs {
    /// The recipe file
    file: PathBuf,
    /// Where the page goes
    #[arg(long, value_name = "FILE", default_value = "show.html")]
    out: PathBuf,
    /// Write the nine augmented versions as a picture too, beside the page
    #[arg(long)]
    png: bool,
    /// Show with a key replaced, e.g. `transforms.size=128`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
    /// Say nothing but the result, warnings (lints of the recipe, too) and errors
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: &ShowArgs) -> Result<(), Failure> {
    let picture = args.out.with_extension("png");
    if args.png && picture == args.out {
        return Err(Failure::Invalid(format!(
            "`--png` writes {}, where `--out` puts the page: give the page another name",
            picture.display()
        )));
    }
    replaced::is_own(&args.out, "--out", &["html", "htm"])?;
    let recipe = super::source::read(&args.file, &args.set)?.recipe;
    super::source::finds_data(&args.file, &recipe)?;
    let stop = super::stop::signal();
    let mut progress = progress::auto(args.quiet);
    let cache = ActivationCache::default_root();
    let shown = Show::new(&recipe, Some(&cache), &stop, progress.as_mut()).and_then(|show| {
        let files = write(args, &show)?;
        show.notes.iter().for_each(|note| progress.note(note));
        Ok((show, files))
    });
    drop(progress);
    let (show, files) = shown?;
    for file in files {
        println!("{}", file.display());
    }
    for finding in &show.findings {
        eprintln!("error: {finding}");
    }
    if show.findings.is_empty() { Ok(()) } else { Err(Failure::Reported(Exit::Failed)) }
}

fn write(args: &ShowArgs, show: &Show) -> Result<Vec<PathBuf>, RunError> {
    write_atomic(&args.out, |file| file.write_all(show.html.as_bytes()))?;
    let mut files = vec![args.out.clone()];
    if let Some(picture) = show.png().filter(|_| args.png) {
        let path = args.out.with_extension("png");
        write_atomic(&path, |file| file.write_all(&picture))?;
        files.push(path);
    }
    Ok(files)
}
