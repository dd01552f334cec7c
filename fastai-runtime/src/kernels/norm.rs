//! Batch norm and the clamp after it (ReLU, ReLU6) in one operation with its own backward pass: on the CPU each of burn's
//! separate steps is a pass over memory, and there are about ten.
//!
//! Sums over a channel are taken plane by plane in a fixed order, so results do not depend on the number of threads.

#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
use burn::backend::Cube;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::{Backend, Dispatch, Flex, backend_extension, tensor::FloatTensor};
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn::tensor::{Bytes, DType, Device, Shape, Tensor};
use burn_flex::{FlexTensor, Layout};
use rayon::prelude::*;

/// Values that a sum runs over side by side.
const LANES: usize = 8;
/// Values that are summed in single precision; sums of these are in double.
const BLOCK: usize = 128;
/// Planes that a thread takes at least.
const PLANES: usize = 8;

/// How to normalise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormArgs {
    /// Added to the variance.
    pub epsilon: f32,
    /// The output is clamped to this range; infinities leave it alone.
    pub bounds: [f32; 2],
    /// Whether mean and variance are those of the input itself, so that they move with it.
    pub learned: bool,
}

/// What [`norm_clamp`] gives.
#[derive(Debug)]
pub struct Normed {
    /// Of the input's shape.
    pub output: Tensor<4>,
    /// Means that it was normalised with, `[channel]`, without gradient.
    pub mean: Tensor<1>,
    /// Biased variances that it was normalised with, `[channel]`, without gradient.
    pub variance: Tensor<1>,
}

/// `clamp(weight * (x - mean) / sqrt(variance + epsilon) + bias)` of each channel of `[batch, channel, height, width]`.
///
/// Without `statistics` mean and variance are those of `x`, and the gradient goes through them. Where the output lies on a
/// bound or beyond there is no gradient.
pub fn norm_clamp(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    statistics: Option<(Tensor<1>, Tensor<1>)>,
    epsilon: f64,
    bounds: [f32; 2],
) -> Normed {
    if x.device() != Device::flex() || x.dtype() != DType::F32 || x.shape().num_elements() == 0 {
        return plain(x, weight, bias, statistics, epsilon, bounds);
    }
    let channels = x.dims()[1];
    let learned = statistics.is_none();
    let moments = match statistics {
        Some((mean, variance)) => Tensor::cat(vec![mean.detach(), variance.detach()], 0),
        None => {
            let inner = if x.device().is_autodiff() { x.clone().inner() } else { x.clone() };
            let moments = Tensor::<1>::from_dispatch(Dispatch::norm_moments(inner.into_dispatch()));
            if x.device().is_autodiff() { Tensor::from_inner(moments) } else { moments }
        }
    };
    let mean = moments.clone().narrow(0, 0, channels);
    let variance = moments.clone().narrow(0, channels, channels);
    let args = NormArgs { epsilon: epsilon as f32, bounds, learned };
    let output = Dispatch::norm_clamp(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        moments.into_dispatch(),
        args,
    );
    Normed { output: Tensor::from_dispatch(output), mean, variance }
}

/// The same by burn's operations.
fn plain(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    statistics: Option<(Tensor<1>, Tensor<1>)>,
    epsilon: f64,
    bounds: [f32; 2],
) -> Normed {
    let normed = match statistics {
        Some((mean, variance)) => {
            let output = batch_norm(x, weight, bias, mean.clone(), variance.clone(), epsilon);
            Normed { output, mean, variance }
        }
        None => {
            let batch = batch_norm_train(x, weight, bias, epsilon);
            Normed { output: batch.output, mean: batch.mean.detach(), variance: batch.variance.detach() }
        }
    };
    let output = match bounds {
        [f32::NEG_INFINITY, f32::INFINITY] => normed.output,
        [low, f32::INFINITY] => normed.output.clamp_min(low),
        [low, high] => normed.output.clamp(low, high),
    };
    Normed { output, ..normed }
}

