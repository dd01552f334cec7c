//! The text of a recipe with values put into it, as its author would.

use super::RecipeText;
use crate::diagnostic::Site;
use crate::draft::{Entry, ValueKind};
use crate::overrides::{Override, Slot};
use crate::syntax::parse_value;

/// Puts the values of `overrides` into a recipe's text and leaves the rest as it is, with its comments and its names. A value that
/// stands in parentheses may get lost, so check the result. `None` if an override fits nothing in the text.
pub fn with_values(text: &str, overrides: &[Override]) -> Option<String> {
    overrides.iter().try_fold(text.to_string(), |text, o| with_value(&text, o))
}

fn with_value(text: &str, o: &Override) -> Option<String> {
    let read = RecipeText::parse_only("", text.as_bytes());
    let draft = read.draft.as_ref()?;
    let slot = Slot::of(draft, o).ok()?;
    let value = slot.value(draft, o).ok()?;
    // `1e-3` rather than 0.001; a string of a command line lacks its quotes.
    let given = o.value.as_deref().unwrap_or_default();
    let value = if parse_value(given).as_ref() == Some(&value) { given.to_string() } else { value.to_string() };
    if let Some(present) = slot.present(draft) {
        return Some(read.replaced(present.site, &value));
    }
    let (key, section) = match &slot {
        Slot::NewSection(name) => return Some(read.with_entry(draft.sections.last()?, name, &value)),
        Slot::Key(at, key) => (key, &draft.sections[*at].value),
        Slot::Binding(_) | Slot::Section(_) => return None,
    };
    let with_key = |word: &str| read.replaced(section.site, &format!("{word} {{ {key}: {value} }}"));
    match &section.kind {
        ValueKind::Block(word, entries) => {
            Some(entries.last().map_or_else(|| with_key(&word.text), |last| read.with_entry(last, key, &value)))
        }
        ValueKind::Word(word) => Some(with_key(word)),
        _ => None,
    }
}

impl RecipeText {
    /// The text with another one at a site.
    fn replaced(&self, site: Site, by: &str) -> String {
        let place = self.place(site);
        [&self.text[..place.start], by, &self.text[place.end..]].concat()
    }

    /// The text with an entry behind the last one of its block: on a line of its own if that one stands on lines of its own.
    fn with_entry(&self, last: &Entry, key: &str, value: &str) -> String {
        let (start, end) = (self.place(last.key.site).start, self.place(last.value.site).end);
        let line = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let indent = &self.text[line..start];
        let rest = self.text[end..].lines().next().unwrap_or_default();
        let behind = rest.trim().strip_prefix(',').map(str::trim_start);
        let is_alone = indent.trim().is_empty() && behind.is_some_and(|it| it.is_empty() || it.starts_with("//"));
        let (at, entry) = match is_alone {
            true => (end + rest.len(), format!("\n{indent}{key}: {value},")),
            false => (end, format!(", {key}: {value}")),
        };
        [&self.text[..at], &entry, &self.text[at..]].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "\
// Which rate?
A {
    task: single_label,
    data: folders {
        root: \"d\", // mine
    },
    transforms: side_on { size: 64 },
    model: squeezenet1_1,
    metrics: [accuracy], // the first counts
    train: {
        let lr = 1e-2;   // to be swept
        fit(lr, 3);
    },
}
";
    const ONE: &str = "A { task: single_label, data: folders { root: \"d\" }, transforms: side_on { size: 64 }, \
                       model: squeezenet1_1 {}, metrics: [accuracy], train: { let lr = 1e-2; fit(lr, 3); } }";

    /// The text with these values, which reads as the recipe that the overrides make of the text.
    fn valued(text: &str, set: &[&str]) -> String {
        let overrides: Vec<Override> = set.iter().map(|set| set.parse().unwrap()).collect();
        let valued = with_values(text, &overrides).unwrap();
        let recipe = |text: &str, overrides: &[Override]| RecipeText::new("a.recipe", text, overrides).result.unwrap();
        assert_eq!(recipe(&valued, &[]).recipe, recipe(text, &overrides).recipe, "{valued}");
        valued
    }

    #[test]
    fn values_take_their_places_and_the_rest_stays() {
        assert_eq!(valued(LINES, &["lr=1e-3"]), LINES.replace("lr = 1e-2", "lr = 1e-3"));
        assert_eq!(valued(LINES, &["lr=1e-3", "lr=0.5"]), LINES.replace("lr = 1e-2", "lr = 0.5"), "the last counts");
        let found = "lr=lr_find(or = 1e-2)";
        assert_eq!(valued(ONE, &[found]), ONE.replace("lr = 1e-2", "lr = lr_find(or = 1e-2)"));
        let of_data = LINES.replace("\"d\"", "\"e/f\"").replace("64", "96");
        assert_eq!(valued(LINES, &["data.root=e/f", "transforms.size=96"]), of_data);
        assert_eq!(valued(ONE, &["metrics=[log_loss]"]), ONE.replace("[accuracy]", "[log_loss]"));
    }

    #[test]
    fn what_the_text_lacks_comes_behind_what_is_there() {
        let lines = "    metrics: [accuracy], // the first counts\n    seed: 7,\n    clip: 1.0,\n";
        let of_model = LINES.replace("squeezenet1_1", "squeezenet1_1 { dropout: 0.5, hidden: [32] }");
        assert_eq!(valued(LINES, &["model.dropout=0.5", "model.hidden=[32]"]), of_model);
        let of_data = LINES.replace("// mine\n", "// mine\n        batch: 16,\n");
        assert_eq!(valued(LINES, &["data.batch=16"]), of_data);
        let sections = LINES.replace("    metrics: [accuracy], // the first counts\n", lines);
        assert_eq!(valued(LINES, &["seed=7", "clip=1.0"]), sections);
        let one = ONE.replace("\"d\" }", "\"d\", batch: 16 }").replace("1 {}", "1 { dropout: 0.5 }");
        let one = one.replace("[accuracy],", "[accuracy], seed: 7,");
        assert_eq!(valued(ONE, &["data.batch=16", "model.dropout=0.5", "seed=7"]), one);
    }

    #[test]
    fn what_fits_nothing_has_no_text() {
        assert_eq!(with_values(LINES, &["rate=1e-3".parse().unwrap()]), None);
        assert_eq!(with_values("", &["lr=1e-3".parse().unwrap()]), None);
        assert_eq!(with_values(LINES, &[]).as_deref(), Some(LINES));
    }
}
