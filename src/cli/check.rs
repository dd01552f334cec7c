//! `fastai check`

use std::path::PathBuf;
use std::process::ExitCode;

use fastai_dsl::overrides::Override;

#[derive(clap::Args)]
pub struct Args {
    /// Recipe files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Check with a key replaced, e.g. `data.batch=16`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
}

pub fn run(args: &Args) -> ExitCode {
    let mut worst = ExitCode::SUCCESS;
    for file in &args.files {
        match super::source::read_with_data(file, &args.set) {
            Ok(checked) => {
                let steps = checked.recipe.steps().len();
                let steps = if steps == 1 { "1 step".to_string() } else { format!("{steps} steps") };
                println!("{}: `{}` is fine, {steps}", file.display(), checked.recipe.name());
            }
            Err(code) => worst = code,
        }
    }
    worst
}
