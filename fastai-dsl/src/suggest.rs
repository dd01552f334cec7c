//! Spelling suggestions.

/// Whether two words differ at most in capitals, `-` and `_`: `UTF-8` and `utf8`, `SideOn` and `side_on`.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let letters =
        |word: &str| word.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect::<Vec<_>>();
    letters(one) == letters(other)
}

/// Returns the candidate most similar to `word`, if one is similar enough.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(word, candidates, 0.75)
}

/// Returns the candidate most similar to `word`, if its similarity, from 0 to 1, is above `least`.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>, least: f64) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let similarity = |c: &str| if is_same(c, word) { 1.0 } else { strsim::jaro_winkler(&lower, &c.to_lowercase()) };
    candidates
        .into_iter()
        .map(|c| (similarity(c), c))
        .filter(|(score, _)| *score > least)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

/// Returns the candidate that `word` differs from in the fewest characters: inserted, removed or replaced ones, at most a
/// third of the candidate's, but always one. Upper and lower case count as equal.
pub fn misspelt<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .iter()
        .map(|c| (strsim::levenshtein(&word, &c.to_lowercase()), *c))
        .filter(|(edits, c)| *edits <= c.chars().count().max(3) / 3)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, c)| c)
}

/// Returns "did you mean `x`?", or the list of legal words.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match closest(word, candidates.clone()) {
        Some(c) => format!("did you mean `{c}`?"),
        None => format!("one of {}", list(candidates)),
    }
}

/// `` `a`, `b`, `c` ``
pub fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_hyphens_and_underscores_make_no_other_word() {
        let words = ["utf8", "latin1", "utf16", "single_label", "multi_label"];
        for (word, meant) in [
            ("UTF-16", "utf16"),
            ("utf_8", "utf8"),
            ("Latin-1", "latin1"),
            ("SingleLabel", "single_label"),
            ("MULTI-LABEL", "multi_label"),
            ("multilabel", "multi_label"),
        ] {
            assert_eq!(closest(word, words), Some(meant), "{word}");
        }
        assert_eq!(closest("shift-jis", words), None);
    }

    #[test]
    fn a_misspelt_name_is_close_to_one_or_to_none() {
        assert_eq!(misspelt("bread", &["id", "breed"]), Some("breed"));
        assert_eq!(misspelt("Breed", &["id", "breed"]), Some("breed"));
        assert_eq!(misspelt("species", &["id", "breed"]), None);
    }
}
