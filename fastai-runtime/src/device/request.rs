//! The device that a user asks for.

use std::fmt;
use std::str::FromStr;

use fastai_dsl::DeviceWish;

/// A kind of device and, where a machine has several of that kind, which one: `auto`, `cuda`, `cuda:1`.
///
/// A recipe names only the kind, because numbers belong to one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// The kind.
    pub wish: DeviceWish,
    /// Number of the device among those of its kind, from 0; `None` takes the first.
    pub index: Option<usize>,
}

/// A text that names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of {}; `cuda:1` is the second CUDA device", DeviceWish::WORDS.join(", "))]
pub struct DeviceRequestError;

impl From<DeviceWish> for DeviceRequest {
    fn from(wish: DeviceWish) -> Self {
        DeviceRequest { wish, index: None }
    }
}

impl FromStr for DeviceRequest {
    type Err = DeviceRequestError;

    fn from_str(text: &str) -> Result<Self, DeviceRequestError> {
        let (word, index) = match text.split_once(':') {
            Some((word, number)) => (word, Some(number.parse().map_err(|_| DeviceRequestError)?)),
            None => (text, None),
        };
        let wish = DeviceWish::parse(word).ok_or(DeviceRequestError)?;
        match (wish, index) {
            (DeviceWish::Auto | DeviceWish::Cpu, Some(_)) => Err(DeviceRequestError),
            _ => Ok(DeviceRequest { wish, index }),
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wish.word())?;
        self.index.map_or(Ok(()), |index| write!(f, ":{index}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_devices() {
        for text in ["auto", "cuda", "cuda:1", "wgpu:0", "vulkan:12", "metal", "cpu"] {
            assert_eq!(text.parse::<DeviceRequest>().unwrap().to_string(), text);
        }
        for text in
            ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:99999999999999999999", "cpu:0", "auto:1", "cuda:1:2"]
        {
            let error = text.parse::<DeviceRequest>().unwrap_err().to_string();
            assert!(error.starts_with("one of auto, cuda, "), "{text}: {error}");
        }
    }
}
