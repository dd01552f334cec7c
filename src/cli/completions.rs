//! `fastai completions` and `fastai man`

use std::path::{Path, PathBuf};

use clap_complete::Shell;
use fastai_runtime::RunError;
use fastai_runtime::atomic::write_atomic;
use fastai_runtime::names::typed;

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
    /// The folder of the pages, one for the program and one for each command and subcommand; created if it is missing
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
    std::fs::create_dir_all(&args.out).map_err(|error| RunError::file("create", &args.out, error))?;
    let mut program = program().disable_help_subcommand(true);
    program.build();
    let pages = write_pages(&program, &args.out)?;
    println!("{}: {pages} pages; `man -l {}`", args.out.display(), typed(&args.out.join("fastai.1")));
    Ok(())
}

/// Writes the page of a command and those of the commands below it, to which it refers. Returns their number.
fn write_pages(command: &clap::Command, folder: &Path) -> Result<usize, Failure> {
    // Built commands have the names of their pages, such as `fastai-cache-list`.
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = folder.join(format!("{name}.1"));
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).title(name).render(&mut page);
    rendered.map_err(|error| RunError::file("write", &path, error))?;
    write_atomic(&path, |file| file.write_all(&page))?;
    let mut pages = 1;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages += write_pages(below, folder)?;
    }
    Ok(pages)
}
