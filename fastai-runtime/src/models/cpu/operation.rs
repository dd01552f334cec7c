//! The body as one operation of burn's autodiff.

use std::sync::{Arc, Mutex};

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Flex};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use fastai_kernels::{MapShape, layout};

use super::super::conv_norm::ConvNorm;
use super::super::norm::Pass;
use super::super::unit_times::on_pool;
use super::backward;
use super::evaluate::BodyEvaluation;
use super::feature_map::FeatureMap;
use super::ready::ReadyUnit;
use super::tape::{MapNumber, Recording, Tape};
use crate::float;
use fastai_dsl::arch::graph::Graph;

/// A tensor of the CPU backend that autodiff knows.
type Tracked = FloatTensor<Autodiff<Flex>>;

/// Pixels of a batch whose units run for less time than a sleeping thread takes to wake up.
const FEW_PIXELS: usize = 1 << 18;

/// Runs `work` on one thread of the pool where that pays, as every operation of its own would wake one up: for few images on
/// the CPU.
pub(in crate::models) fn together<T: Send>(x: Tensor<4>, work: impl FnOnce(Tensor<4>) -> T + Send) -> T {
    let [batch, _, height, width] = x.dims();
    if batch * height * width <= FEW_PIXELS && float::parts(x.clone()).is_some() {
        on_pool(true, || work(x))
    } else {
        work(x)
    }
}

/// The first map of a body.
struct FirstMap {
    value: FeatureMap,
    context: DispatchAutodiffContext,
    /// The input's node, if a backward pass would reach it.
    node: Option<NodeId>,
}

impl FirstMap {
    /// None if the input has no number or is not on the CPU.
    fn new(x: &Tensor<4>) -> Option<Self> {
        if x.shape().num_elements() == 0 {
            return None;
        }
        let [batch, channels, height, width] = x.dims();
        let context = x.clone().into_dispatch().autodiff;
        let (tensor, node) = float::parts(x.clone())?;
        let planes = float::contiguous(tensor)?;
        let mut value = FeatureMap::new(MapShape { batch, height, width, channels });
        layout::from_planes(planes.values(), value.shape(), value.fresh().dense_mut());
        Some(Self { value, context, node })
    }
}

/// The maxima, then the means, of each channel of a body's output in evaluation, `[batch, 2 * channel]`, if the body and its
/// kernels are on the CPU and nothing is learned from the pass.
pub(in crate::models) fn features(
    graph: &Graph,
    units: &[ConvNorm],
    ready: &[ReadyUnit],
    x: &Tensor<4>,
) -> Option<Tensor<2>> {
    if units.iter().any(ConvNorm::requires_grad) {
        return None;
    }
    let FirstMap { value, context, node: None } = FirstMap::new(x)? else { return None };
    let evaluation = BodyEvaluation { graph, units, ready };
    let (features, sides) = on_pool(false, || evaluation.features(value));
    Some(float::tensor(features, sides, is_enabled(context)))
}

/// A body's output, `[batch, channel, height', width']`, if it and its kernels are on the CPU.
pub(in crate::models) fn forward(
    graph: &Graph,
    units: &[ConvNorm],
    ready: &[ReadyUnit],
    x: &Tensor<4>,
    pass: &mut Pass,
) -> Option<Tensor<4>> {
    let FirstMap { value, context, node } = FirstMap::new(x)?;
    let evaluation = BodyEvaluation { graph, units, ready };
    let trained = units.iter().find(|unit| unit.requires_grad());
    if trained.is_none() && node.is_none() && !learns(units, pass) && !pass.has_depth() {
        let output = on_pool(false, || evaluation.run(&graph.root, value));
        return Some(float::tensor(output.planes(), output.sides(), is_enabled(context)));
    }
    let mut recording = Recording { evaluation, pass, tape: Tape::default() };
    let (output, number, wanted) = on_pool(false, || recording.record(value, node.is_some()));
    if !wanted {
        return Some(float::tensor(output.planes(), output.sides(), is_enabled(context)));
    }
    let planes = float::primitive(output.planes(), output.sides().to_vec());
    let pass = TapedPass { tape: recording.tape, output: number, shape: output.shape() };
    let input = autodiff(x.clone().into_dispatch())?;
    let anchors = [input.clone(), trained.map_or(Some(input), |unit| autodiff(unit.trained()?))?];
    let nodes = anchors.each_ref().map(|anchor| anchor.node());
    let primitive = match BodyBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(Arc::new(Mutex::new(Some(pass))), planes),
        OpsKind::UnTracked(prep) => prep.finish(planes),
    };
    let kind = DispatchTensorKind::Flex(BackendTensor::Autodiff(primitive));
    let kind = DispatchTensorKind::Autodiff(Box::new(kind));
    Some(Tensor::from_dispatch(DispatchTensor { kind, autodiff: context }))
}

/// Whether the pass changes running statistics.
fn learns(units: &[ConvNorm], pass: &Pass) -> bool {
    pass.is_training() && units.iter().filter_map(ConvNorm::batch_norm).any(|norm| norm.learns.is_enabled())
}

pub(super) fn is_enabled(context: DispatchAutodiffContext) -> bool {
    context != DispatchAutodiffContext::Disabled
}

fn autodiff(tensor: DispatchTensor) -> Option<Tracked> {
    match tensor.kind {
        DispatchTensorKind::Autodiff(inner) => match *inner {
            DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => Some(tensor),
            _ => None,
        },
        _ => None,
    }
}

/// A pass that waits for its gradient.
#[derive(Debug)]
struct TapedPass {
    tape: Tape,
    output: MapNumber,
    shape: MapShape,
}

/// Number of the map that a pass begins with.
const INPUT: MapNumber = 0;

/// The backward pass. Its parents are the input and one of the trained parameters, which stands for all: gradients of the
/// others are registered beside it, as parameters are leaves that nothing follows.
#[derive(Debug)]
struct BodyBackward;

impl Backward<Flex, 2> for BodyBackward {
    type State = Arc<Mutex<Option<TapedPass>>>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy: FlexTensor = grads.consume::<Flex>(&ops.node);
        let taken = ops.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let TapedPass { tape, output, shape } = taken.expect("a pass goes back once");
        let dy = float::contiguous(dy).expect("gradients of 32 bits");
        let mut value = FeatureMap::new(shape);
        layout::from_planes(dy.values(), shape, value.fresh().dense_mut());
        drop(dy);
        let (parameters, input) = on_pool(false, || backward::run(tape, output, value, INPUT));
        for (node, values, sides) in parameters {
            grads.register::<Flex>(node, float::primitive(values, sides));
        }
        let [parent, _] = ops.parents;
        if let (Some(parent), Some(input)) = (parent, input) {
            grads.register::<Flex>(parent.id, float::primitive(input.planes(), input.sides().to_vec()));
        }
    }
}
