//! The layouts that are known by their headers, and two that have none.
//!
//! docs/files.md lists them with the place where each is described.

/// The use of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Time, or the date where [`Role::TimeOfDay`] has a column of its own.
    Time,
    /// Time of day.
    TimeOfDay,
    /// Symbol.
    Sid,
    /// The price of the quote; of a bar, its close.
    Price,
    /// First price of a bar.
    Open,
    /// Highest price of a bar.
    High,
    /// Lowest price of a bar.
    Low,
    /// Volume of a bar.
    Volume,
    /// Best bid.
    Bid,
    /// Best ask.
    Ask,
    /// Size of a trade.
    Size,
    /// Without a use.
    Unused,
}

use Role::{Ask, Bid, High, Low, Open, Price, Sid, Size, Time, TimeOfDay, Unused, Volume};

/// A layout.
#[derive(Debug)]
pub(crate) struct Layout {
    /// For people.
    pub(crate) name: &'static str,
    /// Names that the header has to have, in lower case and without `<>`.
    required: &'static [&'static str],
    /// All columns that it may have, each with its use.
    columns: &'static [(&'static str, Role)],
    /// Whole numbers in price columns count 10^-9.
    pub(crate) has_nano_prices: bool,
}

const DAILY_POLISH: &[(&str, Role)] = &[
    ("data", Time),
    ("czas", TimeOfDay),
    ("otwarcie", Open),
    ("najwyzszy", High),
    ("najnizszy", Low),
    ("zamkniecie", Price),
    ("wolumen", Volume),
];

/// All layouts with a header; the first that fits counts.
static LAYOUTS: &[Layout] = &[
    Layout {
        name: "Intuition",
        required: &["time", "sid"],
        columns: &[
            ("time", Time),
            ("sid", Sid),
            ("close", Price),
            ("price", Price),
            ("quote", Price),
            ("open", Open),
            ("high", High),
            ("low", Low),
            ("volume", Volume),
            ("bid", Bid),
            ("ask", Ask),
            ("size", Size),
            ("interval", Unused),
        ],
        has_nano_prices: false,
    },
    Layout {
        name: "Databento OHLCV",
        required: &["ts_event", "rtype", "open", "high", "low", "close"],
        columns: &[
            ("ts_event", Time),
            ("rtype", Unused),
            ("publisher_id", Unused),
            ("instrument_id", Unused),
            ("open", Open),
            ("high", High),
            ("low", Low),
            ("close", Price),
            ("volume", Volume),
            ("symbol", Sid),
        ],
        has_nano_prices: true,
    },
    Layout {
        name: "Binance klines",
        required: &["open_time", "open", "high", "low", "close", "close_time"],
        columns: &[
            ("open_time", Time),
            ("open", Open),
            ("high", High),
            ("low", Low),
            ("close", Price),
            ("volume", Volume),
            ("close_time", Unused),
            ("quote_volume", Unused),
            ("quote_asset_volume", Unused),
            ("count", Unused),
            ("number_of_trades", Unused),
            ("taker_buy_volume", Unused),
            ("taker_buy_base_volume", Unused),
            ("taker_buy_base_asset_volume", Unused),
            ("taker_buy_quote_volume", Unused),
            ("taker_buy_quote_asset_volume", Unused),
            ("ignore", Unused),
        ],
        has_nano_prices: false,
    },
    Layout {
        name: "Yahoo",
        required: &["date", "open", "high", "low", "close", "adj close"],
        columns: YAHOO,
        has_nano_prices: false,
    },
    Layout {
        name: "Yahoo (yfinance)",
        required: &["open", "high", "low", "close", "dividends", "stock splits"],
        columns: YAHOO,
        has_nano_prices: false,
    },
    Layout {
        name: "Stooq (ASCII)",
        required: &["ticker", "per", "date", "time", "close"],
        columns: &[
            ("ticker", Sid),
            ("per", Unused),
            ("date", Time),
            ("time", TimeOfDay),
            ("open", Open),
            ("high", High),
            ("low", Low),
            ("close", Price),
            ("vol", Volume),
            ("openint", Unused),
        ],
        has_nano_prices: false,
    },
    Layout {
        name: "Stooq",
        required: &["date", "open", "high", "low", "close"],
        columns: &[
            ("date", Time),
            ("time", TimeOfDay),
            ("open", Open),
            ("high", High),
            ("low", Low),
            ("close", Price),
            ("volume", Volume),
        ],
        has_nano_prices: false,
    },
    Layout {
        name: "Stooq (Polish)",
        required: &["data", "otwarcie", "zamkniecie"],
        columns: DAILY_POLISH,
        has_nano_prices: false,
    },
    Layout {
        name: "Alpha Vantage",
        required: &["timestamp", "open", "high", "low", "close"],
        columns: &[
            ("timestamp", Time),
            ("open", Open),
            ("high", High),
            ("low", Low),
            ("close", Price),
            ("volume", Volume),
            ("adjusted_close", Unused),
            ("adjusted close", Unused),
            ("dividend_amount", Unused),
            ("dividend amount", Unused),
            ("split_coefficient", Unused),
        ],
        has_nano_prices: false,
    },
    Layout {
        name: "Kraken OHLC",
        required: &["time", "open", "high", "low", "close", "vwap"],
        columns: &[
            ("time", Time),
            ("open", Open),
            ("high", High),
            ("low", Low),
            ("close", Price),
            ("vwap", Unused),
            ("volume", Volume),
            ("count", Unused),
        ],
        has_nano_prices: false,
    },
    Layout {
        name: "Coinbase trades",
        required: &["trade_id", "size", "price", "time"],
        columns: &[
            ("trade_id", Unused),
            ("side", Unused),
            ("size", Size),
            ("price", Price),
            ("time", Time),
            ("product_id", Sid),
            ("bid", Bid),
            ("ask", Ask),
        ],
        has_nano_prices: false,
    },
    Layout {
        name: "Coinbase candles",
        required: &["low", "high", "open", "close"],
        columns: &[
            ("time", Time),
            ("start", Time),
            ("low", Low),
            ("high", High),
            ("open", Open),
            ("close", Price),
            ("volume", Volume),
            ("product_id", Sid),
        ],
        has_nano_prices: false,
    },
];

