//! Translates the names of tensors in files to published names.

use std::collections::{BTreeMap, HashMap};

/// Prefixes that training scripts add to names.
const WRAPPERS: [&str; 8] = ["module", "model", "backbone", "encoder", "network", "net", "body", "_orig_mod"];
/// Largest number of consecutive prefixes.
const MAX_DEPTH: usize = 3;
/// Largest number of prefix combinations that are tried, more than a real file has.
const MAX_PREFIXES: usize = 16;

/// A naming style of a family of files: returns the published name, or `None` for an unknown name.
type Style = fn(&str) -> Option<String>;

/// The styles, the published one first.
const STYLES: [Style; 6] =
    [|name| Some(name.to_owned()), dotted_dense, numbered_resnext, numbered_mobile, fastai_resnet, fastai_features];

/// Maps published names to the names in a file.
///
/// Of all combinations of prefixes and styles, the one that finds most of `wanted` wins.
pub(super) fn translate<'a>(
    file: impl Iterator<Item = &'a str> + Clone,
    wanted: &[impl AsRef<str>],
) -> HashMap<String, String> {
    let mut best: Option<(usize, HashMap<String, String>)> = None;
    for prefix in &prefixes(file.clone()) {
        for (number, style) in STYLES.iter().enumerate() {
            let names: HashMap<String, String> = file
                .clone()
                .filter_map(|name| Some((style(name.strip_prefix(prefix.as_str())?)?, name.to_owned())))
                .collect();
            let there = wanted.iter().filter(|name| names.contains_key(name.as_ref())).count();
            // A few accidental matches are not a style and would distort the message about a foreign file.
            if (number == 0 || 2 * there > wanted.len()) && best.as_ref().is_none_or(|(most, _)| there > *most) {
                best = Some((there, names));
            }
        }
    }
    best.map(|(_, names)| names).unwrap_or_default()
}

/// Returns the prefixes that may be a wrapper's, the empty one first: those of [`WRAPPERS`], and whatever a quarter of the
/// names begin with, since frameworks call the network by the name of any attribute.
fn prefixes<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut counts: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    let mut total = 0;
    for name in names {
        total += 1;
        let (mut length, mut known) = (0, true);
        for word in name.split('.').take(MAX_DEPTH) {
            known &= WRAPPERS.contains(&word);
            if length + word.len() >= name.len() {
                break;
            }
            length += word.len() + 1;
            counts.entry(&name[..length]).or_insert((0, known)).0 += 1;
        }
    }
    let mut found: Vec<(&str, usize)> = counts
        .into_iter()
        .filter(|(_, (count, known))| *known || 4 * count >= total)
        .map(|(prefix, (count, _))| (prefix, count))
        .collect();
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    std::iter::once(String::new())
        .chain(found.into_iter().map(|(prefix, _)| prefix.to_owned()))
        .take(MAX_PREFIXES)
        .collect()
}

/// fastai v1 and v2 number the modules of a ResNet's body; what is inside a block keeps its name: `4.0.conv1.weight`. A
/// saved learner puts `0.` before them.
fn fastai_resnet(name: &str) -> Option<String> {
    let (number, rest) = name.split_once('.')?;
    Some(match number {
        "0" if !rest.contains('.') => format!("conv1.{rest}"),
        "1" if !rest.contains('.') => format!("bn1.{rest}"),
        "4" | "5" | "6" | "7" => format!("layer{}.{rest}", number.parse::<usize>().ok()? - 3),
        _ => return None,
    })
}

/// fastai v1 and v2 keep the part `features` of a network as module 0 of its body: `0.3.squeeze.weight`.
fn fastai_features(name: &str) -> Option<String> {
    let name = format!("features.{}", name.strip_prefix("0.")?);
    Some(dotted_dense(&name).unwrap_or(name))
}

/// torchvision's DenseNet files: `denselayer1.norm.1.weight` for `denselayer1.norm1.weight`.
fn dotted_dense(name: &str) -> Option<String> {
    let Some((front, back)) = name.split_once(".denselayer") else { return Some(name.to_owned()) };
    let (number, rest) = back.split_once('.')?;
    let joined =
        ["norm", "conv"].iter().find_map(|kind| Some(format!("{kind}{}", rest.strip_prefix(kind)?.strip_prefix('.')?)));
    Some(format!("{front}.denselayer{number}.{}", joined.as_deref().unwrap_or(rest)))
}

/// The ResNeXts that were carried over from Lua, whose modules are counted: fastai 0.7's `resnext_101_64x4d.pth` and,
/// under `features.`, those of <https://github.com/Cadene/pretrained-models.pytorch>.
fn numbered_resnext(name: &str) -> Option<String> {
    let (module, leaf) = name.strip_prefix("features.").unwrap_or(name).rsplit_once('.')?;
    let numbers: Vec<&str> = module.split('.').collect();
    Some(match numbers.as_slice() {
        ["0"] => format!("conv1.{leaf}"),
        ["1"] => format!("bn1.{leaf}"),
        ["10", "1"] | ["last_linear"] => format!("fc.{leaf}"),
        [stage @ ("4" | "5" | "6" | "7"), block, "0", place @ ..] => {
            let layer = stage.parse::<usize>().ok()? - 3;
            let part = match place {
                ["0", "0", "0"] => "conv1",
                ["0", "0", "1"] => "bn1",
                ["0", "0", "3"] => "conv2",
                ["0", "0", "4"] => "bn2",
                ["0", "1"] => "conv3",
                ["0", "2"] => "bn3",
                ["1", "0"] => "downsample.0",
                ["1", "1"] => "downsample.1",
                _ => return None,
            };
            format!("layer{layer}.{block}.{part}.{leaf}")
        }
        _ => return None,
    })
}

