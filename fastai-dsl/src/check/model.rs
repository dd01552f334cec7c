//! Checks `model`, and the heads of `model` and `head(..)`.

use super::bind;
use crate::arch::{self, ARCHS, ArchFacts};
use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Value, ValueKind};
use crate::recipe::{HeadSpec, Model, Weights};
use crate::schema;
use crate::suggest::{closest, is_same, list};

/// Well-known networks that this version does not have, the original's included, by their relatives here: for such a name the
/// most similar spelling is no useful answer.
const ELSEWHERE: &[(Option<&str>, &[&str])] = &[
    (Some("convnext_tiny"), &["convnext_small", "convnext_base", "convnext_large"]),
    (
        Some("efficientnet_b0"),
        &["efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_v2_s"],
    ),
    (Some("inception_v4"), &["googlenet", "inception_v3"]),
    (Some("mobilenet_v3_large"), &["mobilenet_v3_small"]),
    (Some("resnet50"), &["resnet26d", "resnet50d", "resnest50d", "xresnet50"]),
    (Some("resnext101_32x4d"), &["resnext101_32x8d", "se_resnext50_32x4d"]),
    (Some("squeezenet1_1"), &["squeezenet1_0"]),
    (None, &["alexnet", "darknet_53", "nasnet", "senet154", "swin_t", "vit_b_16", "vit_base_patch16_224"]),
];

/// The most linear layers of a head.
const MAX_LAYERS: usize = 64;
/// The most parameters between the hidden layers of a head: 4 GiB of weights.
const MAX_PARAMETERS: u64 = 1 << 30;

pub(super) fn model(value: &Value, out: &mut Diagnostics) -> Option<Model> {
    let Some((name, entries)) = value.word_and_entries() else {
        if value.kind != ValueKind::Broken {
            let message = format!("`model` expects an architecture, got {}", value.kind_name());
            let help = match &value.kind {
                ValueKind::Call(n, _) => format!("options stand in braces: `{} {{ dropout: 0.5 }}`", n.text),
                ValueKind::Text(name) if arch::find(name).is_some() => format!("without quotes: `{name}`"),
                _ => format!("`model: {}`", ARCHS[0].name),
            };
            out.error(&c::WRONG_TYPE, value.site, message, help);
        }
        return None;
    };
    let facts = arch::find(&name.text);
    if facts.is_none() {
        let names = || ARCHS.iter().map(|a| a.name);
        let elsewhere = ELSEWHERE.iter().find(|(_, theirs)| theirs.iter().any(|network| is_same(network, &name.text)));
        let message = match elsewhere {
            Some(_) => format!("`{}` is not built into this version", name.text),
            None => format!("unknown architecture `{}`", name.text),
        };
        let near = || closest(&name.text, names().chain(ARCHS.iter().flat_map(|a| a.aliases).copied()));
        let help = match elsewhere {
            Some((Some(relative), _)) => format!("its relative here is `{relative}`"),
            Some((None, _)) => format!("one of {}", list(names())),
            None => {
                near().map_or_else(|| format!("one of {}", list(names())), |near| format!("did you mean `{near}`?"))
            }
        };
        out.error(&c::UNKNOWN_ARCH, name.site, message, help);
    }
    let bound = bind::entries(&schema::MODEL, &name, entries, out);
    let head = head(&bound, value.site, out);
    let weights = bound.read("weights");
    let cut = facts.and_then(|facts| cut(&bound, facts, out));
    let stochastic_depth = facts.and_then(|facts| stochastic_depth(&bound, facts, out));
    let (cut, stochastic_depth) = (cut?, stochastic_depth?);
    Some(Model { arch: facts?.into(), cut, head: head?, weights: weights?, stochastic_depth })
}

/// The rate of stochastic depth, if the architecture has branches to leave out.
fn stochastic_depth(bound: &Bound, facts: &ArchFacts, out: &mut Diagnostics) -> Option<f64> {
    let rate = bound.read::<f64>("stochastic_depth")?;
    if facts.has_stochastic_depth() || rate == 0.0 {
        return Some(rate);
    }
    let with: Vec<&str> = ARCHS.iter().filter(|a| a.has_stochastic_depth()).map(|a| a.name).collect();
    let text = format!("`{}` has no branches that stochastic depth leaves out", facts.name);
    let error = Diagnostic::error(&c::NO_DEPTH, bound.site("stochastic_depth", Site::NONE), text);
    out.push(error.help("remove `stochastic_depth`").note(format!("{} have them", list(with))));
    None
}

