//! The generator as a source: every interval a step, which has a quote of each symbol.

mod noise;
mod schedule;
mod series;

use std::{sync::Arc, time::Duration};

use intuition_api::quote::Details;
use intuition_common::clock::{Clock, Now};
use intuition_resources::Generator;
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{schedule::Schedule, series::Series};
use crate::{
    quote::Quote,
    source::{Beginning, Condition, Position, Source, SourceEvent, SourceEvents},
};

/// Quotes that are handed over at once.
const BATCH_QUOTES: usize = 250;
/// Longest name of a source, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The symbol makes the name of its source too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the symbol {0:?} is too long for the name of a source, which has at most {MAX_NAME_BYTES} bytes")]
pub struct LongSymbol(String);

/// One symbol.
#[derive(Debug, Clone)]
struct Symbol {
    sid: Arc<str>,
    source: Arc<str>,
    series: Series,
    /// The number of its next step.
    next: u64,
}

/// A generator as a source.
#[derive(Debug)]
pub struct GeneratorSource {
    symbols: Vec<Symbol>,
    interval: Duration,
    clock: SharedClock,
    tasks: TaskTracker,
}

/// A clock that can be part of a structure with [`Debug`](std::fmt::Debug).
#[derive(Clone)]
struct SharedClock(Arc<dyn Clock>);

impl std::fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a clock")
    }
}

impl GeneratorSource {
    /// A generator with validated fields. `clock` gives the times of its quotes.
    pub fn new(generator: &Generator, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Result<Self, LongSymbol> {
        let market = market(generator);
        let symbols = generator.symbols.iter().map(|sid| {
            let source = format!("{market}:{sid}");
            if source.len() > MAX_NAME_BYTES {
                return Err(LongSymbol(sid.clone()));
            }
            let series = Series::new(generator, sid);
            Ok(Symbol { sid: sid.as_str().into(), source: source.into(), series, next: 1 })
        });
        let interval = Duration::from_micros(generator.interval.micros().unsigned_abs());
        Ok(Self { symbols: symbols.collect::<Result<_, _>>()?, interval, clock: SharedClock(clock), tasks })
    }
}

/// The name of the market: generators with other prices have other names, so that an account never sees two prices of one step.
fn market(generator: &Generator) -> String {
    let Generator { model, seed, start_price, volatility, interval, symbols: _ } = generator;
    let number = |text: &str| text.parse::<f64>().unwrap_or_default();
    let (start, volatility) = (number(start_price.as_str()), number(volatility.as_str()));
    let identity = format!("{}\n{seed}\n{start}\n{volatility}\n{}", model.name(), interval.micros());
    let mut digest = hex::encode(Sha256::digest(identity));
    digest.truncate(8);
    format!("generator-{digest}")
}

impl Source for GeneratorSource {
    fn beginning(&self) -> Beginning {
        Beginning::First
    }

    fn start(&self, position: Position, stop: CancellationToken) -> SourceEvents {
        // One batch waits, so that few quotes are made ahead of their publication.
        let (events, receiver) = mpsc::channel(1);
        let mut symbols = self.symbols.clone();
        for symbol in &mut symbols {
            symbol.next = position.numbers.get(&*symbol.source).map_or(1, |last| last + 1);
        }
        let stepping = Stepping { symbols, turn: 0, interval: self.interval, clock: self.clock.clone(), events };
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = stepping.run() => {}
            }
        });
        receiver
    }
}

/// A started generator.
struct Stepping {
    symbols: Vec<Symbol>,
    /// The symbol with the next quote of the present step; 0: a step begins.
    turn: usize,
    interval: Duration,
    clock: SharedClock,
    events: mpsc::Sender<SourceEvent>,
}

impl Stepping {
    async fn run(mut self) {
        if self.events.send(SourceEvent::Condition(Condition::Working)).await.is_err() {
            return;
        }
        let mut schedule = Schedule::new(self.interval, self.now().instant);
        loop {
            // Room first: a quote has the time at which it goes out.
            let Ok(place) = self.events.clone().reserve_owned().await else { return };
            let now = self.now();
            let quotes = self.batch(&mut schedule, now);
            if quotes.is_empty() {
                drop(place);
                time::sleep_until(schedule.next()).await;
            } else {
                place.send(SourceEvent::Quotes { quotes, state: None });
            }
        }
    }

