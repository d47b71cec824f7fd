//! A scripted runtime: a real gRPC server that buys one unit for every quote and keeps outcomes in memory.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};

use bridge::outbox::Ranges;
use intuition_api::v1::{
    AccountRequest, AccountResponse, Acknowledged, Batch, Channels, CloseRequest, CloseResponse, Committed,
    ConfigureRequest, ConfigureResponse, DeadLetter, Decision, DecisionsRequest, Delivery, DeliveryOutcome, Filter,
    ForgetSourcesRequest, ForgetSourcesResponse, GivenUp, HoldingRecorded, Indicator, IndicatorValue, Input, Joined,
    Open, Opened, OutboxEntry, Positions, ProcessRequest, ProcessResponse, Publication, Published, Quote,
    ResetSourceRequest, ResetSourceResponse, SetTradingStateRequest, SetTradingStateResponse, Side, Source,
    SourcesRequest, TickOutcome, outbox_entry, process_request, process_response,
    runtime_server::{Runtime, RuntimeServer},
    tick, tick_outcome,
};
use intuition_api::{capability, topic::is_indicator_account};
use prost::Message as _;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::{
    Stream, StreamExt as _,
    wrappers::{TcpListenerStream, UnboundedReceiverStream},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

const LEDGER_ID: &str = "0badf00d";

/// What the runtime remembers, as its ledger would.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) opens: Vec<Open>,
    pub(crate) held: Vec<Filter>,
    pub(crate) channels: Vec<String>,
    /// Sent with the channels.
    pub(crate) inputs: Vec<Input>,
    pub(crate) version: u64,
    pub(crate) marked: u64,
    pub(crate) deliveries: Vec<Delivery>,
    /// By run and number.
    pub(crate) outcomes: BTreeMap<(u64, u64), DeliveryOutcome>,
    pub(crate) outbox: Vec<OutboxEntry>,
    pub(crate) published_through: u64,
    /// Beyond `published_through`.
    pub(crate) done: Ranges,
    pub(crate) given_up: Vec<GivenUp>,
    /// Bytes of entries that the bridge of the stream has room for.
    credit: u64,
    /// Position of the next entry for this stream, with the capability `outbox-queues`.
    next: u64,
    /// `Opened.done` of this stream.
    left_out: Ranges,
    /// Each decision is followed by a publication.
    pub(crate) publishing: bool,
    /// Empty: the first one.
    pub(crate) ledger_id: String,
    /// Batches are taken and not answered.
    pub(crate) mute: bool,
    /// Quotes get no signal instead of a decision.
    pub(crate) passive: bool,
    /// Of [`Opened`].
    pub(crate) capabilities: Vec<String>,
    /// In the order they came, with the stream that each came on.
    pub(crate) acknowledged: Vec<(usize, Acknowledged)>,
    streams: Vec<(mpsc::UnboundedSender<Result<ProcessResponse, Status>>, CancellationToken)>,
}

impl Memory {
    /// Serves as a runtime with send queues.
    pub(crate) fn with_queues(&mut self) {
        self.capabilities = vec![capability::OUTBOX_QUEUES.to_owned()];
    }

    fn has_queues(&self) -> bool {
        self.capabilities.iter().any(|name| name == capability::OUTBOX_QUEUES)
    }

    /// The next entries, as far as there is credit; all there are for a bridge of a runtime without send queues.
    fn entries(&mut self) -> Vec<OutboxEntry> {
        let mut entries = Vec::new();
        self.next = self.next.max(self.published_through + 1);
        while self.credit > 0 || !self.has_queues() {
            while self.left_out.covers(self.next, self.next) {
                self.next += 1;
            }
            let Some(entry) = self.outbox.get(usize::try_from(self.next).unwrap() - 1) else { break };
            self.next += 1;
            self.credit = self.credit.saturating_sub(entry.encoded_len() as u64);
            entries.push(entry.clone());
        }
        entries
    }

    fn published(&mut self, report: Published) {
        let known = self.next.saturating_sub(1).max(self.published_through);
        assert!(report.through <= known, "{report:?} goes beyond {known}");
        assert!(self.has_queues() || (report.done.is_empty() && report.given_up.is_empty()), "{report:?}");
        for given_up in &report.given_up {
            self.done.insert(given_up.position, given_up.position);
        }
        for range in &report.done {
            self.done.insert(range.first, range.last);
        }
        self.published_through = self.published_through.max(report.through);
        self.published_through = self.done.end_of(self.published_through + 1).unwrap_or(self.published_through);
        self.done.cut(self.published_through);
        self.given_up.extend(report.given_up);
    }

    fn answer(&mut self, run: u64, batch: Batch) -> Committed {
        let mut committed = Committed::default();
        for delivery in batch.deliveries {
            self.deliveries.push(delivery.clone());
            let outcome = match self.outcomes.get(&(run, delivery.number)).cloned() {
                Some(outcome) => outcome,
                None => self.decide(&delivery),
            };
            self.outcomes.insert((run, delivery.number), outcome.clone());
            committed.outcomes.push(outcome);
        }
        committed.entries = self.entries();
        committed
    }

