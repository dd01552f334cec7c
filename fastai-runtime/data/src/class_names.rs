//! What is remarkable about the names of classes.

use std::collections::HashSet;

use fastai_dsl::TaskKind;
use fastai_dsl::prepared::alike;
use unicode_normalization::UnicodeNormalization;

use crate::Vocabulary;
use crate::findings::{names, number, shorten};

/// Names that programs write where a value is missing, in any case.
const MISSING: [&str; 10] = ["nan", "null", "na", "n/a", "#n/a", "<na>", "nat", "none", "undefined", "unlabeled"];
/// Characters that join several labels to one.
const JOINTS: [&str; 4] = ["|", ";", ",", " "];

/// The notes about the classes of a data set, each a question that only its owner can answer.
pub(crate) fn notes(vocabulary: &Vocabulary, task: TaskKind) -> Vec<String> {
    let all: Vec<&str> = vocabulary.names().iter().map(String::as_str).collect();
    let joined = if task == TaskKind::SingleLabel { joined(&all) } else { None };
    [similar(&all), missing(&all), joined].into_iter().flatten().collect()
}

/// Classes that differ only in how they are written, Unicode forms included.
fn similar(all: &[&str]) -> Option<String> {
    let forms: Vec<String> = all.iter().map(|name| name.nfkc().collect()).collect();
    let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
    let written = |form: &str| all[forms.iter().position(|known| std::ptr::eq(*known, form)).unwrap_or(0)];
    let pairs: Vec<String> =
        alike(&forms).iter().map(|(a, b)| format!("{:?} and {:?}", written(a), written(b))).collect();
    let (differ, is) =
        if pairs.len() == 1 { ("pair of classes differs", "it") } else { ("pairs of classes differ", "each") };
    let (count, shown) = (pairs.len(), shorten(&pairs, 5));
    (count > 0).then(|| format!("{count} {differ} only in how they are written; is {is} one class? {shown}"))
}

/// Classes that look like the absence of a label.
fn missing(all: &[&str]) -> Option<String> {
    let missing: Vec<&str> =
        all.iter().copied().filter(|name| MISSING.iter().any(|word| name.eq_ignore_ascii_case(word))).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "{} called as programs write a missing value: {}; if their images have no label, take their rows out",
            number(missing.len(), "class is", "classes are"),
            names(&missing, 5)
        )
    })
}

/// Classes that join the names of others, as where an image has several labels.
fn joined(all: &[&str]) -> Option<String> {
    let known: HashSet<&str> = all.iter().copied().collect();
    JOINTS.into_iter().find_map(|joint| {
        // Words are parted by blanks and commas in ordinary names, hence stricter.
        let strict = [" ", ","].contains(&joint);
        let of_others = |name: &&&str| {
            let parts = || name.split(joint).map(str::trim).filter(|part| !part.is_empty());
            let are = |part| known.contains(part);
            parts().count() > 1 && if strict { parts().all(are) } else { parts().any(are) }
        };
        let joined: Vec<&str> = all.iter().filter(of_others).copied().collect();
        (!joined.is_empty()).then(|| {
            format!(
                "{} other classes' by {joint:?}: {}; if an image has several labels, say `task: multi_label` with \
                 `separator: {joint:?}`",
                number(joined.len(), "class name joins", "class names join"),
                names(&joined, 3)
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(names: &[&str], task: TaskKind) -> Vec<String> {
        notes(&Vocabulary::new(names.iter().map(|name| name.to_string())), task)
    }

    #[test]
    fn names_that_differ_only_in_how_they_are_written_are_noted() {
        for pair in [
            ["Cat", "cat"],
            ["cat", "\u{200b}cat"],
            ["cafe\u{301}", "caf\u{e9}"],
            ["golden retriever", "golden_retriever"],
            ["great-dane", "greatdane"],
            ["1", "1.0"],
            ["01", "1"],
            ["\u{ff21}", "a"],
        ] {
            let notes = said(&[pair[0], pair[1], "dog"], TaskKind::SingleLabel);
            assert_eq!(notes.len(), 1, "{pair:?}: {notes:?}");
            let expected = "1 pair of classes differs only in how they are written; is it one class? ";
            assert!(notes[0].starts_with(expected), "{notes:?}");
            assert!(pair.iter().all(|name| notes[0].contains(&format!("{name:?}"))), "{notes:?}");
        }
        for pair in [["1-2", "12"], ["-1", "1"], ["cat", "cats"], ["a b", "a c"]] {
            assert!(said(&pair, TaskKind::SingleLabel).is_empty(), "{pair:?}");
        }
    }

    #[test]
    fn names_of_nothing_and_joined_names_are_noted() {
        let notes = said(&["cat", "dog", "nan", "None"], TaskKind::SingleLabel);
        assert!(
            notes[0].starts_with("2 classes are called as programs write a missing value: \"None\", \"nan\""),
            "{notes:?}"
        );
        let notes = said(&["Effusion|Mass", "Mass", "Nodule"], TaskKind::SingleLabel);
        assert!(notes[0].contains("`separator: \"|\"`"), "{notes:?}");
        assert!(said(&["Effusion|Mass", "Mass"], TaskKind::MultiLabel).is_empty());
        let notes = said(&["scab", "frog_eye", "scab frog_eye"], TaskKind::SingleLabel);
        assert!(notes[0].contains("1 class name joins other classes' by \" \""), "{notes:?}");
        assert!(said(&["hot dog", "dog", "cat"], TaskKind::SingleLabel).is_empty());
    }
}
