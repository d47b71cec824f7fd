//! The writer with a ledger in memory and a bridge at the near end of its channels.

mod steps;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use intuition_api::{
    bounds::MESSAGE_BYTES,
    capability,
    v1::{
        AccountResponse, Batch, Committed, Credit, Delivery, Holding, Open, Opened, Positions, Publication, Published,
        Quote, Tick, process_request::Message as Request, process_response::Message, tick::Content,
    },
};
use intuition_common::{
    clock::{Clock, SystemClock},
    readiness::Readiness,
};
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use prost::Message as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::StreamExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, Status};

use super::*;
use crate::{
    backend::link::Links,
    ledger::{
        Changes, Checkpoint, Dropped, IdQuery, JournalEntry, OutboxContent, OutboxPage, OutboxRow, PacketQuery,
        Retention, Snapshot, WindowRow, memory::MemoryLedger,
    },
    portfolio::Policy,
    responses::{self, Reader, responses},
    settings::{AlgorithmRef, Initial, LiveSettings, SettingsSource, Topics},
};

const ACCOUNT: &str = "default/test";
const LEDGER: &str = "3f9c2a71";

/// Counts the commits of a ledger, and refuses them while `refuses` is set.
struct Counting {
    ledger: Box<dyn Ledger>,
    commits: Arc<AtomicU64>,
    refuses: Arc<AtomicBool>,
}

impl Ledger for Counting {
    fn read(&mut self, row: &mut dyn FnMut(WindowRow)) -> Result<Snapshot, LedgerError> {
        self.ledger.read(row)
    }
    fn commit(&mut self, changes: &Changes) -> Result<(), LedgerError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(LedgerError::Refused { path: "in memory".to_owned(), finding: "as told".to_owned() });
        }
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.ledger.commit(changes)
    }
    fn outbox(&mut self, page: OutboxPage) -> Result<Vec<OutboxRow>, LedgerError> {
        self.ledger.outbox(page)
    }
    fn holds_strict(&mut self, position: u64) -> Result<bool, LedgerError> {
        self.ledger.holds_strict(position)
    }
    fn delivered(&mut self, query: &PacketQuery) -> Result<Vec<WindowRow>, LedgerError> {
        self.ledger.delivered(query)
    }
    fn named(&mut self, query: &IdQuery<'_>) -> Result<Option<WindowRow>, LedgerError> {
        self.ledger.named(query)
    }
    fn decisions(&mut self, from: u64, limit: usize) -> Result<Vec<JournalEntry>, LedgerError> {
        self.ledger.decisions(from, limit)
    }
    fn drop_entries(&mut self, _: Option<&Checkpoint>, most: u64) -> Result<Dropped, LedgerError> {
        Ok(Dropped { entries: most, has_rest: false })
    }
    fn close(self: Box<Self>) -> Result<(), LedgerError> {
        Ok(())
    }
}

fn settings() -> Settings {
    Settings {
        account: ACCOUNT.to_owned(),
        live: LiveSettings {
            algorithm: AlgorithmRef::Builtin("random".to_owned()),
            threshold: 0.0,
            parameters: serde_json::Map::new(),
            starting_cash: "10000".to_owned(),
            suspend: false,
            retention: None,
        },
        source: SettingsSource::Start,
        policy: Policy::from_parts("fixed-amount", None, Some("1")).unwrap(),
        topics: Topics::default(),
        subscribe: None,
        inputs: Vec::new(),
        initial: Initial::default(),
    }
}

fn deps(registry: &mut Registry) -> WriterDeps {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    WriterDeps {
        settings: settings(),
        sizes: Sizes::default(),
        metrics: Metrics::register(registry),
        readiness: Readiness::new(&[part::runtime::LEDGER], clock),
        seed: 7,
        stopwatch: Box::new(|| Duration::ZERO),
    }
}

fn now() -> Now {
    Now::read(&SystemClock)
}

/// A writer that runs.
struct Bench {
    commands: mpsc::Sender<Command>,
    commits: Arc<AtomicU64>,
    tally: watch::Receiver<Arc<Tally>>,
    thread: JoinHandle<Result<(), WriterError>>,
    /// Its links are on this.
    _tokio: tokio::runtime::Runtime,
    streams: u64,
}

/// A stream of it.
struct Stream {
    number: u64,
    commands: mpsc::Sender<Command>,
    responses: Reader,
    ended: CancellationToken,
    timer: tokio::runtime::Runtime,
    /// Of the message that came last.
    bytes: usize,
}

