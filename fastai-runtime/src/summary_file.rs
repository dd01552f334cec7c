//! `summary.json`, the file of a run's results: text that begins with the BLAKE3 digest of itself. The reports write it, and
//! predictions read from it what a model belongs to.

use std::ffi::OsStr;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::RunError;
use crate::error::FailedStep;
use crate::locks::is_locked;
use crate::names::{typed, visible};

/// The name of the file, in the run folder.
pub(crate) const SUMMARY: &str = "summary.json";
/// The folder within a run folder with the models that the run saved.
pub(crate) const MODELS: &str = "models";
/// The folder within a run folder with the state of the run; it exists exactly while the run is incomplete.
pub(crate) const RESUME: &str = "resume";
/// The file in [`RESUME`] that the process has locked which executes the run.
pub(crate) const LOCK: &str = "lock";

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailure {
    /// Whether training lost the numbers.
    pub kind: FailureKind,
    /// The step, counted from 1, that failed; `None` if the run failed for another reason than a step.
    pub step: Option<usize>,
    /// The earlier step, counted from 1, that had lost the network, if that one is to blame for the failure of `step`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_by: Option<usize>,
    /// The error, with what helps; it begins with the fold, if one failed.
    pub error: String,
}

/// What kind of failure ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The training loss became NaN or infinite.
    LossNotFinite,
    /// The weights that a step left are not finite.
    WeightsNotFinite,
    /// It failed for another reason.
    Other,
}

impl RunFailure {
    pub(crate) fn of(error: &RunError) -> Self {
        let (kind, step, lost_by) = match error {
            RunError::Diverged { step, lost_by, .. } => (FailureKind::LossNotFinite, step.as_ref(), lost_by.as_ref()),
            RunError::LostWeights { step, .. } => (FailureKind::WeightsNotFinite, Some(step), None),
            RunError::NoRate { step, .. } | RunError::TooLarge { step, .. } | RunError::NoRoom { step, .. } => {
                (FailureKind::Other, Some(step), None)
            }
            _ => (FailureKind::Other, None, None),
        };
        let number = |step: Option<&FailedStep>| step.map(|step| step.number);
        RunFailure { kind, step: number(step), lost_by: number(lost_by), error: error.to_string() }
    }

    /// What a run that lost its numbers says to those who want its model: `it failed at step 3 (the training loss is no longer a
    /// number)`. `None` of a run that failed for another reason, which may go on once that is put right.
    pub fn lost_numbers(&self) -> Option<String> {
        let why = match self.kind {
            FailureKind::LossNotFinite => "the training loss is no longer a number",
            FailureKind::WeightsNotFinite => "its weights are no longer numbers",
            FailureKind::Other => return None,
        };
        let step = self.step.map_or_else(String::new, |number| format!(" at step {number}"));
        let lost_by =
            self.lost_by.map_or_else(String::new, |number| format!(", as step {number} had lost the network"));
        Some(format!("it failed{step} ({why}{lost_by})"))
    }
}

/// Whether another process executes the run in `folder`.
pub(crate) fn is_running(folder: &Path) -> bool {
    is_locked(&folder.join(RESUME).join(LOCK))
}

/// What goes on with the run in `folder`, if it has kept a state from which it can: `` `fastai run --resume DIR` goes on with
/// it ``, or the process that executes it now.
pub(crate) fn resuming(folder: &Path) -> Option<String> {
    let mut kept = std::fs::read_dir(folder.join(RESUME)).into_iter().flatten().flatten();
    kept.any(|entry| !keeps_nothing(&entry.file_name())).then(|| {
        if is_running(folder) {
            "it is being run by another process".to_string()
        } else {
            format!("`fastai run --resume {}` goes on with it", typed(folder))
        }
    })
}

/// Whether a file in [`RESUME`] of this name keeps no state: the lock, or a file in the making.
pub(crate) fn keeps_nothing(name: &OsStr) -> bool {
    name == LOCK || name.to_str().is_some_and(|name| name.ends_with(".tmp"))
}

/// Largest file that is read, bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Digits of a digest.
const DIGITS: usize = 64;

#[derive(Serialize)]
struct Sealed<'a, T> {
    blake3: &'a str,
    #[serde(flatten)]
    content: &'a T,
}

/// The text of the file with this content, which begins with the digest of itself (with zeros in the digest's place).
pub(crate) fn sealed<T: Serialize>(content: &T) -> serde_json::Result<String> {
    let blank = "0".repeat(DIGITS);
    let text = serde_json::to_string_pretty(&Sealed { blake3: &blank, content })? + "\n";
    let text = visible(&text);
    let digest = blake3::hash(text.as_bytes()).to_hex();
    Ok(text.replacen(&blank, &digest, 1))
}

