//! Convolution on the CPU: 1x1 by matrix product, depthwise directly, everything else by columns and matrix products.
//!
//! Work is shared between threads by image or by channel, and sums over images are taken in a fixed order, so results
//! do not depend on the number of threads.

#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
use burn::backend::Cube;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::{Backend, Dispatch, Flex, backend_extension, tensor::FloatTensor};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Bytes, DType, Shape, Tensor};
use burn_flex::{FlexTensor, Layout};
use rayon::prelude::*;

use super::depthwise::{Depthwise, Direction};
use super::geometry::Geometry;

/// Parts that a sum over images is split into, whatever the number of threads.
const PARTS: usize = 8;

/// How to convolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvArgs {
    /// Pixels between two outputs.
    pub stride: usize,
    /// Zeros above and below, left and right.
    pub pad: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl ConvArgs {
    fn options(self) -> ConvOptions<2> {
        ConvOptions::new([self.stride; 2], self.pad, [1, 1], self.groups)
    }
}

/// Convolves `x`, `[batch, input, height, width]`, with `weight`, `[output, input / groups, kernel height, kernel width]`,
/// and adds `bias`, `[output]`.
///
/// # Panics
/// If the shapes do not belong together.
pub fn conv(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, args: ConvArgs) -> Tensor<4> {
    let bias = bias.unwrap_or_else(|| Tensor::zeros([weight.dims()[0]], &x.device()));
    Tensor::from_dispatch(Dispatch::conv(x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch(), args))
}

/// The convolution and its gradients; the provided bodies are burn's own.
#[backend_extension(Flex, Cube: cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan")), Autodiff)]
pub trait ConvOps: Backend {
    /// The output.
    fn conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        args: ConvArgs,
    ) -> FloatTensor<Self> {
        Self::conv2d(x, weight, Some(bias), args.options())
    }
    /// Gradient of the input.
    fn conv_dx(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        args: ConvArgs,
    ) -> FloatTensor<Self> {
        Self::conv2d_x_backward(x, weight, dy, args.options())
    }
    /// Gradient of the weight.
    fn conv_dw(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        args: ConvArgs,
    ) -> FloatTensor<Self> {
        Self::conv2d_weight_backward(x, weight, dy, args.options())
    }
    /// Gradient of the bias.
    fn conv_db(x: FloatTensor<Self>, bias: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::conv2d_bias_backward(x, bias, dy)
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
impl ConvOps for Cube {}

impl ConvOps for Flex {
    fn conv(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, args: ConvArgs) -> FlexTensor {
        if !all_f32([&x, &weight, &bias]) {
            return <Flex as burn::backend::ops::ModuleOps<Flex>>::conv2d(x, weight, Some(bias), args.options());
        }
        let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let g = geometry(&x, &weight, args);
        let y = forward(&g, x.storage(), weight.storage(), bias.storage());
        tensor(y, vec![g.n, g.k, g.oh, g.ow])
    }
    fn conv_dx(x: FlexTensor, weight: FlexTensor, dy: FlexTensor, args: ConvArgs) -> FlexTensor {
        if !all_f32([&x, &weight, &dy]) {
            return <Flex as burn::backend::ops::ModuleOps<Flex>>::conv2d_x_backward(x, weight, dy, args.options());
        }
        let g = geometry(&x, &weight, args);
        let (weight, dy) = (weight.to_contiguous(), dy.to_contiguous());
        let dx = input_gradient(&g, weight.storage(), dy.storage());
        tensor(dx, vec![g.n, g.c, g.h, g.w])
    }
    fn conv_dw(x: FlexTensor, weight: FlexTensor, dy: FlexTensor, args: ConvArgs) -> FlexTensor {
        if !all_f32([&x, &weight, &dy]) {
            return <Flex as burn::backend::ops::ModuleOps<Flex>>::conv2d_weight_backward(
                x,
                weight,
                dy,
                args.options(),
            );
        }
        let g = geometry(&x, &weight, args);
        let (x, dy) = (x.to_contiguous(), dy.to_contiguous());
        let dw = weight_gradient(&g, x.storage(), dy.storage());
        tensor(dw, vec![g.k, g.inner(), g.kh, g.kw])
    }
}

fn all_f32(tensors: [&FlexTensor; 3]) -> bool {
    tensors.iter().all(|t| t.dtype() == DType::F32)
}

fn geometry(x: &FlexTensor, weight: &FlexTensor, args: ConvArgs) -> Geometry {
    Geometry::new(x.layout().shape(), weight.layout().shape(), args)
}

fn tensor(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(Shape::from(shape)), DType::F32)
}

