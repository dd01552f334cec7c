//! `fastai prepare`

use std::path::{Path, PathBuf};

use fastai_dsl::overrides::Override;
use fastai_dsl::prepared::DataSummary;
use fastai_runtime::atomic::write_atomic;
use fastai_runtime::data::summarise;
use fastai_runtime::names::typed;

use super::failure::{Exit, Failure, each};
use super::source;

#[derive(clap::Args)]
pub struct PrepareArgs {
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

pub fn run(args: &PrepareArgs) -> Result<(), Failure> {
    each(&args.files, |file| one(file, args))
}

fn one(file: &Path, args: &PrepareArgs) -> Result<(), Failure> {
    let plain = source::open(file, &[])?;
    let target = source::summary_of(file, &plain);
    let written = source::said(plain)?.recipe;
    let recipe = source::read(file, &args.set)?.recipe;
    source::finds_data(file, &recipe)?;
    let Some(target) = target else { return Err(Failure::Reported(Exit::Invalid)) };
    let (mut summary, notes) = summarise(&recipe)?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    // The data's location on this machine is not part of the recipe.
    summary.source = DataSummary::source_of(written.data());
    let shown = target.display();
    if !args.check {
        let text = summary.to_string();
        write_atomic(&target, |out| out.write_all(text.as_bytes()))?;
        println!("{shown}: {} images, {} classes; commit it", summary.train + summary.valid, summary.classes.len());
        return Ok(());
    }
    let command = format!("run `fastai prepare {}`", typed(file));
    if !target.is_file() {
        return Err(Failure::Failed(format!("there is no {shown}: {command}")));
    }
    let text = source::read_summary(&target).map_err(Failure::Failed)?;
    let before = DataSummary::parse(&text).map_err(|why| Failure::Failed(format!("{shown}: {why}")))?;
    let differences = before.differences(&summary);
    if differences.is_empty() {
        println!("{shown} is up to date");
        return Ok(());
    }
    for line in differences.iter().take(SHOWN) {
        println!("{line}");
    }
    if differences.len() > SHOWN {
        println!("and {} more lines", differences.len() - SHOWN);
    }
    Err(Failure::Failed(format!("{shown} is not what the data is: {command} and look at the difference")))
}
