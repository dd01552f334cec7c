//! How a command ends when it does not succeed.

use fastai_runtime::RunError;
use fastai_runtime::data::DataError;

/// The exit codes of an unsuccessful command, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// The command failed.
    Failed = 1,
    /// The recipe or the command is invalid.
    Invalid = 2,
    /// Ctrl-C or SIGTERM. A stop is not a failure, but scripts must see that the work is unfinished.
    Stopped = 130,
}

/// Why a command does not succeed.
pub enum Failure {
    /// The recipe or the command is invalid.
    Invalid(String),
    /// The command failed.
    Failed(String),
    /// The engine failed, or stopped on request.
    Engine(RunError),
    /// A run was stopped, and the reason says how it goes on.
    Stopped(String),
    /// The command has printed the reason itself.
    Reported(Exit),
}

impl Failure {
    /// The reason; none if the command has printed it.
    pub fn text(&self) -> Option<String> {
        match self {
            Failure::Invalid(why) | Failure::Failed(why) | Failure::Stopped(why) => Some(why.clone()),
            Failure::Engine(error) => Some(error.to_string()),
            Failure::Reported(_) => None,
        }
    }

    /// Prints the reason, unless the command has, and returns the exit code.
    pub fn report(&self) -> Exit {
        match (self, self.text()) {
            // Each finding is an error of its own.
            (Failure::Engine(RunError::Data(DataError { findings, notes })), _) => {
                findings.iter().for_each(|finding| eprintln!("error: {finding}"));
                notes.iter().for_each(|note| eprintln!("note: {note}"));
            }
            (_, Some(why)) => eprintln!("error: {why}"),
            (_, None) => {}
        }
        match self {
            Failure::Invalid(_) => Exit::Invalid,
            Failure::Engine(RunError::Stopped(_)) | Failure::Stopped(_) => Exit::Stopped,
            Failure::Failed(_) | Failure::Engine(_) => Exit::Failed,
            Failure::Reported(exit) => *exit,
        }
    }
}

/// Calls `command` for every item, in order, and reports the failures.
///
/// # Errors
/// The worst exit code.
pub fn each<T>(items: &[T], command: impl Fn(&T) -> Result<(), Failure>) -> Result<(), Failure> {
    let exits = items.iter().filter_map(|item| command(item).err().map(|failure| failure.report()));
    exits.max().map_or(Ok(()), |worst| Err(Failure::Reported(worst)))
}

impl<E: Into<RunError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Engine(error.into())
    }
}
