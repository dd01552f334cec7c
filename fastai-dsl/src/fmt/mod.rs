//! The formatter: one layout for recipe text; comments stay in place.
//!
//! The formatter changes only white space and separators: numbers keep their spelling, parentheses stay. It parses its
//! output again and compares the recipes, so a bug of the formatter can never change a recipe.

mod layout;
mod tree;

use crate::draft::Draft;
use crate::source::RecipeText;

/// The line width, where a line can be broken.
pub const WIDTH: usize = 100;

/// The reason why a text was not formatted.
#[derive(Debug)]
pub enum FormatError {
    /// The text does not parse; contains the text with its errors.
    Broken(Box<RecipeText>),
    /// The output would be another recipe, which is a bug of the formatter.
    Differs,
}

/// Formats a recipe file: four spaces per level, one key or step per line, a trailing comma in broken lists, at most one
/// consecutive blank line, trailing comments aligned within a block. Keys in braces that start on their own lines stay
/// there; everything else that fits stays on one line.
///
/// Formatting is idempotent, and the result parses to the draft of `bytes` except for sites. Line endings are those of the
/// first line.
///
/// # Errors
/// Texts that do not parse; other errors are ignored here.
pub fn format(path: &str, bytes: &[u8]) -> Result<String, FormatError> {
    let source = RecipeText::parse_only(path, bytes);
    if source.diagnostics().has_errors() {
        return Err(FormatError::Broken(Box::new(source)));
    }
    let windows = source.text.split('\n').next().is_some_and(|line| line.ends_with('\r'));
    let text = source.text.replace("\r\n", "\n");
    let file = tree::read(&text).ok_or(FormatError::Differs)?;
    let formatted = layout::file(&file);
    let again = RecipeText::parse_only(path, formatted.as_bytes());
    if again.diagnostics().has_errors() || without_sites(again.draft) != without_sites(source.draft) {
        return Err(FormatError::Differs);
    }
    Ok(if windows { formatted.replace('\n', "\r\n") } else { formatted })
}

fn without_sites(draft: Option<Draft>) -> Option<Draft> {
    draft.map(|mut draft| {
        draft.forget_sites();
        draft
    })
}