    fn decide(&mut self, delivery: &Delivery) -> DeliveryOutcome {
        let mut ticks = Vec::new();
        if self.passive {
            ticks.resize(
                delivery.ticks.len(),
                TickOutcome { kind: tick_outcome::Kind::NoSignal.into(), ..TickOutcome::default() },
            );
            return DeliveryOutcome { number: delivery.number, ticks };
        }
        for tick in &delivery.ticks {
            let position = self.outbox.len() as u64 + 1;
            let (kind, reason, content) = match tick.content.clone().unwrap() {
                tick::Content::Quote(quote) if self.is_indicator() => {
                    let content = outbox_entry::Content::Joined(joined(quote, position));
                    (tick_outcome::Kind::NoSignal, String::new(), content)
                }
                tick::Content::Quote(quote) => {
                    let decision = Decision {
                        id: format!("default/test/0badf00d/{position}"),
                        seq: position,
                        algo: "default/test".to_owned(),
                        sid: quote.sid,
                        side: Side::Buy.into(),
                        amount: "1.00".to_owned(),
                        quantity: "1".to_owned(),
                        price: quote.price,
                        ..Decision::default()
                    };
                    (tick_outcome::Kind::Decided, String::new(), outbox_entry::Content::Decision(decision))
                }
                tick::Content::Indicator(_) => {
                    let kind = tick_outcome::Kind::NoSignal.into();
                    ticks.push(TickOutcome { kind, ..TickOutcome::default() });
                    continue;
                }
                tick::Content::Unusable(unusable) => {
                    let letter = DeadLetter {
                        topic: delivery.topic.clone(),
                        reason: unusable.reason.clone(),
                        message: unusable.message,
                        payload_size: delivery.payload_size,
                        payload_sha256: delivery.payload_sha256.clone(),
                        payload: delivery.payload.clone(),
                        time_micros: delivery.arrived_micros,
                        ..DeadLetter::default()
                    };
                    (tick_outcome::Kind::DeadLettered, unusable.reason, outbox_entry::Content::DeadLetter(letter))
                }
            };
            let entry = OutboxEntry { position, content: Some(content) };
            let mut positions = vec![position];
            self.outbox.push(entry);
            if self.publishing && kind == tick_outcome::Kind::Decided {
                let publication = Publication { channel: "echo".to_owned(), payload: position.to_string().into() };
                let content = Some(outbox_entry::Content::Publication(publication));
                self.outbox.push(OutboxEntry { position: position + 1, content });
                positions.push(position + 1);
            }
            let kind = kind.into();
            ticks.push(TickOutcome { kind, reason, positions, ..TickOutcome::default() });
        }
        DeliveryOutcome { number: delivery.number, ticks }
    }

    /// Each quote of an indicator comes out with its position as a value.
    fn is_indicator(&self) -> bool {
        self.opens.last().is_some_and(|open| is_indicator_account(&open.account))
    }

    fn open(&mut self, open: Open) -> Vec<process_response::Message> {
        let lost = !open.session_present && !self.held.is_empty();
        if lost {
            self.held.clear();
        }
        let ledger_id = if self.ledger_id.is_empty() { LEDGER_ID.to_owned() } else { self.ledger_id.clone() };
        (self.credit, self.next) = (0, self.published_through + 1);
        if let Some(published) = open.published.clone().filter(|_| self.has_queues() && open.ledger_id == ledger_id) {
            self.next = self.outbox.len() as u64 + 1;
            self.published(published);
            self.next = self.published_through + 1;
        }
        let restored = self.has_queues() && !open.ledger_id.is_empty() && open.ledger_id != ledger_id;
        self.opens.push(open);
        self.left_out = if self.has_queues() { self.done.clone() } else { Ranges::default() };
        let done = self.left_out.iter().map(|(first, last)| Positions { first, last }).collect();
        let entries = self.entries();
        vec![
            process_response::Message::Opened(Opened {
                other_bridge_ms: None,
                confirm_loss: None,
                ledger_id,
                restored,
                done,
                published_through: self.published_through,
                held: self.held.clone(),
                capabilities: self.capabilities.clone(),
                session_lost: lost,
            }),
            process_response::Message::Channels(Channels {
                version: self.version,
                filters: self.channels.clone(),
                inputs: self.inputs.clone(),
            }),
            process_response::Message::Committed(Committed { entries, outcomes: vec![] }),
        ]
    }
}

fn joined(quote: Quote, position: u64) -> Joined {
    let values = vec![IndicatorValue { name: "value".to_owned(), value: position.to_string() }];
    let Quote { sid, time_micros, .. } = quote.clone();
    let indicators = vec![Indicator { name: "position".to_owned(), sid, values, time_micros }];
    let (source, seq) = ("feed".to_owned(), Some(position.cast_signed()));
    Joined { indicators, quote: Some(quote), source, seq, ..Joined::default() }
}

#[derive(Clone)]
pub(crate) struct Scripted {
    memory: Arc<Mutex<Memory>>,
    pub(crate) url: String,
}

