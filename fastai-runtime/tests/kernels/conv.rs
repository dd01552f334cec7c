//! The convolution kernel against burn's own operation: values and gradients.

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use fastai_runtime::kernels::{ConvArgs, conv};

/// Numbers in [-1, 1) that look random.
fn noise<const D: usize>(shape: [usize; D], salt: u64, device: &Device) -> Tensor<D> {
    let mut state = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.into_data().try_to_vec().unwrap()
}

struct Case {
    n: usize,
    c: usize,
    k: usize,
    h: usize,
    w: usize,
    kernel: [usize; 2],
    args: ConvArgs,
}

/// Output and gradients of input, weight and bias, by either implementation.
fn run(case: &Case, ours: bool) -> [Vec<f32>; 4] {
    let device = Device::flex().autodiff();
    let Case { n, c, k, h, w, kernel, args } = *case;
    let x = noise([n, c, h, w], 1, &device).require_grad();
    let weight = noise([k, c / args.groups, kernel[0], kernel[1]], 2, &device).require_grad();
    let bias = noise([k], 3, &device).require_grad();
    let y = if ours {
        conv(x.clone(), weight.clone(), Some(bias.clone()), args)
    } else {
        let options = ConvOptions::new([args.stride; 2], args.pad, [1, 1], args.groups);
        conv2d(x.clone(), weight.clone(), Some(bias.clone()), options)
    };
    let grads = (y.clone() * noise(y.dims(), 4, &device)).sum().backward();
    [
        values(y),
        values(x.grad(&grads).unwrap()),
        values(weight.grad(&grads).unwrap()),
        values(bias.grad(&grads).unwrap()),
    ]
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (h, w) in [(7, 9), (8, 8), (13, 5)] {
        for stride in [1, 2, 3] {
            for (kernel, pad) in [
                ([1, 1], [0, 0]),
                ([3, 3], [1, 1]),
                ([3, 3], [0, 0]),
                ([5, 5], [2, 2]),
                ([3, 5], [0, 2]),
                ([1, 1], [1, 1]),
            ] {
                for (c, k, groups) in [(6, 6, 6), (6, 4, 1), (6, 9, 3), (3, 6, 3), (1, 1, 1)] {
                    let args = ConvArgs { stride, pad, groups };
                    cases.push(Case { n: 3, c, k, h, w, kernel, args });
                }
            }
        }
    }
    // padding wider than the image's reach, more images than parts, more than one tile of columns
    let args = ConvArgs { stride: 1, pad: [4, 4], groups: 4 };
    cases.push(Case { n: 2, c: 4, k: 4, h: 2, w: 2, kernel: [5, 5], args });
    cases.push(Case {
        n: 19,
        c: 8,
        k: 4,
        h: 4,
        w: 4,
        kernel: [3, 3],
        args: ConvArgs { stride: 1, pad: [1, 1], groups: 1 },
    });
    let args = ConvArgs { stride: 1, pad: [1, 1], groups: 1 };
    cases.push(Case { n: 1, c: 32, k: 8, h: 40, w: 40, kernel: [3, 3], args });
    cases
}

#[test]
fn values_and_gradients_are_burns() {
    for case in cases() {
        let (got, want) = (run(&case, true), run(&case, false));
        for ((got, want), what) in got.iter().zip(&want).zip(["y", "dx", "dw", "db"]) {
            assert_eq!(got.len(), want.len());
            let largest = want.iter().fold(1f32, |m, v| m.max(v.abs()));
            let worst = got.iter().zip(want).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
            let Case { c, k, h, w, kernel, args, .. } = case;
            assert!(worst <= 1e-5 * largest, "{what} differs by {worst}: {c}->{k} {h}x{w} {kernel:?} {args:?}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for (c, k, groups, kernel) in [(16, 16, 16, 3), (16, 24, 1, 3), (16, 24, 1, 1)] {
        let args = ConvArgs { stride: 1, pad: [kernel / 2; 2], groups };
        let case = Case { n: 11, c, k, h: 17, w: 19, kernel: [kernel; 2], args };
        let with = |threads: usize| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| run(&case, true))
        };
        assert_eq!(with(1), with(2));
        assert_eq!(with(1), with(3));
    }
}
