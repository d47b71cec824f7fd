//! An exchange as a source: its trades or closed bars under the exchange's own numbers.

use std::{fmt, path::PathBuf, sync::Arc};

use ::exchange::{
    Config, ConfigError, Data, Kind, Market, Output, Status,
    edge::{self, Sinks},
    quote::MINUTE_MICROS,
};
use intuition_api::quote::Details;
use intuition_common::clock::Clock;
use intuition_resources::{self as resources, ExchangeName};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    quote::Quote,
    source::{Beginning, Condition, Position, Source, SourceEvent, SourceEvents},
};

/// The source cannot be reached.
const UNREACHABLE: &str = "ExchangeUnreachable";
/// The exchange refuses the subscription of a symbol.
const SYMBOL_REFUSED: &str = "SymbolRefused";
/// The settings cannot be used on this machine, for example the file with certificates.
const UNUSABLE: &str = "ExchangeUnusable";
/// Outputs that wait between the session and the feed, and the most that are handed over at once.
const BATCH_OUTPUTS: usize = 100;

/// An exchange as a source.
pub struct ExchangeSource {
    config: Config,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
}

impl fmt::Debug for ExchangeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeSource").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ExchangeSource {
    /// An exchange with validated fields. `ca_file`: PEM certificates that replace the machine's.
    pub fn new(
        exchange: &resources::Exchange,
        ca_file: Option<PathBuf>,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
    ) -> Result<Self, ConfigError> {
        let market = match exchange.name {
            ExchangeName::Binance => Market::Binance,
            ExchangeName::Kraken => Market::Kraken,
            ExchangeName::Coinbase => Market::Coinbase,
        };
        let mut config = Config { ca_file, ..Config::new(market, exchange.symbols.clone()) };
        if let Some(url) = &exchange.url {
            config.url.clone_from(url);
        }
        if let Some(url) = &exchange.rest_url {
            config.rest_url.clone_from(url);
        }
        config.data = match exchange.data {
            resources::Data::Trades => Data::Trades,
            resources::Data::Bars => Data::Bars,
        };
        config.check()?;
        Ok(Self { config, clock, tasks })
    }

    /// The settings of a session behind a position.
    fn behind(&self, position: &Position) -> Config {
        let market = self.config.market;
        let number = |symbol: &String| Some((symbol.clone(), *position.numbers.get(&format!("{market}:{symbol}"))?));
        Config { position: self.config.symbols.iter().filter_map(number).collect(), ..self.config.clone() }
    }
}