impl Bench {
    fn start(mut ledger: MemoryLedger, outbox: Vec<OutboxContent>) -> Self {
        if !outbox.is_empty() {
            let mut account = ledger.snapshot().unwrap().account;
            let rows = (account.position + 1..).zip(outbox).map(|(position, content)| OutboxRow { position, content });
            let outbox: Vec<OutboxRow> = rows.collect();
            account.position += outbox.len() as u64;
            ledger.commit(&Changes { account: Some(account), outbox, ..Changes::default() }).unwrap();
        }
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let tasks = (TaskTracker::new(), CancellationToken::new());
        let links = Links::new(tokio.handle().clone(), tasks.0, tasks.1, Duration::from_secs(10));
        let (commands, receiver) = mpsc::channel(64);
        let commits = Arc::new(AtomicU64::new(0));
        let ledger = Counting { ledger: Box::new(ledger), commits: Arc::clone(&commits), refuses: Arc::default() };
        let writer = Writer::start(Box::new(ledger), deps(&mut Registry::default()), now()).unwrap();
        let writer = WriterThread::new(writer, Arc::new(SystemClock), links, commands.clone()).unwrap();
        let tally = writer.tally().subscribe();
        let thread = std::thread::spawn(move || writer.run(receiver));
        Self { commands, commits, tally, thread, _tokio: tokio, streams: 0 }
    }

    fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    fn open(&mut self, open: Open) -> Stream {
        self.streams += 1;
        let writer = self.commands.downgrade();
        let wake = move || {
            if let Some(writer) = writer.upgrade() {
                writer.try_send(Command::Room).unwrap();
            }
        };
        let (sender, responses) = responses(responses::Sizes::default(), wake);
        let open = Open {
            account: ACCOUNT.to_owned(),
            broker_url: "mqtt://127.0.0.1".to_owned(),
            session_present: true,
            run: 9,
            ..open
        };
        let ended = CancellationToken::new();
        let command = Command::Open { stream: self.streams, open, responses: sender, ended: ended.clone() };
        self.commands.blocking_send(command).unwrap();
        let timer = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Stream { number: self.streams, commands: self.commands.clone(), responses, ended, timer, bytes: 0 }
    }

    fn paged(&mut self) -> Stream {
        self.open(Open { pages: true, capabilities: vec![capability::OUTBOX_QUEUES.to_owned()], ..Open::default() })
    }

    /// The account, by a call.
    fn account(&self) -> AccountResponse {
        let (reply, answer) = oneshot::channel();
        let command = Command::Account { account: ACCOUNT.to_owned(), reply };
        self.commands.blocking_send(command).unwrap();
        answer.blocking_recv().unwrap().unwrap()
    }

    /// Everything sent so far has been worked off: a call is answered before the rest of its group is sent.
    fn settle(&self) {
        self.account();
        self.account();
    }

    fn wait_for(&mut self, wanted: impl Fn(&Tally) -> bool) {
        let timer = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let waiting = async {
            tokio::time::timeout(Duration::from_secs(30), self.tally.wait_for(|tally| wanted(tally))).await.is_ok()
        };
        assert!(timer.block_on(waiting), "{:?}", self.tally.borrow());
    }

    fn stop(self) {
        self.commands.blocking_send(Command::Stop).unwrap();
        self.thread.join().unwrap().unwrap();
    }
}

impl Stream {
    fn send(&self, message: Request) {
        self.commands.blocking_send(Command::Request { stream: self.number, message, room: None }).unwrap();
    }

    fn quotes(&self, numbers: std::ops::RangeInclusive<u64>) {
        self.send(Request::Batch(Batch { deliveries: numbers.map(delivery).collect() }));
    }

    fn credit(&self, bytes: u64) {
        self.send(Request::Credit(Credit { bytes }));
    }

    fn published(&self, through: u64) {
        self.send(Request::Published(Published { through, ..Published::default() }));
    }

    fn next(&mut self) -> Result<Message, Status> {
        let next = self.timer.block_on(self.responses.next());
        let response = next.expect("a response, or how the stream ended")?;
        self.bytes = response.encoded_len();
        Ok(response.message.unwrap())
    }

    fn opened(&mut self) -> Opened {
        let Ok(Message::Opened(opened)) = self.next() else { panic!("Opened comes first") };
        let Ok(Message::Channels(_)) = self.next() else { panic!("Channels come second") };
        opened
    }

