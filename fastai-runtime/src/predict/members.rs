//! The networks of a predictor.

use crate::models::{self, ModelMeta, Network};

/// One network, or those of an ensemble with the header of each.
#[derive(Clone, Debug)]
pub(super) enum Members {
    One(Box<Network>),
    Several(Vec<(Network, ModelMeta)>),
}

impl Members {
    pub(super) fn one(network: Network) -> Self {
        Members::One(Box::new(network))
    }

    /// At least one.
    pub(super) fn several(members: Vec<(Network, ModelMeta)>) -> Self {
        Members::Several(members)
    }

    pub(super) fn networks(&self) -> impl ExactSizeIterator<Item = &Network> {
        let count = match self {
            Members::One(_) => 1,
            Members::Several(all) => all.len(),
        };
        (0..count).map(move |index| match self {
            Members::One(network) => &**network,
            Members::Several(all) => &all[index].0,
        })
    }

    /// The networks of an ensemble with their headers.
    pub(super) fn folds(&self) -> impl Iterator<Item = (Network, ModelMeta)> {
        let all: &[_] = match self {
            Members::One(_) => &[],
            Members::Several(all) => all,
        };
        all.iter().cloned()
    }

    /// All networks with a header each; that of one network is `meta`.
    pub(super) fn with_metas(self, meta: &ModelMeta) -> Vec<(Network, ModelMeta)> {
        match self {
            Members::One(network) => vec![(*network, meta.clone())],
            Members::Several(all) => all,
        }
    }

    /// The digest of the body, or of the bodies' digests.
    pub(super) fn body_digest(&self) -> String {
        match self {
            Members::One(network) => models::body_digest(network),
            Members::Several(all) => {
                let each: Vec<String> = all.iter().map(|(network, _)| models::body_digest(network)).collect();
                blake3::hash(each.concat().as_bytes()).to_hex().to_string()
            }
        }
    }
}
