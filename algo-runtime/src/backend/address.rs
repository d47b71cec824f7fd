//! The address of a backend.

use std::{fmt, str::FromStr};

use intuition_common::text::without_login;
use tonic::transport::Endpoint;

/// Address of a server of the contract's service `Algorithm`: `http://host:port` or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(String);

/// A text that is no address of a backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be http://HOST:PORT or unix:/PATH, is {text:?}{hint}")]
pub struct AddressError {
    text: String,
    hint: &'static str,
}

impl Address {
    /// As given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The endpoint for a client.
    pub fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        Endpoint::from_shared(self.0.clone())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hint = if text.starts_with("https://") { "; TLS is not supported" } else { "" };
        let error = || AddressError { text: without_login(text).into_owned(), hint };
        let is_address = match (text.strip_prefix("http://"), text.strip_prefix("unix:")) {
            (Some(rest), _) => is_host_and_port(rest.strip_suffix('/').unwrap_or(rest)),
            // tonic accepts `unix:path` as well, but a relative path depends on the working directory.
            (None, Some(path)) => path.starts_with('/') && !path.trim_matches('/').is_empty() && !path.contains('\0'),
            (None, None) => false,
        };
        let address = Self(text.to_owned());
        if is_address && address.endpoint().is_ok() { Ok(address) } else { Err(error()) }
    }
}

fn is_host_and_port(text: &str) -> bool {
    if text.contains(['/', '?', '#', '@']) || text.contains(char::is_whitespace) {
        return false;
    }
    // Require an explicit port: defaulting to 80 would hide a mistake.
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.ends_with(':') && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_a_port_or_a_socket_with_an_absolute_path() {
        for text in ["http://127.0.0.1:50051", "http://algo.default.svc:80/", "http://[::1]:50051", "unix:/run/a.sock"]
        {
            assert_eq!(text.parse::<Address>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "127.0.0.1:50051",
            "http://",
            "http://host",
            "http://:1",
            "http://host:0",
            "http://host:70000",
            "http://host:1/path",
            "http://user@host:1",
            "http://ho st:1",
            "unix:",
            "unix:relative",
            "unix:/",
            "grpc://host:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        let error = "http://user:secret@host:1".parse::<Address>().unwrap_err().to_string();
        assert_eq!(error, r#"must be http://HOST:PORT or unix:/PATH, is "http://***@host:1""#);
        let error = "https://host:1".parse::<Address>().unwrap_err().to_string();
        assert!(error.ends_with("; TLS is not supported"), "{error}");
    }
}
