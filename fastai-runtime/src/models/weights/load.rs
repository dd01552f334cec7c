//! Loads a file's tensors into a network.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::Device;
use fastai_dsl::arch::ARCHS;

use super::{embedded, names};
use crate::models::tensor_file::TensorFile;
use crate::models::{Body, Classifier, Network, WeightsError, parameter};

/// The number of differences that an error lists.
const SHOWN: usize = 6;

/// A description of a file of tensors.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The name of its format.
    pub format: &'static str,
    /// Name and shape of each tensor of a floating type.
    pub tensors: BTreeMap<String, Vec<usize>>,
    /// The known network whose body the file contains, if any.
    pub arch: Option<&'static str>,
}

/// Inspects a file without reading its values.
pub fn inspect(path: &Path) -> Result<Inspection, WeightsError> {
    let file = TensorFile::open(path)?;
    let arch = looks_like(&file).filter(|(_, fit, of)| fit == of).map(|(arch, ..)| arch);
    Ok(Inspection { format: file.format(), tensors: file.shapes().clone(), arch })
}

/// Checks that the file contains every tensor of the body of `arch` without its last `cut` modules, by name and shape. The
/// error is that of [`load_body`].
///
/// Reads no values and builds no network, so that an unsuitable file is detected first.
pub fn check(path: &Path, arch: &str, cut: u32) -> Result<(), WeightsError> {
    let file = embedded::open(path)?;
    fit(&file, path, arch, &body_shapes(arch, cut)).map(|_| ())
}

/// Loads the body's weights from a safetensors or torch file with published names.
///
/// Names may start with `module.`, `model.`, `backbone.` and similar prefixes. Further tensors in the file, such as the
/// published classifier, are ignored. If a tensor is missing or has another shape, nothing is loaded; the error names the
/// first such tensor and the network that the file belongs to. One tensor at a time is in memory beside the network.
pub fn load_body(network: Network, path: &Path) -> Result<Network, WeightsError> {
    let mut file = embedded::open(path)?;
    let names = fit(&file, path, network.arch(), &parameter::shapes(&network.body))?;
    network.filled(|name| Some(file.read_finite(names.get(name.strip_prefix("body.")?)?)))
}

/// Loads body and classifier of a published network from a file like those of [`load_body`].
///
/// Linear layers may be `[output, input]` in the file. Networks from TensorFlow have 1001 classes, of which the first, the
/// background, is left out.
///
/// # Errors
/// Those of [`load_body`], and if the file has no classifier or one with other classes.
pub fn load_classifier(classifier: Classifier, path: &Path) -> Result<Classifier, WeightsError> {
    let mut file = embedded::open(path)?;
    let names = fit(&file, path, classifier.facts().name, &classifier.shapes())?;
    classifier.filled(|name, shape| {
        let stored = &names[name];
        let background = file.shapes()[stored].first() > shape.first();
        let mut values = file.read_finite(stored)?;
        if background {
            values.drain(..shape[1..].iter().product::<usize>());
        }
        Ok(values)
    })
}

/// Whether values of shape `found` fit a layer of shape `wanted`: equal shapes, a linear layer in two dimensions, or a row
/// of background before the 1000 classes.
fn fits(wanted: &[usize], found: &[usize]) -> bool {
    let columns = |shape: &[usize]| shape.iter().skip(1).product::<usize>();
    let linear = wanted.len() == 4 && found.len() == 2;
    wanted == found
        || ((linear || wanted.len() == found.len())
            && columns(wanted) == columns(found)
            && ((linear && wanted[0] == found[0]) || (wanted[0], found[0]) == (1000, 1001)))
}