/// How many modules are left out, if the architecture has that many.
fn cut(bound: &Bound, facts: &ArchFacts, out: &mut Diagnostics) -> Option<u32> {
    let cut = bound.read::<u32>("cut")?;
    if cut <= facts.max_cut() || !bound.known(&["cut"]) {
        return Some(cut);
    }
    let last: Vec<&str> = facts.cuts().iter().map(|cut| cut.name.as_str()).collect();
    let text = format!("`cut` of `{}` must be 0 to {}, got {cut}", facts.name, facts.max_cut());
    let error = Diagnostic::error(&c::OUT_OF_RANGE, bound.site("cut", Site::NONE), text);
    let note = format!("from the end these can be left out: {}", last.join(", "));
    out.push(error.help(format!("at most `{}`", facts.max_cut())).note(note));
    None
}

/// The architecture, even if the section has other mistakes.
pub(super) fn facts(model: &Value) -> Option<&'static ArchFacts> {
    arch::find(&model.word_and_entries()?.0.text)
}

/// Whether the body's weights are random, and where the recipe says so; `None` if that is unknown.
pub(super) fn random_weights(model: &Value) -> Option<(bool, Site)> {
    match model.entry("weights") {
        Some(weights) => match &weights.kind {
            ValueKind::Word(word) => Weights::of_word(word).map(|known| (known == Weights::None, weights.site)),
            ValueKind::Text(_) => Some((false, weights.site)),
            _ => None,
        },
        None => (model.kind != ValueKind::Broken).then_some((false, model.site)),
    }
}

/// The head that the section describes, even if the section has other mistakes; reports nothing.
pub(super) fn section_head(model: &Value) -> Option<HeadSpec> {
    let (name, entries) = model.word_and_entries()?;
    let said = &mut Diagnostics::default();
    let bound = bind::entries(&schema::MODEL, &name, entries, said);
    let spec = head(&bound, model.site, said);
    spec.filter(|_| !said.has_errors())
}

/// Returns hidden layers and dropouts. The defaults are one dropout before each hidden layer and another before the last
/// layer.
pub(super) fn head(bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<HeadSpec> {
    let hidden: Vec<u32> = bound.read("hidden")?;
    let layers = hidden.len() + 1;
    if layers > MAX_LAYERS {
        let text = format!("a head of more than {MAX_LAYERS} layers");
        out.error(&c::OUT_OF_RANGE, bound.site("hidden", site), text, "`hidden: [512]`");
        return None;
    }
    let dropout = match bound.read::<Vec<f64>>("dropout")? {
        _ if !bound.given("dropout") => default_dropouts(layers),
        one if one.len() == 1 => vec![one[0]; layers],
        many if many.len() == layers => many,
        many => {
            let text = format!(
                "{} hidden layer{} need{} {layers} dropouts, got {}",
                hidden.len(),
                if hidden.len() == 1 { "" } else { "s" },
                if hidden.len() == 1 { "s" } else { "" },
                many.len()
            );
            let help = format!("one for all, or {layers}: `dropout: {:?}`", default_dropouts(layers));
            out.error(&c::DROPOUT_COUNT, bound.site("dropout", site), text, help);
            return None;
        }
    };
    let head = HeadSpec { hidden, dropout };
    // The body's output and the classes count little beside layers of this size.
    if head.parameters(1, 1) > MAX_PARAMETERS {
        let text = format!("the head has {} parameters, more than {MAX_PARAMETERS}", head.parameters(1, 1));
        out.error(&c::OUT_OF_RANGE, bound.site("hidden", site), text, "narrower layers: `hidden: [512]`");
        return None;
    }
    Some(head)
}

/// Returns the default dropouts of `layers` linear layers.
fn default_dropouts(layers: usize) -> Vec<f64> {
    let [hidden, last]: [f64; 2] = schema::MODEL.default("dropout");
    let mut dropouts = vec![hidden; layers - 1];
    dropouts.push(last);
    dropouts
}

/// Reports an image size below the architecture's minimum; if the architecture is unknown, below the smallest minimum of all.
pub(super) fn size_fits(size: u32, facts: Option<&ArchFacts>, site: Site, out: &mut Diagnostics) {
    let least = facts.or_else(|| ARCHS.iter().min_by_key(|a| a.min_size));
    let Some(least) = least.filter(|f| size < f.min_size) else { return };
    let name = facts.map_or("every architecture".to_string(), |f| format!("`{}`", f.name));
    let help = format!("`{}` or more", least.min_size);
    out.error(&c::TOO_SMALL, site, format!("{name} needs images of at least {} px, got {size}", least.min_size), help);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_elsewhere_are_not_here_and_their_relatives_are() {
        for (relative, theirs) in ELSEWHERE {
            assert!(relative.is_none_or(|name| arch::find(name).is_some()), "{relative:?}");
            assert_eq!(theirs.iter().find(|name| arch::find(name).is_some()), None);
        }
    }
}
