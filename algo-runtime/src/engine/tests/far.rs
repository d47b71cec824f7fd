//! The far ends of an engine's links, moved by hand.

#![expect(clippy::similar_names, reason = "`link` and `line`, both what they are called")]

use std::collections::{BTreeMap, VecDeque};

use intuition_api::v1::{
    DescribeResponse, EventBatch, EventBatchResult, EventResult, InitializeRequest, InitializeResponse,
    ReconfigureResponse, Side, Signal, input_event,
};

use super::*;
use crate::backend::{BackendError, BackendReply, ConditionReason, LinkCommand, LinkEvent, describe::Described};

pub(super) const A: &str = "http://a:1";
pub(super) const B: &str = "http://b:2";

/// An engine whose links lead to whoever writes the test, driven as the writer drives it.
pub(super) struct Wired {
    pub(super) bench: Bench,
    pub(super) links: BTreeMap<LinkId, Line>,
    /// What the bridge was told since it was asked last.
    pub(super) committed: v1::Committed,
    pub(super) stream: u64,
    pub(super) now: i64,
    /// Every link ever started, in order.
    pub(super) started: Vec<LinkId>,
}

/// A link: its orders, not carried out yet.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) address: String,
    pub(super) attempt: u64,
    pub(super) orders: VecDeque<LinkCommand>,
}

/// A resource's settings, decided by the backend at `address`.
pub(super) fn at(address: &str, generation: i64) -> Settings {
    let mut settings = resource(generation);
    settings.live.algorithm = AlgorithmRef::Backend(address.parse().unwrap());
    settings
}

impl Wired {
    pub(super) fn new(settings: Settings) -> Self {
        Self::over(Bench::on_disk(settings))
    }

    pub(super) fn over(bench: Bench) -> Self {
        let mut wired = Self {
            bench,
            links: BTreeMap::new(),
            committed: v1::Committed::default(),
            stream: 1,
            now: 1_000,
            started: Vec::new(),
        };
        wired.run();
        wired
    }

    /// A new process, as after kill -9: what was not committed is gone, and so are the links.
    pub(super) fn restart(&mut self, settings: Settings) {
        self.links.clear();
        self.bench.restart(settings);
        self.stream = 1;
        self.committed = v1::Committed::default();
        self.run();
    }

    /// One group of the writer.
    pub(super) fn run(&mut self) {
        self.now += 1;
        for settled in self.bench.engine.advance(self.now, self.bench.ledger.as_mut()).unwrap() {
            if settled.stream == self.stream {
                self.committed.outcomes.extend(settled.outcomes);
            }
        }
        let entries = self.bench.commit();
        self.committed.entries.extend(entries);
        for action in self.bench.engine.take_link_actions() {
            match action {
                LinkAction::Start(link, address) => {
                    self.started.push(link);
                    let line = Line { address: address.as_str().to_owned(), ..Line::default() };
                    assert!(self.links.insert(link, line).is_none());
                }
                LinkAction::Command(link, order) => {
                    let line = self.links.get_mut(&link).expect("an order for a link that there is");
                    if let LinkCommand::Call { attempt, .. } = &order {
                        // All that was before is void.
                        line.orders.clear();
                        line.attempt = *attempt;
                    }
                    line.orders.push_back(order);
                }
                LinkAction::End(link) => drop(self.links.remove(&link)),
            }
        }
    }

    pub(super) fn told(&mut self) -> v1::Committed {
        std::mem::take(&mut self.committed)
    }

    /// The link to an address that was started last.
    pub(super) fn link(&self, address: &str) -> LinkId {
        let to = self.links.iter().filter(|(_, line)| line.address == address);
        *to.map(|(link, _)| link).next_back().unwrap_or_else(|| panic!("no link to {address}: {:?}", self.links))
    }

    pub(super) fn order(&mut self, address: &str) -> LinkCommand {
        let link = self.link(address);
        let line = self.links.get_mut(&link).unwrap();
        line.orders.pop_front().unwrap_or_else(|| panic!("nothing was ordered of {address}"))
    }

    pub(super) fn is_idle(&self, address: &str) -> bool {
        self.links[&self.link(address)].orders.is_empty()
    }

    pub(super) fn report(&mut self, address: &str, said: Result<BackendReply, BackendError>) {
        let link = self.link(address);
        let attempt = self.links[&link].attempt;
        self.bench.engine.on_link_event(link, LinkEvent { attempt, reply: said }, self.now);
        self.run();
    }

    pub(super) fn fail(&mut self, address: &str) {
        self.report(address, Err(BackendError::new(ConditionReason::Error, "boom".to_owned())));
    }

    pub(super) fn describe(&mut self, address: &str, name: &str) {
        let LinkCommand::Call { .. } = self.order(address) else { panic!("a call") };
        self.report(address, Ok(BackendReply::Described(described(name))));
    }

    /// Is called and initialized; gives what it was initialized with.
    pub(super) fn come_up(&mut self, address: &str, name: &str, channels: &[&str]) -> InitializeRequest {
        self.describe(address, name);
        let LinkCommand::Initialize(request) = self.order(address) else { panic!("Initialize") };
        self.report(address, Ok(BackendReply::Initialized(initialized(channels))));
        request
    }

    pub(super) fn batch(&mut self, address: &str) -> EventBatch {
        match self.order(address) {
            LinkCommand::Batch { batch, .. } => batch,
            other => panic!("a batch, not {other:?}"),
        }
    }

    /// Answers the next batch: buys at every quote, with this state. Gives the prices.
    pub(super) fn answer(&mut self, address: &str, state: &str) -> Vec<String> {
        let batch = self.batch(address);
        self.report(address, Ok(BackendReply::Result(buys(&batch, state))));
        prices(&batch)
    }

