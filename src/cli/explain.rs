//! `fastai explain`

use fastai_dsl::explain;

use super::failure::Failure;

#[derive(clap::Args)]
pub struct ExplainArgs {
    /// An error's code, a lint's name, a command (`run`), or a word of the language (`fit`, `csv`, `batch`) or of fastai 0.7
    /// (`set_data`); without it, all but those of fastai 0.7 are listed
    topic: Option<String>,
}

pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let program = super::program();
    let Some(topic) = &args.topic else {
        let row = |command: &clap::Command| format!("\n  {:<28} {}", command.get_name(), about(command));
        println!("{}\n\ncommands{}", explain::index(), program.get_subcommands().map(row).collect::<String>());
        return Ok(());
    };
    let command = program.find_subcommand(topic);
    let command = command.map(|found| format!("`fastai {topic}`: {}. More: `fastai {topic} --help`\n", about(found)));
    let page = match (explain::page(topic), command) {
        // Some are words of recipes, too, such as `weights`.
        (Ok(page), Some(command)) => format!("{page}\n{command}"),
        (Ok(page), None) | (Err(_), Some(page)) => page,
        (Err(help), None) => return Err(Failure::Invalid(format!("nothing is called `{topic}`: {help}"))),
    };
    print!("{page}");
    Ok(())
}

/// What a command does.
fn about(command: &clap::Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}
