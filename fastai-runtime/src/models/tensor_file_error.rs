//! Why a file of tensors cannot be read.

use std::{fmt, io};

/// Why a file of tensors, or an archive that has one in it, cannot be read. The message does not name the file.
#[derive(Debug)]
pub(crate) enum TensorFileError {
    /// Its content is damaged, refused, or of another kind.
    Unsound(String),
    /// The system could not read it.
    Io(io::Error),
}

impl TensorFileError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Unsound(message.into())
    }

    /// A failed read or seek: a place that the file does not have is a fault of its content.
    pub(crate) fn io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::new("the file ends too early: it is truncated or damaged"),
            io::ErrorKind::InvalidInput => Self::Unsound(format!("cannot read: {error}")),
            _ => Self::Io(error),
        }
    }

    /// Says of which tensor the content is unsound.
    pub(crate) fn of_tensor(self, name: &str) -> Self {
        match self {
            Self::Unsound(why) => Self::Unsound(format!("tensor `{}`: {why}", shown(name))),
            Self::Io(error) => Self::Io(error),
        }
    }
}

impl fmt::Display for TensorFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsound(why) => f.write_str(why),
            Self::Io(error) => write!(f, "cannot read: {error}"),
        }
    }
}

impl std::error::Error for TensorFileError {}

/// A text from a file, short and without control characters.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut out: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push_str("..");
    }
    out
}
