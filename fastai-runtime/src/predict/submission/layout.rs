//! The columns of a submission.

use std::fmt;

use fastai_dsl::{Source, TaskKind};

use crate::RunError;
use crate::data::{DataError, Finding, FindingKind};
use crate::models::ModelMeta;

/// The known layouts of submission files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmissionFormat {
    /// `id` and a probability per class (dog-breed-identification).
    Classes,
    /// `id,label`, the most probable class.
    Label,
    /// `id,label`, the probability of the second of two classes (dogs-vs-cats-redux).
    Probability,
    /// `image_name,tags`, the tags above the threshold (planet).
    Tags,
}

impl SubmissionFormat {
    /// All formats.
    pub const ALL: [SubmissionFormat; 4] =
        [SubmissionFormat::Classes, SubmissionFormat::Label, SubmissionFormat::Probability, SubmissionFormat::Tags];

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            SubmissionFormat::Classes => "classes",
            SubmissionFormat::Label => "label",
            SubmissionFormat::Probability => "probability",
            SubmissionFormat::Tags => "tags",
        }
    }

    /// The layout of a task's submissions unless another is asked for.
    pub fn of(task: TaskKind) -> Self {
        match task {
            TaskKind::MultiLabel => SubmissionFormat::Tags,
            TaskKind::SingleLabel | TaskKind::Regression => SubmissionFormat::Classes,
        }
    }
}

/// What a column of a submission holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmissionCell {
    /// The id of the image.
    Id,
    /// The probability of a class or tag.
    Probability {
        /// Its number.
        place: usize,
        /// Its name.
        class: String,
    },
    /// The predicted number.
    Number {
        /// What it measures.
        name: String,
    },
    /// The most probable class.
    Class,
    /// All tags above the threshold.
    Tags {
        /// What parts them.
        separator: String,
    },
}

impl fmt::Display for SubmissionCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmissionCell::Id => f.write_str("the id"),
            SubmissionCell::Probability { class, .. } => write!(f, "probability of {class:?}"),
            SubmissionCell::Number { name } => write!(f, "the predicted {}", name.escape_debug()),
            SubmissionCell::Class => f.write_str("the most probable class"),
            SubmissionCell::Tags { separator } => write!(f, "tags, parted by {separator:?}"),
        }
    }
}

/// The header and the cells of a format.
pub(super) fn of_format(
    meta: &ModelMeta,
    format: SubmissionFormat,
    separator: &str,
) -> Result<(Vec<String>, Vec<SubmissionCell>), RunError> {
    let names = match format {
        SubmissionFormat::Classes => {
            let names: Vec<&str> = meta.classes.iter().map(String::as_str).collect();
            let order = natural(&names);
            let header =
                std::iter::once("id").chain(order.iter().map(|class| names[*class])).map(String::from).collect();
            let cells = order.into_iter().map(|class| probability(meta, class));
            return Ok((header, std::iter::once(SubmissionCell::Id).chain(cells).collect()));
        }
        SubmissionFormat::Label | SubmissionFormat::Probability => ["id", "label"],
        SubmissionFormat::Tags => ["image_name", "tags"],
    };
    Ok((names.map(String::from).into(), vec![SubmissionCell::Id, single(meta, format, separator)?]))
}

/// The one column of labels in this format.
pub(super) fn single(meta: &ModelMeta, format: SubmissionFormat, separator: &str) -> Result<SubmissionCell, RunError> {
    let wrong = |why: String| {
        let text = format!("`--format {}` {why}", format.word());
        Err(DataError::one(Finding::new(FindingKind::SubmissionFormat, text)).into())
    };
    match (format, meta.task) {
        (SubmissionFormat::Tags, TaskKind::MultiLabel) => {
            if let Some(tag) = meta.classes.iter().find(|tag| tag.contains(separator)) {
                let text = format!(
                    "the tag {tag:?} holds {separator:?}, which would part the tags, so that nobody could read them: give \
                     another separator, `--separator \"; \"`"
                );
                return Err(DataError::one(Finding::new(FindingKind::Separator { tag: tag.clone() }, text)).into());
            }
            Ok(SubmissionCell::Tags { separator: separator.to_string() })
        }
        (SubmissionFormat::Tags, task) => wrong(format!("needs tags, and the model's task is {}", task.word())),
        (SubmissionFormat::Label, TaskKind::SingleLabel) => Ok(SubmissionCell::Class),
        (SubmissionFormat::Label, task) => {
            wrong(format!("needs one class an image, the model's task is {}", task.word()))
        }
        (SubmissionFormat::Probability, TaskKind::SingleLabel) if meta.classes.len() == 2 => Ok(probability(meta, 1)),
        (SubmissionFormat::Probability, _) => {
            wrong(format!("needs two classes, and the model knows {}: `--format classes`", meta.classes.len()))
        }
        (SubmissionFormat::Classes, TaskKind::Regression) => Ok(probability(meta, 0)),
        (SubmissionFormat::Classes, _) => wrong("has a column for each class, and the sample has one".to_string()),
    }
}

/// The cell of a class or tag, or of the number of a regression.
pub(super) fn probability(meta: &ModelMeta, place: usize) -> SubmissionCell {
    let name = meta.classes[place].clone();
    match meta.task {
        TaskKind::Regression => SubmissionCell::Number { name },
        TaskKind::SingleLabel | TaskKind::MultiLabel => SubmissionCell::Probability { place, class: name },
    }
}

/// The order of names as people sort them: whole numbers by value if all names are such numbers, otherwise as they are.
pub(super) fn natural(names: &[&str]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    let numbers: Option<Vec<u64>> = names.iter().map(|name| name.parse().ok()).collect();
    if let Some(numbers) = numbers {
        order.sort_by_key(|place| numbers[*place]);
    }
    order
}

/// What parts tags in output: the recipe's separator, or, where a tag holds it, the first of a few others that none holds.
pub fn tag_separator<'a>(source: &'a Source, tags: &[String]) -> &'a str {
    let own = match source {
        Source::Csv { separator, columns, .. } if columns.is_empty() => separator.as_str(),
        _ => " ",
    };
    let free = |separator: &&str| !tags.iter().any(|tag| tag.contains(separator));
    [own, "; ", " | ", ", "].into_iter().find(free).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_by_value() {
        assert_eq!(natural(&["0", "1", "10", "2"]), [0, 1, 3, 2]);
        assert_eq!(natural(&["a", "b10", "b9"]), [0, 1, 2]);
    }
}