/// The operation's parts; only ever called on the CPU.
#[backend_extension(Flex, Cube: cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan")), Autodiff)]
pub trait NormOps: Backend {
    /// Means and biased variances of the channels, `[2 * channel]`.
    fn norm_moments(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let _ = x;
        unreachable!("{CPU}")
    }
    /// The output; `moments` as [`norm_moments`](Self::norm_moments) gives them.
    fn norm_clamp(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        args: NormArgs,
    ) -> FloatTensor<Self> {
        let _ = (x, weight, bias, moments, args);
        unreachable!("{CPU}")
    }
    /// Gradients of bias and weight, `[2 * channel]`.
    fn norm_sums(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        args: NormArgs,
    ) -> FloatTensor<Self> {
        let _ = (x, weight, bias, moments, dy, args);
        unreachable!("{CPU}")
    }
    /// Gradient of the input; `sums` as [`norm_sums`](Self::norm_sums) gives them.
    fn norm_dx(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        args: NormArgs,
    ) -> FloatTensor<Self> {
        let _ = (x, weight, bias, moments, sums, dy, args);
        unreachable!("{CPU}")
    }
    /// The first half of a vector, or the second.
    fn norm_half(vector: FloatTensor<Self>, second: bool) -> FloatTensor<Self> {
        let _ = (vector, second);
        unreachable!("{CPU}")
    }
}

const CPU: &str = "norm_clamp calls these on the CPU only";

#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
impl NormOps for Cube {}

impl NormOps for Flex {
    fn norm_moments(x: FlexTensor) -> FlexTensor {
        let x = x.to_contiguous();
        let sides = Sides::of(&x);
        let moments: Vec<[f32; 2]> =
            (0..sides.channels).into_par_iter().map(|channel| moments(sides.planes_of(channel, x.storage()))).collect();
        let values = (0..2).flat_map(|part| moments.iter().map(move |m| m[part])).collect();
        vector(values)
    }

    fn norm_clamp(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        moments: FlexTensor,
        args: NormArgs,
    ) -> FlexTensor {
        let x = x.to_contiguous();
        let sides = Sides::of(&x);
        let channels = Channel::all(&weight, &bias, &moments, args);
        let values: &[f32] = x.storage();
        let mut y = vec![0f32; values.len()];
        y.par_chunks_mut(sides.plane).zip(values.par_chunks(sides.plane)).with_min_len(PLANES).enumerate().for_each(
            |(plane, (y, x))| {
                let channel = channels[plane % sides.channels];
                let [low, high] = args.bounds;
                for (y, x) in y.iter_mut().zip(x) {
                    let z = channel.of(*x);
                    // In this form a NaN stays a NaN, so that a network that diverged shows it.
                    let z = if z < low { low } else { z };
                    *y = if z > high { high } else { z };
                }
            },
        );
        like(&x, y)
    }

    fn norm_sums(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        moments: FlexTensor,
        dy: FlexTensor,
        args: NormArgs,
    ) -> FlexTensor {
        let (x, dy) = (x.to_contiguous(), dy.to_contiguous());
        let sides = Sides::of(&x);
        let channels = Channel::all(&weight, &bias, &moments, args);
        let sums: Vec<[f32; 2]> = (0..sides.channels)
            .into_par_iter()
            .map(|number| {
                let channel = channels[number];
                let planes = sides.planes_of(number, x.storage()).zip(sides.planes_of(number, dy.storage()));
                let [mut shift, mut scale] = [0f64; 2];
                for (x, dy) in planes.flat_map(|(x, dy)| x.chunks(BLOCK).zip(dy.chunks(BLOCK))) {
                    let [b, w] = channel.block_sums(x, dy, args.bounds);
                    shift += b;
                    scale += w;
                }
                [shift as f32, (scale * f64::from(channel.inverse)) as f32]
            })
            .collect();
        let values = (0..2).flat_map(|part| sums.iter().map(move |s| s[part])).collect();
        vector(values)
    }

