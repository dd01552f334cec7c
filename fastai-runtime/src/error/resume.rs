//! Why a run cannot be continued.

use std::path::PathBuf;

/// Why a run cannot be continued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The run has ended.
    #[error("the run in {} is complete: there is nothing left to do", .0.display())]
    Complete(PathBuf),
    /// The run has ended, and recipe or seed differ from those that it began with.
    #[error(
        "the run in {} is complete, and it is not what is asked for:\n{}\nstart a new run",
        folder.display(),
        differences.join("\n")
    )]
    CompleteOther {
        /// The run folder.
        folder: PathBuf,
        /// Every difference, in lines.
        differences: Vec<String>,
    },
    /// The run failed, and keeps no state, since it would fail again from there.
    #[error(
        "the run in {} failed and keeps no state to go on from, as it would end the same: {error}; its recipe is {}: change a copy \
         of it, and begin with `fastai run COPY`{}",
        folder.display(),
        folder.join("recipe.recipe").display(),
        match models.as_slice() {
            [] => String::new(),
            saved => format!("; what it saved is there: `--model` takes {}", saved.join(", ")),
        }
    )]
    Failed {
        /// The run folder.
        folder: PathBuf,
        /// Why it failed, with what helps.
        error: String,
        /// The names of the models that it saved.
        models: Vec<String>,
    },
    /// The folder contains no snapshot.
    #[error("{} holds nothing that a run could go on from: name a run folder, or start anew", .0.display())]
    NoSnapshot(PathBuf),
    /// The folder does not exist.
    #[error("there is no run folder {}", .0.display())]
    NoFolder(PathBuf),
    /// The folder contains no sweep.
    #[error("{} holds no sweep: name the folder of one, or start anew", .0.display())]
    NoSweep(PathBuf),
    /// Another process executes the run.
    #[error("{} is being run by another process", .0.display())]
    Running(PathBuf),
    /// Recipe, seed or data differ from those of the run.
    #[error(
        "the run in {} cannot go on:\n{}\ngive it what it began with, or start a new run",
        folder.display(),
        differences.join("\n")
    )]
    Differs {
        /// The run folder.
        folder: PathBuf,
        /// Every difference, in lines.
        differences: Vec<String>,
    },
    /// The snapshot cannot be used.
    #[error("{}: {reason}; the run cannot be continued: start it anew", path.display())]
    Broken {
        /// The snapshot.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}