impl Source for ExchangeSource {
    fn beginning(&self) -> Beginning {
        Beginning::Present
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the session")]
    fn start(&self, position: Position, stop: CancellationToken) -> SourceEvents {
        let (events, receiver) = mpsc::channel(1);
        let (outputs, given) = mpsc::channel(BATCH_OUTPUTS);
        let (status, shown) = watch::channel(Status::default());
        let (config, clock) = (self.behind(&position), Arc::clone(&self.clock));
        self.tasks.spawn(async move {
            let sinks = Sinks { outputs, status };
            let session = edge::run(&config, sinks, clock.as_ref(), rand::random(), stop.clone());
            let handing_over = hand_over(given, shown, events.clone(), stop.clone());
            let (ended, ()) = tokio::join!(session, handing_over);
            if let Err(error) = ended {
                let failed = Condition::Failed { reason: UNUSABLE, message: error.to_string() };
                // A receiver that is gone has stopped the source.
                drop(events.send(SourceEvent::Condition(failed)).await);
            }
        });
        receiver
    }
}

/// Hands outputs and conditions over until the session has ended, or the receiver is gone.
async fn hand_over(
    mut outputs: mpsc::Receiver<Output>,
    mut status: watch::Receiver<Status>,
    events: mpsc::Sender<SourceEvent>,
    stop: CancellationToken,
) {
    let mut shown = Shown::default();
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = status.changed() => {
                if changed.is_err() {
                    return;
                }
                let news = shown.news(&status.borrow_and_update());
                for event in news {
                    if events.send(event).await.is_err() {
                        return;
                    }
                }
            }
            count = outputs.recv_many(&mut batch, BATCH_OUTPUTS) => {
                if count == 0 {
                    return;
                }
                for event in in_order(batch.drain(..)) {
                    if events.send(event).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// The part of a session's status that the feed knows.
#[derive(Default)]
struct Shown {
    condition: Option<Condition>,
    disconnections: u64,
}

impl Shown {
    /// The changes since the status before.
    fn news(&mut self, status: &Status) -> Vec<SourceEvent> {
        let mut news = Vec::new();
        let count = status.reconnects.saturating_sub(self.disconnections);
        if count > 0 {
            self.disconnections = status.reconnects;
            news.push(SourceEvent::Disconnected { count });
        }
        if let Some(now) = condition(status).filter(|now| self.condition.as_ref() != Some(now)) {
            self.condition = Some(now.clone());
            news.push(SourceEvent::Condition(now));
        }
        news
    }
}

/// The outputs as events in their order: quotes without a gap between them go together.
fn in_order(outputs: impl Iterator<Item = Output>) -> Vec<SourceEvent> {
    let mut events = Vec::new();
    for output in outputs {
        match (output, events.last_mut()) {
            (Output::Quote(next), Some(SourceEvent::Quotes { quotes, .. })) => quotes.push(quote(&next)),
            (Output::Quote(next), _) => events.push(SourceEvent::Quotes { quotes: vec![quote(&next)], state: None }),
            (Output::Gap(gap), _) => {
                events.push(SourceEvent::Gap { source: gap.source, first: gap.first, last: gap.last });
            }
        }
    }
    events
}

fn quote(given: &::exchange::Quote) -> Quote {
    let (details, is_sparse) = match given.kind {
        Kind::Trade { size } => (Details { size: Some(size), ..Details::default() }, false),
        Kind::Bar(bar) => {
            let details = Details {
                open: Some(bar.open),
                high: Some(bar.high),
                low: Some(bar.low),
                volume: Some(bar.volume),
                interval_micros: Some(MINUTE_MICROS),
                ..Details::default()
            };
            // A minute without a trade has no bar.
            (details, true)
        }
    };
    Quote {
        source: Arc::clone(&given.source),
        seq: given.seq,
        sid: Arc::clone(&given.symbol),
        price: given.price,
        details,
        time_micros: given.time_micros,
        line: None,
        is_sparse,
        is_backfill: given.backfill,
        is_new: false,
    }
}

/// The condition of the source: unreachable, a refused symbol, or at work. `None`: the first connection is under way.
fn condition(status: &Status) -> Option<Condition> {
    let refused = status.symbols.iter().find_map(|symbol| Some((&symbol.symbol, symbol.refused.as_ref()?)));
    if let Some((symbol, text)) = refused {
        let message = format!("the exchange refuses the symbol {symbol}: {text}: correct or remove it");
        return Some(Condition::Missing { reason: SYMBOL_REFUSED, message });
    }
    if status.is_connected {
        return Some(Condition::Working);
    }
    let cause = status.last_error.as_deref()?;
    Some(Condition::Missing {
        reason: UNREACHABLE,
        message: format!("there is no connection to the exchange: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use ::exchange::{GapReason, SymbolStatus, quote as given};
    use intuition_api::decimal::{Price, Quantity};
    use intuition_common::clock::SystemClock;
    use serde_json::json;

    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn trade(seq: u64) -> given::Quote {
        given::Quote {
            source: "binance-spot:BTCUSDT".into(),
            symbol: "BTCUSDT".into(),
            seq,
            price: price("64000.10"),
            time_micros: 1_796_650_000_123_000,
            kind: Kind::Trade { size: "0.002".parse::<Quantity>().unwrap() },
            backfill: seq == 1,
        }
    }

    fn source(fields: &serde_json::Value) -> Result<ExchangeSource, ConfigError> {
        let exchange = serde_json::from_value(fields.clone()).unwrap();
        ExchangeSource::new(&exchange, None, Arc::new(SystemClock), TaskTracker::new())
    }

    #[test]
    fn trade_and_bar_are_quotes_with_their_values() {
        let fetched = quote(&trade(1)).payload().unwrap();
        let expected = r#"{"sid":"BTCUSDT","quote":"64000.1","time":"2026-12-07T13:26:40.123Z","source":"binance-spot:BTCUSDT","seq":1,"size":"0.002"}"#;
        assert_eq!(fetched, expected);
        assert_eq!([1, 2].map(|seq| quote(&trade(seq)).is_backfill), [true, false]);
        let bar = given::Bar { open: price("1"), high: price("4"), low: price("0.5"), volume: "7".parse().unwrap() };
        let bar = quote(&given::Quote { kind: Kind::Bar(bar), price: price("3"), ..trade(2) });
        assert!(bar.is_sparse && !quote(&trade(2)).is_sparse, "only minutes are left out on purpose");
        let expected = r#""seq":2,"open":"1","high":"4","low":"0.5","volume":"7","interval":"1m"}"#;
        assert!(std::str::from_utf8(&bar.payload().unwrap()).unwrap().ends_with(expected));
    }

    #[test]
    fn outputs_keep_their_order_around_a_gap() {
        let gap = given::Gap { source: "s".into(), symbol: "S".into(), first: 3, last: 5, reason: GapReason::TooMany };
        let outputs = [Output::Quote(trade(1)), Output::Quote(trade(2)), Output::Gap(gap), Output::Quote(trade(6))];
        let events: Vec<_> = in_order(outputs.into_iter())
            .iter()
            .map(|event| match event {
                SourceEvent::Quotes { quotes, .. } => quotes.iter().map(|quote| quote.seq).collect(),
                SourceEvent::Gap { first, last, .. } => vec![*first, *last],
                SourceEvent::Disconnected { .. } | SourceEvent::Late { .. } | SourceEvent::Condition(_) => Vec::new(),
            })
            .collect();
        assert_eq!(events, [vec![1, 2], vec![3, 5], vec![6]]);
    }

    #[test]
    fn session_goes_on_behind_the_position_of_its_own_symbols() {
        let source = source(&json!({ "name": "Binance", "symbols": ["BTCUSDT", "ETHUSDT"] })).unwrap();
        let numbers = [("binance-spot:BTCUSDT", 7), ("kraken:ETHUSDT", 9)].map(|(name, last)| (name.to_owned(), last));
        let config = source.behind(&Position { numbers: numbers.into(), state: None });
        assert_eq!(config.position.into_iter().collect::<Vec<_>>(), [("BTCUSDT".to_owned(), 7)]);
    }

    #[test]
    fn urls_of_the_spec_take_the_place_of_the_public_ones() {
        let private = json!({
            "name": "Kraken", "symbols": ["BTC/USD"], "data": "Bars", "url": "ws://localhost:1/v2", "restUrl": "http://localhost:1"
        });
        let Config { market, data, url, rest_url, .. } = source(&private).unwrap().config;
        assert_eq!((market, data, url.as_str()), (Market::Kraken, Data::Bars, "ws://localhost:1/v2"));
        assert_eq!(rest_url, "http://localhost:1");
        let error = source(&json!({ "name": "Binance", "symbols": ["btcusdt"] })).unwrap_err().to_string();
        assert!(error.contains("btcusdt"), "{error}");
    }

    #[test]
    fn condition_names_what_is_missing() {
        let symbol = |refused: Option<&str>| SymbolStatus {
            symbol: "BTCUSDT".into(),
            last_number: None,
            last_time_micros: None,
            refused: refused.map(str::to_owned),
        };
        let status = |is_connected, last_error: Option<&str>, refused| Status {
            is_connected,
            last_error: last_error.map(str::to_owned),
            symbols: vec![symbol(refused)],
            ..Status::default()
        };
        for (status, expected) in [
            (status(true, Some("cut"), None), None),
            (status(false, Some("cut"), None), Some((UNREACHABLE, "cut"))),
            (status(true, None, Some("Invalid symbol")), Some((SYMBOL_REFUSED, "BTCUSDT: Invalid symbol"))),
        ] {
            match (condition(&status), expected) {
                (Some(Condition::Working), None) => {}
                (Some(Condition::Missing { reason, message }), Some((code, part))) => {
                    assert!(reason == code && message.contains(part), "{reason}: {message}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(condition(&status(false, None, None)), None, "no attempt has failed");
    }

    #[test]
    fn news_are_new_disconnections_and_another_condition() {
        let status = |is_connected, reconnects| Status {
            is_connected,
            reconnects,
            last_error: Some("cut".to_owned()),
            ..Status::default()
        };
        let mut shown = Shown::default();
        let mut told = |status: &Status| -> Vec<String> {
            let name = |event: &SourceEvent| match event {
                SourceEvent::Disconnected { count } => format!("{count} disconnections"),
                SourceEvent::Condition(Condition::Working) => "working".to_owned(),
                SourceEvent::Condition(Condition::Missing { reason, .. }) => (*reason).to_owned(),
                other => panic!("{other:?}"),
            };
            shown.news(status).iter().map(name).collect()
        };
        assert_eq!(told(&status(true, 0)), ["working"]);
        assert_eq!(told(&status(true, 0)), Vec::<String>::new());
        assert_eq!(told(&status(false, 2)), ["2 disconnections", UNREACHABLE]);
        assert_eq!(told(&status(true, 2)), ["working"]);
    }
}
