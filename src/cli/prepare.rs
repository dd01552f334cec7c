//! `fastai prepare`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fastai_dsl::overrides::Override;
use fastai_dsl::prepared::Summary;
use fastai_runtime::atomic::write_atomic;
use fastai_runtime::data::summarise;

use super::source;

#[derive(clap::Args)]
pub struct Args {
    /// Recipe files; the summary is written beside each, as `NAME.prepared`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write nothing; exit code 1 if the data is not what the summary says
    #[arg(long)]
    check: bool,
    /// Read the data with a key replaced, e.g. `data.root=/mnt/dogs`; the summary is of the recipe as it stands
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
}

/// Number of differing lines in the output.
const SHOWN: usize = 20;

pub fn run(args: &Args) -> ExitCode {
    let mut worst = 0;
    for file in &args.files {
        worst = worst.max(one(file, args).unwrap_or_else(|code| code));
    }
    ExitCode::from(worst)
}

fn one(file: &Path, args: &Args) -> Result<u8, u8> {
    let plain = source::open(file, &[]).map_err(|_| super::WRONG)?;
    let target = source::summary_of(file, &plain);
    let written = source::said(plain).map_err(|_| super::WRONG)?.recipe;
    let recipe = source::read(file, &args.set).map_err(|_| super::WRONG)?.recipe;
    let Some(target) = target else { return Err(super::WRONG) };
    let fail = |message: String| {
        eprintln!("error: {message}");
        super::FAILED
    };
    let mut summary = summarise(&recipe).map_err(|error| fail(error.to_string()))?;
    // The data's location on this machine is not part of the recipe.
    summary.source = Summary::source_of(written.data());
    let shown = target.display();
    if !args.check {
        let text = summary.to_string();
        write_atomic(&target, |out| out.write_all(text.as_bytes())).map_err(|error| fail(error.to_string()))?;
        println!("{shown}: {} images, {} classes; commit it", summary.train + summary.valid, summary.classes.len());
        return Ok(0);
    }
    if !target.is_file() {
        return Err(fail(format!("there is no {shown}: run `fastai prepare {}`", file.display())));
    }
    let text = source::read_summary(&target).map_err(fail)?;
    let before = Summary::parse(&text).map_err(|why| fail(format!("{shown}: {why}")))?;
    let differences = before.differences(&summary);
    if differences.is_empty() {
        println!("{shown} is up to date");
        return Ok(0);
    }
    for line in differences.iter().take(SHOWN) {
        println!("{line}");
    }
    if differences.len() > SHOWN {
        println!("and {} more lines", differences.len() - SHOWN);
    }
    Err(fail(format!(
        "{shown} is not what the data is: run `fastai prepare {}` and look at the difference",
        file.display()
    )))
}
