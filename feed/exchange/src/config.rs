//! The settings of a session, and their rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use url::Url;

use crate::market::{Data, Limits, Market};

/// Most characters of a symbol.
const MAX_SYMBOL: usize = 40;

/// The settings of a session.
#[derive(Debug, Clone)]
pub struct Config {
    /// The exchange.
    pub market: Market,
    /// The symbols as the exchange writes them: `BTCUSDT`, `BTC/USD`, `BTC-USD`.
    pub symbols: Vec<String>,
    /// Trades or bars.
    pub data: Data,
    /// Address of the WebSocket service, `ws` or `wss`.
    pub url: String,
    /// Address of the REST service, `http` or `https`, without a path.
    pub rest_url: String,
    /// File with the certificates that TLS trusts, PEM. `None`: the machine's.
    pub ca_file: Option<PathBuf>,
    /// The number given last of each symbol in an earlier run. A symbol without one begins at now.
    pub position: BTreeMap<String, u64>,
    /// Limits and times.
    pub limits: Limits,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There are none, or more than one connection takes.
    #[error("{found} symbols: {market} takes from 1 to {most}")]
    CountSymbols {
        /// Symbols in the settings.
        found: usize,
        /// The exchange.
        market: Market,
        /// Most symbols.
        most: usize,
    },
    /// A symbol has characters that no symbol of the exchange has, or is there twice.
    #[error("the symbol {symbol:?} {problem}")]
    UseSymbol {
        /// The symbol.
        symbol: String,
        /// The rule that it breaks.
        problem: &'static str,
    },
    /// An address is none.
    #[error("the address {url:?} is none of {schemes}")]
    UseUrl {
        /// The address.
        url: String,
        /// The schemes that it may have.
        schemes: &'static str,
    },
}

impl Config {
    /// Settings for the public services of an exchange.
    pub fn new(market: Market, symbols: Vec<String>) -> Self {
        Self {
            market,
            symbols,
            data: Data::Trades,
            url: market.url().to_owned(),
            rest_url: market.rest_url().to_owned(),
            ca_file: None,
            position: BTreeMap::new(),
            limits: market.limits(),
        }
    }

    /// Whether bars are built from trades: the exchange's stream has no closed ones.
    pub(crate) fn builds_bars(&self) -> bool {
        self.data == Data::Bars && !self.market.has_bars()
    }

    /// Checks all rules.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (found, most) = (self.symbols.len(), self.limits.symbols);
        if found == 0 || found > most {
            return Err(ConfigError::CountSymbols { found, market: self.market, most });
        }
        let mut seen = BTreeSet::new();
        for symbol in &self.symbols {
            if let Some(problem) = self.problem(symbol, !seen.insert(symbol)) {
                return Err(ConfigError::UseSymbol { symbol: symbol.clone(), problem });
            }
        }
        for (url, schemes) in [(&self.url, "ws:// and wss://"), (&self.rest_url, "http:// and https://")] {
            let parsed = Url::parse(url).ok();
            let fits = |url: &Url| schemes.contains(&format!("{}://", url.scheme())) && url.host().is_some();
            if !parsed.is_some_and(|parsed| fits(&parsed)) {
                return Err(ConfigError::UseUrl { url: url.clone(), schemes });
            }
        }
        Ok(())
    }

    fn problem(&self, symbol: &str, is_repeated: bool) -> Option<&'static str> {
        let separator = match self.market {
            Market::Binance => None,
            Market::Kraken => Some('/'),
            Market::Coinbase => Some('-'),
        };
        let fits = |character: char| {
            // Kraken's tokenised stocks end with a small x.
            let is_letter = character.is_ascii_uppercase() || (self.market == Market::Kraken && character == 'x');
            is_letter || character.is_ascii_digit() || character == '.' || Some(character) == separator
        };
        if symbol.is_empty() || symbol.len() > MAX_SYMBOL {
            Some("has no characters, or more than 40")
        } else if !symbol.chars().all(fits) {
            Some("has characters that no symbol of this exchange has")
        } else if is_repeated {
            Some("is there twice")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(market: Market, symbols: &[&str]) -> Config {
        Config::new(market, symbols.iter().map(|symbol| (*symbol).to_owned()).collect())
    }

    #[test]
    fn public_services_and_documented_symbols_pass() {
        for (market, symbol) in
            [(Market::Binance, "BTCUSDT"), (Market::Kraken, "BTC/USD"), (Market::Coinbase, "BTC-USD")]
        {
            config(market, &[symbol]).check().unwrap();
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        let many: Vec<_> = (0..1_025).map(|number| format!("S{number}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        for (config, shown) in [
            (config(Market::Binance, &[]), "0 symbols: binance-spot takes from 1 to 1024"),
            (config(Market::Binance, &many), "1025 symbols"),
            (config(Market::Binance, &["btcusdt"]), "\"btcusdt\" has characters"),
            (config(Market::Binance, &["BTC/USD"]), "\"BTC/USD\" has characters"),
            (config(Market::Kraken, &["BTC/USD", "BTC/USD"]), "is there twice"),
            (config(Market::Coinbase, &[""]), "has no characters"),
            (Config { url: "https://a".into(), ..config(Market::Binance, &["A"]) }, "\"https://a\" is none of ws://"),
            (Config { rest_url: "a".into(), ..config(Market::Binance, &["A"]) }, "\"a\" is none of http://"),
        ] {
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(shown), "{error}");
        }
    }
}
