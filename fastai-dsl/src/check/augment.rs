//! The list `augment` of `transforms`.

use super::bind;
use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostics, Site};
use crate::draft::{Value, ValueKind};
use crate::habits;
use crate::recipe::Augmentation;
use crate::schema::AUGMENTATIONS;

/// The parts of the list in order; `None` if a part has an error.
pub(super) fn augment(bound: &Bound, out: &mut Diagnostics) -> Option<Vec<Augmentation>> {
    let value = bound.value("augment")?;
    let ValueKind::List(items) = &value.kind else { return None };
    let parts: Vec<Option<Augmentation>> = items.iter().map(|item| part(item, out)).collect();
    parts.into_iter().collect()
}

fn part(value: &Value, out: &mut Diagnostics) -> Option<Augmentation> {
    let Some((name, args)) = value.word_and_args() else {
        if value.kind != ValueKind::Broken {
            let help = "`augment: [rotate(10), flip]`";
            out.error(&c::WRONG_TYPE, value.site, format!("expected an augmentation, got {}", value.kind_name()), help);
        }
        return None;
    };
    let Some(construct) = AUGMENTATIONS.iter().find(|a| a.name == name.text) else {
        let words: Vec<&str> = AUGMENTATIONS.iter().map(|a| a.name).collect();
        let near = habits::meant_word(&name.text, &words).filter(|_| !args.is_empty());
        let near = near.filter(|_| habits::instead(&name.text).is_none());
        let call = AUGMENTATIONS.iter().find(|a| Some(a.name) == near).and_then(|near| bind::renamed(near, args));
        let help = match call {
            Some(call) => format!("did you mean `{call}`?"),
            None => habits::word_help(&name.text, &words),
        };
        out.error(&c::UNKNOWN_WORD, name.site, format!("unknown augmentation `{}`", name.text), help);
        return None;
    };
    let before = out.iter().count();
    let bound = bind::args(construct, &name, value.site, args, out);
    if out.iter().count() != before {
        return None;
    }
    relations(&bound, value.site, out)?;
    Augmentation::lower(&bound)
}

/// Checks the relations between arguments.
fn relations(bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<()> {
    if let (Some(max), Some(min)) = (bound.read::<f64>("max"), bound.read::<f64>("min"))
        && min > max
        && bound.known(&["max", "min"])
    {
        let message = format!("`min` is above `max`: {min} and {max}");
        let help = format!("`zoom({min}, min = {max})`");
        out.error(&c::OUT_OF_RANGE, bound.site("min", site), message, help);
        return None;
    }
    if let Some([min, max]) = bound.read::<[f64; 2]>("area")
        && min > max
    {
        let help = format!("`area = [{max}, {min}]`");
        out.error(&c::OUT_OF_RANGE, bound.site("area", site), format!("[{min}, {max}] is empty"), help);
        return None;
    }
    match bound.read::<Vec<f64>>("ps") {
        Some(ps) => four(&ps, bound, site, out),
        None => Some(()),
    }
}

/// Reports anything but four probabilities whose sum is 1.
fn four(ps: &[f64], bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<()> {
    let sum: f64 = ps.iter().sum();
    let message = match ps.len() {
        4 if (sum - 1.0).abs() < 1e-6 || !bound.known(&["ps"]) => return Some(()),
        4 => format!("four probabilities that sum to 1 expected, the sum is {}", (sum * 1e6).round() / 1e6),
        n => format!("four probabilities that sum to 1 expected, got {n}"),
    };
    let default = bound.construct().default_text("ps").unwrap_or_default();
    let help = format!("of rotation, zoom, stretch and nothing: `ps = {default}`");
    out.error(&c::OUT_OF_RANGE, bound.site("ps", site), message, help);
    None
}