    pub(super) fn take(&mut self, deliveries: &[Delivery]) {
        self.bench.engine.take(deliveries.to_vec()).unwrap();
        self.run();
    }

    /// A delivery on `topic` with a quote for each price.
    pub(super) fn send_on(&mut self, topic: &str, prices: std::ops::Range<u32>) -> Delivery {
        let ticks = prices.map(|price| quote(&(price + 1).to_string())).collect();
        let delivery = self.bench.delivery(topic, ticks);
        self.take(std::slice::from_ref(&delivery));
        delivery
    }

    pub(super) fn send(&mut self, prices: std::ops::Range<u32>) -> Delivery {
        self.send_on("quotes", prices)
    }

    /// A new stream of the same bridge.
    pub(super) fn reopen_stream(&mut self) {
        self.stream += 1;
        let open = Open {
            account: ACCOUNT.to_owned(),
            broker_url: BROKER.to_owned(),
            session_present: true,
            run: 9,
            ..Open::default()
        };
        self.bench.open_with(self.stream, &open).unwrap();
        self.run();
    }

    pub(super) fn hold(&mut self, filters: &[&str]) {
        let filter = |(id, filter): (u32, &&str)| v1::Filter { filter: (*filter).to_owned(), subscription_id: id };
        let filters = (1..).zip(filters).map(filter).collect();
        self.bench.engine.hold(&v1::Holding { filters }).unwrap();
        self.run();
    }

    pub(super) fn mark(&mut self, channels_version: u64) {
        self.bench.engine.mark(v1::Marker { channels_version }).unwrap();
        self.run();
    }

    pub(super) fn configure(
        &mut self,
        generation: i64,
        change: impl FnOnce(&mut v1::Settings),
    ) -> v1::ConfigureResponse {
        let response = self.bench.configure(generation, change);
        self.run();
        response
    }

    pub(super) fn move_to(&mut self, address: &str, generation: i64) -> v1::ConfigureResponse {
        self.configure(generation, |settings| {
            settings.algorithm.clear();
            settings.algorithm_address = address.to_owned();
        })
    }

    pub(super) fn channels(&self) -> (u64, Vec<String>) {
        let channels = self.bench.engine.channels().cloned().unwrap_or_default();
        (channels.version, channels.filters)
    }

    pub(super) fn account(&self) -> v1::AccountResponse {
        self.bench.engine.account()
    }

    pub(super) fn deciding(&self) -> String {
        self.account().algorithm
    }

    pub(super) fn saved(&mut self, name: &str) -> Option<Vec<u8>> {
        let state = self.bench.ledger.snapshot().unwrap().state;
        state.get(&(format!("backend/{name}"), String::new())).cloned()
    }

    /// The journal alone gives the same account, and its decisions have no holes.
    pub(super) fn verify(&mut self) {
        let decisions = self.bench.ledger.decisions(1, usize::MAX).unwrap();
        let seqs: Vec<u64> = decisions.iter().filter_map(|entry| Some(entry.trade.as_ref()?.seq)).collect();
        assert_eq!(seqs, (1..=self.bench.engine.accounting.decisions()).collect::<Vec<u64>>());
        let report = verify(self.bench.dir.as_ref().unwrap().path()).unwrap();
        assert_eq!((report.cash.to_string(), report.realised.to_string()), {
            let account = self.account();
            (account.cash, account.realised)
        });
    }
}

pub(super) fn described(name: &str) -> Described {
    described_with(name, "1.2.3", "")
}

pub(super) fn described_with(name: &str, version: &str, schema: &str) -> Described {
    let response = DescribeResponse {
        name: name.to_owned(),
        version: version.to_owned(),
        contract: "intuition.v1".to_owned(),
        parameters_schema_json: schema.to_owned(),
    };
    Described::read(&response).unwrap()
}

pub(super) fn initialized(channels: &[&str]) -> InitializeResponse {
    let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
    InitializeResponse { channels, refusal: String::new() }
}

pub(super) fn reconfigured(channels: &[&str], refusal: &str) -> BackendReply {
    let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
    BackendReply::Reconfigured(ReconfigureResponse { channels, refusal: refusal.to_owned() })
}

pub(super) fn buy(event: u64) -> Signal {
    Signal { event, side: Side::Buy.into(), quantity: String::new() }
}

pub(super) fn sell(event: u64, quantity: &str) -> Signal {
    Signal { event, side: Side::Sell.into(), quantity: quantity.to_owned() }
}

/// An answer with these signals for each event, and this state unless it is empty.
pub(super) fn result(batch: &EventBatch, state: &str, signals: impl Fn(u64) -> Vec<Signal>) -> EventBatchResult {
    let result = |event: u64| EventResult { event, signals: signals(event), reject: String::new() };
    EventBatchResult {
        number: batch.number,
        results: batch.events.iter().map(|event| result(event.event)).collect(),
        state: (!state.is_empty()).then(|| state.as_bytes().to_vec().into()),
        publications: Vec::new(),
    }
}

pub(super) fn buys(batch: &EventBatch, state: &str) -> EventBatchResult {
    result(batch, state, |event| vec![buy(event)])
}

pub(super) fn prices(batch: &EventBatch) -> Vec<String> {
    let price = |event: &v1::InputEvent| match &event.kind {
        Some(input_event::Kind::Quote(quote)) => quote.price.clone(),
        other => panic!("a quote, not {other:?}"),
    };
    batch.events.iter().map(price).collect()
}
