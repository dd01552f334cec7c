//! The numbers of a network.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use fastai_runtime::models::Network;

/// All parameters and running statistics, by name, in module order.
pub fn tensors(network: &Network) -> Vec<(String, Vec<f32>)> {
    struct All(Vec<Vec<f32>>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().into_data().try_to_vec().unwrap());
        }
    }
    let mut all = All(Vec::new());
    network.visit(&mut all);
    network.shapes().into_iter().map(|(name, _)| name).zip(all.0).collect()
}
