//! Files that are no list of the images to hold out, though `valid: indices(..)` names them.

use std::path::Path;

use fastai_dsl::schema::MAX_ITEMS;
use fastai_dsl::{Data, Source};

/// What may stand between the cells of a table.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];
/// Lines that are looked at for the cells of a table.
const LOOKED_AT: usize = 100;

/// Says what a file with these `lines` is, none of which names an image, and what to do. `is_image`: whether a text names one;
/// `images`: how many there are; `example`: the name of one of them.
pub(super) fn describe(
    (data, root, file): (&Data, &Path, &Path),
    lines: &[&str],
    is_image: impl Fn(&str) -> bool,
    images: usize,
    example: &str,
) -> String {
    let wanted =
        format!("and `valid: indices(..)` names a list of the images to hold out, one a line, such as {example:?}");
    let file_is = |what: String| format!("{}: {what}", file.display());
    let is_labels = matches!(&data.source, Source::Csv { labels, .. } if root.join(labels) == file);
    let column = lines.iter().take(LOOKED_AT).find_map(|line| column_of_images(line, &is_image));
    match column {
        Some(_) if is_labels => file_is(format!(
            "this is the table of the labels, {wanted}; `valid: random(0.2)` draws a fifth of the images"
        )),
        Some(column) => file_is(format!("this is a table, {wanted}: keep its column {} alone", column + 1)),
        None if lines.iter().all(|line| line.parse::<usize>().is_ok_and(|position| position < images)) => {
            let first: Vec<&str> = lines.iter().copied().take(3).collect();
            let more = if lines.len() > first.len() { ", .." } else { "" };
            let rows = match lines.len() <= MAX_ITEMS {
                true => {
                    format!("; positions, from 0, stand in the recipe: `valid: rows([{}{more}])`", first.join(", "))
                }
                false => String::new(),
            };
            file_is(format!("these are numbers, {wanted}{rows}"))
        }
        None => file_is(format!(
            "none of its {} lines names an image, the first says {:?}, {wanted}",
            lines.len(),
            lines[0]
        )),
    }
}

/// The cell of a line, from 0, that names an image; `None` if the line has one cell.
fn column_of_images(line: &str, is_image: impl Fn(&str) -> bool) -> Option<usize> {
    let cell = |text: &str| is_image(text.trim().trim_matches('"'));
    DELIMITERS
        .iter()
        .filter(|delimiter| line.contains(**delimiter))
        .find_map(|delimiter| line.split(*delimiter).position(cell))
}
