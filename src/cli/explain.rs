//! `fastai explain`

use fastai_dsl::explain;

use super::failure::Failure;

#[derive(clap::Args)]
pub struct ExplainArgs {
    /// An error's code, a lint's name, a word of the language (`fit`, `csv`, `batch`) or of fastai 0.7 (`set_data`); without
    /// it, all of them are listed but those of fastai 0.7
    topic: Option<String>,
}

pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let Some(topic) = &args.topic else {
        println!("{}", explain::index());
        return Ok(());
    };
    let page = explain::page(topic);
    print!("{}", page.map_err(|help| Failure::Invalid(format!("nothing is called `{topic}`: {help}")))?);
    Ok(())
}
