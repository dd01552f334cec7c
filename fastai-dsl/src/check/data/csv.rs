//! Checks and lowers the keys of `csv`.

use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostics, Site};
use crate::draft::commas;
use crate::recipe::{Column, Source, TaskKind};

pub(super) fn csv(b: &Bound, task: Option<TaskKind>, out: &mut Diagnostics) -> Option<Source> {
    let (id, label) = (b.read::<Column>("id"), b.read::<Column>("label"));
    let header = b.read("header");
    let columns = b.read::<Vec<Column>>("columns").unwrap_or_default();
    if header == Some(false) {
        positions_only(b, &columns, out);
    }
    if id.is_some() && id == label && b.read::<Vec<Column>>("columns").is_none() {
        out.error_beside(
            &c::TWICE,
            b.site("label", b.site("id", Site::NONE)),
            "`id` and `label` are the same column",
            "positions count from 0: `id: 0, label: 1`",
            (b.site("id", Site::NONE), "the image's name"),
        );
    }
    let suffixes = b.read::<Vec<String>>("suffix").unwrap_or_default();
    let has_dot = |suffix: &str| suffix.is_empty() || suffix.starts_with('.');
    let dotted =
        |suffix: &str| if has_dot(suffix) { format!("{suffix:?}") } else { format!("{:?}", [".", suffix].concat()) };
    if let Some(several) = suffixes.iter().find(|suffix| suffix.contains(',')) {
        let help = format!("`suffix: [{}]`", commas(several.split(',').map(|suffix| dotted(suffix.trim()))));
        out.error(&c::SUFFIX, b.site("suffix", Site::NONE), format!("the suffix {several:?} holds several"), help);
    } else if let Some(suffix) = suffixes.iter().find(|suffix| !has_dot(suffix)) {
        let help = format!("`suffix: {}`", dotted(suffix));
        out.error(&c::SUFFIX, b.site("suffix", Site::NONE), format!("the suffix {suffix:?} has no dot"), help);
    }
    label_columns(b, &columns, task, out);
    let delimiter = b.read::<String>("delimiter");
    let delimiter = delimiter.filter(|text| {
        let fits =
            matches!(text.as_bytes(), [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | b'\0'));
        if !fits {
            let message = format!("`delimiter` is the one character between cells, got {text:?}");
            let help = "`delimiter: \";\"`; `\"\\t\"` is a tab";
            out.error(&c::WRONG_TYPE, b.site("delimiter", Site::NONE), message, help);
        }
        fits
    });
    if b.written("separator").is_some() && matches!(task, Some(TaskKind::SingleLabel | TaskKind::Regression)) {
        let text = "`separator` is for several tags in a cell";
        let help = "`task: multi_label`, or remove `separator`";
        out.error(&c::SEPARATOR_TASK, b.site("separator", Site::NONE), text, help);
    }
    if b.text("separator") == Some("") {
        let help = "`separator: \" \"`";
        out.error(&c::SEPARATOR_TASK, b.site("separator", Site::NONE), "an empty separator separates nothing", help);
    }
    Some(Source::Csv {
        labels: b.read("labels")?,
        images: b.read("images")?,
        suffix: b.read("suffix")?,
        id: id?,
        label: label?,
        columns,
        separator: b.read("separator")?,
        header: header?,
        delimiter: delimiter?.chars().next()?,
        encoding: b.read("encoding")?,
    })
}

/// Reports columns that are named where no header names them. The positions that the helps propose are all different, so
/// that they can be taken together.
fn positions_only(b: &Bound, columns: &[Column], out: &mut Diagnostics) {
    let labels = if columns.is_empty() { "label" } else { "columns" };
    let all = |key: &str| match key {
        "columns" => columns.to_vec(),
        _ => b.read::<Column>(key).into_iter().collect(),
    };
    let is_name = |column: &Column| matches!(column, Column::Name(_));
    let (named, numbered): (Vec<&str>, Vec<&str>) = ["id", labels].iter().partition(|key| all(key).iter().any(is_name));
    let taken: Vec<Column> = numbered.iter().flat_map(|key| all(key)).collect();
    let mut free = (0..).map(Column::Position).filter(|position| !taken.contains(position));
    for key in named {
        let found = all(key);
        let positions: Vec<String> = free.by_ref().take(found.len()).map(|column| column.to_string()).collect();
        let help = match key {
            "columns" => format!("their positions from 0: `columns: [{}]`, or `header: on`", positions.join(", ")),
            _ => format!("its position from 0: `{key}: {}`, or `header: on`", positions.concat()),
        };
        if let Some(column) = found.iter().find(|column| is_name(column)) {
            let text = format!("column {column} has no name without a header");
            out.error(&c::NO_HEADER, b.site(key, Site::NONE), text, help);
        }
    }
}

/// Checks the columns that hold a class or a tag each.
fn label_columns(b: &Bound, columns: &[Column], task: Option<TaskKind>, out: &mut Diagnostics) {
    if columns.is_empty() {
        return;
    }
    let site = b.site("columns", Site::NONE);
    if b.written("label").is_some() {
        let text = "`label` and `columns` both name where the labels are";
        out.error_beside(&c::TWICE, site, text, "keep one of them", (b.site("label", site), "the column of the label"));
    }
    if task == Some(TaskKind::Regression) {
        let help = "`label`, with a column of numbers";
        out.error(&c::TASK_OPTION, site, "`columns` needs classes, the task is `regression`", help);
    }
    if task == Some(TaskKind::SingleLabel) && columns.len() == 1 {
        let help = format!("`label: {}`, or a column for each class", columns[0]);
        out.error(&c::TASK_OPTION, site, "`columns` names one column, and a classifier needs two classes", help);
    }
    let twice = columns.iter().enumerate().find(|(i, column)| columns[..*i].contains(column));
    if let Some((_, column)) = twice {
        out.error(&c::TWICE, site, format!("column {column} is given twice"), "keep one of them");
    }
    if b.read::<Column>("id").is_some_and(|id| columns.contains(&id)) {
        let text = "`id` and `columns` name the same column";
        let help = "positions count from 0: `id: 0, columns: [1, 2]`";
        out.error_beside(&c::TWICE, site, text, help, (b.site("id", site), "the image's name"));
    }
    if b.written("separator").is_some() {
        let text = "`separator` is for several tags in a cell, and `columns` hold one each";
        let help = "remove `separator`, or `label` instead of `columns`";
        out.error(&c::SEPARATOR_TASK, b.site("separator", site), text, help);
    }
}