/// Reads the file of the run folder `folder`, or as much of it as `T` has fields.
///
/// # Errors
/// If the file does not exist, is not a summary, or was changed after it was written.
pub(crate) fn read<T: DeserializeOwned>(folder: &Path) -> Result<T, RunError> {
    let path = folder.join(SUMMARY);
    let cannot = |e| RunError::file("read", &path, e);
    let mut bytes = Vec::new();
    std::fs::File::open(&path).and_then(|f| f.take(MAX_BYTES).read_to_end(&mut bytes)).map_err(cannot)?;
    let content = serde_json::from_slice(&bytes).map_err(|e| cannot(e.into()))?;
    if !is_whole(&bytes) {
        let why = "its content does not match its digest: it is damaged or was edited";
        return Err(cannot(Error::new(ErrorKind::InvalidData, why)));
    }
    Ok(content)
}

/// Whether the text has the digest that it begins with.
fn is_whole(text: &[u8]) -> bool {
    let start: &[u8] = b"{\n  \"blake3\": \"";
    let Some(claimed) = text.strip_prefix(start).and_then(|rest| rest.get(..DIGITS)) else { return false };
    let blank = [b'0'; DIGITS];
    let mut hash = blake3::Hasher::new();
    hash.update(start).update(&blank).update(&text[start.len() + DIGITS..]);
    hash.finalize().to_hex().as_bytes() == claimed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_whether_training_lost_the_numbers() {
        let step = || FailedStep { number: 3, call: "fit(10.0, 1)".to_string() };
        let diverged = |step, lost_by| RunError::Diverged {
            step: Some(step),
            lost_by,
            loss: f64::NAN,
            epoch: 0,
            batch: 2,
            rates: vec![10.0],
            clip_may_help: true,
        };
        let innocent = diverged(FailedStep { number: 4, call: "fit(0.001, 1)".to_string() }, Some(step()));
        let said = "step 3 `fit(10.0, 1)` lost the network: in step 4 `fit(0.001, 1)`, the training loss became NaN in epoch 0";
        assert!(innocent.to_string().starts_with(said), "{innocent}");
        assert!(innocent.to_string().ends_with("use smaller rates in step 3, or bound the gradient with `clip: 1.0`"));
        let failure = RunFailure::of(&innocent);
        assert_eq!((failure.kind, failure.step, failure.lost_by), (FailureKind::LossNotFinite, Some(4), Some(3)));
        let said = "it failed at step 4 (the training loss is no longer a number, as step 3 had lost the network)";
        assert_eq!(failure.lost_numbers().as_deref(), Some(said));
        let diverged = diverged(step(), None);
        let failure = RunFailure::of(&diverged);
        assert_eq!((failure.kind, failure.step, failure.lost_by), (FailureKind::LossNotFinite, Some(3), None));
        assert_eq!(failure.error, diverged.to_string());
        let said = failure.lost_numbers().unwrap();
        assert_eq!(said, "it failed at step 3 (the training loss is no longer a number)");
        let lost = RunFailure::of(&RunError::LostWeights {
            step: step(),
            parameter: "body.features.0.weight".into(),
            clip_may_help: false,
        });
        assert_eq!((lost.kind, lost.step), (FailureKind::WeightsNotFinite, Some(3)));
        assert!(lost.lost_numbers().is_some());
        let full = RunFailure::of(&RunError::file("write", "run/model", Error::other("full")));
        assert_eq!((full.kind, full.step, full.lost_numbers()), (FailureKind::Other, None, None));
        let text = serde_json::to_string(&lost).unwrap();
        assert!(text.starts_with("{\"kind\":\"weights_not_finite\",\"step\":3,"), "{text}");
        assert_eq!(serde_json::from_str::<RunFailure>(&text).unwrap(), lost);
    }

    #[test]
    fn the_command_that_goes_on_is_one_that_a_shell_reads_back() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("my run");
        std::fs::create_dir_all(folder.join(RESUME)).unwrap();
        std::fs::write(folder.join(RESUME).join("lock"), "").unwrap();
        assert_eq!(resuming(&folder), None);
        std::fs::write(folder.join(RESUME).join("state"), "").unwrap();
        assert_eq!(resuming(&folder), Some(format!("`fastai run --resume '{}'` goes on with it", folder.display())));
        let lock = std::fs::File::create(folder.join(RESUME).join(LOCK)).unwrap();
        lock.lock().unwrap();
        assert_eq!(resuming(&folder).unwrap(), "it is being run by another process");
    }
}
