//! The kinds of resources that are accounts, and the names that follow from the kind.

use intuition_api::topic::indicator_account;
use intuition_resources::{INDICATOR_KIND, TRADING_ALGO_KIND};

use crate::names::{APP, INDICATOR_APP, indicator};

/// A kind of resource that has a runtime, a bridge and a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// `TradingAlgo`.
    TradingAlgo,
    /// `Indicator`.
    Indicator,
}

impl AccountKind {
    /// The kind in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TradingAlgo => TRADING_ALGO_KIND,
            Self::Indicator => INDICATOR_KIND,
        }
    }

    /// The short name for `kubectl`.
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::TradingAlgo => "ta",
            Self::Indicator => "ind",
        }
    }

    /// The application in the labels of children.
    pub const fn app(self) -> &'static str {
        match self {
            Self::TradingAlgo => APP,
            Self::Indicator => INDICATOR_APP,
        }
    }

    /// The first part of the names of all children of the resource with this name.
    pub fn children(self, name: &str) -> String {
        match self {
            Self::TradingAlgo => name.to_owned(),
            Self::Indicator => indicator(name),
        }
    }

    /// The account of the resource, as runtime and bridge know it.
    pub fn account(self, namespace: &str, name: &str) -> String {
        let resource = format!("{namespace}/{name}");
        match self {
            Self::TradingAlgo => resource,
            Self::Indicator => indicator_account(&resource),
        }
    }
}
