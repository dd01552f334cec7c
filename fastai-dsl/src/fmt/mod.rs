//! The formatter: one layout for a recipe's text, comments kept where they are.
//!
//! It moves white space, separators and nothing else: numbers keep their spelling, parentheses stay. What it prints is parsed
//! again and must be the same recipe, so that a mistake of the formatter can never change one.

mod layout;
mod tree;

use crate::draft::Draft;
use crate::source::RecipeText;

/// Lines are broken to fit, where there is a place to break them.
pub const WIDTH: usize = 100;

/// Why a text was not formatted.
#[derive(Debug)]
pub enum FormatError {
    /// It does not parse: the text with its errors.
    Broken(Box<RecipeText>),
    /// What would have been printed is another recipe: a mistake of the formatter.
    Differs,
}

/// The formatted text of a recipe file: four spaces a level, one key or step a line, a trailing comma in broken lists, at
/// most one blank line in a row, comments at the ends of lines aligned within a block. Keys in braces that begin on a line of
/// their own stay there; whatever else fits stands on one line.
///
/// Formatting a formatted text changes nothing, and the draft of the result is that of `bytes` but for the places. Line ends
/// are those of the first line.
///
/// # Errors
/// Texts that do not parse; mistakes of other kinds do not matter here.
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
