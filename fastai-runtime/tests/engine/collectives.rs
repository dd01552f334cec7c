//! Why a run takes one device: burn 0.22.1 sums gradients over CUDA devices of one machine only (with NCCL). Should a test
//! of these fail, burn has learned more, and training on several devices can be built and tested without CUDA.

use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::time::Duration;

use burn::tensor::distributed::{ReduceOperation, all_reduce};
use burn::tensor::{Device, Tensor};
use fastai_runtime::device::{DeviceRequest, pick, serve_devices};
use fastai_runtime::progress::StopSignal;

/// Serves so many CPU devices until the test program ends, and connects to all of them.
fn served(count: usize) -> Vec<Device> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        serve_devices(vec![Device::flex(); count], listener, None, &StopSignal::default()).unwrap();
    });
    let connect = |index| pick(format!("remote:ws://127.0.0.1:{port}:{index}").parse::<DeviceRequest>().unwrap());
    (0..count).map(|index| connect(index).unwrap().device).collect()
}

/// The sum over devices that hold 1 and 2, as the first one sees it, or why there is none.
fn summed(devices: Vec<Device>) -> Result<Vec<f32>, String> {
    let (done, results) = channel();
    for (index, device) in devices.iter().cloned().enumerate() {
        let (all, done) = (devices.clone(), done.clone());
        std::thread::spawn(move || {
            let own = Tensor::<1>::from_floats([index as f32 + 1.0], &device);
            let sum = all_reduce(own, ReduceOperation::Sum, all).resolve().into_data();
            let _ = done.send((index, sum.try_into_vec::<f32>().unwrap()));
        });
    }
    drop(done);
    let first =
        std::iter::from_fn(|| results.recv_timeout(Duration::from_secs(60)).ok()).find(|(index, _)| *index == 0);
    first.map(|(_, sum)| sum).ok_or_else(|| "no sum".to_string())
}

#[test]
fn devices_without_cuda_sum_nothing() {
    let of_one_server = served(2);
    let of_two_servers = vec![of_one_server[0].clone(), served(1).remove(0)];
    assert!(summed(of_one_server).is_err());
    assert!(summed(of_two_servers).is_err());
}