    fn now(&self) -> Now {
        Now::read(self.clock.0.as_ref())
    }

    /// The quotes that are due, as many as a batch holds.
    fn batch(&mut self, schedule: &mut Schedule, now: Now) -> Vec<Quote> {
        let mut quotes = Vec::new();
        while quotes.len() < BATCH_QUOTES {
            if self.turn == 0 && !schedule.take(now.instant) {
                break;
            }
            let turn = self.turn;
            self.turn = (turn + 1) % self.symbols.len().max(1);
            let Some(symbol) = self.symbols.get_mut(turn) else { break };
            quotes.push(symbol.quote(now.micros));
        }
        quotes
    }
}

impl Symbol {
    fn quote(&mut self, time_micros: i64) -> Quote {
        let seq = self.next;
        self.next += 1;
        Quote {
            source: Arc::clone(&self.source),
            seq,
            sid: Arc::clone(&self.sid),
            price: self.series.price(seq),
            details: Details::default(),
            time_micros,
            line: None,
            is_sparse: false,
            is_backfill: false,
            is_new: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use intuition_common::clock::SystemClock;
    use serde_json::{Value, json};

    use super::*;

    fn generator(change: &Value) -> Generator {
        let mut fields = json!({
            "model": "GeometricBrownian", "seed": 7, "startPrice": 100, "volatility": "0.2", "interval": "1ms",
            "symbols": ["A", "B"],
        });
        fields.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(fields).unwrap()
    }

    async fn quotes(generator: &Generator, numbers: BTreeMap<String, u64>, count: usize) -> Vec<Quote> {
        let tasks = TaskTracker::new();
        let source = GeneratorSource::new(generator, Arc::new(SystemClock), tasks).unwrap();
        let mut events = source.start(Position { numbers, state: None }, CancellationToken::new());
        let mut taken = Vec::new();
        while taken.len() < count {
            if let SourceEvent::Quotes { quotes, .. } = events.recv().await.unwrap() {
                taken.extend(quotes);
            }
        }
        taken.truncate(count);
        taken
    }

    #[tokio::test]
    async fn steps_go_on_behind_the_position_with_the_same_prices() {
        let generator = generator(&json!({}));
        let first = quotes(&generator, BTreeMap::new(), 20).await;
        assert_eq!(first.iter().map(|quote| quote.seq).collect::<Vec<_>>()[..4], [1, 1, 2, 2]);
        let (a, b) = (first[0].source.to_string(), first[1].source.to_string());
        let later = quotes(&generator, BTreeMap::from([(a, 5), (b, 4)]), 9).await;
        let key = |quote: &Quote| (quote.sid.to_string(), quote.seq);
        assert_eq!((key(&later[0]), key(&later[1])), (("A".to_owned(), 6), ("B".to_owned(), 5)));
        for quote in &later {
            let same = first.iter().find(|known| key(known) == key(quote)).unwrap();
            assert_eq!(quote.price, same.price, "{quote:?}");
        }
    }

    #[test]
    fn generators_with_other_prices_are_other_sources() {
        let name = |change: Value| market(&generator(&change));
        let known = name(json!({}));
        assert_eq!(name(json!({ "volatility": "0.200", "startPrice": "100.0", "symbols": ["C"] })), known);
        for change in [
            json!({ "seed": 8 }),
            json!({ "model": "RandomWalk" }),
            json!({ "startPrice": 101 }),
            json!({ "volatility": "0.21" }),
            json!({ "interval": "2ms" }),
        ] {
            assert_ne!(name(change.clone()), known, "{change}");
        }
    }

    #[test]
    fn symbol_that_makes_the_name_too_long_is_refused() {
        let generator = generator(&json!({ "symbols": ["🚀".repeat(64)] }));
        let refused = GeneratorSource::new(&generator, Arc::new(SystemClock), TaskTracker::new());
        assert!(refused.unwrap_err().to_string().ends_with("which has at most 256 bytes"));
    }
}
