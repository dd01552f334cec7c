//! Why weights cannot be used.

use std::fmt;
use std::path::{Path, PathBuf};

use super::tensor_file_error::TensorFileError;
use crate::data::FileError;

/// Weights are missing, broken, or belong to another network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// No folder contains the weights.
    #[error(transparent)]
    Missing(#[from] MissingWeights),
    /// The recipe's `weights` names no file.
    #[error(
        "no weights at {}: the recipe's `weights` is relative to the working directory, or a name that \
         `fastai weights list` shows; correct it, or write `weights: none` to start from random weights",
        .0.display()
    )]
    NoFile(PathBuf),
    /// No saved model has this path.
    #[error("no model at {}: save it first, or correct the name", .0.display())]
    NoModel(PathBuf),
    /// A file has the name of published weights, but not their digest.
    #[error(
        "{from}: not the published weights {name}\n  sha256 published: {published}\n  sha256 of the file: {found}\n{advice}"
    )]
    NotPublished {
        /// The file or its address.
        from: String,
        /// The name of the published weights.
        name: &'static str,
        /// The published digest or its first digits, hexadecimal.
        published: &'static str,
        /// The file's digest, hexadecimal.
        found: String,
        /// The remedy.
        advice: String,
    },
    /// A client could not fetch the file; the reason and the remedy.
    #[error("{0}")]
    NotFetched(String),
    /// A file is broken, or its tensors or its description belong to another network or recipe.
    #[error("{}: {reason}", path.display())]
    Unfit {
        /// The file, or the run folder that should contain it.
        path: PathBuf,
        /// The difference and the remedy.
        reason: String,
    },
    /// Numbers of a file are NaN or infinite.
    #[error(
        "{}: {tensor} has values that are no longer numbers{}",
        path.display(),
        run.as_ref().map_or(String::new(), |run| format!(": the run it is of says that {run}"))
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The name of the first such tensor.
        tensor: String,
        /// How the run that saved it ended, as far as it is known: `it failed at step 3 (..)`, with the remedy.
        run: Option<String>,
    },
    /// A saved model belongs to another recipe.
    #[error("a model of recipe `{model}`, but recipe `{wanted}` is to be measured")]
    OtherRecipe {
        /// The recipe of the model.
        model: String,
        /// The recipe to be measured.
        wanted: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl WeightsError {
    /// Returns the error of an unsuitable file.
    pub(crate) fn unfit(path: &Path, reason: impl Into<String>) -> Self {
        WeightsError::Unfit { path: path.to_owned(), reason: reason.into() }
    }

    /// Returns the error of a file of tensors that cannot be read.
    pub(crate) fn unread(path: &Path, error: TensorFileError) -> Self {
        match error {
            TensorFileError::Unsound(reason) => Self::unfit(path, reason),
            TensorFileError::Io(error) => FileError::new("read", path, error).into(),
        }
    }
}

/// Weights that no folder contains.
#[derive(Debug)]
pub struct MissingWeights {
    /// What the recipe names, e.g. `pretrained weights of resnet34`.
    pub weights: String,
    /// The published weights that the search expected.
    pub published: Option<Box<WantedWeights>>,
    /// File names of the user's own that the search accepts.
    pub own: Vec<String>,
    /// The folders of the search, in their order.
    pub searched: Vec<PathBuf>,
    /// Whether `$FASTAI_WEIGHTS` names a folder.
    pub has_folder: bool,
}

/// Published weights that a search expected.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedWeights {
    /// The name for `fastai weights get`.
    pub name: &'static str,
    /// Name of the file.
    pub file: &'static str,
    /// The sha256 in hexadecimal, or its first digits if no more are known.
    pub sha256: &'static str,
    /// The size as text, `46.8 MB`, if it is known.
    pub size: Option<String>,
    /// The origin as text.
    pub origin: String,
}

impl std::error::Error for MissingWeights {}

impl fmt::Display for MissingWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {}", self.weights)?;
        if let Some(p) = &self.published {
            write!(f, "\n  wanted: {} (sha256 {})", p.file, p.sha256)?;
        }
        if !self.own.is_empty() {
            write!(f, "\n  or a file of your own: {}", self.own.join(", "))?;
        }
        for (i, folder) in self.searched.iter().enumerate() {
            write!(f, "\n  {} {}", if i == 0 { "looked in:" } else { "          " }, folder.display())?;
        }
        if !self.has_folder {
            f.write_str("\n             ($FASTAI_WEIGHTS is not set)")?;
        }
        match &self.published {
            Some(p) => {
                let size = p.size.as_ref().map_or(String::new(), |size| format!("{size} "));
                write!(f, "\nrun `fastai weights get {}` ({size}from {}), name", p.name, p.origin)?;
            }
            None => f.write_str("\nput one there, name")?,
        }
        f.write_str(" a file with `weights: \"PATH\"`, or start from random weights with `weights: none`")
    }
}
