//! The network during training.

use std::collections::HashMap;

use burn::module::{Module, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::examples::{Examples, Inputs};
use super::loss::Loss;
use super::loss_scale::LossScale;
use super::mixing::Targets;
use super::optimizer::{Descent, GroupRates, Optimizer, gradient_norm};
use super::parts::{ScaledLoss, features_in_parts, gradients_in_parts};
use crate::data::Traversal;
use crate::device::{HalfFloat, Readings};
use crate::error::{Reached, SuppliedError};
use crate::models::Network;
use crate::progress::Watch;
use crate::{RunError, device};

/// The loss of a batch, which may still be computed by the device.
#[derive(Clone, Debug)]
pub struct BatchLoss(Tensor<1>);

impl BatchLoss {
    /// Waits for the loss.
    ///
    /// # Errors
    /// A criterion that does not give the batch one number.
    pub fn read(self) -> Result<f64, SuppliedError> {
        match self.0.dims() {
            [1] => Ok(f64::from(self.0.into_scalar::<f32>())),
            [numbers] => Err(SuppliedError::BatchLoss { numbers }),
        }
    }
}

/// Owns the network on its autodiff device; training steps change its tensors in place.
#[derive(Debug)]
pub struct Learner {
    // Absent only within a step.
    network: Option<Network>,
    device: Device,
    /// The factor of the loss, if 16-bit floats of the body's gradients need one.
    scale: Option<LossScale>,
    /// Parts in which the images of a batch pass the body, from 1.
    parts: usize,
}

impl Learner {
    /// Takes a network whose tensors live on `device`, which has autodiff.
    pub fn new(network: Network, device: Device) -> Self {
        Learner { network: Some(network), device, scale: None, parts: 1 }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        self.network.as_ref().expect("only absent within a step")
    }

    /// The autodiff device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Applies a function to the network.
    pub fn change(&mut self, change: impl FnOnce(Network) -> Network) {
        self.network = self.network.take().map(change);
    }

    /// Replaces the network, for example by a snapshot: a clone of [`network`](Self::network).
    pub fn replace(&mut self, network: Network) {
        self.network = Some(network);
    }

    /// Creates an optimizer for the currently trainable parameters, and begins with the loss scale anew.
    pub fn optimizer(&mut self, descent: &Descent) -> Box<dyn Optimizer> {
        let parameters = self.network().parameters().into_iter().filter(|p| p.trainable && !p.buffer);
        let groups: HashMap<ParamId, usize> = parameters.map(|p| (p.id, p.group)).collect();
        self.scale = self.network().half().is_some_and(HalfFloat::overflows).then(LossScale::default);
        descent.optimizer(groups)
    }

    /// The first layer group, from 0, in which anything trains: no rate has an effect on earlier ones.
    pub(crate) fn first_group(&self) -> usize {
        let trained = self.network().parameters().into_iter().filter(|p| p.trainable && !p.buffer);
        trained.map(|parameter| parameter.group).min().unwrap_or(0)
    }

    /// Passes the images of each batch through the body in so many parts, from 1, which takes that much less memory and, where the
    /// body trains, a further forward pass. A step is that of the whole batch, except that batch norms of the body that learn
    /// see one part at a time. Predictions are those of whole batches.
    pub fn set_parts(&mut self, parts: usize) {
        self.parts = parts.max(1);
    }

    /// Parts in which the images of a batch pass the body, from 1.
    pub(crate) fn parts(&self) -> usize {
        self.parts
    }

    /// The factor of the loss, if training needs one.
    pub fn loss_scale(&self) -> Option<LossScale> {
        self.scale
    }

    /// Continues with the factor of an earlier moment.
    pub(super) fn restore_loss_scale(&mut self, scale: Option<LossScale>) {
        // One that was kept on another device may not be needed, or be missing.
        self.scale = self.scale.map(|new| scale.unwrap_or(new));
    }

    /// Batches whose losses are read from the device together.
    pub(crate) fn batches_per_reading(&self) -> usize {
        device::batches_per_reading(&self.device)
    }

    /// Performs one training step and returns the batch's loss before the step.
    ///
    /// `rng` draws the dropout. `targets` are the rows of the labels in `loss` that belong to `inputs`.
    pub fn step<'a>(
        &mut self,
        optimizer: &mut dyn Optimizer,
        inputs: Inputs,
        targets: impl Into<Targets<'a>>,
        loss: &Loss,
        rates: &GroupRates,
        rng: &mut ChaCha8Rng,
    ) -> BatchLoss {
        let (grads, loss) = self.gradients(inputs, targets, loss, rng);
        self.update(optimizer, grads, rates);
        loss
    }

    /// Returns the gradients of a batch and its loss. Running statistics of batch norms change; weights do not.
    pub(super) fn gradients<'a>(
        &mut self,
        inputs: Inputs,
        targets: impl Into<Targets<'a>>,
        loss: &Loss,
        rng: &mut ChaCha8Rng,
    ) -> (GradientsParams, BatchLoss) {
        let mut network = self.network.take().expect("only absent within a step");
        let loss_of = |logits: Tensor<2>| {
            let loss = loss.of(logits, targets);
            ScaledLoss { scaled: self.scale.map_or(loss.clone(), |scale| loss.clone() * scale.factor()), loss }
        };
        let logits = match inputs {
            Inputs::Images(images) if self.parts > 1 => {
                let (network, grads, loss) = gradients_in_parts(network, &images, self.parts, loss_of, rng);
                self.network = Some(network);
                return (grads, BatchLoss(loss.detach()));
            }
            Inputs::Features(features) => network.logits_train(features, rng),
            Inputs::Images(images) => network.forward_train(images, rng),
        };
        let ScaledLoss { loss, scaled } = loss_of(logits);
        let grads = GradientsParams::from_grads(scaled.backward(), &network);
        self.network = Some(network);
        (grads, BatchLoss(loss.detach()))
    }

    /// Computes the gradients of a batch and forgets them; nothing changes.
    pub(crate) fn try_step(&mut self, inputs: Inputs, targets: &[usize], loss: &Loss, rng: &mut ChaCha8Rng) {
        let before = self.network().clone();
        let mut trial = Learner { network: Some(before), device: self.device.clone(), ..*self };
        let (grads, loss) = trial.gradients(inputs, targets, loss, rng);
        // A device reports what went wrong with a result when the result is read: the loss tells of the forward pass alone.
        gradient_norm(trial.network(), &grads);
        // What is wrong with the loss itself, the step that counts says.
        drop(loss.read());
    }

    /// Performs a step of the optimizer, unless scaled gradients overflowed.
    pub(super) fn update(&mut self, optimizer: &mut dyn Optimizer, grads: GradientsParams, rates: &GroupRates) {
        let network = self.network.take().expect("only absent within a step");
        let grads = match &mut self.scale {
            None => Some(grads),
            Some(scale) => scale.unscaled(&network, grads, &self.device.clone().without_autodiff()),
        };
        self.network = Some(match grads {
            Some(grads) => optimizer.step(network, grads, rates),
            None => network,
        });
    }

    /// Logits `[image, view, class]` of all examples in their order, in evaluation.
    ///
    /// # Errors
    /// Errors of the examples; [`RunError::Stopped`] on a stop request.
    pub fn logits(
        &self,
        examples: &dyn Examples,
        pass: &Traversal,
        what: &str,
        watch: Watch<'_>,
    ) -> Result<Vec<f32>, RunError> {
        self.outputs_of(self.network(), Network::logits, examples, pass, what, watch)
    }

    /// Like [`logits`](Self::logits), what `head` makes of the features of another network on this device.
    pub(super) fn outputs_of(
        &self,
        network: &Network,
        head: fn(&Network, Tensor<2>) -> Tensor<2>,
        examples: &dyn Examples,
        pass: &Traversal,
        what: &str,
        watch: Watch<'_>,
    ) -> Result<Vec<f32>, RunError> {
        let Watch { progress, stop } = watch;
        let network = network.valid();
        let device = self.device.clone().without_autodiff();
        let mut logits = Vec::with_capacity(examples.len() * network.classes());
        progress.begin(what, examples.len() as u64);
        let (mut done, mut readings) = (0, Readings::of_pass(&device));
        for batch in examples.batches(pass, 0, &device)? {
            let batch = batch?;
            let out = match batch.inputs {
                Inputs::Features(features) => head(&network, features),
                Inputs::Images(images) if self.parts > 1 => {
                    head(&network, features_in_parts(&network, images, self.parts))
                }
                Inputs::Images(images) => network.forward_by(images, head),
            };
            done += batch.images.len() as u64;
            if let Some(read) = readings.add(out)? {
                logits.extend_from_slice(&read);
            }
            progress.advance(done, "");
            if stop.requested() {
                progress.finish();
                return Err(RunError::Stopped(Reached::Batch));
            }
        }
        logits.extend_from_slice(&readings.rest()?);
        progress.finish();
        Ok(logits)
    }
}