const YAHOO: &[(&str, Role)] = &[
    ("date", Time),
    ("datetime", Time),
    ("open", Open),
    ("high", High),
    ("low", Low),
    ("close", Price),
    ("adj close", Unused),
    ("volume", Volume),
    ("dividends", Unused),
    ("stock splits", Unused),
    ("capital gains", Unused),
];

/// A name as layouts have it.
pub(crate) fn plain(name: &str) -> String {
    let name = name.trim();
    let name = name.strip_prefix('<').and_then(|name| name.strip_suffix('>')).unwrap_or(name);
    name.to_lowercase()
}

/// The layout of a header, with the use of each column. Every column has to be known, and one has to have the time.
pub(crate) fn by_header(names: &[String]) -> Option<(&'static Layout, Vec<Role>)> {
    let names: Vec<_> = names.iter().map(|name| plain(name)).collect();
    LAYOUTS.iter().find_map(|layout| {
        let is_it = layout.required.iter().all(|required| names.iter().any(|name| name == required));
        let role = |name: &String| layout.columns.iter().find(|(known, _)| known == name).map(|(_, role)| *role);
        let roles: Vec<_> = is_it.then(|| names.iter().map(role).collect::<Option<_>>()).flatten()?;
        (roles.contains(&Time) && roles.contains(&Price)).then_some((layout, roles))
    })
}

/// The use of a column by its name alone, in a header that no layout has: the names of Intuition's own layout.
pub(crate) fn by_name(name: &str) -> Role {
    match plain(name).as_str() {
        "time" => Time,
        "sid" => Sid,
        "close" | "price" | "quote" => Price,
        "open" => Open,
        "high" => High,
        "low" => Low,
        "volume" => Volume,
        "bid" => Bid,
        "ask" => Ask,
        "size" => Size,
        _ => Unused,
    }
}

static BINANCE: Layout = Layout { name: "Binance klines", required: &[], columns: &[], has_nano_prices: false };
static KRAKEN_BARS: Layout = Layout { name: "Kraken OHLCVT", required: &[], columns: &[], has_nano_prices: false };
static KRAKEN_TRADES: Layout = Layout { name: "Kraken trades", required: &[], columns: &[], has_nano_prices: false };

/// The layout of a file without a header, by the number of columns; the first has to be a number since 1970.
pub(crate) fn without_header(columns: usize) -> Option<(&'static Layout, Vec<Role>)> {
    match columns {
        3 => Some((&KRAKEN_TRADES, vec![Time, Price, Size])),
        7 => Some((&KRAKEN_BARS, vec![Time, Open, High, Low, Price, Volume, Unused])),
        12 => {
            let mut roles = vec![Time, Open, High, Low, Price, Volume];
            roles.resize(12, Unused);
            Some((&BINANCE, roles))
        }
        _ => None,
    }
}
