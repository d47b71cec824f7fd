//! Hosts and ports from the URLs in a resource. Pure.

use std::net::IpAddr;

/// Host and port of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or IP address, the latter without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Address {
    /// Parses a broker's URL, `mqtt://host[:port]` or `mqtts://host[:port]`; `None` if it is neither.
    pub fn of_broker(url: &str) -> Option<Self> {
        let (rest, default_port) = match url.split_once("://")? {
            ("mqtt", rest) => (rest, 1883),
            ("mqtts", rest) => (rest, 8883),
            _ => return None,
        };
        Self::parse(rest, Some(default_port))
    }

    /// Parses the URL of an algorithm's server, `http://host:port`; `None` if it is another URL.
    pub fn of_algorithm(url: &str) -> Option<Self> {
        // Require an explicit port: defaulting to 80 would hide a mistake.
        Self::parse(url.strip_prefix("http://")?, None)
    }

    /// Parses the URL of a web service, with `http`, `https`, `ws` or `wss`; its path does not count. `None` if it is another URL.
    pub fn of_web(url: &str) -> Option<Self> {
        let (rest, default_port) = match url.split_once("://")? {
            ("http" | "ws", rest) => (rest, 80),
            ("https" | "wss", rest) => (rest, 443),
            _ => return None,
        };
        Self::parse(rest.split(['/', '?', '#']).next()?, Some(default_port))
    }

    /// The host, if it is an IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    fn parse(rest: &str, default_port: Option<u16>) -> Option<Self> {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['@', '/', '?', '#']) || rest.contains(char::is_whitespace) {
            return None;
        }
        let (host, port) = match rest.strip_prefix('[') {
            // An IPv6 address has colons of its own (RFC 3986, section 3.2.2).
            Some(bracketed) => {
                let (host, after) = bracketed.split_once(']')?;
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
            }
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port > 0)?,
            None => default_port?,
        };
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        for (url, host, port) in [
            ("mqtt://h", "h", 1883),
            ("mqtts://h/", "h", 8883),
            ("mqtt://10.0.0.1:1", "10.0.0.1", 1),
            ("mqtt://[fd00::1]", "fd00::1", 1883),
            ("mqtt://[fd00::1]:7", "fd00::1", 7),
        ] {
            assert_eq!(Address::of_broker(url), Some(address(host, port)), "{url}");
        }
        for url in
            ["h", "http://h", "mqtt://", "mqtt://u@h", "mqtt://h:0", "mqtt://h:x", "mqtt://h/path", "mqtt://[::1"]
        {
            assert_eq!(Address::of_broker(url), None, "{url}");
        }
    }

    #[test]
    fn a_web_service_is_a_host_and_a_port_whatever_its_path() {
        for (url, host, port) in [
            ("https://h/a/b.csv?c=http://d:1", "h", 443),
            ("http://h", "h", 80),
            ("ws://h:8080/ws", "h", 8080),
            ("wss://[fd00::1]/v2", "fd00::1", 443),
        ] {
            assert_eq!(Address::of_web(url), Some(address(host, port)), "{url}");
        }
        for url in ["h", "ftp://h", "http://", "http:///a", "http://u@h/", "http://h:0/"] {
            assert_eq!(Address::of_web(url), None, "{url}");
        }
    }

    #[test]
    fn an_algorithm_is_served_at_a_host_and_a_port() {
        assert_eq!(Address::of_algorithm("http://h:1/"), Some(address("h", 1)));
        assert_eq!(Address::of_algorithm("http://[fd00::1]:7"), Some(address("fd00::1", 7)));
        for url in ["http://h", "https://h:1", "h:1", "http://h:70000", "http://u@h:1", "http://h:1/path", "unix:/a"] {
            assert_eq!(Address::of_algorithm(url), None, "{url}");
        }
        assert_eq!(address("fd00::1", 7).ip(), Some("fd00::1".parse().unwrap()));
        assert_eq!(address("h", 7).ip(), None);
    }
}
