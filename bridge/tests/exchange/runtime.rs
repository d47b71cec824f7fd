//! A scripted runtime: a real gRPC server that buys one unit for every quote and keeps outcomes in memory.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};

use intuition_api::v1::{
    AccountRequest, AccountResponse, Acknowledged, Batch, Channels, CloseRequest, CloseResponse, Committed,
    ConfigureRequest, ConfigureResponse, DeadLetter, Decision, DecisionsRequest, Delivery, DeliveryOutcome, Filter,
    ForgetSourcesRequest, ForgetSourcesResponse, HoldingRecorded, Input, Open, Opened, OutboxEntry, ProcessRequest,
    ProcessResponse, ResetSourceRequest, ResetSourceResponse, SetTradingStateRequest, SetTradingStateResponse, Side,
    Source, SourcesRequest, TickOutcome, outbox_entry, process_request, process_response,
    runtime_server::{Runtime, RuntimeServer},
    tick, tick_outcome,
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::{
    Stream, StreamExt as _,
    wrappers::{TcpListenerStream, UnboundedReceiverStream},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

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
    fn answer(&mut self, run: u64, batch: Batch) -> Committed {
        let mut committed = Committed::default();
        for delivery in batch.deliveries {
            self.deliveries.push(delivery.clone());
            let outcome = match self.outcomes.get(&(run, delivery.number)).cloned() {
                Some(outcome) => outcome,
                None => self.decide(&delivery, &mut committed),
            };
            self.outcomes.insert((run, delivery.number), outcome.clone());
            committed.outcomes.push(outcome);
        }
        committed
    }

    fn decide(&mut self, delivery: &Delivery, committed: &mut Committed) -> DeliveryOutcome {
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
            self.outbox.push(entry.clone());
            committed.entries.push(entry);
            let kind = kind.into();
            ticks.push(TickOutcome { kind, reason, positions: vec![position], ..TickOutcome::default() });
        }
        DeliveryOutcome { number: delivery.number, ticks }
    }

    fn open(&mut self, open: Open) -> Vec<process_response::Message> {
        let lost = !open.session_present && !self.held.is_empty();
        if lost {
            self.held.clear();
        }
        self.opens.push(open);
        let unpublished = self.outbox.iter().filter(|entry| entry.position > self.published_through);
        vec![
            process_response::Message::Opened(Opened {
                ledger_id: "0badf00d".to_owned(),
                published_through: self.published_through,
                held: self.held.clone(),
                capabilities: self.capabilities.clone(),
                session_lost: lost,
                ..Opened::default()
            }),
            process_response::Message::Channels(Channels {
                version: self.version,
                filters: self.channels.clone(),
                inputs: self.inputs.clone(),
            }),
            process_response::Message::Committed(Committed {
                entries: unpublished.cloned().collect(),
                outcomes: vec![],
            }),
        ]
    }
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
                    memory.published_through = published.through;
                    vec![]
                }
                Message::Acknowledged(acknowledged) => {
                    let stream = memory.opens.len();
                    memory.acknowledged.push((stream, acknowledged));
                    vec![]
                }
                // It sends everything at once.
                Message::Credit(_) => vec![],
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
