//! The option `--device`.

use fastai_dsl::Recipe;
use fastai_runtime::device::{DeviceError, DeviceRequest, Picked, pick};

use super::config;

/// Where a model computes.
#[derive(clap::Args, Debug)]
pub struct ModelDevice {
    /// Where to compute: auto, cuda, wgpu, vulkan, metal or cpu; `cuda:1` is the second CUDA device, `remote:ws://box:7600` what
    /// `fastai serve-device` serves there; `$FASTAI_DEVICE`, else what fastai.toml says, else auto, unless given
    #[arg(long)]
    device: Option<DeviceRequest>,
}

/// Where a recipe runs.
#[derive(clap::Args, Debug)]
pub struct RecipeDevice {
    /// Where to run: auto (the first of CUDA, Metal, Vulkan and wgpu that computes, else the CPU), cuda, wgpu, vulkan, metal
    /// or cpu; `cuda:1` is the second CUDA device, `remote:ws://box:7600` what `fastai serve-device` serves there; what the recipe
    /// says, else `$FASTAI_DEVICE`, else what fastai.toml says, unless given
    #[arg(long)]
    device: Option<DeviceRequest>,
}

impl ModelDevice {
    /// The device.
    ///
    /// # Errors
    /// Those of [`pick`].
    pub fn picked(&self) -> Result<Picked, DeviceError> {
        pick(config::device(self.device.as_ref()))
    }
}

impl RecipeDevice {
    /// The option as it is typed; nothing if it is not given.
    pub fn arguments(&self) -> Vec<String> {
        self.device.iter().flat_map(|request| ["--device".to_owned(), request.to_string()]).collect()
    }

    /// The request for a recipe; `None` leaves it to the recipe.
    pub fn request(&self, recipe: &Recipe) -> Option<DeviceRequest> {
        config::device_of(self.device.as_ref(), recipe)
    }
}
