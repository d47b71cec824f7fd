//! A running session with the local exchange, and the comparison of its outputs with the exchange's record.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use exchange::{
    Config, Data, GapReason, Kind, Limits, Market, Output, Status,
    edge::{Sinks, run},
};
use intuition_common::clock::SystemClock;
use local_exchange::{Server, Settings, Trade};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// The instrument of most tests, as the server names it.
pub(crate) const BTC: &str = "BTC/USD";

/// Longest time for a condition.
const DEADLINE: Duration = Duration::from_secs(30);

/// A session under test.
pub(crate) struct Harness {
    pub(crate) server: Server,
    pub(crate) outputs: mpsc::Receiver<Output>,
    pub(crate) status: watch::Receiver<Status>,
    /// Everything that was taken so far.
    pub(crate) taken: Vec<Output>,
    /// The highest number that was given or reported, by symbol without separators.
    covered: BTreeMap<String, u64>,
    config: Config,
    room: usize,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A session that has been started.
struct Started {
    outputs: mpsc::Receiver<Output>,
    status: watch::Receiver<Status>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Started {
    fn with(config: Config, room: usize) -> Self {
        let (sender, outputs) = mpsc::channel(room);
        let (reports, status) = watch::channel(Status::default());
        let stop = CancellationToken::new();
        let sinks = Sinks { outputs: sender, status: reports };
        let token = stop.clone();
        let task = tokio::spawn(async move { run(&config, sinks, &SystemClock, 7, token).await.unwrap() });
        Self { outputs, status, stop, task }
    }
}

/// The settings of one test.
pub(crate) struct Setup {
    pub(crate) market: Market,
    pub(crate) symbols: Vec<&'static str>,
    pub(crate) data: Data,
    pub(crate) position: Option<u64>,
    pub(crate) limits: Limits,
    pub(crate) server: Settings,
    pub(crate) ca_file: Option<PathBuf>,
    /// Outputs that wait outside of the session.
    pub(crate) room: usize,
}

impl Setup {
    /// Trades of `BTC/USD`, with times that suit a test.
    pub(crate) fn new(market: Market) -> Self {
        let limits = Limits {
            message_pause: Duration::from_millis(300),
            request_pause: Duration::from_millis(20),
            reorder_grace: Duration::from_millis(50),
            overlap: Duration::from_millis(200),
            pauses: (Duration::from_millis(20), Duration::from_millis(200)),
            ..market.limits()
        };
        Self {
            market,
            symbols: vec![BTC],
            data: Data::Trades,
            position: None,
            limits,
            server: Settings { step_micros: Some(10_000), ..Settings::default() },
            ca_file: None,
            room: 10_000,
        }
    }

    fn config(&self, server: &Server) -> Config {
        let (path, separator) = match self.market {
            Market::Binance => ("/ws", ""),
            Market::Kraken => ("/v2", "/"),
            Market::Coinbase => ("/", "-"),
        };
        let symbols: Vec<_> = self.symbols.iter().map(|symbol| symbol.replace('/', separator)).collect();
        let position = self.position.iter().flat_map(|number| symbols.iter().map(|symbol| (symbol.clone(), *number)));
        Config {
            position: position.collect::<BTreeMap<_, _>>(),
            data: self.data,
            url: server.url(path),
            rest_url: server.rest_url(),
            ca_file: self.ca_file.clone(),
            limits: self.limits,
            ..Config::new(self.market, symbols)
        }
    }

    /// Starts the server and the session. `before` changes the server before the session sees it.
    pub(crate) async fn start_with(self, before: impl FnOnce(&Server)) -> Harness {
        let server = Server::start(self.server.clone()).await.unwrap();
        before(&server);
        let config = self.config(&server);
        let (room, taken, covered) = (self.room, Vec::new(), BTreeMap::new());
        let Started { outputs, status, stop, task } = Started::with(config.clone(), room);
        Harness { server, outputs, status, taken, covered, config, room, stop, task }
    }

    /// Starts the server and the session, and waits until all symbols are subscribed.
    pub(crate) async fn start(self) -> Harness {
        let mut harness = self.start_with(|_| {}).await;
        harness.until(|status| status.is_connected).await;
        harness
    }
}

impl Harness {
    /// Waits for a state of the session.
    pub(crate) async fn until(&mut self, condition: impl Fn(&Status) -> bool) -> Status {
        let reached = timeout(DEADLINE, self.status.wait_for(|status| condition(status))).await;
        let status = reached.ok().and_then(Result::ok).map(|status| status.clone());
        if let Some(status) = status {
            return status;
        }
        panic!("the session does not get there: {:?}, {:?}", *self.status.borrow(), self.server.hub().counts())
    }

