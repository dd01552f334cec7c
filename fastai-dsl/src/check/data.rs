//! `data` and `transforms`.

use super::{augment, bind, unexpected};
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Name, Value, ValueKind};
use crate::habits;
use crate::recipe::{
    Column, Crop, Data, Dealing, Decode, Extent, Sampler, Source, StatsWish, TaskKind, TransformSet, Transforms, Valid,
};
use crate::schema::{self, Construct};
use crate::suggest::did_you_mean;

pub(super) fn data(value: &Value, task: Option<TaskKind>, out: &mut Diagnostics) -> Option<Data> {
    let words: Vec<&str> = schema::SOURCES.iter().map(|source| source.name).collect();
    let needs_keys = |source: &Construct| source.keys.iter().any(|key| key.required);
    let nothing = Vec::new();
    let (name, entries) = match &value.kind {
        ValueKind::Block(name, entries) => (name.clone(), entries),
        ValueKind::Word(w) => match schema::SOURCES.iter().find(|source| source.name == w) {
            Some(source) if needs_keys(source) => {
                out.push(
                    Diagnostic::error(&c::MISSING_KEY, value.site, format!("`{w}` needs its keys"))
                        .help(format!("`{w} {{ root: \"data\", .. }}`")),
                );
                return None;
            }
            Some(_) => (Name { text: w.clone(), site: value.site }, &nothing),
            None => {
                unexpected("data", value, &words, out);
                return None;
            }
        },
        _ => {
            unexpected("data", value, &words, out);
            return None;
        }
    };
    let Some(construct) = schema::SOURCES.iter().find(|source| source.name == name.text) else {
        out.push(
            Diagnostic::error(&c::UNKNOWN_WORD, name.site, format!("unknown data source `{}`", name.text))
                .help(habits::word_help(&name.text, &words)),
        );
        return None;
    };
    let before = out.iter().count();
    let bound = bind::entries(construct, &name, entries, out);
    let source = if construct.name == schema::FOLDERS.name {
        bound.read("train").map(|train| Source::Folders { train })
    } else if construct.name == schema::CSV.name {
        csv(&bound, task, out)
    } else {
        Some(Source::Given)
    };
    let has_columns = construct.name == schema::CSV.name;
    let valid = match bound.value("valid") {
        Some(written) => valid(written, has_columns, task, out),
        None if bound.given("valid") => None,
        None => Some(Valid::Given),
    };
    let by_column = valid.as_ref().is_some_and(|valid| matches!(valid, Valid::Column(_)) || valid.group().is_some());
    if by_column && bound.read("header") == Some(false) {
        out.push(
            Diagnostic::error(&c::NO_HEADER, bound.site("valid", value.site), "a split by column needs a header")
                .help("`header: on`, or another split"),
        );
    }
    for key in ["train", "labels", "images", "test"] {
        if let Some(path) = bound.text(key) {
            below_root(key, path, bound.site(key, value.site), out);
        }
    }
    if bound.text("root") == Some("") {
        out.push(
            Diagnostic::error(&c::NOT_BELOW_ROOT, bound.site("root", value.site), "`root` is empty")
                .help("`root: \".\"` is the working directory"),
        );
    }
    needs_classes(construct, valid.as_ref(), task, &bound, value.site, out);
    let data = Data {
        root: bound.read("root").unwrap_or_default(),
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

/// Reports at `site` scaled copies that are smaller than the image that the network sees: they would be enlarged again.
pub(super) fn copies_fit(size: u32, side: u32, copies: Site, site: Site, out: &mut Diagnostics) {
    if side < size {
        let mut error = Diagnostic::error(
            &c::OUT_OF_RANGE,
            site,
            format!("`resize_to: {side}` is smaller than the images that the network sees, {size} pixels"),
        )
        .help(format!("`resize_to: {size}` or more; about a quarter more leaves room for zoom and crop"));
        if copies != site {
            error = error.also(copies, "copies of this side");
        }
        out.push(error);
    }
}

/// How many images are examined before training.
fn extent(value: &Value, out: &mut Diagnostics) -> Option<Extent> {
    let ValueKind::Call(name, args) = &value.kind else { return Some(Extent::All) };
    if name.text != schema::SAMPLE.name {
        out.push(
            Diagnostic::error(&c::UNKNOWN_WORD, name.site, format!("`preflight` has no `{}`", name.text))
                .help("`preflight: sample(10000)` or `preflight: all`"),
        );
        return None;
    }
    bind::args(&schema::SAMPLE, name, value.site, args, out).read("images").map(Extent::Sample)
}

/// Reports options that need classes where labels are numbers.
fn needs_classes(
    source: &Construct,
    valid: Option<&Valid>,
    task: Option<TaskKind>,
    bound: &bind::Bound,
    site: Site,
    out: &mut Diagnostics,
) {
    if task != Some(TaskKind::Regression) {
        return;
    }
    let mut refuse = |key: &str, what: &str, help: &str| {
        out.push(
            Diagnostic::error(
                &c::TASK_OPTION,
                bound.site(key, site),
                format!("{what} needs classes, the task is `regression`"),
            )
            .help(help),
        );
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

fn csv(b: &bind::Bound, task: Option<TaskKind>, out: &mut Diagnostics) -> Option<Source> {
    let (id, label) = (b.read::<Column>("id"), b.read::<Column>("label"));
    let header = b.read("header");
    let columns = b.read::<Vec<Column>>("columns").unwrap_or_default();
    if header == Some(false) {
        positions_only(b, &columns, out);
    }
    if id.is_some() && id == label && b.read::<Vec<Column>>("columns").is_none() {
        out.push(
            Diagnostic::error(
                &c::TWICE,
                b.site("label", b.site("id", Site::NONE)),
                "`id` and `label` are the same column",
            )
            .help("positions count from 0: `id: 0, label: 1`")
            .also(b.site("id", Site::NONE), "the image's name"),
        );
    }
    let suffixes = b.read::<Vec<String>>("suffix").unwrap_or_default();
    if let Some(suffix) = suffixes.iter().find(|suffix| !suffix.is_empty() && !suffix.starts_with('.')) {
        out.push(
            Diagnostic::error(&c::SUFFIX, b.site("suffix", Site::NONE), format!("the suffix {suffix:?} has no dot"))
                .help(format!("`suffix: \".{suffix}\"`")),
        );
    }
    label_columns(b, &columns, task, out);
    let delimiter = b.read::<String>("delimiter");
    let delimiter = delimiter.filter(|text| {
        let fits =
            matches!(text.as_bytes(), [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | b'\0'));
        if !fits {
            out.push(
                Diagnostic::error(
                    &c::WRONG_TYPE,
                    b.site("delimiter", Site::NONE),
                    format!("`delimiter` is the one character between cells, got {text:?}"),
                )
                .help("`delimiter: \";\"`; `\"\\t\"` is a tab"),
            );
        }
        fits
    });
    if b.written("separator").is_some() && matches!(task, Some(TaskKind::SingleLabel | TaskKind::Regression)) {
        out.push(
            Diagnostic::error(
                &c::SEPARATOR_TASK,
                b.site("separator", Site::NONE),
                "`separator` is for several tags in a cell",
            )
            .help("`task: multi_label`, or remove `separator`"),
        );
    }
    if b.text("separator") == Some("") {
        out.push(
            Diagnostic::error(
                &c::SEPARATOR_TASK,
                b.site("separator", Site::NONE),
                "an empty separator separates nothing",
            )
            .help("`separator: \" \"`"),
        );
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
fn positions_only(b: &bind::Bound, columns: &[Column], out: &mut Diagnostics) {
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
            out.push(
                Diagnostic::error(
                    &c::NO_HEADER,
                    b.site(key, Site::NONE),
                    format!("column {column} has no name without a header"),
                )
                .help(help),
            );
        }
    }
}

/// Checks the columns that hold a class or a tag each.
fn label_columns(b: &bind::Bound, columns: &[Column], task: Option<TaskKind>, out: &mut Diagnostics) {
    if columns.is_empty() {
        return;
    }
    let site = b.site("columns", Site::NONE);
    if b.written("label").is_some() {
        out.push(
            Diagnostic::error(&c::TWICE, site, "`label` and `columns` both name where the labels are")
                .help("keep one of them")
                .also(b.site("label", site), "the column of the label"),
        );
    }
    if task == Some(TaskKind::Regression) {
        out.push(
            Diagnostic::error(&c::TASK_OPTION, site, "`columns` needs classes, the task is `regression`")
                .help("`label`, with a column of numbers"),
        );
    }
    if task == Some(TaskKind::SingleLabel) && columns.len() == 1 {
        out.push(
            Diagnostic::error(&c::TASK_OPTION, site, "`columns` names one column, and a classifier needs two classes")
                .help(format!("`label: {}`, or a column for each class", columns[0])),
        );
    }
    let twice = columns.iter().enumerate().find(|(i, column)| columns[..*i].contains(column));
    if let Some((_, column)) = twice {
        out.push(
            Diagnostic::error(&c::TWICE, site, format!("column {column} is given twice")).help("keep one of them"),
        );
    }
    if b.read::<Column>("id").is_some_and(|id| columns.contains(&id)) {
        out.push(
            Diagnostic::error(&c::TWICE, site, "`id` and `columns` name the same column")
                .help("positions count from 0: `id: 0, columns: [1, 2]`")
                .also(b.site("id", site), "the image's name"),
        );
    }
    if b.written("separator").is_some() {
        out.push(
            Diagnostic::error(
                &c::SEPARATOR_TASK,
                b.site("separator", site),
                "`separator` is for several tags in a cell, and `columns` hold one each",
            )
            .help("remove `separator`, or `label` instead of `columns`"),
        );
    }
}

fn below_root(key: &str, path: &str, site: Site, out: &mut Diagnostics) {
    let escapes = path.split(['/', '\\']).any(|part| part == "..");
    let absolute = path.starts_with(['/', '\\']) || path.get(1..2) == Some(":");
    if absolute || escapes {
        out.push(
            Diagnostic::error(&c::NOT_BELOW_ROOT, site, format!("`{key}` is below `root`, got {path:?}"))
                .help(format!("a path inside: `{key}: {:?}`", inside(path))),
        );
    }
}

/// The last folder of a path that leaves the data set.
fn inside(path: &str) -> &str {
    let mut parts = path.rsplit(['/', '\\']).filter(|p| !p.is_empty() && *p != ".." && !p.contains(':'));
    parts.next().unwrap_or("train")
}

fn valid(value: &Value, is_csv: bool, task: Option<TaskKind>, out: &mut Diagnostics) -> Option<Valid> {
    let (name, args) = match &value.kind {
        ValueKind::Word(_) => return Some(Valid::None),
        ValueKind::Text(path) => {
            below_root("valid", path, value.site, out);
            return Some(Valid::Folder(path.clone()));
        }
        ValueKind::Call(name, args) => (name, args),
        _ => return None,
    };
    let Some(construct) = schema::SPLITS.iter().find(|s| s.name == name.text) else {
        out.push(
            Diagnostic::error(&c::UNKNOWN_WORD, name.site, format!("unknown split `{}`", name.text)).help(
                habits::instead(&name.text)
                    .map_or_else(|| did_you_mean(&name.text, schema::SPLITS.iter().map(|s| s.name)), str::to_string),
            ),
        );
        return None;
    };
    let bound = bind::args(construct, name, value.site, args, out);
    if let Some(path) = bound.text("path") {
        below_root("valid", path, bound.site("path", value.site), out);
    }
    if let ("column" | "grouped", false) = (construct.name, is_csv) {
        out.push(
            Diagnostic::error(&c::SPLIT_SOURCE, value.site, "folders have no columns")
                .help("`folder(\"valid\")`, `random(0.2)`, `blocks(20)` or `indices(\"valid.txt\")`"),
        );
        return None;
    }
    if construct.name == schema::FOLDS.name {
        return folds(&bound, value.site, is_csv, task, out);
    }
    let fold = match construct.key("fold") {
        Some(_) => Some(fold(&bound, value.site, out)?),
        None => None,
    };
    let (share, seed) = (bound.read("share"), bound.read("seed"));
    match construct.name {
        "random" => Some(Valid::Random { share: share?, seed: seed?, fold: fold? }),
        "stratified" => Some(Valid::Stratified { share: share?, seed: seed?, fold: fold? }),
        "blocks" => Some(Valid::Blocks { size: bound.read("size")?, share: share?, seed: seed?, fold: fold? }),
        "grouped" => Some(Valid::Grouped { column: bound.read("name")?, share: share?, seed: seed?, fold: fold? }),
        "folder" => Some(Valid::Folder(bound.read("path")?)),
        "indices" => Some(Valid::Indices(bound.read("path")?)),
        "rows" => Some(Valid::Rows(bound.read("positions")?)),
        "column" => Some(Valid::Column(bound.read("name")?)),
        _ => None,
    }
}

/// The folds that a run trains in turn, or the one that it trains.
fn folds(
    bound: &bind::Bound,
    site: Site,
    is_csv: bool,
    task: Option<TaskKind>,
    out: &mut Diagnostics,
) -> Option<Valid> {
    let (count, seed) = (bound.read("count")?, bound.read("seed")?);
    let (fold, blocks) = (bound.read::<u32>("fold"), bound.read::<u32>("blocks"));
    let grouped = bound.read::<String>("grouped");
    if let (Some(fold), true) = (fold.filter(|fold| *fold >= count), bound.known(&["count", "fold"])) {
        out.push(
            Diagnostic::error(&c::NO_FOLD, bound.site("fold", site), format!("fold {fold} does not exist"))
                .help(format!("folds `0` to `{}`; without `fold`, each is held out in turn", count - 1))
                .also(bound.site("count", site), format!("there are {count}")),
        );
        return None;
    }
    if bound.given("grouped") && bound.given("blocks") {
        out.push(
            Diagnostic::error(
                &c::TWICE,
                bound.site("blocks", site),
                "`grouped` and `blocks` both say which images stay together",
            )
            .help(format!("one of them: `folds({count}, blocks = 20)`"))
            .also(bound.site("grouped", site), "the column of the groups"),
        );
        return None;
    }
    if grouped.is_some() && !is_csv {
        out.push(
            Diagnostic::error(&c::SPLIT_SOURCE, bound.site("grouped", site), "folders have no columns")
                .help(format!("`folds({count})`, or `folds({count}, blocks = 20)`")),
        );
        return None;
    }
    let dealing = match (grouped, blocks) {
        (Some(column), _) => Dealing::Grouped(column),
        (None, Some(size)) => Dealing::Blocks(size),
        (None, None) if task == Some(TaskKind::Regression) => Dealing::Random,
        (None, None) => Dealing::Stratified,
    };
    Some(Valid::Folds { count, seed, fold, dealing })
}

/// The slice of the permutation that is held out, if it exists.
fn fold(bound: &bind::Bound, site: Site, out: &mut Diagnostics) -> Option<u32> {
    let (share, fold) = (bound.read::<f64>("share")?, bound.read::<u32>("fold")?);
    let folds = (1.0 / share + 1e-9).floor() as u32;
    if fold >= folds && bound.known(&["share", "fold"]) {
        out.push(
            Diagnostic::error(
                &c::NO_FOLD,
                bound.site("fold", site),
                format!("fold {fold} does not exist for a share of {share}"),
            )
            .help(match folds {
                0 | 1 => "there is one fold: `fold = 0`".to_string(),
                _ => format!("folds `0` to `{}`", folds - 1),
            })
            .also(bound.site("share", site), format!("{folds} times this share fits into the whole")),
        );
        return None;
    }
    Some(fold)
}

/// The size in `transforms` and its place, even if the section has other mistakes; `None` if it is not a legal number.
pub(super) fn size(value: &Value) -> Option<(u32, Site)> {
    let (_, key) = schema::TRANSFORMS.key("size")?;
    let value = entry(value, "size")?;
    match value.kind {
        ValueKind::Number(x) if x.fract() == 0.0 && key.range.is_none_or(|r| r.holds(x)) => {
            Some((x as u32, value.site))
        }
        _ => None,
    }
}

/// Whether `data` holds out validation images, and where it says so, even if the section has other mistakes.
pub(super) fn valid_images(data: &Value) -> Option<(bool, Site)> {
    match &data.kind {
        // The program that runs the recipe says which images are held out.
        ValueKind::Block(name, _) if name.text == "given" => return Some((true, data.site)),
        ValueKind::Word(w) if w == "given" => return Some((true, data.site)),
        ValueKind::Block(..) => {}
        _ => return None,
    }
    match entry(data, "valid") {
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
    let value = entry(data, "sampler")?;
    matches!(&value.kind, ValueKind::Word(w) if w == "balanced").then_some(value.site)
}

/// The side of scaled copies and its place, even if the section has other mistakes.
pub(super) fn resize_to(data: &Value) -> Option<(u32, Site)> {
    let value = entry(data, "resize_to")?;
    match value.kind {
        ValueKind::Number(x) if x.fract() == 0.0 && x > 0.0 => Some((x as u32, value.site)),
        _ => None,
    }
}

fn entry<'v>(block: &'v Value, key: &str) -> Option<&'v Value> {
    let ValueKind::Block(_, entries) = &block.kind else { return None };
    entries.iter().find(|e| e.key.text == key).map(|e| &e.value)
}

pub(super) fn transforms(value: &Value, out: &mut Diagnostics) -> Option<Transforms> {
    let ValueKind::Block(name, entries) = &value.kind else {
        match &value.kind {
            ValueKind::Word(w) if TransformSet::parse(w).is_some() => out.push(
                Diagnostic::error(&c::MISSING_KEY, value.site, format!("`{w}` needs `size`"))
                    .help(format!("`{w} {{ size: 224 }}`")),
            ),
            _ => unexpected("transforms", value, TransformSet::WORDS, out),
        }
        return None;
    };
    let set = TransformSet::parse(&name.text);
    if set.is_none() {
        out.push(
            Diagnostic::error(&c::UNKNOWN_WORD, name.site, format!("unknown transforms `{}`", name.text))
                .help(habits::word_help(&name.text, TransformSet::WORDS)),
        );
    }
    let bound = bind::entries(&schema::TRANSFORMS, name, entries, out);
    let max_zoom = bound.read::<Vec<f64>>("max_zoom").map(|zoom| match zoom[..] {
        [lo, hi] => {
            if lo > hi {
                let at = bound.site("max_zoom", value.site);
                let error = Diagnostic::error(&c::OUT_OF_RANGE, at, format!("[{lo}, {hi}] is empty"));
                out.push(error.help(format!("`[{hi}, {lo}]`")));
            }
            [lo, hi]
        }
        // A single number is the largest zoom.
        _ => [1.0, zoom.last().copied().unwrap_or(1.0)],
    });
    let crop = bound.read("crop");
    let decode = bound.read("decode");
    let pad = bound.read("pad");
    if crop == Some(Crop::Googlenet) {
        for (key, given, why) in [
            ("max_zoom", max_zoom.is_some_and(|zoom| zoom != [1.0, 1.0]), "the crop draws its own scale"),
            ("pad", pad.is_some_and(|pad| pad > 0), "the crop takes a part of the image as it is"),
            (
                "decode",
                decode == Some(Decode::Reduced),
                "the crop may show a small part of the image, which needs all its pixels",
            ),
        ] {
            if given && bound.known(&[key]) {
                let site = bound.site(key, value.site);
                let error = Diagnostic::error(&c::CROP_IGNORES, site, format!("`crop: googlenet` ignores `{key}`"));
                out.push(error.help(format!("remove `{key}`")).also(bound.site("crop", value.site), why));
            }
        }
    }
    let augment = augment::augment(&bound, out);
    let stats = stats(&bound, out);
    Some(Transforms {
        set: set?,
        size: bound.read("size")?,
        max_zoom: max_zoom?,
        crop: crop?,
        pad: pad?,
        pad_mode: bound.read("pad_mode")?,
        augment: augment?,
        stats: stats?,
        decode: decode?,
        bits: bound.read("bits")?,
    })
}

/// The statistics for normalising pixels.
fn stats(bound: &bind::Bound, out: &mut Diagnostics) -> Option<StatsWish> {
    if !bound.given("stats") {
        return Some(StatsWish::default());
    }
    let value = bound.written("stats")?;
    let (name, args) = match &value.kind {
        ValueKind::Word(word) => return StatsWish::of_word(word),
        ValueKind::Call(name, args) => (name, args),
        _ => return None,
    };
    if name.text != schema::NORMALIZE.name {
        out.push(
            Diagnostic::error(&c::UNKNOWN_WORD, name.site, format!("unknown statistics `{}`", name.text))
                .help(format!("`{NORMALIZED}`")),
        );
        return None;
    }
    let given = bind::args(&schema::NORMALIZE, name, value.site, args, out);
    let mut three = |key: &str| {
        let numbers = given.read::<Vec<f64>>(key)?;
        match numbers[..] {
            [all] => Some([all; 3]),
            [red, green, blue] => Some([red, green, blue]),
            _ => {
                let message = format!("`{key}` has a number each for red, green and blue, got {}", numbers.len());
                let error = Diagnostic::error(&c::OUT_OF_RANGE, given.site(key, value.site), message);
                out.push(error.help(format!("`{NORMALIZED}`")));
                None
            }
        }
    };
    let (mean, std) = (three("mean"), three("std"));
    Some(StatsWish::Given { mean: mean?, std: std? })
}

/// Example statistics: those of ImageNet.
const NORMALIZED: &str = "normalize(mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225])";
