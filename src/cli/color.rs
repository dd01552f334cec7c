//! Whether output to the terminal is coloured.

use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;
use fastai_runtime::progress;

/// The value of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWish {
    /// On a terminal, unless the environment says otherwise (NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM=dumb)
    #[default]
    Auto,
    /// Always
    Always,
    /// Never, and no moving bars either
    Never,
}

static WISH: OnceLock<ColorWish> = OnceLock::new();

impl ColorWish {
    /// Finds `--color` before the arguments are parsed, for the messages of the parser itself.
    pub fn before_parsing() -> Self {
        let mut arguments = std::env::args_os();
        let mut wish = ColorWish::default();
        while let Some(argument) = arguments.next() {
            let value = match argument.to_str() {
                Some("--") => break,
                Some("--color") => arguments.next().and_then(|value| value.into_string().ok()),
                Some(text) => text.strip_prefix("--color=").map(String::from),
                None => None,
            };
            if let Some(value) = value {
                wish = ColorWish::from_str(&value, false).unwrap_or_default();
            }
        }
        wish
    }

    /// The choice for the parser's messages.
    pub fn of_parser(self) -> clap::ColorChoice {
        match self {
            ColorWish::Auto => clap::ColorChoice::Auto,
            ColorWish::Always => clap::ColorChoice::Always,
            ColorWish::Never => clap::ColorChoice::Never,
        }
    }

    /// Makes the wish the program's.
    pub fn apply(self) {
        let _ = WISH.set(self);
        if self == ColorWish::Never {
            progress::plain_lines();
        }
    }
}

/// Whether messages on standard error are coloured.
pub fn on_stderr() -> bool {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match WISH.get().copied().unwrap_or_default() {
        ColorWish::Always => true,
        ColorWish::Never => false,
        ColorWish::Auto if variable("NO_COLOR").is_some() => false,
        ColorWish::Auto if variable("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        ColorWish::Auto if variable("CLICOLOR").is_some_and(|value| value == "0") => false,
        ColorWish::Auto => !progress::is_dumb() && std::io::stderr().is_terminal(),
    }
}
