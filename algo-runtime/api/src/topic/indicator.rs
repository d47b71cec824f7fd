//! The topics of indicators, and the names of their accounts.

use super::symbol_level;

/// Beginning of the name of an indicator's account. No other account has a name with a dot.
const ACCOUNT_PREFIX: &str = "indicator.";

/// The topics of one indicator: `<prefix>/<namespace>/indicator.<name>/...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndicatorTopics {
    base: String,
}

impl IndicatorTopics {
    /// Those of an indicator, `<namespace>/<name>`, below a prefix that [`check_prefix`](super::check_prefix) takes.
    pub fn new(prefix: &str, indicator: &str) -> Self {
        Self { base: format!("{prefix}/{}", indicator_account(indicator)) }
    }

    /// Those of an account; `None` where it is no indicator's.
    pub fn of_account(prefix: &str, account: &str) -> Option<Self> {
        is_indicator_account(account).then(|| Self { base: format!("{prefix}/{account}") })
    }

    /// The topic of the quotes, each with the values that include it.
    pub fn joined(&self) -> String {
        format!("{}/joined", self.base)
    }

    /// The retained topic of the last values of one indicator for one symbol.
    pub fn values(&self, sid: &str, name: &str) -> String {
        format!("{}/values/{}/{name}", self.base, symbol_level(sid))
    }

    /// A filter over all of them.
    pub fn filter(&self) -> String {
        format!("{}/#", self.base)
    }
}

/// The account of an indicator, both with their namespace: `desk/indicator.sma` for `desk/sma`.
pub fn indicator_account(indicator: &str) -> String {
    let (namespace, name) = indicator.split_once('/').unwrap_or(("default", indicator));
    format!("{namespace}/{ACCOUNT_PREFIX}{name}")
}

/// Whether an account, `<namespace>/<name>`, is an indicator's.
pub fn is_indicator_account(account: &str) -> bool {
    account.split_once('/').is_some_and(|(_, name)| name.starts_with(ACCOUNT_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_an_indicator_are_those_of_its_account() {
        let topics = IndicatorTopics::new("trading/staging", "desk/trend");
        assert_eq!(topics.joined(), "trading/staging/desk/indicator.trend/joined");
        assert_eq!(topics.values("BTC/USD", "sma-20"), "trading/staging/desk/indicator.trend/values/BTC%2FUSD/sma-20");
        assert_eq!(IndicatorTopics::of_account("trading/staging", "desk/indicator.trend"), Some(topics));
        assert_eq!(IndicatorTopics::of_account("intuition", "desk/trend"), None);
        assert_eq!(indicator_account("desk/trend"), "desk/indicator.trend");
    }
}
