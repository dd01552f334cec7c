//! The device that a user asks for.

use std::fmt;
use std::str::FromStr;

use fastai_dsl::DeviceWish;

use super::RemoteAddress;

/// The device to compute on: `auto`, `cuda`, `cuda:1`, `remote:ws://box:7600`.
///
/// A recipe names only a kind, because numbers and addresses belong to one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceRequest {
    /// A device of this machine.
    Local {
        /// The kind.
        wish: DeviceWish,
        /// Number of the device among those of its kind, from 0; `None` takes the first.
        index: Option<usize>,
    },
    /// A device that another machine serves with `fastai serve-device`.
    Remote(RemoteAddress),
}

/// A text that does not name one device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceRequestError {
    /// It names none.
    #[error(
        "one of {}; `cuda:1` is the second CUDA device, `remote:ws://box:7600` one that `fastai serve-device` serves there",
        DeviceWish::WORDS.join(", ")
    )]
    Unknown,
    /// It is a list.
    #[error(
        "a run takes one device: burn 0.22.1 sums gradients over CUDA devices only, and fastai does not use that yet; \
         `fastai sweep --shard 1/2 --device cuda:0` and `--shard 2/2 --device cuda:1` share many runs"
    )]
    Several,
}

impl From<DeviceWish> for DeviceRequest {
    fn from(wish: DeviceWish) -> Self {
        DeviceRequest::Local { wish, index: None }
    }
}

impl FromStr for DeviceRequest {
    type Err = DeviceRequestError;

    fn from_str(text: &str) -> Result<Self, DeviceRequestError> {
        if text.contains(',') {
            return Err(DeviceRequestError::Several);
        }
        if let Some(address) = text.strip_prefix("remote:") {
            return RemoteAddress::parse(address).map(DeviceRequest::Remote).ok_or(DeviceRequestError::Unknown);
        }
        let (word, index) = match text.split_once(':') {
            Some((word, number)) => (word, Some(number.parse().map_err(|_| DeviceRequestError::Unknown)?)),
            None => (text, None),
        };
        let wish = DeviceWish::parse(word).ok_or(DeviceRequestError::Unknown)?;
        match (wish, index) {
            (DeviceWish::Auto | DeviceWish::Cpu, Some(_)) => Err(DeviceRequestError::Unknown),
            _ => Ok(DeviceRequest::Local { wish, index }),
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceRequest::Local { wish, index: None } => f.write_str(wish.word()),
            DeviceRequest::Local { wish, index: Some(index) } => write!(f, "{}:{index}", wish.word()),
            DeviceRequest::Remote(address) => write!(f, "remote:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_devices() {
        for text in ["auto", "cuda", "cuda:1", "wgpu:0", "vulkan:12", "metal", "cpu", "remote:ws://box:7600:1"] {
            assert_eq!(text.parse::<DeviceRequest>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "gpu",
            "cuda:",
            "cuda:-1",
            "cuda:x",
            "cuda:99999999999999999999",
            "cpu:0",
            "auto:1",
            "cuda:1:2",
            "remote",
            "remote:",
            "remote:box",
        ] {
            let error = text.parse::<DeviceRequest>().unwrap_err().to_string();
            assert!(error.starts_with("one of auto, cuda, "), "{text}: {error}");
        }
        let error = "cuda:0,cuda:1".parse::<DeviceRequest>().unwrap_err().to_string();
        assert!(error.starts_with("a run takes one device"), "{error}");
    }
}