    fn committed(&mut self) -> Committed {
        match self.next() {
            Ok(Message::Committed(committed)) => committed,
            other => panic!("a commit, not {other:?}"),
        }
    }

    /// Takes messages until there were so many entries. Each is within the bound unless it has one entry.
    fn entries(&mut self, count: usize) -> Vec<u64> {
        let mut positions = Vec::new();
        while positions.len() < count {
            let committed = self.committed();
            assert!(self.bytes <= MESSAGE_BYTES || committed.entries.len() == 1, "{} bytes", self.bytes);
            positions.extend(committed.entries.iter().map(|entry| entry.position));
        }
        positions
    }

    fn is_quiet(&mut self) -> bool {
        self.responses.is_empty()
    }
}

fn delivery(number: u64) -> Delivery {
    let quote = Quote { sid: "GOOG".to_owned(), price: "1".to_owned(), time_micros: 0, ..Quote::default() };
    Delivery {
        number,
        topic: "quotes".to_owned(),
        payload_sha256: vec![0; 32].into(),
        ticks: vec![Tick { content: Some(Content::Quote(quote)), ..Tick::default() }],
        ..Delivery::default()
    }
}

fn publication(bytes: usize) -> OutboxContent {
    OutboxContent::Publication(Publication { channel: "data".to_owned(), payload: vec![7; bytes].into() })
}

fn fresh() -> MemoryLedger {
    MemoryLedger::new(ACCOUNT, LEDGER)
}

#[test]
fn outbox_of_100_mib_reaches_a_new_bridge_in_small_messages() {
    let rows = 400;
    let mut bench = Bench::start(fresh(), (0..rows).map(|_| publication(256 << 10)).collect());
    let mut stream = bench.paged();
    assert_eq!(stream.opened().published_through, 0);
    bench.settle();
    assert!(stream.is_quiet(), "nothing is sent without credit");
    let mut had = 0;
    while had < rows {
        stream.credit(4 << 20);
        bench.settle();
        let before = had;
        while !stream.is_quiet() {
            let positions = stream.entries(1);
            assert_eq!(positions[0], had as u64 + 1);
            had += positions.len();
        }
        // The last entry may exceed the credit.
        assert!((1..=17).contains(&(had - before)), "{} entries", had - before);
    }
    stream.published(rows as u64);
    bench.wait_for(|tally| tally.published_through == 400);
    bench.stop();
}

#[test]
fn outcomes_need_no_credit_and_entries_follow_in_order_with_it() {
    let mut bench = Bench::start(fresh(), Vec::new());
    let mut stream = bench.paged();
    stream.opened();
    stream.quotes(1..=3);
    let committed = stream.committed();
    assert_eq!((committed.entries.len(), committed.outcomes.len()), (0, 3));
    assert_eq!(committed.outcomes[2].ticks[0].positions, [3]);
    stream.credit(1);
    assert_eq!(stream.entries(1), [1], "one entry may exceed the credit");
    stream.quotes(4..=4);
    assert_eq!(stream.committed().entries.len(), 0, "it is not sent before those in front of it");
    stream.credit(1 << 20);
    assert_eq!(stream.entries(3), [2, 3, 4]);
    stream.quotes(5..=5);
    let live = stream.committed();
    assert_eq!((live.entries[0].position, live.outcomes.len()), (5, 1));
    bench.stop();
}

#[test]
fn bridge_of_v010_gets_all_entries_at_once_also_done_ones() {
    let mut bench = Bench::start(fresh(), (0..40).map(|_| publication(100 << 10)).collect());
    let mut stream = bench.paged();
    stream.opened();
    stream.credit(u64::MAX);
    assert_eq!(stream.entries(40).len(), 40);
    let done = vec![Positions { first: 2, last: 39 }];
    stream.send(Request::Published(Published { through: 0, done, ..Published::default() }));

    let mut again = bench.paged();
    assert_eq!(again.opened().done, [Positions { first: 2, last: 39 }]);
    again.credit(u64::MAX);
    assert_eq!(again.entries(2), [1, 40]);

    let mut older = bench.open(Open::default());
    assert_eq!(older.opened().done, []);
    assert_eq!(older.entries(40), (1..=40).collect::<Vec<u64>>());
    bench.stop();
}

