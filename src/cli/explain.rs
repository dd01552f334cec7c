//! `fastai explain`

use std::process::ExitCode;

use fastai_dsl::catalog::{self, ERRORS, LINTS};
use fastai_dsl::suggest;

#[derive(clap::Args)]
pub struct Args {
    /// An error's code or a lint's name; without it, all of them are listed
    code: Option<String>,
}

pub fn run(args: &Args) -> ExitCode {
    let Some(id) = &args.code else {
        for code in ERRORS.iter().chain(LINTS) {
            println!("{:<28} {}", code.id, code.title);
        }
        return ExitCode::SUCCESS;
    };
    match catalog::find(id) {
        Some(code) => {
            println!("{}: {}\n", code.id, code.title);
            for line in code.explain.lines() {
                println!("{}", line.trim());
            }
            if let Some(level) = code.lint {
                let level = format!("{level:?}").to_lowercase();
                println!(
                    "\nA lint, `{level}` unless the recipe says otherwise: `#[allow({})]` on a step or the recipe.",
                    code.id
                );
            }
            ExitCode::SUCCESS
        }
        None => {
            let all = ERRORS.iter().chain(LINTS).map(|c| c.id);
            let help = match suggest::closest(id, all) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`fastai explain` lists them".to_string(),
            };
            eprintln!("error: there is no error or lint `{id}`: {help}");
            ExitCode::from(super::WRONG)
        }
    }
}
