//! `fastai completions` and `fastai man`

use std::io;
use std::path::PathBuf;

use clap_complete::Shell;
use fastai_runtime::RunError;
use fastai_runtime::atomic::write_atomic;

use super::failure::Failure;
use super::program;

#[derive(clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(clap::Args)]
pub struct ManArgs {
    /// The folder of the pages, one for the program and one for each command; created if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints the completions of a shell.
pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut program(), "fastai", &mut text);
    print!("{}", String::from_utf8_lossy(&text));
    Ok(())
}

/// Writes the manual pages.
pub fn man(args: &ManArgs) -> Result<(), Failure> {
    let failed = |error: io::Error| RunError::file("write", &args.out, error);
    std::fs::create_dir_all(&args.out).map_err(failed)?;
    let mut program = program().disable_help_subcommand(true);
    program.build();
    let mut pages = 0;
    let commands = program.get_subcommands().filter(|command| !command.is_hide_set());
    for command in std::iter::once(&program).chain(commands) {
        // The names of commands are built as `fastai predict`; pages are called as `man` finds them.
        let name = command.get_display_name().unwrap_or(command.get_name()).replace(' ', "-");
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).title(name.clone()).render(&mut page).map_err(failed)?;
        write_atomic(args.out.join(format!("{name}.1")), |file| file.write_all(&page))?;
        pages += 1;
    }
    println!("{}: {pages} pages; `man -l {}`", args.out.display(), args.out.join("fastai.1").display());
    Ok(())
}
