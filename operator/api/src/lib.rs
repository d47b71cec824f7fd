//! The resources `TradingAlgo`, `Algorithm`, `Feed` and `Indicator`, `intuition.dev/v1alpha1`: their types, validation and reference.
//!
//! `intuition-operator` reconciles them, and the command `intuition` reads them from manifests. This crate does no I/O
//! and holds no Kubernetes client.
//! - [`TradingAlgo`], [`Algorithm`], [`Feed`] and [`Indicator`]: the types from which the CRDs in `crds/` are generated.
//! - [`validate`]: checks a manifest against the CRD's schema, its CEL rules and rules that neither can express. It
//!   returns all violations at once.
//! - [`address`]: parses the URLs of brokers and algorithm servers.
//! - [`mod@reference`]: renders the CRDs as the Markdown page `docs/api-reference.md`.

pub mod address;
mod algorithm;
mod amount;
mod decimal;
mod duration;
mod feed;
mod indicator;
mod number;
mod quantity;
pub mod reference;
mod secret_ref;
mod trading_algo;
pub mod validate;

pub use self::{
    algorithm::{
        ALGORITHM_KIND, Algorithm, AlgorithmSpec, AlgorithmStatus, DEFAULT_PORT, MAX_IMAGES, MAX_USERS, PullPolicy,
        Resources, RunningImage, Variable,
    },
    amount::Amount,
    decimal::Decimal,
    duration::Duration,
    feed::{
        BarInterval, ClaimFile, Columns, ConfigMapFile, Cursor, Data, Exchange, ExchangeName, FEED_KIND, Feed,
        FeedSource, FeedSpec, FeedStatus, File, Generator, Interval, Model, Place, Postgres, Publish, Speed,
    },
    indicator::{
        BarLength, Bars, Compute, INDICATOR_KIND, Indicator, IndicatorSource, IndicatorSpec, IndicatorStatus,
        IndicatorType, Session,
    },
    quantity::Quantity,
    secret_ref::SecretRef,
    trading_algo::{
        AccessMode, Account, AlgorithmChoice, Backend, Broker, ChannelPlan, ChannelSource, Channels,
        DEFAULT_STARTING_CASH, Format, Input, Ledger, Location, OnDelete, Policy, Portfolio, Preset, Retain,
        SourceName, Storage, TRADING_ALGO_KIND, TimeLocation, TimeUnit, TradingAlgo, TradingAlgoSpec,
        TradingAlgoStatus, TradingCauseStatus, TradingState, TradingStatus,
    },
};

/// The API group.
pub const GROUP: &str = "intuition.dev";
/// Value of `apiVersion` in a manifest.
pub const API_VERSION: &str = "intuition.dev/v1alpha1";
