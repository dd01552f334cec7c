//! The list `augment` of `transforms`.

use super::bind::{self, Bound};
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Name, Value, ValueKind};
use crate::habits;
use crate::recipe::{Augmentation, Erased};
use crate::schema::AUGMENTATIONS;

/// The parts of the list in order; `None` where one of them is wrong.
pub(super) fn augment(bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<Vec<Augmentation>> {
    let Some(value) = bound.get("augment") else { return Some(Vec::new()) };
    let ValueKind::List(items) = &value.kind else { return None };
    let parts: Vec<Option<Augmentation>> = items.iter().map(|item| part(item, site, out)).collect();
    parts.into_iter().collect()
}

fn part(value: &Value, site: Site, out: &mut Diagnostics) -> Option<Augmentation> {
    let nothing = Vec::new();
    let (name, args) = match &value.kind {
        ValueKind::Call(name, args) => (name.clone(), args),
        ValueKind::Word(word) => (Name { text: word.clone(), site: value.site }, &nothing),
        ValueKind::Broken => return None,
        _ => {
            out.push(
                Diagnostic::error(
                    &c::WRONG_TYPE,
                    value.site,
                    format!("expected an augmentation, got {}", value.kind_name()),
                )
                .help("`augment: [rotate(10), flip]`"),
            );
            return None;
        }
    };
    let Some(construct) = AUGMENTATIONS.iter().find(|a| a.name == name.text) else {
        out.push(
            Diagnostic::error(&c::UNKNOWN_WORD, name.site, format!("unknown augmentation `{}`", name.text))
                .help(habits::word_help(&name.text, &AUGMENTATIONS.iter().map(|a| a.name).collect::<Vec<_>>())),
        );
        return None;
    };
    let before = out.iter().count();
    let bound = bind::args(construct, &name, value.site, args, out);
    if out.iter().count() != before {
        return None;
    }
    let number = |key: &str| bound.number(key);
    let p = number("p");
    Some(match name.text.as_str() {
        "rotate" => Augmentation::Rotate { degrees: number("degrees")?, p: p.unwrap_or(0.75) },
        "lighting" => Augmentation::Lighting { brightness: number("brightness")?, contrast: number("contrast")? },
        "flip" => Augmentation::Flip { p: p.unwrap_or(0.5) },
        "dihedral" => Augmentation::Dihedral,
        "zoom" => {
            let (max, min) = (number("max")?, number("min").unwrap_or(0.0));
            if min > max && bound.known(&["max", "min"]) {
                let at = bound.site("min", value.site);
                let error = Diagnostic::error(&c::OUT_OF_RANGE, at, format!("`min` is above `max`: {min} and {max}"));
                out.push(error.help(format!("`zoom({min}, min = {max})`")));
                return None;
            }
            Augmentation::Zoom { max, min }
        }
        "stretch" => Augmentation::Stretch { max: number("max")? },
        "rotate_zoom" => Augmentation::RotateZoom {
            degrees: number("degrees")?,
            zoom: number("zoom")?,
            stretch: number("stretch")?,
            ps: four(&bound, site, out)?,
        },
        "blur" => Augmentation::Blur { strength: bound.count("strength").unwrap_or(5), p: p.unwrap_or(0.5) },
        "erase" => Augmentation::Erase {
            p: p.unwrap_or(0.5),
            area: area(&bound, value.site, out)?,
            value: if bound.word("value") == Some("noise") { Erased::Noise } else { Erased::Mean },
        },
        "trivial_augment" => Augmentation::TrivialAugment,
        "rand_augment" => {
            Augmentation::RandAugment { n: bound.count("n").unwrap_or(2), m: bound.count("m").unwrap_or(9) }
        }
        _ => Augmentation::Cutout { holes: bound.count("holes")?, length: bound.count("length")?, p: p.unwrap_or(0.5) },
    })
}

/// The smallest and the largest share that `erase` erases.
fn area(bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<[f64; 2]> {
    let [min, max] = match bound.numbers("area").as_deref() {
        Some([both]) => [*both, *both],
        Some([min, max]) => [*min, *max],
        _ => [0.02, 0.33],
    };
    if min > max {
        let error = Diagnostic::error(&c::OUT_OF_RANGE, bound.site("area", site), format!("[{min}, {max}] is empty"));
        out.push(error.help(format!("`area = [{max}, {min}]`")));
        return None;
    }
    Some([min, max])
}

/// Four probabilities whose sum is 1.
fn four(bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<[f64; 4]> {
    let Some(ps) = bound.numbers("ps") else { return Some([0.25; 4]) };
    let sum: f64 = ps.iter().sum();
    let message = match <[f64; 4]>::try_from(ps.as_slice()) {
        Ok(four) if (sum - 1.0).abs() < 1e-6 || !bound.known(&["ps"]) => return Some(four),
        Ok(_) => format!("four probabilities that sum to 1 expected, the sum is {}", (sum * 1e6).round() / 1e6),
        Err(_) => format!("four probabilities that sum to 1 expected, got {}", ps.len()),
    };
    out.push(
        Diagnostic::error(&c::OUT_OF_RANGE, bound.site("ps", site), message)
            .help("of rotation, zoom, stretch and nothing: `ps = [0.25, 0.25, 0.25, 0.25]`"),
    );
    None
}
