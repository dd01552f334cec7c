//! Where servers listen.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::failure::Failure;

/// The port of an example, where the text names none.
const PORT: u16 = 8000;

/// Reads an address with a port.
///
/// # Errors
/// An example that is as much of the text as an address can be.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let example = match (text.parse::<IpAddr>(), text.rsplit(':').next().map(str::parse::<u16>)) {
            (Ok(ip), _) => SocketAddr::new(ip, PORT),
            (Err(_), Some(Ok(port))) => (Ipv4Addr::LOCALHOST, port).into(),
            _ => (Ipv4Addr::LOCALHOST, PORT).into(),
        };
        format!("an address in numbers and a port are wanted, such as {example}")
    })
}

/// That a server cannot listen on an address, and what to type instead.
pub fn cannot_listen(at: SocketAddr, error: &Error) -> Failure {
    let advice = match error.kind() {
        ErrorKind::AddrInUse | ErrorKind::PermissionDenied => {
            format!("; `--listen {}` takes a free port", SocketAddr::new(at.ip(), 0))
        }
        ErrorKind::AddrNotAvailable => {
            let (own, all) = (Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED);
            let port = at.port();
            format!(
                "; it is no address of this machine: `--listen {own}:{port}` serves this machine alone, `--listen {all}:{port}` \
                 all its networks"
            )
        }
        _ => String::new(),
    };
    Failure::Failed(format!("cannot listen on {at}: {error}{advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_proposed_only_where_it_helps() {
        let at: SocketAddr = "10.9.9.9:80".parse().unwrap();
        let said = |kind: ErrorKind| cannot_listen(at, &Error::from(kind)).text().unwrap();
        assert!(said(ErrorKind::AddrInUse).ends_with("; `--listen 10.9.9.9:0` takes a free port"));
        let other = said(ErrorKind::AddrNotAvailable);
        assert!(other.contains("`--listen 127.0.0.1:80`") && !other.contains("free port"), "{other}");
    }

    #[test]
    fn what_is_no_address_gets_an_example_that_is_one() {
        assert_eq!(address("[::1]:80").unwrap().port(), 80);
        for (text, example) in [
            ("8377", "127.0.0.1:8377"),
            (":8377", "127.0.0.1:8377"),
            ("localhost:8377", "127.0.0.1:8377"),
            ("0.0.0.0", "0.0.0.0:8000"),
            ("::1", "[::1]:8000"),
            ("99999", "127.0.0.1:8000"),
            ("", "127.0.0.1:8000"),
        ] {
            let error = address(text).unwrap_err();
            assert!(error.ends_with(&format!("such as {example}")), "{text}: {error}");
            assert!(address(example).is_ok());
        }
    }
}
