//! Networks against the numbers of their references.

#[path = "../device.rs"]
#[allow(dead_code)] // each test program uses a part
mod device;
mod folding;
mod mixed;
mod onnx;
mod parity;
mod reference;
mod squeezenet;