#[test]
fn a_bridge_of_the_release_before_gets_a_large_outbox_as_fast_as_it_reads() {
    let mut bench = Bench::start(fresh(), (0..400).map(|_| publication(256 << 10)).collect());
    let mut older = bench.open(Open::default());
    older.opened();
    bench.settle();
    assert!(older.responses.bytes() < 10 << 20, "{} bytes", older.responses.bytes());
    assert_eq!(older.entries(400), (1..=400).collect::<Vec<u64>>());
    bench.stop();
}

#[test]
fn a_bridge_that_does_not_read_is_ended_and_the_next_one_trades() {
    let mut bench = Bench::start(fresh(), Vec::new());
    let mut unread = bench.paged();
    while !unread.ended.is_cancelled() {
        unread.send(Request::Holding(Holding::default()));
    }
    assert!(unread.responses.bytes() == 0, "nothing is kept for it");
    assert_eq!(unread.next().unwrap_err().code(), Code::ResourceExhausted);
    let mut next = bench.paged();
    next.opened();
    next.quotes(1..=1);
    assert_eq!(next.committed().outcomes.len(), 1);
    bench.stop();
}

#[test]
fn confirmations_have_no_commit_of_their_own_while_quotes_come() {
    let mut bench = Bench::start(fresh(), Vec::new());
    let mut stream = bench.open(Open::default());
    stream.opened();
    let before = bench.commits();
    for number in 1..=50 {
        stream.quotes(number..=number);
        assert_eq!(stream.entries(1), [number]);
        stream.published(number);
    }
    bench.wait_for(|tally| tally.published_through == 50);
    // One for each quote, and one for the last confirmation, which has no quote behind it. On a slow machine some wait for
    // 100 ms and have one of their own.
    let until = Instant::now() + Duration::from_secs(30);
    while bench.commits() < before + 51 {
        assert!(Instant::now() < until, "the last confirmation is never saved");
        bench.account();
    }
    let saved = 100 - (bench.commits() - before);
    assert!(saved >= 40, "{saved} of 50 commits saved");
    bench.stop();
}

#[test]
fn confirmations_are_saved_at_the_end() {
    let mut bench = Bench::start(fresh(), vec![publication(1), publication(1)]);
    let mut stream = bench.open(Open::default());
    stream.opened();
    assert_eq!(stream.entries(2), [1, 2]);
    let before = bench.commits();
    stream.published(1);
    let commits = Arc::clone(&bench.commits);
    bench.stop();
    assert_eq!(commits.load(Ordering::SeqCst), before + 1);
}

