//! Checks and lowers the section `data`.

mod csv;
mod splits;

use super::{bind, unexpected};
use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostics, Site};
use crate::draft::{Value, ValueKind};
use crate::habits;
use crate::recipe::{Data, Extent, Sampler, Source, TaskKind, Valid};
use crate::schema::{self, Construct};

pub(super) fn data(value: &Value, task: Option<TaskKind>, out: &mut Diagnostics) -> Option<Data> {
    let words: Vec<&str> = schema::SOURCES.iter().map(|source| source.name).collect();
    let needs_keys = |source: &Construct| source.keys.iter().any(|key| key.required);
    let Some((name, entries)) = value.word_and_entries() else {
        no_source(value, &words, out);
        return None;
    };
    let found = schema::chosen("data", &name.text);
    if let ValueKind::Word(w) = &value.kind {
        match found {
            Some(source) if needs_keys(source) => {
                let help = format!("`{w} {{ root: \"data\", .. }}`");
                out.error(&c::MISSING_KEY, value.site, format!("`{w}` needs its keys"), help);
                return None;
            }
            Some(_) => {}
            None => {
                no_source(value, &words, out);
                return None;
            }
        }
    }
    let Some(construct) = found else {
        let help = habits::word_help(&name.text, &words);
        out.error(&c::UNKNOWN_WORD, name.site, format!("unknown data source `{}`", name.text), help);
        return None;
    };
    let before = out.iter().count();
    let bound = bind::entries(construct, &name, entries, out);
    let source = if construct.name == schema::FOLDERS.name {
        bound.read("train").map(|train| Source::Folders { train })
    } else if construct.name == schema::CSV.name {
        csv::csv(&bound, task, out)
    } else {
        Some(Source::Given)
    };
    let has_columns = construct.name == schema::CSV.name;
    let valid = match bound.value("valid") {
        Some(written) => splits::valid(written, has_columns, task, out),
        None if bound.given("valid") => None,
        None => Some(Valid::Given),
    };
    let by_column = valid.as_ref().is_some_and(|valid| matches!(valid, Valid::Column(_)) || valid.group().is_some());
    if by_column && bound.read("header") == Some(false) {
        let help = "`header: on`, or another split";
        out.error(&c::NO_HEADER, bound.site("valid", value.site), "a split by column needs a header", help);
    }
    for key in ["train", "labels", "images", "test"] {
        if let Some(path) = bound.text(key) {
            below_root(key, path, bound.site(key, value.site), |inside| format!("{key}: {inside:?}"), out);
        }
    }
    if bound.text("root") == Some("") {
        let help = "`root: \".\"` is the working directory";
        out.error(&c::NOT_BELOW_ROOT, bound.site("root", value.site), "`root` is empty", help);
    }
    needs_classes(construct, valid.as_ref(), task, &bound, value.site, out);
    let data = Data {
        root: bound.read("root"),
        source: source?,
        valid: valid?,
        test: bound.read("test"),
        batch: bound.read("batch")?,
        workers: bound.read("workers"),
        corrupt: bound.read("corrupt")?,
        duplicates: bound.read("duplicates")?,
        sampler: bound.read("sampler")?,
        resize_to: bound.read("resize_to"),
        preflight: extent(bound.value("preflight")?, out)?,
    };
    (out.iter().count() == before).then_some(data)
}

/// Reports what is no source. A string or a word like none of the sources is most likely a folder.
fn no_source(value: &Value, words: &[&str], out: &mut Diagnostics) {
    let folder = match &value.kind {
        ValueKind::Text(name) | ValueKind::Word(name) => Some(name),
        _ => None,
    };
    let folder = folder.filter(|name| habits::meant_word(name, words).is_none() && habits::instead(name).is_none());
    let mut found = Diagnostics::default();
    unexpected("data", value, words, &mut found);
    out.extend_with(found, |_| {
        folder.map(|name| format!("`data: folders {{ root: {name:?} }}`, or `data: csv {{ .. }}`"))
    });
}