/// The first MobileNetV2 files, <https://github.com/tonylins/pytorch-mobilenet-v2>: a block is one sequence, where
/// torchvision nests convolution and norm.
fn numbered_mobile(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let ["features", block, "conv", place, leaf] = parts.as_slice() else { return Some(name.to_owned()) };
    // The first block does not widen.
    let place = match (*block == "1", *place) {
        (_, "0") => "0.0",
        (_, "1") => "0.1",
        (true, "3") => "1",
        (true, "4") => "2",
        (false, "3") => "1.0",
        (false, "4") => "1.1",
        (false, "6") => "2",
        (false, "7") => "3",
        _ => return None,
    };
    Some(format!("features.{block}.conv.{place}.{leaf}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &[&str], wanted: &[&str]) -> Vec<Option<String>> {
        let names = translate(file.iter().copied(), wanted);
        wanted.iter().map(|name| names.get(*name).cloned()).collect()
    }

    #[test]
    fn wrappers_come_off() {
        let file = ["module.model.conv1.weight", "module.model.layer1.0.bn1.bias", "module.head.weight"];
        let wanted = ["conv1.weight", "layer1.0.bn1.bias"];
        assert_eq!(found(&file, &wanted), [Some(file[0].to_owned()), Some(file[1].to_owned())]);
        // A name that is itself a wrapper stays.
        assert_eq!(found(&["net", "model.x"], &["net"]), [Some("net".to_owned())]);
    }

    #[test]
    fn the_prefix_that_fits_most_is_taken() {
        let file = ["encoder.conv1.weight", "encoder.bn1.weight", "conv1.weight"];
        assert_eq!(found(&file, &["conv1.weight", "bn1.weight"]), [Some(file[0].to_owned()), Some(file[1].to_owned())]);
    }

    #[test]
    fn any_attribute_of_a_framework_comes_off() {
        let file = ["student.cnn.conv1.weight", "student.cnn.bn1.bias", "student.loss.weight", "student.cnn.fc.bias"];
        let wanted = ["conv1.weight", "bn1.bias"];
        assert_eq!(found(&file, &wanted), [Some(file[0].to_owned()), Some(file[1].to_owned())]);
    }

    #[test]
    fn fastais_own_names_are_read() {
        let file = ["0.0.weight", "0.1.running_mean", "0.4.0.conv1.weight", "0.7.1.downsample.0.weight", "1.8.weight"];
        let wanted = ["conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer4.1.downsample.0.weight"];
        let whole = found(&file, &wanted);
        assert_eq!(whole, file[..4].iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>());
        // The body alone.
        let body = file[..4].iter().map(|name| &name[2..]).collect::<Vec<_>>();
        assert!(found(&body, &wanted).iter().all(Option::is_some));
        let file = ["0.0.0.weight", "0.0.3.squeeze.weight", "0.0.3.squeeze.bias"];
        let wanted = ["features.0.weight", "features.3.squeeze.weight", "features.3.squeeze.bias"];
        assert!(found(&file, &wanted).iter().all(Option::is_some));
        let timm = ["0.model.conv_stem.weight", "0.model.bn1.weight"];
        assert!(found(&timm, &["conv_stem.weight", "bn1.weight"]).iter().all(Option::is_some));
    }

    #[test]
    fn known_styles_are_read() {
        let dense = "features.denseblock1.denselayer2.norm.1.running_mean";
        assert_eq!(dotted_dense(dense).unwrap(), "features.denseblock1.denselayer2.norm1.running_mean");
        assert_eq!(dotted_dense("features.norm5.weight").unwrap(), "features.norm5.weight");
        let lua = |name| numbered_resnext(name);
        assert_eq!(lua("0.weight").unwrap(), "conv1.weight");
        assert_eq!(lua("features.4.0.0.0.0.3.weight").unwrap(), "layer1.0.conv2.weight");
        assert_eq!(lua("7.2.0.0.2.running_var").unwrap(), "layer4.2.bn3.running_var");
        assert_eq!(lua("5.0.0.1.0.weight").unwrap(), "layer2.0.downsample.0.weight");
        assert_eq!(lua("10.1.bias").unwrap(), "fc.bias");
        assert_eq!(lua("last_linear.bias").unwrap(), "fc.bias");
        assert_eq!(lua("conv1.weight"), None);
        assert_eq!(
            found(&["features.0.weight"], &["conv1.weight", "bn1.weight"]),
            [None, None],
            "one match is an accident"
        );
        let mobile = |name| numbered_mobile(name).unwrap();
        assert_eq!(mobile("features.0.0.weight"), "features.0.0.weight");
        assert_eq!(mobile("features.1.conv.3.weight"), "features.1.conv.1.weight");
        assert_eq!(mobile("features.2.conv.7.bias"), "features.2.conv.3.bias");
    }
}
