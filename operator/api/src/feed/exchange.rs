//! An exchange as the origin of quotes.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{SecretRef, address::Address};

/// Public market data of an exchange, over its WebSocket and REST interfaces. No login is needed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!has(self.interval) || self.data == 'Bars'")
        .message("must have interval with data: Bars alone")
)]
pub struct Exchange {
    /// The exchange.
    pub name: ExchangeName,
    /// Symbols as the exchange writes them, such as `BTCUSDT`, `BTC/USD` or `BTC-USD`; each once.
    #[schemars(length(min = 1, max = 500), inner(length(min = 1, max = 64)))]
    pub symbols: Vec<String>,
    /// The kind of quotes.
    #[serde(default)]
    pub data: Data,
    /// Length of the bars; without it, `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<BarInterval>,
    /// URL of the WebSocket interface; without it, the exchange's public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 6, max = 512), regex(pattern = r"^wss?://[^\s/?#@]+(/[^\s?#]*)?$"))]
    pub url: Option<String>,
    /// URL of the REST interface, which missing quotes are fetched from; without it, the exchange's public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"))]
    pub rest_url: Option<String>,
    /// The Secret with the key `ca.crt`, the PEM certificates of the authorities to trust in place of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
}

/// An exchange.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(description = "An exchange: `Binance` (spot), `Kraken` (WebSocket API v2) or `Coinbase` (Exchange).")]
pub enum ExchangeName {
    /// Binance spot.
    Binance,
    /// Kraken.
    Kraken,
    /// Coinbase Exchange.
    Coinbase,
}

impl Exchange {
    /// The places of its two interfaces: an address that the resource names, or the port of the public interface.
    pub fn places(&self) -> Vec<Place> {
        let of = |url: Option<&String>, public: u16| match url.and_then(|url| Address::of_web(url)) {
            Some(address) => Place::Address(address),
            None => Place::Port(public),
        };
        let (stream, rest) = self.name.public_ports();
        vec![of(self.url.as_ref(), stream), of(self.rest_url.as_ref(), rest)]
    }
}

/// The place of a server that a feed connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Host and port.
    Address(Address),
    /// This TCP port of a host that the resource does not name.
    Port(u16),
}

impl ExchangeName {
    /// Ports of the public WebSocket and REST interfaces.
    pub const fn public_ports(self) -> (u16, u16) {
        match self {
            Self::Binance => (9443, 443),
            Self::Kraken | Self::Coinbase => (443, 443),
        }
    }

    /// Its name in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binance => "Binance",
            Self::Kraken => "Kraken",
            Self::Coinbase => "Coinbase",
        }
    }
}

/// The kind of quotes of an exchange.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[schemars(
    description = "The kind of quotes: `Trades` has one for each trade, numbered as the exchange numbers them, \
                          `Bars` has one for each closed bar, numbered by the minute of its opening."
)]
pub enum Data {
    /// A quote for each trade.
    #[default]
    Trades,
    /// A quote for each closed bar.
    Bars,
}

/// Length of a bar.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[schemars(description = "Length of a bar: `1m`.")]
pub enum BarInterval {
    /// A minute.
    #[default]
    #[serde(rename = "1m")]
    OneMinute,
}
