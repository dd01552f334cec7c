//! A published network with the classifier of its 1000 ImageNet classes.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fastai_dsl::ArchFacts;

use super::WeightsError;
use super::body::Body;
use super::facts;
use super::norm::Pass;
use super::parameter;

/// A body and its published classifier; a [`Network`](super::Network) has fastai's head instead.
#[derive(Module, Debug)]
pub struct Classifier {
    /// The convolutions.
    pub body: Body,
    /// Maps the body's output to the logits. Linear layers are convolutions of 1x1 or of the size of their input map.
    pub top: Body,
    arch: String,
}

impl Classifier {
    /// Random weights.
    ///
    /// # Panics
    /// If `arch` is unknown.
    pub fn new(arch: &str, seed: u64, device: &Device) -> Self {
        let blueprint = facts(arch).blueprint();
        let top = Body::of(blueprint.top, seed, device);
        Self { body: Body::of(blueprint.body, seed, device), top, arch: arch.to_owned() }
    }

    /// The language's facts about the architecture.
    pub fn facts(&self) -> &'static ArchFacts {
        facts(&self.arch)
    }

    /// Logits `[batch, 1000]` of normalised images `[batch, 3, height, width]`, in evaluation.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let mut pass = Pass::eval();
        let map = self.body.forward(x, &mut pass);
        self.top.forward(map, &mut pass).flatten(1, 3)
    }

    /// Logits `[batch, 1000]` in a pass, without dropout; its running statistics become the body's.
    pub fn forward_in(&mut self, x: Tensor<4>, mut pass: Pass) -> Tensor<2> {
        let map = self.body.forward(x, &mut pass);
        let logits = self.top.forward(map, &mut pass).flatten(1, 3);
        self.body = pass.apply(self.body.clone());
        logits
    }

    /// Published name and sides of every parameter and running statistic. Linear layers are listed as the convolutions
    /// that they are here, `[output, input, height, width]`; files have `[output, input * height * width]`.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        parameter::shapes(self).into_iter().map(|(path, shape)| (published(&path).to_owned(), shape)).collect()
    }

    /// Sets every parameter and running statistic to `values(published name, sides)`, in row-major order. One tensor at a time is
    /// in memory beside the network.
    ///
    /// # Errors
    /// The first error of `values`.
    ///
    /// # Panics
    /// If a number of values does not match the sides.
    pub fn filled(
        self,
        mut values: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, WeightsError>,
    ) -> Result<Self, WeightsError> {
        let mut filled = parameter::map_values(self, |path, shape| Some(values(published(path), shape)))?;
        filled.body.forget_folds();
        filled.top.forget_folds();
        Ok(filled)
    }
}

fn published(path: &str) -> &str {
    path.split_once('.').map_or(path, |(_, name)| name)
}
