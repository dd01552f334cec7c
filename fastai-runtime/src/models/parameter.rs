//! Walks over a network's parameters by name.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

/// A parameter (or running statistic) of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterInfo {
    /// `body.` and the name in published weights, or `head.` and the position in the head.
    pub name: String,
    /// burn's id: constant through training.
    pub id: ParamId,
    /// Sides of the tensor.
    pub shape: Vec<usize>,
    /// Layer group, counted from the input.
    pub group: usize,
    /// A running statistic: part of the model, but never trained.
    pub buffer: bool,
    /// Whether a backward pass computes its gradient.
    pub trainable: bool,
}

impl ParameterInfo {
    /// Numbers in the tensor.
    pub fn count(&self) -> u64 {
        self.shape.iter().map(|s| *s as u64).product()
    }
}

/// Whether a name is that of a running statistic.
pub(super) fn is_buffer(name: &str) -> bool {
    name.ends_with(".running_mean") || name.ends_with(".running_var")
}

/// The current path of a walk, without enum variants.
#[derive(Debug, Default)]
pub(super) struct Path(Vec<String>);

impl Path {
    pub(super) fn enter(&mut self, name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.push(name.to_owned());
        }
    }
    pub(super) fn exit(&mut self, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.pop();
        }
    }
    pub(super) fn joined(&self) -> String {
        self.0.join(".")
    }
}

/// Name and sides of every float tensor, in module order. Does not draw random weights.
pub(super) fn shapes<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    let mut found = Vec::new();
    visit(module, |name, seen| found.push((name.to_owned(), seen.shape)));
    found
}

/// Calls `each(name, seen)` for every float tensor in module order.
pub(super) fn visit<M: Module>(module: &M, each: impl FnMut(&str, SeenTensor<'_>)) {
    struct EachTensor<F> {
        path: Path,
        each: F,
    }
    impl<F: FnMut(&str, SeenTensor<'_>)> ModuleVisitor for EachTensor<F> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, container: &str) {
            self.path.exit(container);
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let read = || param.val().into_data().convert::<f32>().try_to_vec::<f32>().expect("converted to f32");
            let seen = SeenTensor {
                id: param.id,
                requires_grad: &|| param.is_require_grad(),
                shape: param.lazy_shape().to_vec(),
                read: &read,
            };
            (self.each)(&self.path.joined(), seen);
        }
    }
    module.visit(&mut EachTensor { path: Path::default(), each });
}

/// A tensor as [`visit`] presents it. The members are functions because reading an uninitialised weight draws it.
pub(super) struct SeenTensor<'a> {
    pub(super) id: ParamId,
    pub(super) requires_grad: &'a dyn Fn() -> bool,
    pub(super) shape: Vec<usize>,
    pub(super) read: &'a dyn Fn() -> Vec<f32>,
}

/// Replaces tensors by `values(name, sides)`, in row-major order; `None` keeps one. The caller discards the folds of frozen
/// bodies in the module.
///
/// # Errors
/// The first error of `values`.
///
/// # Panics
/// If the number of values does not match the sides.
pub(super) fn map_values<M: Module, E>(
    module: M,
    values: impl FnMut(&str, &[usize]) -> Option<Result<Vec<f32>, E>>,
) -> Result<M, E> {
    struct Replace<F, E> {
        path: Path,
        values: F,
        failed: Option<E>,
    }
    impl<F: FnMut(&str, &[usize]) -> Option<Result<Vec<f32>, E>>, E> ModuleMapper for Replace<F, E> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, container: &str) {
            self.path.exit(container);
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if self.failed.is_some() {
                return param;
            }
            let shape = param.lazy_shape();
            match (self.values)(&self.path.joined(), &shape.to_vec()) {
                Some(Ok(values)) => {
                    let data = TensorData::new(values, shape);
                    let (id, new) = (param.id, Tensor::from_data(data, &param.lazy_device()));
                    param.transform_for_load(new, id)
                }
                Some(Err(error)) => {
                    self.failed = Some(error);
                    param
                }
                None => param,
            }
        }
    }
    let mut replace = Replace { path: Path::default(), values, failed: None };
    let module = module.map(&mut replace);
    replace.failed.map_or(Ok(module), Err)
}