    fn norm_dx(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        moments: FlexTensor,
        sums: FlexTensor,
        dy: FlexTensor,
        args: NormArgs,
    ) -> FlexTensor {
        let (x, dy, sums) = (x.to_contiguous(), dy.to_contiguous(), sums.to_contiguous());
        let sides = Sides::of(&x);
        let channels = Channel::all(&weight, &bias, &moments, args);
        let (values, slopes, sums): (&[f32], &[f32], &[f32]) = (x.storage(), dy.storage(), sums.storage());
        let count = (sides.images * sides.plane) as f32;
        let mut dx = vec![0f32; values.len()];
        dx.par_chunks_mut(sides.plane)
            .zip(values.par_chunks(sides.plane))
            .zip(slopes.par_chunks(sides.plane))
            .with_min_len(PLANES)
            .enumerate()
            .for_each(|(plane, ((dx, x), dy))| {
                let number = plane % sides.channels;
                let channel = channels[number];
                // Where the statistics are the input's own, what all values do together changes nothing.
                let learned = if args.learned { 1.0 / count } else { 0.0 };
                let shift = sums[number] * learned;
                let slope = sums[sides.channels + number] * channel.inverse * learned;
                for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
                    let dz = channel.slope(*x, *dy, args.bounds);
                    *dx = channel.scale * (dz - shift - (*x - channel.mean) * slope);
                }
            });
        like(&x, dx)
    }

    fn norm_half(vector: FlexTensor, second: bool) -> FlexTensor {
        let vector = vector.to_contiguous();
        let values: &[f32] = vector.storage();
        let (first_half, second_half) = values.split_at(values.len() / 2);
        self::vector(if second { second_half } else { first_half }.to_vec())
    }
}

fn vector(values: Vec<f32>) -> FlexTensor {
    let shape = Shape::from(vec![values.len()]);
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

fn like(x: &FlexTensor, values: Vec<f32>) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(x.layout().shape().clone()), DType::F32)
}

#[derive(Clone, Copy)]
struct Sides {
    images: usize,
    channels: usize,
    plane: usize,
}

impl Sides {
    fn of(x: &FlexTensor) -> Self {
        let shape = x.layout().shape();
        Sides { images: shape[0], channels: shape[1], plane: shape[2] * shape[3] }
    }
    /// The planes of one channel, image by image.
    fn planes_of<'a>(self, channel: usize, values: &'a [f32]) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        values.chunks_exact(self.plane).skip(channel).step_by(self.channels)
    }
}

/// Mean and biased variance; each plane's own are merged by Chan's formula, so that nothing cancels.
fn moments<'a>(planes: impl Iterator<Item = &'a [f32]>) -> [f32; 2] {
    let (mut count, mut mean, mut squares) = (0f64, 0f64, 0f64);
    for plane in planes {
        let n = plane.len() as f64;
        let own_mean = lanes(plane, |x| x) / n;
        let center = own_mean as f32;
        // Deviations are from the rounded mean; what that misses is subtracted.
        let off = own_mean - f64::from(center);
        let own_squares = lanes(plane, |x| (x - center) * (x - center)) - n * off * off;
        let difference = own_mean - mean;
        squares += own_squares + difference * difference * count * n / (count + n);
        mean += difference * n / (count + n);
        count += n;
    }
    [mean as f32, (squares / count).max(0.0) as f32]
}

/// Sum over a plane: of blocks in interleaved sums, so that it runs on vectors, and over the blocks in double precision.
fn lanes(plane: &[f32], of: impl Fn(f32) -> f32) -> f64 {
    let block = |block: &[f32]| {
        let (chunks, rest) = block.as_chunks::<LANES>();
        let mut sums = [0f32; LANES];
        for chunk in chunks {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *sum += of(*x);
            }
        }
        sums.iter().map(|s| f64::from(*s)).sum::<f64>() + rest.iter().map(|x| f64::from(of(*x))).sum::<f64>()
    };
    plane.chunks(BLOCK).map(block).sum()
}

/// What is the same for all values of a channel.
#[derive(Clone, Copy)]
struct Channel {
    mean: f32,
    /// `1 / sqrt(variance + epsilon)`.
    inverse: f32,
    /// `weight * inverse`.
    scale: f32,
    bias: f32,
}