    /// Waits for a state of the server: it has no signal, so that it is asked again and again.
    pub(crate) async fn until_server(&self, condition: impl Fn(&local_exchange::hub::Counts) -> bool) {
        let reached = async {
            while !condition(&self.server.hub().counts()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, reached).await.unwrap_or_else(|_| panic!("{:?}", self.server.hub().counts()));
    }

    /// Makes trades of `BTC/USD`.
    pub(crate) fn make(&self, count: u64) {
        self.server.hub().make(BTC, count);
    }

    /// Takes outputs until the last trade of each of these instruments was given, or reported as a gap.
    pub(crate) async fn take_all(&mut self, instruments: &[&str]) {
        for instrument in instruments {
            let last = self.record(instrument).last().expect("trades were made").number;
            while self.covered.get(&spelled(instrument)) < Some(&last) {
                let Ok(output) = timeout(DEADLINE, self.outputs.recv()).await else {
                    let (status, counts) = (self.status.borrow().clone(), self.server.hub().counts());
                    panic!("{instrument} comes to {:?} of {last}: {status:?}, {counts:?}", self.covered)
                };
                self.take(output.expect("the session runs"));
            }
        }
    }

    /// Takes the outputs that wait.
    pub(crate) fn take_waiting(&mut self) {
        while let Ok(output) = self.outputs.try_recv() {
            self.take(output);
        }
    }

    /// Kills the session. Its successor goes on from a position that is `behind` outputs old, so that these outputs count no more.
    pub(crate) fn kill(&mut self, behind: usize) {
        self.task.abort();
        let known = self.taken.len().saturating_sub(behind).max(1);
        self.covered.clear();
        for output in self.taken.drain(..).take(known).collect::<Vec<_>>() {
            self.take(output);
        }
        let position = |symbol: &String| Some((symbol.clone(), *self.covered.get(&spelled(symbol))?));
        self.config.position = self.config.symbols.iter().filter_map(position).collect();
        let Started { outputs, status, stop, task } = Started::with(self.config.clone(), self.room);
        (self.outputs, self.status, self.stop, self.task) = (outputs, status, stop, task);
    }

    fn take(&mut self, output: Output) {
        let (symbol, last) = match &output {
            Output::Quote(quote) => (&quote.symbol, quote.seq),
            Output::Gap(gap) => (&gap.symbol, gap.last),
        };
        self.covered.insert(spelled(symbol), last);
        self.taken.push(output);
    }

    pub(crate) fn record(&self, instrument: &str) -> Vec<Trade> {
        self.server.hub().record(instrument)
    }

    fn of<'a>(&'a self, instrument: &str) -> impl Iterator<Item = &'a Output> + use<'a> {
        let wanted = spelled(instrument);
        self.taken.iter().filter(move |output| {
            let (Output::Quote(exchange::Quote { symbol, .. }) | Output::Gap(exchange::Gap { symbol, .. })) = output;
            spelled(symbol) == wanted
        })
    }

    /// Checks all outputs against the record: each number once and in order, each quote as it was traded, none invented.
    /// Returns the numbers within gaps.
    pub(crate) fn check(&self, instrument: &str) -> Vec<(u64, u64, GapReason)> {
        let record: BTreeMap<_, _> = self.record(instrument).into_iter().map(|trade| (trade.number, trade)).collect();
        let (mut next, mut gaps) = (None, Vec::new());
        for output in self.of(instrument) {
            let (first, last) = match output {
                Output::Quote(quote) => {
                    let trade = record.get(&quote.seq).unwrap_or_else(|| panic!("{quote:?} is invented"));
                    same(quote, trade);
                    (quote.seq, quote.seq)
                }
                Output::Gap(gap) => {
                    gaps.push((gap.first, gap.last, gap.reason));
                    (gap.first, gap.last)
                }
            };
            assert!(next.is_none_or(|next| next == first), "{output:?} and not {next:?}");
            next = Some(last + 1);
        }
        assert!(next.is_some(), "there are no outputs");
        gaps
    }

    /// Takes all trades of `BTC/USD`, and checks that none is missing.
    pub(crate) async fn check_whole(&mut self) {
        self.take_all(&[BTC]).await;
        assert_eq!(self.check(BTC), []);
    }

    /// Numbers of the quotes that did not come live.
    pub(crate) fn backfilled(&self) -> Vec<u64> {
        let quotes = self.taken.iter().filter_map(|output| match output {
            Output::Quote(quote) if quote.backfill => Some(quote.seq),
            _ => None,
        });
        quotes.collect()
    }

    /// Paths of the REST requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.server.hub().counts().rest
    }
}

/// A symbol in any market's spelling, without its separator.
fn spelled(symbol: &str) -> String {
    symbol.replace(['/', '-'], "")
}

/// The exact decimals of a trade, without the notation of the exchange.
fn same(quote: &exchange::Quote, trade: &Trade) {
    let trimmed = |text: String| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    assert_eq!(quote.price.to_string(), trimmed(trade.price_text()), "{quote:?}");
    let Kind::Trade { size } = quote.kind else { panic!("{quote:?}") };
    assert_eq!(size.to_string(), trimmed(trade.size_text()), "{quote:?}");
    // Binance has milliseconds.
    let precision = if quote.source.starts_with("binance") { 1_000 } else { 1 };
    assert_eq!(quote.time_micros, trade.micros / precision * precision, "{quote:?}");
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}
