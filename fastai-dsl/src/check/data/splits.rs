//! Checks and lowers the key `valid`.

use super::super::bind;
use super::below_root;
use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Arg, Name, Value, ValueKind};
use crate::habits;
use crate::legal;
use crate::recipe::{Dealing, TaskKind, Valid};
use crate::schema::{self, Construct};
use crate::suggest::{closest, list};
use crate::syntax::parse_value;

pub(super) fn valid(value: &Value, is_csv: bool, task: Option<TaskKind>, out: &mut Diagnostics) -> Option<Valid> {
    let (name, args) = match &value.kind {
        ValueKind::Word(_) => return Some(Valid::None),
        ValueKind::Text(path) => {
            below_root("valid", path, value.site, |inside| format!("valid: {inside:?}"), out);
            return Some(Valid::Folder(path.clone()));
        }
        ValueKind::Call(name, args) => (name, args),
        _ => return None,
    };
    let Some(construct) = schema::SPLITS.iter().find(|s| s.name == name.text) else {
        let help = habits::instead(&name.text).map_or_else(|| split_help(name, args, is_csv), str::to_string);
        out.error(&c::UNKNOWN_WORD, name.site, format!("unknown split `{}`", name.text), help);
        return None;
    };
    if needs_csv(construct) && !is_csv {
        out.error(&c::SPLIT_SOURCE, value.site, "folders have no columns", OF_FOLDERS);
        return None;
    }
    let mut found = Diagnostics::default();
    let bound = bind::args(construct, name, value.site, args, &mut found);
    let of_first = |error: &Diagnostic| args.first().is_some_and(|first| first.value.site == error.site);
    let moved = || with_share(construct, args).map(|call| format!("`{call}`"));
    out.extend_with(found, |error| moved().filter(|_| of_first(error)));
    if let Some(path) = bound.text("path") {
        let written = |inside: &str| format!("{}({inside:?})", construct.name);
        below_root("valid", path, bound.site("path", value.site), written, out);
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

/// What is proposed for folders in place of a split by column.
const OF_FOLDERS: &str = "`folder(\"valid\")`, `random(0.2)`, `blocks(20)` or `indices(\"valid.txt\")`";

/// Whether the split reads a column of a csv.
fn needs_csv(split: &Construct) -> bool {
    [schema::COLUMN.name, schema::GROUPED.name].contains(&split.name)
}

/// The split that is spelt like this one, with its arguments if they fit, or all of them.
fn split_help(name: &Name, args: &[Arg], is_csv: bool) -> String {
    let names = || schema::SPLITS.iter().map(|split| split.name);
    let near = closest(&name.text, names()).and_then(|near| schema::SPLITS.iter().find(|split| split.name == near));
    match (near, args) {
        (Some(near), _) if needs_csv(near) && !is_csv => {
            format!("`{}` reads a column, and folders have none: {OF_FOLDERS}", near.name)
        }
        (Some(near), _) => {
            let call = with_share(near, args).or_else(|| bind::renamed(near, args));
            format!("did you mean `{}`?", call.unwrap_or_else(|| near.example()))
        }
        (None, [Arg { value: Value { kind: ValueKind::Number(x), .. }, .. }]) => {
            format!("for instance `{}`; one of {}", legal::split_of(*x), list(names()))
        }
        (None, _) => format!("one of {}", list(names())),
    }
}

/// `grouped(0.2)`, a share in place of the argument before it, with an example of that; `None` if more is wrong.
fn with_share(split: &'static Construct, args: &[Arg]) -> Option<String> {
    let (_, share) = split.key("share").filter(|(_, share)| !share.required)?;
    let [Arg { name: None, value }, rest @ ..] = args else { return None };
    let misplaced = legal::is_legal(split, share, value) && !legal::is_legal(split, &split.keys[0], value);
    if !misplaced || rest.iter().any(|arg| arg.name.is_none()) {
        return None;
    }
    let first = Arg { name: None, value: parse_value(&split.keys[0].instance())? };
    let share = Arg { name: Some(Name::new(share.name)), value: value.clone() };
    let moved: Vec<Arg> = [first, share].into_iter().chain(rest.iter().cloned()).collect();
    bind::renamed(split, &moved)
}

/// The folds that a run trains in turn, or the one that it trains.
fn folds(bound: &Bound, site: Site, is_csv: bool, task: Option<TaskKind>, out: &mut Diagnostics) -> Option<Valid> {
    let (count, seed) = (bound.read("count")?, bound.read("seed")?);
    let (fold, blocks) = (bound.read::<u32>("fold"), bound.read::<u32>("blocks"));
    let grouped = bound.read::<String>("grouped");
    if let (Some(fold), true) = (fold.filter(|fold| *fold >= count), bound.known(&["count", "fold"])) {
        let text = format!("fold {fold} does not exist");
        let help = format!("folds `0` to `{}`; without `fold`, each is held out in turn", count - 1);
        let there = (bound.site("count", site), format!("there are {count}"));
        out.error_beside(&c::NO_FOLD, bound.site("fold", site), text, help, there);
        return None;
    }
    if bound.given("grouped") && bound.given("blocks") {
        out.error_beside(
            &c::TWICE,
            bound.site("blocks", site),
            "`grouped` and `blocks` both say which images stay together",
            format!("one of them: `folds({count}, blocks = 20)`"),
            (bound.site("grouped", site), "the column of the groups"),
        );
        return None;
    }
    if grouped.is_some() && !is_csv {
        let help = format!("`folds({count})`, or `folds({count}, blocks = 20)`");
        out.error(&c::SPLIT_SOURCE, bound.site("grouped", site), "folders have no columns", help);
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
fn fold(bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<u32> {
    let (share, fold) = (bound.read::<f64>("share")?, bound.read::<u32>("fold")?);
    let folds = Valid::slices(share);
    if fold >= folds && bound.known(&["share", "fold"]) {
        out.error_beside(
            &c::NO_FOLD,
            bound.site("fold", site),
            format!("fold {fold} does not exist for a share of {share}"),
            match folds {
                0 | 1 => "there is one fold: `fold = 0`".to_string(),
                _ => format!("folds `0` to `{}`", folds - 1),
            },
            (bound.site("share", site), format!("{folds} times this share fits into the whole")),
        );
        return None;
    }
    Some(fold)
}
