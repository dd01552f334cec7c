//! Devices of other machines: where they are, and both ends of the connection.

use std::fmt;
use std::net::Ipv6Addr;

/// The variable with the token of a served device, for the machine that serves it and for those that use it.
pub const TOKEN: &str = "FASTAI_DEVICE_TOKEN";

/// A device that another machine serves: `ws://host:port`, then `:1` for its second device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteAddress {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// The port, from 1.
    pub port: u16,
    /// Number of the device among those that are served, from 0.
    pub index: usize,
}

impl RemoteAddress {
    /// Reads an address; `None` if the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let authority = text.strip_prefix("ws://")?;
        let (host, numbers) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, numbers) = rest.split_once("]:")?;
                host.parse::<Ipv6Addr>().ok()?;
                (format!("[{host}]"), numbers)
            }
            None => {
                let (host, numbers) = authority.split_once(':')?;
                let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
                if host.is_empty() || !host.chars().all(is_name) {
                    return None;
                }
                (host.to_string(), numbers)
            }
        };
        let (port, index) = match numbers.split_once(':') {
            Some((port, index)) => (port, index.parse().ok()?),
            None => (numbers, 0),
        };
        let port = port.parse().ok().filter(|port| *port != 0)?;
        Some(RemoteAddress { host, port, index })
    }

    /// The address of the server, e.g. `ws://box:7600`.
    pub fn server(&self) -> String {
        format!("ws://{}:{}", self.host, self.port)
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.server())?;
        if self.index > 0 { write!(f, ":{}", self.index) } else { Ok(()) }
    }
}

#[cfg(feature = "remote")]
pub(super) use client::connect;
#[cfg(feature = "remote")]
pub use server::{ServeDeviceError, serve};

#[cfg(feature = "remote")]
mod client {
    use std::net::{TcpStream, ToSocketAddrs};
    use std::time::Duration;

    use burn::remote::{ConnectError, RemoteHost};
    use burn::tensor::Device;

    use super::super::guard::guarded;
    use super::{RemoteAddress, TOKEN};

    /// Longest wait for the first answer of a host.
    const ANSWER: Duration = Duration::from_secs(10);

    /// Opens a session on the device.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    pub(in crate::device) fn connect(address: &RemoteAddress) -> Result<Device, String> {
        // burn tries for a quarter of a minute, and says less of the cause.
        reach(address)?;
        let host = RemoteHost::websocket(&address.server());
        let host = match std::env::var(TOKEN) {
            Ok(token) if !token.is_empty() => host.with_credential(token),
            _ => host,
        };
        let opened = guarded(|| Device::remote_options(&host).device_index(address.index).init())?;
        opened.map_err(|error| match error {
            ConnectError::Unauthorized => {
                format!("it wants another token: set ${TOKEN} to the one that `fastai serve-device` was started with")
            }
            ConnectError::NoSuchDevice { device_count: 1 } => "it serves one device, which has no number".to_string(),
            ConnectError::NoSuchDevice { device_count } => {
                format!("it serves {device_count} devices, `:0` to `:{}`", device_count.saturating_sub(1))
            }
            ConnectError::IncompatibleProtocol { .. } => {
                format!("{error}; take the same version of this program on both machines")
            }
            other => other.to_string(),
        })
    }

    fn reach(address: &RemoteAddress) -> Result<(), String> {
        let host = address.host.trim_matches(['[', ']']);
        let advice = "start `fastai serve-device` there";
        let found = (host, address.port).to_socket_addrs().map_err(|error| format!("no such host: {error}"))?;
        let mut failure = "its name has no address".to_string();
        for place in found {
            match TcpStream::connect_timeout(&place, ANSWER) {
                Ok(_) => return Ok(()),
                Err(error) => failure = format!("nothing answers at {place} ({error}): {advice}"),
            }
        }
        Err(failure)
    }
}

#[cfg(feature = "remote")]
mod server {
    use std::net::TcpListener;
    use std::time::Duration;

    use burn::server::{EmptyToken, RemoteServer, ServeError, TokenAuthorizer, WebSocketTransport};
    use burn::tensor::Device;

    use crate::progress::StopSignal;

    /// Time between two looks at the stop signal.
    const LOOK: Duration = Duration::from_millis(50);

    /// Serving failed. Each message contains that of its cause, which is therefore a field and not a `source`.
    #[derive(Debug, thiserror::Error)]
    #[non_exhaustive]
    pub enum ServeDeviceError {
        /// The token is empty.
        #[error("cannot serve: {0}")]
        Token(EmptyToken),
        /// The threads that serve could not be started.
        #[error("cannot serve: {0}")]
        Threads(std::io::Error),
        /// The devices cannot be served together, or the network failed.
        #[error("cannot serve: {0}")]
        Server(ServeError),
    }

    /// Serves devices of one backend to clients that state `token`, or to all without one, until `stop` asks it to end.
    ///
    /// Sessions are not encrypted. A client can compute anything on the devices and take all of their memory.
    ///
    /// # Errors
    /// An empty token, devices of several backends, or a failure of the network.
    pub fn serve(
        devices: Vec<Device>,
        listener: TcpListener,
        token: Option<String>,
        stop: &StopSignal,
    ) -> Result<(), ServeDeviceError> {
        let server = RemoteServer::new(devices);
        let server = match token {
            Some(token) => server.with_authorizer(TokenAuthorizer::new(token).map_err(ServeDeviceError::Token)?),
            None => server,
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ServeDeviceError::Threads)?;
        let served = runtime.block_on(async {
            let asked = async {
                while !stop.requested() {
                    tokio::time::sleep(LOOK).await;
                }
            };
            tokio::select! {
                served = server.serve_async(WebSocketTransport::from_listener(listener)) => served.map_err(ServeDeviceError::Server),
                () = asked => Ok(()),
            }
        });
        // What a client asked for last need not end.
        runtime.shutdown_background();
        served
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for text in ["ws://box:7600", "ws://127.0.0.1:1", "ws://[::1]:65535:2", "ws://gpu-1.lab_a.example:80:11"] {
            assert_eq!(RemoteAddress::parse(text).unwrap().to_string(), text);
        }
        let first = RemoteAddress::parse("ws://box:7600:0").unwrap();
        assert_eq!((first.to_string().as_str(), first.index), ("ws://box:7600", 0));
        for text in [
            "",
            "box:7600",
            "http://box:7600",
            "wss://box:7600",
            "ws://box",
            "ws://:7600",
            "ws://box:0",
            "ws://box:65536",
            "ws://box:7600/",
            "ws://me@box:7600",
            "ws://box:7600:x",
            "ws://box:7600:1:2",
            "ws://::1:7600",
            "ws://[box]:7600",
            "ws://[::1]",
            "ws://a b:7600",
        ] {
            assert_eq!(RemoteAddress::parse(text), None, "{text}");
        }
    }
}
