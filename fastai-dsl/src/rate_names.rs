//! The names of the rates that `lr_find` suggests.

use std::borrow::Cow;
use std::collections::HashMap;

/// The names of found rates as the recipe's author knows them: those that `let` gives.
///
/// They are for people to read. Texts that are compared call the rates `lr1`, `lr2` and so on, and recipes that differ in nothing
/// but these names are equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct RateNames(
    /// By the index of the `lr_find`; empty, as by default, where all rates are called by their numbers.
    Vec<String>,
);

impl RateNames {
    /// `bound` is what a `let` calls the rate of each `lr_find`, in their order, where a later step can read that name. A rate whose
    /// name does not tell which one is meant has its number.
    pub(crate) fn new<'a>(bound: impl Iterator<Item = Option<&'a str>>) -> Self {
        let bound: Vec<Option<&str>> = bound.collect();
        let mut times: HashMap<&str, usize> = HashMap::new();
        for name in bound.iter().flatten() {
            *times.entry(*name).or_default() += 1;
        }
        // Bound again, as in a loop.
        let mut names: Vec<Option<&str>> = bound.into_iter().map(|name| name.filter(|name| times[name] == 1)).collect();
        let mut places: HashMap<&str, usize> =
            names.iter().enumerate().filter_map(|(index, name)| Some(((*name)?, index))).collect();
        // The number of another rate, which in turn leaves a rate with its number.
        let mut numbers: Vec<usize> = (0..names.len()).filter(|index| names[*index].is_none()).collect();
        while let Some(index) = numbers.pop() {
            if let Some(taken) = places.remove(numbered(index).as_str()) {
                names[taken] = None;
                numbers.push(taken);
            }
        }
        let named = names.into_iter().enumerate();
        RateNames(named.map(|(index, name)| name.map_or_else(|| numbered(index), str::to_string)).collect())
    }

    /// The name of the rate of the `lr_find` with this index, from 0.
    pub(crate) fn of(&self, index: u16) -> Cow<'_, str> {
        let index = usize::from(index);
        match self.0.get(index) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(numbered(index)),
        }
    }
}

impl PartialEq for RateNames {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The name of a rate in texts that are compared.
fn numbered(index: usize) -> String {
    format!("lr{}", index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RecipeText;
    use crate::{Facts, Plan, Recipe, canonical_text};

    fn of(bound: &[Option<&str>]) -> Vec<String> {
        let names = RateNames::new(bound.iter().copied());
        (0..bound.len() as u16).map(|index| names.of(index).into_owned()).collect()
    }

    #[test]
    fn rates_are_called_by_their_authors_names_where_these_tell_them_apart() {
        assert_eq!(of(&[Some("head"), Some("body")]), ["head", "body"]);
        assert_eq!(of(&[Some("lr"), None]), ["lr", "lr2"]);
        assert_eq!(of(&[Some("lr"), Some("lr")]), ["lr1", "lr2"]);
        assert_eq!(of(&[Some("base"), Some("head"), Some("base")]), ["lr1", "head", "lr3"]);
        // Names that are numbers, of their own rates, of each other's, and of rates without a name.
        assert_eq!(of(&[Some("lr1"), Some("lr2")]), ["lr1", "lr2"]);
        assert_eq!(of(&[Some("lr2"), Some("lr1")]), ["lr2", "lr1"]);
        assert_eq!(of(&[Some("lr3"), Some("lr1"), None, Some("head")]), ["lr1", "lr2", "lr3", "head"]);
        assert_eq!(of(&[Some("lr2"), None]), ["lr1", "lr2"]);
        assert_eq!(RateNames::default().of(4), "lr5");
    }

    #[test]
    fn steps_are_shown_and_kept_with_names_and_compared_with_numbers() {
        let text = "Named { task: single_label, data: folders { root: \"d\" }, transforms: side_on { size: 64 },
            model: squeezenet1_1, metrics: [accuracy], train: { let rate = lr_find(or = 0.1); fit(rate / 2, 1); } }";
        let read = |text: &str| RecipeText::new("named.recipe", text, &[]).result.unwrap().recipe;
        let shown = |recipe: &Recipe| -> Vec<String> {
            Plan::new(recipe, &Facts::default()).stages.into_iter().map(|stage| stage.text).collect()
        };
        let recipe = read(text);
        let finder = "let rate = lr_find(or = 0.1, start = 1e-5, end = 10.0)";
        assert_eq!(shown(&recipe), [finder, "fit(rate / 2.0, 1)"]);
        assert_eq!(recipe.steps()[1].to_string(), "fit(lr1 / 2.0, 1)");
        let numbered = read(&recipe.to_string());
        assert_eq!(numbered, recipe);
        assert_eq!(shown(&numbered)[1], "fit(lr1 / 2.0, 1)");
        let kept = recipe.kept_text();
        assert!(kept.contains("fit(rate / 2.0, 1);") && !kept.contains("lr1"), "{kept}");
        assert_eq!(read(&kept), recipe);
        assert_eq!(read(&kept).kept_text(), kept);
        assert_eq!(
            (canonical_text(&kept), canonical_text(&recipe.to_string())),
            (recipe.to_string(), recipe.to_string())
        );
    }

    /// A name that ends with its loop is a word again after it.
    #[test]
    fn what_a_name_hides_in_the_flat_text_is_not_hidden() {
        let text = "Loops { task: single_label, data: folders { root: \"d\" }, transforms: side_on { size: 64 },
            model: squeezenet1_1, metrics: [accuracy], train: {
                for cycles in [1] { let off = lr_find(or = 0.1); fit(off, cycles); }
                let base = lr_find(or = 0.1); fit(base, 1);
                for cycles in [1, 2] { let again = lr_find(or = 0.1); fit(again / 3, cycles); }
                precompute(off); unfreeze(); fit(base, 1); } }";
        let recipe = RecipeText::new("loops.recipe", text, &[]).result.unwrap().recipe;
        let kept = recipe.kept_text();
        for part in ["let lr1 = ", "let base = ", "fit(base, 1);", "fit(lr3 / 3.0, 1);", "fit(lr4 / 3.0, 2);"] {
            assert!(kept.contains(part), "{part}\n{kept}");
        }
        let again = RecipeText::new("kept.recipe", &kept, &[]).result.unwrap().recipe;
        assert_eq!((&again, again.kept_text()), (&recipe, kept));
    }
}