fn forward(g: &Geometry, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let (plane_in, plane_out) = (g.input_plane(), g.output_plane());
    let mut y = vec![0f32; g.n * g.k * plane_out];
    if let Some(d) = Depthwise::new(g, Direction::Forward) {
        y.par_chunks_mut(plane_out).enumerate().for_each_init(
            || d.buffer(),
            |buffer, (plane, y)| {
                let channel = plane % g.c;
                y.fill(bias[channel]);
                d.fill(&x[plane * plane_in..][..plane_in], buffer);
                d.correlate(buffer, &weight[channel * g.kh * g.kw..][..g.kh * g.kw], y);
            },
        );
        return y;
    }
    if g.depthwise() {
        y.par_chunks_mut(plane_out).enumerate().for_each(|(plane, y)| {
            let channel = plane % g.c;
            y.fill(bias[channel]);
            g.plane_forward(&x[plane * plane_in..][..plane_in], &weight[channel * g.kh * g.kw..][..g.kh * g.kw], y);
        });
        return y;
    }
    let (inner, outer, taps) = (g.inner(), g.outer(), g.taps());
    y.par_chunks_mut(g.k * plane_out).enumerate().for_each_init(
        || vec![0f32; g.tile_len()],
        |columns, (image, y)| {
            for (plane, bias) in y.chunks_exact_mut(plane_out).zip(bias) {
                plane.fill(*bias);
            }
            for group in 0..g.groups {
                let x = &x[(image * g.c + group * inner) * plane_in..][..inner * plane_in];
                let weight = Matrix::rows(&weight[group * outer * taps..][..outer * taps], taps);
                let y = &mut y[group * outer * plane_out..][..outer * plane_out];
                if g.pointwise() {
                    add_product(y, plane_out, weight, Matrix::rows(x, plane_out), [outer, taps, plane_out]);
                    continue;
                }
                for rows in tiles(g) {
                    let (start, width) = (rows.start * g.ow, rows.len() * g.ow);
                    g.gather(x, rows, columns);
                    add_product(&mut y[start..], plane_out, weight, Matrix::rows(columns, width), [outer, taps, width]);
                }
            }
        },
    );
    y
}

fn input_gradient(g: &Geometry, weight: &[f32], dy: &[f32]) -> Vec<f32> {
    let (plane_in, plane_out) = (g.input_plane(), g.output_plane());
    let mut dx = vec![0f32; g.n * g.c * plane_in];
    if let Some(d) = Depthwise::new(g, Direction::Backward) {
        let turned: Vec<f32> = weight.chunks_exact(g.kh * g.kw).flat_map(|k| k.iter().rev().copied()).collect();
        dx.par_chunks_mut(plane_in).enumerate().for_each_init(
            || d.buffer(),
            |buffer, (plane, dx)| {
                d.fill(&dy[plane * plane_out..][..plane_out], buffer);
                d.correlate(buffer, &turned[plane % g.c * g.kh * g.kw..][..g.kh * g.kw], dx);
            },
        );
        return dx;
    }
    if g.depthwise() {
        dx.par_chunks_mut(plane_in).enumerate().for_each(|(plane, dx)| {
            let weight = &weight[plane % g.c * g.kh * g.kw..][..g.kh * g.kw];
            g.plane_dx(weight, &dy[plane * plane_out..][..plane_out], dx);
        });
        return dx;
    }
    let (inner, outer, taps) = (g.inner(), g.outer(), g.taps());
    dx.par_chunks_mut(g.c * plane_in).enumerate().for_each_init(
        || vec![0f32; g.tile_len()],
        |columns, (image, dx)| {
            for group in 0..g.groups {
                let weight = Matrix::rows(&weight[group * outer * taps..][..outer * taps], taps).transposed();
                let dy = &dy[(image * g.k + group * outer) * plane_out..][..outer * plane_out];
                let dx = &mut dx[group * inner * plane_in..][..inner * plane_in];
                if g.pointwise() {
                    add_product(dx, plane_in, weight, Matrix::rows(dy, plane_out), [taps, outer, plane_out]);
                    continue;
                }
                for rows in tiles(g) {
                    let (start, width) = (rows.start * g.ow, rows.len() * g.ow);
                    columns[..taps * width].fill(0.0);
                    add_product(columns, width, weight, Matrix::rows(&dy[start..], plane_out), [taps, outer, width]);
                    g.scatter(columns, rows, dx);
                }
            }
        },
    );
    dx
}