impl Channel {
    fn all(weight: &FlexTensor, bias: &FlexTensor, moments: &FlexTensor, args: NormArgs) -> Vec<Channel> {
        let (weight, bias, moments) = (weight.to_contiguous(), bias.to_contiguous(), moments.to_contiguous());
        let (weight, bias, moments): (&[f32], &[f32], &[f32]) = (weight.storage(), bias.storage(), moments.storage());
        let (means, variances) = moments.split_at(weight.len());
        let one = |((weight, bias), (mean, variance)): ((&f32, &f32), (&f32, &f32))| {
            let inverse = 1.0 / (variance + args.epsilon).sqrt();
            Channel { mean: *mean, inverse, scale: weight * inverse, bias: *bias }
        };
        weight.iter().zip(bias).zip(means.iter().zip(variances)).map(one).collect()
    }

    #[inline(always)]
    fn of(&self, x: f32) -> f32 {
        (x - self.mean) * self.scale + self.bias
    }

    /// Gradient before the clamp.
    #[inline(always)]
    fn slope(&self, x: f32, dy: f32, [low, high]: [f32; 2]) -> f32 {
        let z = self.of(x);
        if z > low && z < high { dy } else { 0.0 }
    }

    /// Sums of the gradient before the clamp, and of its products with the distance from the mean.
    fn block_sums(&self, x: &[f32], dy: &[f32], bounds: [f32; 2]) -> [f64; 2] {
        let (x_chunks, x_rest) = x.as_chunks::<LANES>();
        let (dy_chunks, dy_rest) = dy.as_chunks::<LANES>();
        let mut sums = [[0f32; LANES]; 2];
        for (x, dy) in x_chunks.iter().zip(dy_chunks) {
            for lane in 0..LANES {
                let dz = self.slope(x[lane], dy[lane], bounds);
                sums[0][lane] += dz;
                sums[1][lane] += dz * (x[lane] - self.mean);
            }
        }
        for (x, dy) in x_rest.iter().zip(dy_rest) {
            let dz = self.slope(*x, *dy, bounds);
            sums[0][0] += dz;
            sums[1][0] += dz * (x - self.mean);
        }
        sums.map(|lanes| lanes.iter().map(|s| f64::from(*s)).sum())
    }
}

impl<B: NormOps, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn norm_clamp(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        args: NormArgs,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct NormBackward;

        impl<B: NormOps> Backward<B, 3> for NormBackward {
            type State = ([NodeId; 4], NormArgs);

            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
                let [x_node, weight_node, bias_node] = ops.parents;
                let dy = grads.consume::<B>(&ops.node);
                let ([x, weight, bias, moments], args) = ops.state;
                let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
                let weight: FloatTensor<B> = checkpointer.retrieve_node_output(weight);
                let bias: FloatTensor<B> = checkpointer.retrieve_node_output(bias);
                let moments: FloatTensor<B> = checkpointer.retrieve_node_output(moments);
                let (x2, weight2, bias2, moments2) = (x.clone(), weight.clone(), bias.clone(), moments.clone());
                let sums = B::norm_sums(x2, weight2, bias2, moments2, dy.clone(), args);
                if let Some(node) = bias_node {
                    grads.register::<B>(node.id, B::norm_half(sums.clone(), false));
                }
                if let Some(node) = weight_node {
                    grads.register::<B>(node.id, B::norm_half(sums.clone(), true));
                }
                if let Some(node) = x_node {
                    grads.register::<B>(node.id, B::norm_dx(x, weight, bias, moments, sums, dy, args));
                }
            }
        }

        match NormBackward.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let nodes =
                    [prep.checkpoint(&x), prep.checkpoint(&weight), prep.checkpoint(&bias), prep.checkpoint(&moments)];
                let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
                let y = B::norm_clamp(x, weight, bias, moments.into_primitive(), args);
                prep.finish((nodes, args), y)
            }
            OpsKind::UnTracked(prep) => {
                let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
                prep.finish(B::norm_clamp(x, weight, bias, moments.into_primitive(), args))
            }
        }
    }
}
