//! Max pool on the CPU, by planes: maxima of columns first, which is a vector operation, then of neighbours.

#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
use burn::backend::Cube;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::{Backend, Dispatch, Flex, backend_extension, tensor::FloatTensor};
use burn::tensor::{Bytes, DType, Shape, Tensor};
use burn_flex::{FlexTensor, Layout};
pub use fastai_dsl::arch::unit::PoolArgs;
use rayon::prelude::*;

/// Max pool of `[batch, channel, height, width]`.
///
/// A NaN counts only where it is the first of its window.
///
/// # Panics
/// If the window is larger than the padded image or smaller than the stride, or the padding is more than half of it (a
/// window could be empty).
pub fn max_pool(x: Tensor<4>, args: PoolArgs) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    let PoolArgs { kernel, stride, pad, .. } = args;
    let sane = stride > 0 && stride <= kernel && 2 * pad <= kernel && kernel <= h.min(w) + 2 * pad;
    assert!(sane, "a pool of {args:?} on {h} x {w}");
    Tensor::from_dispatch(Dispatch::max_pool(x.into_dispatch(), args))
}

/// The pool and its gradient; the provided bodies are burn's own.
#[backend_extension(Flex, Cube: cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan")), Autodiff)]
pub trait PoolOps: Backend {
    /// The output.
    fn max_pool(x: FloatTensor<Self>, args: PoolArgs) -> FloatTensor<Self> {
        let (k, s, p) = ([args.kernel; 2], [args.stride; 2], [args.pad; 2]);
        Self::max_pool2d(x, k, s, p, [1, 1], args.ceil)
    }
    /// Gradient of the input.
    fn max_pool_dx(x: FloatTensor<Self>, dy: FloatTensor<Self>, args: PoolArgs) -> FloatTensor<Self> {
        let int = burn::tensor::IntDType::I32;
        let (k, s, p) = ([args.kernel; 2], [args.stride; 2], [args.pad; 2]);
        let indices = Self::max_pool2d_with_indices(x.clone(), k, s, p, [1, 1], args.ceil, int).indices;
        Self::max_pool2d_with_indices_backward(x, k, s, p, [1, 1], args.ceil, dy, indices).x_grad
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
impl PoolOps for Cube {}

impl PoolOps for Flex {
    fn max_pool(x: FlexTensor, args: PoolArgs) -> FlexTensor {
        if x.dtype() != DType::F32 {
            let (k, s, p) = ([args.kernel; 2], [args.stride; 2], [args.pad; 2]);
            return <Flex as burn::backend::ops::ModuleOps<Flex>>::max_pool2d(x, k, s, p, [1, 1], args.ceil);
        }
        let x = x.to_contiguous();
        let p = Pool::new(x.layout().shape(), args);
        let values: &[f32] = x.storage();
        let mut y = vec![0f32; p.planes * p.oh * p.ow];
        y.par_chunks_mut(p.oh * p.ow)
            .zip(values.par_chunks(p.h * p.w))
            .for_each_init(|| vec![0f32; p.w], |columns, (y, x)| p.forward(x, columns, y));
        tensor(y, vec![p.n, p.planes / p.n.max(1), p.oh, p.ow])
    }

    fn max_pool_dx(x: FlexTensor, dy: FlexTensor, args: PoolArgs) -> FlexTensor {
        let (x, dy) = (x.to_contiguous(), dy.to_contiguous());
        let p = Pool::new(x.layout().shape(), args);
        let (values, dy): (&[f32], &[f32]) = (x.storage(), dy.storage());
        let mut dx = vec![0f32; p.planes * p.h * p.w];
        dx.par_chunks_mut(p.h * p.w)
            .zip(values.par_chunks(p.h * p.w))
            .zip(dy.par_chunks(p.oh * p.ow))
            .for_each(|((dx, x), dy)| p.backward(x, dy, dx));
        tensor(dx, vec![p.n, p.planes / p.n.max(1), p.h, p.w])
    }
}

fn tensor(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(Shape::from(shape)), DType::F32)
}

/// Sides of a pool.
struct Pool {
    n: usize,
    planes: usize,
    h: usize,
    w: usize,
    oh: usize,
    ow: usize,
    args: PoolArgs,
}

impl Pool {
    fn new(shape: &Shape, args: PoolArgs) -> Self {
        let (n, c, h, w) = (shape[0], shape[1], shape[2], shape[3]);
        Pool { n, planes: n * c, h, w, oh: args.windows(h), ow: args.windows(w), args }
    }

    fn rows(&self, oy: usize) -> std::ops::Range<usize> {
        self.window(oy, self.h)
    }

    fn columns(&self, ox: usize) -> std::ops::Range<usize> {
        self.window(ox, self.w)
    }

    fn window(&self, number: usize, side: usize) -> std::ops::Range<usize> {
        let PoolArgs { kernel, stride, pad, .. } = self.args;
        let start = number * stride;
        start.saturating_sub(pad)..(start + kernel - pad).min(side)
    }

    fn forward(&self, x: &[f32], columns: &mut [f32], y: &mut [f32]) {
        for (oy, y) in y.chunks_exact_mut(self.ow).enumerate() {
            let mut rows = self.rows(oy).map(|row| &x[row * self.w..][..self.w]);
            if let Some(first) = rows.next() {
                columns.copy_from_slice(first);
            }
            for row in rows {
                for (best, v) in columns.iter_mut().zip(row) {
                    *best = larger(*best, *v);
                }
            }
            for (ox, y) in y.iter_mut().enumerate() {
                let window = &columns[self.columns(ox)];
                *y = window[1..].iter().fold(window[0], |best, v| larger(best, *v));
            }
        }
    }

    /// The gradient of an output goes to the first of the maxima in its window.
    fn backward(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for (oy, dy) in dy.chunks_exact(self.ow).enumerate() {
            for (ox, dy) in dy.iter().enumerate() {
                let columns = self.columns(ox);
                let mut at = self.rows(oy).start * self.w + columns.start;
                let mut best = x[at];
                for row in self.rows(oy) {
                    let start = row * self.w + columns.start;
                    for (k, v) in x[start..row * self.w + columns.end].iter().enumerate() {
                        if *v > best {
                            (best, at) = (*v, start + k);
                        }
                    }
                }
                dx[at] += dy;
            }
        }
    }
}

/// One instruction, where `f32::max` must treat NaN.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

impl<B: PoolOps, C: CheckpointStrategy> PoolOps for Autodiff<B, C> {
    fn max_pool(x: FloatTensor<Self>, args: PoolArgs) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct PoolBackward;

        impl<B: PoolOps> Backward<B, 1> for PoolBackward {
            type State = (NodeId, PoolArgs);

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
                let [node] = ops.parents;
                let dy = grads.consume::<B>(&ops.node);
                let (x, args) = ops.state;
                let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
                if let Some(node) = node {
                    grads.register::<B>(node.id, B::max_pool_dx(x, dy, args));
                }
            }
        }

        match PoolBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let node = prep.checkpoint(&x);
                let y = B::max_pool(x.into_primitive(), args);
                prep.finish((node, args), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::max_pool(x.into_primitive(), args)),
        }
    }
}