fn weight_gradient(g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let (plane_in, plane_out) = (g.input_plane(), g.output_plane());
    if let Some(d) = Depthwise::new(g, Direction::Forward) {
        let mut dw = vec![0f32; g.c * g.kh * g.kw];
        dw.par_chunks_mut(g.kh * g.kw).enumerate().for_each_init(
            || d.buffer(),
            |buffer, (channel, dw)| {
                for plane in (0..g.n).map(|image| image * g.c + channel) {
                    d.fill(&x[plane * plane_in..][..plane_in], buffer);
                    d.kernel_gradient(buffer, &dy[plane * plane_out..][..plane_out], dw);
                }
            },
        );
        return dw;
    }
    if g.depthwise() {
        let mut dw = vec![0f32; g.c * g.kh * g.kw];
        dw.par_chunks_mut(g.kh * g.kw).enumerate().for_each(|(channel, dw)| {
            for plane in (0..g.n).map(|image| image * g.c + channel) {
                g.plane_dw(&x[plane * plane_in..][..plane_in], &dy[plane * plane_out..][..plane_out], dw);
            }
        });
        return dw;
    }
    let (inner, outer, taps) = (g.inner(), g.outer(), g.taps());
    let per_part = g.n.div_ceil(PARTS).max(1);
    let parts: Vec<Vec<f32>> = (0..g.n.div_ceil(per_part))
        .into_par_iter()
        .map(|part| {
            let mut dw = vec![0f32; g.k * taps];
            let mut columns = vec![0f32; g.tile_len()];
            for image in part * per_part..((part + 1) * per_part).min(g.n) {
                for group in 0..g.groups {
                    let x = &x[(image * g.c + group * inner) * plane_in..][..inner * plane_in];
                    let dy = &dy[(image * g.k + group * outer) * plane_out..][..outer * plane_out];
                    let dw = &mut dw[group * outer * taps..][..outer * taps];
                    if g.pointwise() {
                        let right = Matrix::rows(x, plane_out).transposed();
                        add_product(dw, taps, Matrix::rows(dy, plane_out), right, [outer, plane_out, taps]);
                        continue;
                    }
                    for rows in tiles(g) {
                        let (start, width) = (rows.start * g.ow, rows.len() * g.ow);
                        g.gather(x, rows, &mut columns);
                        let right = Matrix::rows(&columns, width).transposed();
                        add_product(dw, taps, Matrix::rows(&dy[start..], plane_out), right, [outer, width, taps]);
                    }
                }
            }
            dw
        })
        .collect();
    let mut sum = vec![0f32; g.k * taps];
    for part in &parts {
        sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sum
}

fn tiles(g: &Geometry) -> impl Iterator<Item = std::ops::Range<usize>> {
    let (step, oh) = (g.tile_rows(), g.oh);
    (0..oh).step_by(step).map(move |row| row..(row + step).min(oh))
}

/// A matrix over borrowed numbers: element `[row, column]` is at `row * row_step + column * column_step`.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    fn rows(values: &'a [f32], row_step: usize) -> Self {
        Self { values, row_step, column_step: 1 }
    }
    fn transposed(self) -> Self {
        Self { row_step: self.column_step, column_step: self.row_step, ..self }
    }
    fn holds(&self, rows: usize, columns: usize) -> bool {
        (rows - 1) * self.row_step + (columns - 1) * self.column_step < self.values.len()
    }
}

/// Adds `left * right`, `[m, k] * [k, n]`, to the matrix whose rows start every `step` numbers of `to`.
fn add_product(to: &mut [f32], step: usize, left: Matrix<'_>, right: Matrix<'_>, [m, k, n]: [usize; 3]) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(step >= n && (m - 1) * step + n <= to.len() && left.holds(m, k) && right.holds(k, n));
    let signed = |step: usize| step as isize;
    // SAFETY: the assertion above bounds every element of the three matrices inside their slices (all steps are
    // positive, so the last element is the furthest); `to` is borrowed mutably, so it overlaps neither operand, and its
    // rows do not overlap as `step >= n`. The numbers are initialised f32. Slices are at most isize::MAX bytes, so the
    // steps fit into isize.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            to.as_mut_ptr(),
            1,
            signed(step),
            true,
            left.values.as_ptr(),
            signed(left.column_step),
            signed(left.row_step),
            right.values.as_ptr(),
            signed(right.column_step),
            signed(right.row_step),
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

impl<B: ConvOps, C: CheckpointStrategy> ConvOps for Autodiff<B, C> {
    fn conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        args: ConvArgs,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ConvBackward;

        impl<B: ConvOps> Backward<B, 3> for ConvBackward {
            type State = ([NodeId; 3], ConvArgs);

            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
                let [x_node, weight_node, bias_node] = ops.parents;
                let dy = grads.consume::<B>(&ops.node);
                let ([x, weight, bias], args) = ops.state;
                let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
                let weight: FloatTensor<B> = checkpointer.retrieve_node_output(weight);
                let bias: FloatTensor<B> = checkpointer.retrieve_node_output(bias);
                if let Some(node) = x_node {
                    grads.register::<B>(node.id, B::conv_dx(x.clone(), weight.clone(), dy.clone(), args));
                }
                if let Some(node) = weight_node {
                    grads.register::<B>(node.id, B::conv_dw(x.clone(), weight, dy.clone(), args));
                }
                if let Some(node) = bias_node {
                    grads.register::<B>(node.id, B::conv_db(x, bias, dy));
                }
            }
        }

        match ConvBackward.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let nodes = [prep.checkpoint(&x), prep.checkpoint(&weight), prep.checkpoint(&bias)];
                let y = B::conv(x.into_primitive(), weight.into_primitive(), bias.into_primitive(), args);
                prep.finish((nodes, args), y)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::conv(x.into_primitive(), weight.into_primitive(), bias.into_primitive(), args))
            }
        }
    }
}
