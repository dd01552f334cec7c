//! What a run begins with.

use burn::tensor::Device;
use fastai_dsl::{HeadSpec, Model};

use crate::models::Network;
use crate::models::weights::{Found, Origin};
use crate::report::InitialWeights;

/// The network of a recipe with this head and random weights.
pub(super) fn initial_network(model: &Model, head: &HeadSpec, classes: usize, seed: u64, device: &Device) -> Network {
    Network::cut(model.arch.name(), model.cut, head, classes, seed, device)
        .with_stochastic_depth(model.stochastic_depth)
}

/// For the summary: the weights that a body began with; none were found for random ones.
pub(super) fn initial_weights(found: Option<&Found>) -> InitialWeights {
    let Some(found) = found else { return InitialWeights::Random };
    InitialWeights::File {
        name: found.path.file_name().unwrap_or(found.path.as_os_str()).to_string_lossy().into_owned(),
        sha256: found.sha256.clone(),
        published: match found.origin {
            Origin::Published(published) => Some(published.name.to_string()),
            Origin::Own => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::weights::PUBLISHED;

    #[test]
    fn published_weights_are_told_from_ones_own() {
        let file = |origin| Found { path: "/a/b.pth".into(), sha256: "ab".into(), origin };
        let of = |published: Option<&str>| InitialWeights::File {
            name: "b.pth".into(),
            sha256: "ab".into(),
            published: published.map(str::to_string),
        };
        assert_eq!(initial_weights(None), InitialWeights::Random);
        assert_eq!(initial_weights(Some(&file(Origin::Own))), of(None));
        let published = &PUBLISHED[0];
        assert_eq!(initial_weights(Some(&file(Origin::Published(published)))), of(Some(published.name)));
    }
}
