//! What a saved model says of its recipe, and which models are a recipe's own. `include_model!` compares while compiling what
//! the loader compares at run time.

use std::borrow::Cow;

use crate::experiment::same_text;
use crate::overrides::Override;
use crate::recipe::Recipe;
use crate::source::RecipeText;

/// The metadata key of a saved model's header, which is the only one. The number is that of the header's layout.
pub const MODEL_KEY: &str = "fastai model 3";

/// Whether a metadata key is that of a saved model of another layout.
pub fn is_of_another_layout(key: &str) -> bool {
    key != MODEL_KEY && key.starts_with("fastai model ")
}

/// What canonical texts of earlier versions say, and what those of this one say in its place.
const SAID_OTHERWISE: &[(&str, &str)] = &[("lr_find(suggest = steep,", "lr_find(suggest = steepest,")];

/// The text of a recipe that a run or a model keeps, in the words of this version, whichever version wrote it.
pub fn in_todays_words(text: &str) -> Cow<'_, str> {
    SAID_OTHERWISE.iter().fold(Cow::Borrowed(text), |text, (then, now)| match text.contains(then) {
        true => Cow::Owned(text.replace(then, now)),
        false => text,
    })
}

/// The canonical text of the recipe whose [text](Recipe::kept_text) a run keeps, whichever version wrote it. A text that this
/// version does not understand is returned as it is, in the words of this version.
pub fn canonical_text(kept: &str) -> String {
    let text = in_todays_words(kept);
    let read = RecipeText::new("kept.recipe", &text, &[]).result;
    read.map_or_else(|_| text.into_owned(), |checked| checked.recipe.to_string())
}

/// The text of a recipe that a run of this seed keeps, with the seed if the recipe names another one, so that it runs again as it
/// ran. A text that this version does not understand, or a seed that no recipe can name, is left as it is.
pub fn seeded_text(kept: &str, seed: u64) -> String {
    let text = in_todays_words(kept);
    let read = |overrides: &[Override]| RecipeText::new("kept.recipe", &text, overrides).result.map(|read| read.recipe);
    if read(&[]).is_ok_and(|recipe| recipe.seed() != seed) {
        let named = Override { key: "seed".to_string(), value: Some(seed.to_string()), option: "--set" };
        return read(&[named]).map_or_else(|_| text.to_string(), |recipe| recipe.kept_text());
    }
    text.into_owned()
}

/// The canonical text of a recipe as models are compared by it: in the words of this version, without its comment, and without
/// its seed, which says nothing about what a model predicts and may have been given beside the recipe.
pub fn model_text(text: &str) -> String {
    let text = in_todays_words(text);
    let kept = text.lines().filter(|line| !line.starts_with("///") && !line.starts_with("    seed: "));
    kept.map(|line| format!("{line}\n")).collect()
}

impl Recipe {
    /// The texts of this recipe's models, as [`model_text`] returns them: its own first, then those of its folds, each of which
    /// trains a model too. A model with another text is another recipe's.
    pub fn model_texts(&self) -> Vec<String> {
        let folds = self.folds();
        std::iter::once(self).chain(&folds).map(|recipe| model_text(&recipe.to_string())).collect()
    }
}

/// Whether a model with the text `found` is one of a recipe with the texts `stated`, while compiling; a recipe that states none
/// takes any.
pub const fn takes_text(stated: Option<&[&str]>, found: &str) -> bool {
    let Some(stated) = stated else { return true };
    let mut at = 0;
    while at < stated.len() {
        if same_text(stated[at], found) {
            return true;
        }
        at += 1;
    }
    false
}

/// The first line of a model's text that differs from a recipe's, and the recipe's line in its place, while compiling. Of
/// several texts that a recipe states, the one counts that agrees for longest.
pub const fn first_difference(stated: Option<&'static [&'static str]>, found: &'static str) -> [&'static str; 2] {
    let Some(stated) = stated else { return ["", ""] };
    let (mut nearest, mut agrees) = ("", 0);
    let mut at = 0;
    while at < stated.len() {
        let common = common_start(stated[at], found);
        if at == 0 || common > agrees {
            nearest = stated[at];
            agrees = common;
        }
        at += 1;
    }
    [line_at(found, agrees), line_at(nearest, agrees)]
}

/// Bytes that two texts have in common before they differ.
const fn common_start(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at
}

/// The line that the byte `at` of a text is in, without the white space around it.
const fn line_at(text: &str, at: usize) -> &str {
    let bytes = text.as_bytes();
    let mut start = if at < bytes.len() { at } else { bytes.len() };
    while start > 0 && bytes[start - 1] != b'\n' {
        start -= 1;
    }
    let mut end = start;
    while end < bytes.len() && bytes[end] != b'\n' {
        end += 1;
    }
    let (_, rest) = bytes.split_at(start);
    let (line, _) = rest.split_at(end - start);
    utf8(line.trim_ascii())
}

/// Bytes of all texts.
pub const fn joined_len(parts: &[&str]) -> usize {
    let (mut length, mut part) = (0, 0);
    while part < parts.len() {
        length += parts[part].len();
        part += 1;
    }
    length
}

