//! `fastai check`

use std::path::PathBuf;

use fastai_dsl::overrides::Override;

use super::failure::{Failure, each};
use super::numbers::counted;
use super::source;

#[derive(clap::Args)]
pub struct CheckArgs {
    /// Recipe files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Check with a key replaced, e.g. `data.batch=16`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
}

pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    each(&args.files, |file| {
        let checked = source::read_with_data(file, &args.set)?;
        let steps = counted(checked.recipe.steps().len() as u64, "step", "steps");
        println!("{}: `{}` is fine, {steps}", file.display(), checked.recipe.name());
        Ok(())
    })
}
