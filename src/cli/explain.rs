//! `fastai explain`

use std::process::ExitCode;

use fastai_dsl::explain;

#[derive(clap::Args)]
pub struct Args {
    /// An error's code, a lint's name or a word of the language (`fit`, `csv`, `batch`); without it, all of them are listed
    topic: Option<String>,
}

pub fn run(args: &Args) -> ExitCode {
    let Some(topic) = &args.topic else {
        println!("{}", explain::index());
        return ExitCode::SUCCESS;
    };
    match explain::page(topic) {
        Ok(page) => {
            print!("{page}");
            ExitCode::SUCCESS
        }
        Err(help) => {
            eprintln!("error: nothing is called `{topic}`: {help}");
            ExitCode::from(super::WRONG)
        }
    }
}