impl Scripted {
    pub(crate) async fn start(channels: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
        let memory = Memory { channels, version: 1, ..Memory::default() };
        let scripted = Self { memory: Arc::new(Mutex::new(memory)), url };
        let server = tonic::transport::Server::builder().add_service(RuntimeServer::new(scripted.clone()));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        scripted
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }

    /// Wants other channels from here on.
    pub(crate) fn want(&self, channels: &[&str]) {
        let mut memory = self.memory();
        memory.version += 1;
        memory.channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
        let channels =
            Channels { version: memory.version, filters: memory.channels.clone(), inputs: memory.inputs.clone() };
        let message = Some(process_response::Message::Channels(channels));
        for (stream, _) in &memory.streams {
            drop(stream.send(Ok(ProcessResponse { message: message.clone() })));
        }
    }

    /// Ends every stream, as a runtime that shuts down does.
    pub(crate) fn end_streams(&self) {
        for (stream, end) in self.memory().streams.drain(..) {
            drop(stream.send(Err(Status::unavailable("shutting down"))));
            end.cancel();
        }
    }
}

async fn serve(
    scripted: Scripted,
    mut requests: Streaming<ProcessRequest>,
    responses: mpsc::UnboundedSender<Result<ProcessResponse, Status>>,
    end: CancellationToken,
) {
    use process_request::Message;
    let mut run = 0;
    while let Some(Ok(Some(request))) = end.run_until_cancelled(requests.next()).await.map(Option::transpose) {
        let answers = {
            let mut memory = scripted.memory();
            match request.message.unwrap() {
                Message::Open(open) => {
                    run = open.run;
                    memory.open(open)
                }
                Message::Batch(batch) if memory.mute => {
                    memory.deliveries.extend(batch.deliveries);
                    vec![]
                }
                Message::Batch(batch) => vec![process_response::Message::Committed(memory.answer(run, batch))],
                Message::Holding(holding) => {
                    memory.held = holding.filters;
                    vec![process_response::Message::HoldingRecorded(HoldingRecorded {})]
                }
                Message::Marker(marker) => {
                    memory.marked = marker.channels_version;
                    vec![]
                }
                Message::Published(published) => {
                    memory.published(published);
                    vec![]
                }
                Message::Acknowledged(acknowledged) => {
                    let stream = memory.opens.len();
                    memory.acknowledged.push((stream, acknowledged));
                    vec![]
                }
                Message::Credit(credit) => {
                    assert!(memory.has_queues(), "a runtime without send queues gets no credit");
                    memory.credit += credit.bytes;
                    let entries = memory.entries();
                    vec![process_response::Message::Committed(Committed { entries, outcomes: vec![] })]
                }
            }
        };
        for message in answers {
            drop(responses.send(Ok(ProcessResponse { message: Some(message) })));
        }
    }
    // The last sender ends the stream.
    scripted.memory().streams.retain(|(stream, _)| !stream.same_channel(&responses));
}

type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Runtime for Scripted {
    type ProcessStream = Boxed<ProcessResponse>;
    type DecisionsStream = Boxed<Decision>;
    type SourcesStream = Boxed<Source>;

    async fn process(
        &self,
        request: Request<Streaming<ProcessRequest>>,
    ) -> Result<Response<Self::ProcessStream>, Status> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let end = CancellationToken::new();
        self.memory().streams.push((sender.clone(), end.clone()));
        #[expect(clippy::disallowed_methods, reason = "it ends with the stream")]
        tokio::spawn(serve(self.clone(), request.into_inner(), sender, end));
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(receiver))))
    }

    async fn set_trading_state(
        &self,
        _: Request<SetTradingStateRequest>,
    ) -> Result<Response<SetTradingStateResponse>, Status> {
        Err(Status::unimplemented("not asked for by a bridge"))
    }

    async fn close(&self, _: Request<CloseRequest>) -> Result<Response<CloseResponse>, Status> {
        Err(Status::unimplemented("not asked for by a bridge"))
    }

    async fn configure(&self, _: Request<ConfigureRequest>) -> Result<Response<ConfigureResponse>, Status> {
        Err(Status::unimplemented("not asked for by a bridge"))
    }

    async fn account(&self, _: Request<AccountRequest>) -> Result<Response<AccountResponse>, Status> {
        Err(Status::unimplemented("not asked for by a bridge"))
    }

    async fn decisions(&self, _: Request<DecisionsRequest>) -> Result<Response<Self::DecisionsStream>, Status> {
        Err(Status::unimplemented("not asked for by a bridge"))
    }

    async fn sources(&self, _: Request<SourcesRequest>) -> Result<Response<Self::SourcesStream>, Status> {
        Err(Status::unimplemented("not asked for by a bridge"))
    }

    async fn reset_source(&self, _: Request<ResetSourceRequest>) -> Result<Response<ResetSourceResponse>, Status> {
        Err(Status::unimplemented("not asked for by a bridge"))
    }

    async fn forget_sources(
        &self,
        _: Request<ForgetSourcesRequest>,
    ) -> Result<Response<ForgetSourcesResponse>, Status> {
        Err(Status::unimplemented("not asked for by a bridge"))
    }
}