/// Maps published names to names in the file, if the file contains all of `wanted`.
fn fit(
    file: &TensorFile,
    path: &Path,
    arch: &str,
    wanted: &[(String, Vec<usize>)],
) -> Result<HashMap<String, String>, WeightsError> {
    let wanted_names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    let names = names::translate(file.shapes().keys().map(String::as_str), &wanted_names);
    let differences: Vec<String> = wanted
        .iter()
        .filter_map(|(name, shape)| match names.get(name).map(|stored| &file.shapes()[stored]) {
            None => Some(format!("  {name}: {shape:?} wanted, not in the file")),
            Some(found) if !fits(shape, found) => Some(format!("  {name}: {shape:?} wanted, {found:?} in the file")),
            Some(_) => None,
        })
        .collect();
    if differences.is_empty() {
        return Ok(names);
    }
    let more = differences.len().saturating_sub(SHOWN);
    let mut text = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    if more > 0 {
        text += &format!("\n  and {more} more");
    }
    let first: Vec<&str> = file.shapes().keys().take(3).map(String::as_str).collect();
    let first = if first.is_empty() { "none".to_owned() } else { first.join(", ") };
    let looks = match looks_like(file) {
        Some((other, fit, of)) if fit == of => format!("; it is a file of {other}"),
        Some((other, fit, of)) if 2 * fit > of => format!("; it looks like {other} ({fit} of {of} tensors fit)"),
        _ => String::new(),
    };
    let reason = format!(
        "not the weights of {arch}: {} of {} tensors do not fit\n{text}\nthe file's first names are {first}{looks}\n\
         give a file of {arch} with its published parameter names",
        differences.len(),
        wanted.len(),
    );
    Err(WeightsError::unfit(path, reason))
}

/// Returns the known network with the most body tensors in the file, by name and shape, with their number and the total.
fn looks_like(file: &TensorFile) -> Option<(&'static str, usize, usize)> {
    let fits = ARCHS.iter().map(|arch| {
        let shapes = body_shapes(arch.name, 0);
        let wanted: Vec<&str> = shapes.iter().map(|(name, _)| name.as_str()).collect();
        let names = names::translate(file.shapes().keys().map(String::as_str), &wanted);
        let fit = shapes.iter().filter(|(name, shape)| names.get(name).is_some_and(|n| fits(shape, &file.shapes()[n])));
        (arch.name, fit.count(), shapes.len())
    });
    // Ordered by share; among equals the larger network wins, since the smaller one is a part of it.
    fits.filter(|(_, fit, _)| *fit > 0).max_by(|(_, a, of_a), (_, b, of_b)| (a * of_b, a).cmp(&(b * of_a, b)))
}

/// Published names and shapes of a body's parameters and running statistics.
fn body_shapes(arch: &str, cut: u32) -> Vec<(String, Vec<usize>)> {
    parameter::shapes(&Body::cut(arch, cut, 0, &Device::flex()))
}

/// The blake3 digest, in hexadecimal, of the body's parameters and running statistics: names, shapes and values in module
/// order. Part of the key of cached activations.
pub fn body_digest(network: &Network) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(network.arch().as_bytes());
    parameter::visit(&network.body, |path, seen| {
        hash.update(path.as_bytes());
        for side in &seen.shape {
            hash.update(&(*side as u64).to_le_bytes());
        }
        let bytes: Vec<u8> = (seen.read)().iter().flat_map(|v| v.to_le_bytes()).collect();
        hash.update(&bytes);
    });
    hash.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_layers_and_a_background_row_fit() {
        assert!(fits(&[1000, 512, 1, 1], &[1000, 512]));
        assert!(fits(&[4096, 512, 7, 7], &[4096, 25088]));
        assert!(fits(&[1000, 1536, 1, 1], &[1001, 1536]) && fits(&[1000], &[1001]));
        assert!(!fits(&[1000, 512, 1, 1], &[10, 512]) && !fits(&[1000], &[999]) && !fits(&[], &[1]));
        assert!(!fits(&[64, 3, 3, 3], &[64, 3]) && !fits(&[64, 3, 3, 3], &[64, 27, 1, 1]));
    }
}
