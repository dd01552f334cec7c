//! Pools.

use burn::tensor::Tensor;

/// fastai's concat pool: the maxima, then the averages, of each channel: `[batch, channel, height, width]` to
/// `[batch, 2 * channel]`.
pub fn concat_pool(x: Tensor<4>) -> Tensor<2> {
    let x: Tensor<3> = x.flatten(2, 3);
    let maxima: Tensor<2> = x.clone().max_dim(2).flatten(1, 2);
    let averages: Tensor<2> = x.mean_dim(2).flatten(1, 2);
    Tensor::cat(vec![maxima, averages], 1)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn maxima_come_before_averages() {
        let x = TensorData::new(vec![1.0f32, 2.0, 3.0, 6.0, -4.0, -3.0, -2.0, -7.0], [1, 2, 2, 2]);
        let got = concat_pool(Tensor::<4>::from_data(x, &Device::flex()));
        assert_eq!(got.into_data().try_to_vec::<f32>().unwrap(), vec![6.0, -2.0, 3.0, -4.0]);
    }
}
