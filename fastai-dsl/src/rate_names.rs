//! The names of the rates that `lr_find` suggests.

use std::borrow::Cow;
use std::collections::HashSet;

/// The names of found rates as the recipe's author knows them: those that `let` gives.
///
/// They are for people to read. Texts that are kept or compared call the rates `lr1`, `lr2` and so on, and recipes that differ in
/// nothing but these names are equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct RateNames(
    /// By the index of the `lr_find`; empty, as by default, where all rates are called by their numbers.
    Vec<String>,
);

impl RateNames {
    /// `bound` is what a `let` calls the rate of each `lr_find`, in their order.
    pub(crate) fn new<'a>(bound: impl Iterator<Item = Option<&'a str>>) -> Self {
        let names: Vec<String> =
            bound.zip(0..).map(|(name, index)| name.map_or_else(|| numbered(index), str::to_string)).collect();
        // A name that is bound again, as in a loop, does not tell which rate is meant.
        let distinct = names.iter().collect::<HashSet<_>>().len() == names.len();
        RateNames(if distinct { names } else { Vec::new() })
    }

    /// The name of the rate of the `lr_find` with this index, from 0.
    pub(crate) fn of(&self, index: u16) -> Cow<'_, str> {
        match self.0.get(usize::from(index)) {
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

/// The name of a rate in texts that are kept.
fn numbered(index: u16) -> String {
    format!("lr{}", u32::from(index) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RecipeText;
    use crate::{Facts, Plan, Recipe};

    fn of(bound: &[Option<&str>]) -> Vec<String> {
        let names = RateNames::new(bound.iter().copied());
        (0..bound.len() as u16).map(|index| names.of(index).into_owned()).collect()
    }

    #[test]
    fn rates_are_called_by_their_authors_names_where_these_tell_them_apart() {
        assert_eq!(of(&[Some("head"), Some("body")]), ["head", "body"]);
        assert_eq!(of(&[Some("lr"), None]), ["lr", "lr2"]);
        assert_eq!(of(&[Some("lr"), Some("lr")]), ["lr1", "lr2"]);
        assert_eq!(of(&[Some("lr2"), None]), ["lr1", "lr2"]);
        assert_eq!(RateNames::default().of(4), "lr5");
    }

    #[test]
    fn steps_are_shown_with_names_and_kept_with_numbers() {
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
        let kept = read(&recipe.to_string());
        assert_eq!(kept, recipe);
        assert_eq!(shown(&kept)[1], "fit(lr1 / 2.0, 1)");
    }
}
