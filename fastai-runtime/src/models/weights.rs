//! Finds, loads and identifies the body's weights.

use std::path::{Path, PathBuf};

use fastai_dsl::Weights;

use super::WeightsError;
use super::network::Network;
use super::parameter;
use super::safetensors_file;

/// How many differences an error lists.
const SHOWN: usize = 6;

/// The file that holds a body's weights: `None` for random ones.
///
/// `Weights::File` is relative to the working directory. `Weights::Pretrained` is searched as `ARCH.safetensors` in
/// `$FASTAI_WEIGHTS`, then in `~/.cache/fastai/weights`.
pub fn resolve(weights: &Weights, arch: &str) -> Result<Option<PathBuf>, WeightsError> {
    let folder = std::env::var_os("FASTAI_WEIGHTS").filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = std::env::var_os("HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    resolve_in(weights, arch, folder.as_deref(), home.as_deref())
}

fn resolve_in(
    weights: &Weights,
    arch: &str,
    folder: Option<&Path>,
    home: Option<&Path>,
) -> Result<Option<PathBuf>, WeightsError> {
    match weights {
        Weights::None => Ok(None),
        Weights::File(file) => {
            let path = std::path::absolute(file).unwrap_or_else(|_| PathBuf::from(file));
            if path.is_file() {
                return Ok(Some(path));
            }
            Err(WeightsError(format!(
                "no weights at {}: the recipe's `weights` is relative to the working directory; \
                 correct the path, or write `weights: none` to start from random weights",
                path.display()
            )))
        }
        Weights::Pretrained => {
            let name = format!("{arch}.safetensors");
            let cache = home.map(|h| h.join(".cache/fastai/weights"));
            let places: Vec<PathBuf> = folder.into_iter().chain(cache.as_deref()).map(|d| d.join(&name)).collect();
            if let Some(found) = places.iter().find(|p| p.is_file()) {
                return Ok(Some(found.clone()));
            }
            let mut searched: Vec<String> = places.iter().map(|p| format!("  {}", p.display())).collect();
            if folder.is_none() {
                searched.insert(0, "  ($FASTAI_WEIGHTS is not set)".into());
            }
            Err(WeightsError(format!(
                "no pretrained weights of {arch}; searched\n{}\nput the ImageNet weights of {arch} there (safetensors, \
                 parameter names as published), name a file with `weights: \"PATH\"`, or start from random weights \
                 with `weights: none`",
                searched.join("\n")
            )))
        }
    }
}

/// The network with its body's weights from a safetensors file (f32, f16 or bf16) of published names.
///
/// Further tensors in the file, such as the published classifier, are ignored. A missing tensor or another shape is an
/// error that names the first of them, and then nothing is loaded.
pub fn load_body(network: Network, path: &Path) -> Result<Network, WeightsError> {
    let mut file = safetensors_file::read(path)?;
    let wanted: Vec<_> = network.parameters().into_iter().filter(|p| p.name.starts_with("body.")).collect();
    let differences: Vec<String> = wanted
        .iter()
        .filter_map(|p| {
            let name = &p.name["body.".len()..];
            match file.tensors.get(name) {
                None => Some(format!("  {name}: {:?} wanted, not in the file", p.shape)),
                Some(found) if found.shape != p.shape => {
                    Some(format!("  {name}: {:?} wanted, {:?} in the file", p.shape, found.shape))
                }
                Some(found) if found.values.iter().any(|v| !v.is_finite()) => {
                    Some(format!("  {name}: has values that are not finite"))
                }
                Some(_) => None,
            }
        })
        .collect();
    if !differences.is_empty() {
        let more = differences.len().saturating_sub(SHOWN);
        let mut text = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
        if more > 0 {
            text += &format!("\n  and {more} more");
        }
        let first: Vec<&str> = file.tensors.keys().take(3).map(String::as_str).collect();
        return Err(WeightsError(format!(
            "{}: not the weights of {}: {} of {} tensors do not fit\n{text}\nthe file's first names are {}; give a \
             file of {} with its published parameter names",
            path.display(),
            network.arch(),
            differences.len(),
            wanted.len(),
            if first.is_empty() { "none".to_owned() } else { first.join(", ") },
            network.arch(),
        )));
    }
    let names = network.clone();
    Ok(parameter::replace(network, |path| {
        let name = names.name_of(path);
        file.tensors.remove(name.strip_prefix("body.")?).map(|array| array.values)
    }))
}

/// blake3 digest, in hexadecimal, of the body's parameters and running statistics: names, shapes and values in module
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