/// The bytes of all texts, one text after the other, while compiling; `N` is their [`joined_len`].
pub const fn joined<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut out = [0; N];
    let (mut filled, mut part) = (0, 0);
    while part < parts.len() {
        let bytes = parts[part].as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            out[filled] = bytes[at];
            filled += 1;
            at += 1;
        }
        part += 1;
    }
    out
}

/// The text of bytes that are one, such as those of [`joined`], while compiling.
pub const fn utf8(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RecipeText;

    const TEXTS: Option<&[&str]> = Some(&["A {\n    x: 1,\n    y: 2,\n}\n", "A {\n    x: 2,\n    y: 2,\n}\n"]);

    #[test]
    fn a_text_that_an_earlier_version_kept_is_that_of_the_recipe() {
        let steps = "let lr1 = lr_find(suggest = steepest, or = 0.01); fit(lr1, 1);";
        let text = format!(
            "Cats {{ task: single_label, data: folders {{ root: \"data\" }}, transforms: side_on {{ size: 64 }}, \
             model: resnet18, metrics: [accuracy], train: {{ {steps} }} }}"
        );
        let recipe = RecipeText::new("cats.recipe", &text, &[]).result.unwrap().recipe;
        let todays = recipe.to_string();
        let kept = todays.replace("suggest = steepest", "suggest = steep");
        assert_ne!(kept, todays);
        assert_eq!(model_text(&kept), model_text(&todays));
        assert_eq!(RecipeText::new("kept", &in_todays_words(&kept), &[]).result.unwrap().recipe, recipe);
        // What is typed today is told of, not understood.
        let told = RecipeText::new("typed.recipe", &kept, &[]).render(false);
        assert!(told.contains("did you mean `steepest`?"), "{told}");
        assert!(matches!(in_todays_words(&todays), Cow::Borrowed(_)), "nothing is left to say otherwise");
    }

    #[test]
    fn a_kept_text_names_the_seed_of_its_run() {
        let text = |seed: &str| {
            let text = format!(
                "/// Cats?\nCats {{ task: single_label, data: folders {{ root: \"d\" }}, transforms: side_on {{ size: 64 }}, model: \
                 resnet18, metrics: [accuracy], {seed} train: {{ let rate = lr_find(or = 0.01); fit(rate, 1); }} }}"
            );
            RecipeText::new("cats.recipe", &text, &[]).result.unwrap().recipe.kept_text()
        };
        let (plain, seven) = (text(""), text("seed: 7,"));
        assert_eq!((seeded_text(&plain, 42), seeded_text(&seven, 7)), (plain.clone(), seven.clone()), "as it is");
        assert_eq!((seeded_text(&plain, 7), seeded_text(&text("seed: 3,"), 7)), (seven.clone(), seven));
        assert_eq!(seeded_text(&plain, u64::MAX), plain, "no recipe names that");
        assert_eq!(seeded_text("no recipe", 7), "no recipe");
        // A model is of the recipe whatever the seed.
        let of_seven = RecipeText::new("cats.recipe", &text("seed: 7,"), &[]).result.unwrap().recipe;
        assert_eq!(of_seven.model_texts(), [model_text(&canonical_text(&plain))]);
        assert!(of_seven.to_string().contains("\n    seed: 7,\n"), "{of_seven}");
    }

    #[test]
    fn a_difference_is_found_and_told_while_compiling() {
        const OTHER: &str = "A {\n    x: 2,\n    y: é,\n}\n";
        const LINES: [&str; 2] = first_difference(TEXTS, OTHER);
        const PARTS: &[&str] = &["- ", LINES[0], "\n+ ", LINES[1]];
        const TOLD: [u8; joined_len(PARTS)] = joined(PARTS);
        const { assert!(!takes_text(TEXTS, OTHER) && takes_text(None, OTHER)) };
        // The second text agrees for longest.
        assert_eq!(utf8(&TOLD), "- y: é,\n+ y: 2,");
        assert!(takes_text(TEXTS, "A {\n    x: 2,\n    y: 2,\n}\n"));
        // One text goes on where the other has ended.
        assert_eq!(first_difference(TEXTS, "A {\n    x: 1,\n    y: 2,\n"), ["", "}"]);
        assert_eq!(first_difference(None, OTHER), ["", ""]);
    }

    #[test]
    fn a_recipe_of_folds_has_a_text_for_each() {
        let text = "/// Cats?\nCats {\n    task: single_label,\n    data: folders { root: \"d\", valid: folds(3) },\n    \
                    transforms: side_on { size: 64 },\n    model: squeezenet1_1,\n    metrics: [accuracy],\n    \
                    train: { fit(0.01, 1); },\n}\n";
        let recipe = RecipeText::new("cats.recipe", text, &[]).result.unwrap().recipe;
        let texts = recipe.model_texts();
        assert_eq!(texts.len(), 4);
        assert_eq!(texts[0], model_text(&recipe.to_string()));
        assert!(texts[0].starts_with("Cats {\n") && texts[0].ends_with("}\n"), "{}", texts[0]);
        for (fold, text) in texts[1..].iter().enumerate() {
            assert!(text.contains(&format!("fold = {fold}")), "{text}");
        }
    }
}
