//! `fastai serve-device`: devices of this machine, for programs on others.

use std::net::{SocketAddr, TcpListener};

use fastai_runtime::device::{DEVICE_TOKEN, DeviceKind, DeviceRequest, Picked, pick, serve_devices};

use super::address::cannot_listen;
use super::config;
use super::failure::Failure;
use super::stop;

#[derive(clap::Args)]
pub struct ServeDeviceArgs {
    /// A device to serve, as `--device` of `run` names it; several times for several of CUDA, Vulkan and wgpu. The one that
    /// `run` would take unless given
    #[arg(long = "device", value_name = "DEVICE")]
    devices: Vec<DeviceRequest>,
    /// Where to listen; port 0 takes a free one. Beyond this machine, clients need the token in `$FASTAI_DEVICE_TOKEN`. Nothing is
    /// encrypted: `ssh -L 7600:127.0.0.1:7600 THIS_MACHINE` on the other is the safe way over a network
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7600", value_parser = super::address::address)]
    listen: SocketAddr,
}

pub fn run(args: &ServeDeviceArgs) -> Result<(), Failure> {
    let token = std::env::var(DEVICE_TOKEN).ok().filter(|token| !token.is_empty());
    if token.is_none() && !args.listen.ip().is_loopback() {
        return Err(Failure::Invalid(format!(
            "whoever reaches {} could compute on this machine: set ${DEVICE_TOKEN} to a secret, here and where `fastai run` uses \
             the device; or leave `--listen` away and reach it by `ssh -L 7600:127.0.0.1:7600`",
            args.listen
        )));
    }
    let picked = picked(&args.devices)?;
    let listener = TcpListener::bind(args.listen).map_err(|error| cannot_listen(args.listen, &error))?;
    let address = listener.local_addr().map_err(|error| Failure::Failed(format!("cannot listen: {error}")))?;
    for (index, device) in picked.iter().enumerate() {
        let number = if index == 0 { String::new() } else { format!(":{index}") };
        println!("{}: --device remote:ws://{address}{number}", device.name);
    }
    let devices = picked.into_iter().map(|picked| picked.device).collect();
    let stop = stop::signal_that("ending all sessions; again to stop at once");
    serve_devices(devices, listener, token, &stop).map_err(|error| Failure::Failed(error.to_string()))
}

/// The devices of the requests, in their order.
fn picked(requests: &[DeviceRequest]) -> Result<Vec<Picked>, Failure> {
    let default = [config::device(None)];
    let requests = if requests.is_empty() { &default } else { requests };
    let mut all: Vec<Picked> = Vec::new();
    for request in requests {
        let picked = pick(request.clone())?;
        if picked.kind == DeviceKind::Remote {
            return Err(Failure::Invalid(format!("{request} is a device of another machine: serve it there")));
        }
        if let Some(other) = all.iter().find(|other| other.device == picked.device) {
            return Err(Failure::Invalid(format!("{request} is {}, which is served already", other.name)));
        }
        if let Some(other) =
            all.iter().find(|other| (other.kind == DeviceKind::Cpu) != (picked.kind == DeviceKind::Cpu))
        {
            let (a, b) = (&other.name, &picked.name);
            return Err(Failure::Invalid(format!(
                "{a} and {b} cannot be served together: start a second `serve-device`"
            )));
        }
        all.push(picked);
    }
    Ok(all)
}