/// Reports at `site` scaled copies that are smaller than the image that the network sees: they would be enlarged again.
pub(super) fn copies_fit(size: u32, side: u32, copies: Site, site: Site, out: &mut Diagnostics) {
    if side < size {
        let text = format!("`resize_to: {side}` is smaller than the images that the network sees, {size} pixels");
        let help = format!("`resize_to: {size}` or more; about a quarter more leaves room for zoom and crop");
        let beside = if copies == site { Site::NONE } else { copies };
        out.error_beside(&c::OUT_OF_RANGE, site, text, help, (beside, "copies of this side"));
    }
}

/// How many images are examined before training.
fn extent(value: &Value, out: &mut Diagnostics) -> Option<Extent> {
    let ValueKind::Call(name, args) = &value.kind else { return Some(Extent::All) };
    if name.text != schema::SAMPLE.name {
        let help = "`preflight: sample(10000)` or `preflight: all`";
        out.error(&c::UNKNOWN_WORD, name.site, format!("`preflight` has no `{}`", name.text), help);
        return None;
    }
    bind::args(&schema::SAMPLE, name, value.site, args, out).read("images").map(Extent::Sample)
}

/// Reports options that need classes where labels are numbers.
fn needs_classes(
    source: &Construct,
    valid: Option<&Valid>,
    task: Option<TaskKind>,
    bound: &Bound,
    site: Site,
    out: &mut Diagnostics,
) {
    if task != Some(TaskKind::Regression) {
        return;
    }
    let mut refuse = |key: &str, what: &str, help: &str| {
        let text = format!("{what} needs classes, the task is `regression`");
        out.error(&c::TASK_OPTION, bound.site(key, site), text, help);
    };
    if bound.read("sampler") == Some(Sampler::Balanced) {
        refuse("sampler", "`sampler: balanced`", "`sampler: shuffle`");
    }
    if matches!(valid, Some(Valid::Stratified { .. })) {
        refuse("valid", "`stratified`", "`random(0.2)`");
    }
    if source.name == schema::FOLDERS.name {
        refuse("root", "`data: folders`", "`data: csv { .. }`, with a column of numbers");
    }
}

/// Reports a path that leaves the data set; `written` is how a path inside is written in its place.
fn below_root(key: &str, path: &str, site: Site, written: impl Fn(&str) -> String, out: &mut Diagnostics) {
    let escapes = path.split(['/', '\\']).any(|part| part == "..");
    let absolute = path.starts_with(['/', '\\']) || path.get(1..2) == Some(":");
    if absolute || escapes {
        let help = format!("a path inside: `{}`", written(inside(path)));
        out.error(&c::NOT_BELOW_ROOT, site, format!("`{key}` is below `root`, got {path:?}"), help);
    }
}

/// The last folder of a path that leaves the data set.
fn inside(path: &str) -> &str {
    let mut parts = path.rsplit(['/', '\\']).filter(|p| !p.is_empty() && *p != ".." && !p.contains(':'));
    parts.next().unwrap_or("train")
}

/// Whether `data` holds out validation images, and where it says so, even if the section has other mistakes.
pub(super) fn valid_images(data: &Value) -> Option<(bool, Site)> {
    // The program that runs the recipe says which images are held out.
    if data.word_and_entries()?.0.text == schema::GIVEN.name {
        return Some((true, data.site));
    }
    let ValueKind::Block(..) = data.kind else { return None };
    match data.entry("valid") {
        Some(valid) => match &valid.kind {
            ValueKind::Word(w) if matches!(w.as_str(), "none" | "all") => Some((false, valid.site)),
            ValueKind::Text(_) | ValueKind::Call(..) => Some((true, valid.site)),
            _ => None,
        },
        None => Some((true, data.site)),
    }
}

/// Where the recipe sets a balanced sampler, if it does.
pub(super) fn balanced(data: &Value) -> Option<Site> {
    let value = data.entry("sampler")?;
    matches!(&value.kind, ValueKind::Word(w) if w == "balanced").then_some(value.site)
}

/// The side of scaled copies and its place, even if the section has other mistakes.
pub(super) fn resize_to(data: &Value) -> Option<(u32, Site)> {
    let value = data.entry("resize_to")?;
    match value.kind {
        ValueKind::Number(x) if x.fract() == 0.0 && x > 0.0 => Some((x as u32, value.site)),
        _ => None,
    }
}
