//! `fastai show`

use std::path::PathBuf;
use std::process::ExitCode;

use fastai_dsl::overrides::Override;
use fastai_runtime::activations::ActivationCache;
use fastai_runtime::report::{Show, write_atomic};
use fastai_runtime::{RunError, progress};

use super::saved;

#[derive(clap::Args)]
pub struct Args {
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
    /// Say nothing but errors and the result
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: &Args) -> ExitCode {
    let recipe = match super::source::read(&args.file, &args.set) {
        Ok(checked) => checked.recipe,
        Err(code) => return code,
    };
    let stop = super::stop::signal();
    let mut progress = progress::auto(args.quiet);
    let known = ActivationCache::default_root().join("verified.json");
    let written = Show::new(&recipe, Some(&known), &stop, progress.as_mut()).and_then(|show| write(args, &show));
    drop(progress);
    match written {
        Ok(files) => {
            for file in files {
                println!("{}", file.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => saved::failed(&error),
    }
}

fn write(args: &Args, show: &Show) -> Result<Vec<PathBuf>, RunError> {
    write_atomic(&args.out, |file| file.write_all(show.html.as_bytes()))?;
    let mut files = vec![args.out.clone()];
    if args.png {
        let path = args.out.with_extension("png");
        write_atomic(&path, |file| file.write_all(&show.png()))?;
        files.push(path);
    }
    Ok(files)
}