#[test]
fn a_superseded_stream_and_one_that_breaks_the_contract_are_read_no_more() {
    let mut bench = Bench::start(fresh(), Vec::new());
    let mut older = bench.open(Open::default());
    older.opened();
    let mut newer = bench.open(Open::default());
    newer.opened();
    assert_eq!(older.next().unwrap_err().code(), Code::Aborted);
    assert!(older.ended.is_cancelled() && !newer.ended.is_cancelled());
    newer.quotes(1..=1);
    newer.send(Request::Batch(Batch { deliveries: vec![Delivery::default()] }));
    loop {
        match newer.next() {
            Ok(Message::Committed(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(status) => break assert_eq!(status.code(), Code::InvalidArgument),
        }
    }
    assert!(newer.ended.is_cancelled());
    let mut other = bench.open(Open { ledger_id: "00000000".to_owned(), ..Open::default() });
    assert!(!other.opened().restored || bench.account().decisions > 0);
    bench.stop();
}

#[test]
fn an_account_and_the_metrics_are_those_of_the_last_commit() {
    let mut registry = Registry::default();
    let refuses = Arc::new(AtomicBool::new(false));
    let ledger = Counting { ledger: Box::new(fresh()), commits: Arc::default(), refuses: Arc::clone(&refuses) };
    let mut writer = Writer::start(Box::new(ledger), deps(&mut registry), now()).unwrap();
    for (is_refused, decisions) in [(true, 0), (false, 1)] {
        let (responses, _reader) = responses(responses::Sizes::default(), || {});
        let open = Open { account: ACCOUNT.to_owned(), ..Open::default() };
        writer.handle(Command::Open { stream: 1, open, responses, ended: CancellationToken::new() }, now());
        refuses.store(false, Ordering::SeqCst);
        writer = writer.settle(now()).unwrap();
        refuses.store(is_refused, Ordering::SeqCst);
        let batch = Request::Batch(Batch { deliveries: vec![delivery(1)] });
        writer.handle(Command::Request { stream: 1, message: batch, room: None }, now());
        let (reply, mut answer) = oneshot::channel();
        writer.handle(Command::Account { account: ACCOUNT.to_owned(), reply }, now());
        assert!(answer.try_recv().is_err(), "not before the commit");
        writer = writer.settle(now()).unwrap();
        assert_eq!(answer.try_recv().unwrap().unwrap().decisions, decisions);
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
        let counted = page.contains("tradingalgo_runtime_ticks_total{outcome=\"decided\"} 1");
        assert_eq!(counted, !is_refused, "{page}");
    }
}

#[test]
fn reports_of_a_new_bridge_count_only_for_what_it_was_sent() {
    let mut bench = Bench::start(fresh(), (0..9).map(|_| publication(10)).collect());
    let mut stream = bench.paged();
    stream.opened();
    stream.credit(30);
    assert_eq!(stream.entries(2), [1, 2]);
    stream.published(9);
    bench.wait_for(|tally| tally.count(crate::engine::counter::PUBLISHED_BEYOND) == 7);
    assert_eq!(bench.account().unpublished, 7);
    bench.stop();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_outbox_reaches_a_bridge_in_order_within_the_bound(
        sizes in prop::collection::vec(prop_oneof![4 => 0_usize..200, 2 => 0_usize..64 << 10, 1 => 0..MESSAGE_BYTES + 9_000], 1..120),
        credits in prop::collection::vec(1_u64..2 << 20, 1..9),
        done in prop::collection::vec(any::<bool>(), 120),
        pages in any::<bool>(),
    ) {
        let count = sizes.len();
        let mut bench = Bench::start(fresh(), sizes.into_iter().map(publication).collect());
        let mut first = bench.paged();
        first.opened();
        first.credit(u64::MAX);
        prop_assert_eq!(first.entries(count), (1..=count as u64).collect::<Vec<_>>());
        // The last one stays, so that there is something to come.
        let fates: Vec<(u64, bool)> = (1..count as u64).zip(done).collect();
        let is_done = |position: u64| fates.contains(&(position, true));
        let ranges = (1..=count as u64).filter(|position| is_done(*position));
        let ranges = ranges.map(|position| Positions { first: position, last: position }).collect();
        first.send(Request::Published(Published { through: 0, done: ranges, ..Published::default() }));
        let mut stream = if pages { bench.paged() } else { bench.open(Open::default()) };
        let opened = stream.opened();
        let wanted: Vec<u64> = (opened.published_through + 1..=count as u64)
            .filter(|position| !pages || !is_done(*position))
            .collect();
        let mut came = Vec::new();
        let mut credits = credits.into_iter().cycle();
        while came.len() < wanted.len() {
            if pages {
                stream.credit(credits.next().unwrap());
                bench.settle();
            }
            while came.len() < wanted.len() && (!pages || !stream.is_quiet()) {
                came.extend(stream.entries(1));
            }
        }
        prop_assert_eq!(came, wanted);
        bench.stop();
    }
}

#[test]
fn entries_are_dropped_by_the_limits_in_force_alone() {
    let limits = Retention { decisions: Some(9), age_seconds: None };
    let ledger = Counting {
        ledger: Box::new(MemoryLedger::new(ACCOUNT, LEDGER)),
        commits: Arc::default(),
        refuses: Arc::default(),
    };
    let mut registry = Registry::default();
    let mut given = deps(&mut registry);
    given.settings.live.retention = Some(limits);
    let mut writer = Writer::start(Box::new(ledger), given, now()).unwrap();
    let (reply, answer) = oneshot::channel();
    writer.handle(Command::Journal(JournalCommand::Limits { reply }), now());
    assert_eq!(answer.blocking_recv().unwrap().unwrap(), Some(limits));
    for (limits, entries) in [(limits, 7), (Retention { decisions: Some(8), ..limits }, 0)] {
        let (reply, answer) = oneshot::channel();
        writer.handle(Command::Journal(JournalCommand::Drop { limits, base: None, most: 7, reply }), now());
        assert_eq!(answer.blocking_recv().unwrap().unwrap(), Dropped { entries, has_rest: false });
    }
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
    assert!(page.contains("\ntradingalgo_runtime_ledger_dropped_entries_total 7\n"), "{page}");
    writer.stop().unwrap();
}
