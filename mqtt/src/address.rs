//! Addresses of brokers.

use std::{fmt, net::IpAddr, str::FromStr};

use intuition_common::text::without_login;
use url::Url;

/// Address of a broker, read from `mqtt://host[:port]` or `mqtts://host[:port]`. Printed back with its port, never with
/// user info: it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// Errors in a broker address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text is no URL.
    #[error("{0:?} is no URL such as mqtt://127.0.0.1:1883")]
    NotAUrl(String),
    /// The scheme is neither `mqtt` nor `mqtts`.
    #[error("the scheme of a broker URL must be mqtt or mqtts, not {0:?}")]
    UnknownScheme(String),
    /// The URL has no host.
    #[error("{0:?} names no host")]
    NoHost(String),
    /// A user name or a password in the URL, where logs would show it.
    #[error("a broker URL must not carry user info: use --mqtt-username and --mqtt-password-file")]
    UserInfo,
    /// Path, query or fragment, which would be ignored.
    #[error("a broker URL ends after the port")]
    MoreThanHost,
}

impl Address {
    /// The host is this machine, by its name or by an address of the loopback interface.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.bare_host();
        host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// The host without the brackets of an IPv6 address.
    pub(super) fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| AddressError::NotAUrl(without_login(text).into_owned()))?;
        // Before anything else, so that no message repeats a password.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::UserInfo);
        }
        let (tls, default_port) = match url.scheme() {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            other => return Err(AddressError::UnknownScheme(other.to_owned())),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| AddressError::NoHost(without_login(text).into_owned()))?.to_owned();
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::MoreThanHost);
        }
        Ok(Self { host, port: url.port().unwrap_or(default_port), tls })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_follows_from_the_scheme() {
        assert_eq!("mqtt://broker".parse::<Address>().unwrap().to_string(), "mqtt://broker:1883");
        assert_eq!("mqtts://broker/".parse::<Address>().unwrap().to_string(), "mqtts://broker:8883");
        assert_eq!("mqtt://127.0.0.1:9".parse::<Address>().unwrap().to_string(), "mqtt://127.0.0.1:9");
    }

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        for (url, is_loopback) in [
            ("mqtt://localhost", true),
            ("mqtt://127.0.0.2:1", true),
            ("mqtts://[::1]", true),
            ("mqtt://[::2]", false),
            ("mqtt://broker.localhost.example", false),
            ("mqtt://10.0.0.1", false),
        ] {
            assert_eq!(url.parse::<Address>().unwrap().is_loopback(), is_loopback, "{url}");
        }
    }

    #[test]
    fn what_is_no_broker_address_is_told_why() {
        for (text, error) in [
            ("broker", AddressError::NotAUrl("broker".to_owned())),
            ("http://broker", AddressError::UnknownScheme("http".to_owned())),
            ("mqtt://me:secret@broker", AddressError::UserInfo),
            ("mqtt://", AddressError::NoHost("mqtt://".to_owned())),
            ("mqtt://broker/path", AddressError::MoreThanHost),
            ("mqtt://me:secret@[broker", AddressError::NotAUrl("mqtt://***@[broker".to_owned())),
            ("secret@broker", AddressError::NotAUrl("***@broker".to_owned())),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }
}
