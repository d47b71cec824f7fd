//! One Events stream, message for message.

use intuition_api::v1::{
    EventBatch, EventBatchResult, EventsRequest, EventsResponse, InitializeRequest, InitializeResponse, InputEvent,
    Quote, Reconfigure, ReconfigureResponse, Side, Signal, algorithm_client::AlgorithmClient, events_request::Message,
    events_response, input_event::Kind,
};
use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

/// The client's end of a stream. Dropped, it is cancelled.
pub(crate) struct Stream {
    requests: UnboundedSender<EventsRequest>,
    responses: Streaming<EventsResponse>,
    events: u64,
    batches: u64,
}

pub(crate) fn quote(sid: &str, price: &str) -> Quote {
    Quote { sid: sid.to_owned(), price: price.to_owned(), time_micros: 0, ..Quote::default() }
}

/// The side signalled at each event.
pub(crate) fn sides(result: &EventBatchResult) -> Vec<Option<Side>> {
    result.results.iter().map(|result| result.signals.first().map(Signal::side)).collect()
}

impl Stream {
    pub(crate) async fn open(client: &mut AlgorithmClient<Channel>) -> Self {
        let (requests, outgoing) = mpsc::unbounded_channel();
        let responses = client.events(UnboundedReceiverStream::new(outgoing)).await.unwrap().into_inner();
        Self { requests, responses, events: 0, batches: 0 }
    }

    pub(crate) fn send(&self, message: Message) {
        self.send_raw(EventsRequest { message: Some(message) });
    }

    pub(crate) fn send_raw(&self, request: EventsRequest) {
        self.requests.send(request).unwrap();
    }

    pub(crate) async fn receive(&mut self) -> Result<events_response::Message, Status> {
        let response = self.responses.message().await?;
        Ok(response.expect("the stream has ended").message.expect("an answer of no kind"))
    }

    pub(crate) async fn initialize(&mut self, parameters: &Value, state: &[u8]) -> InitializeResponse {
        self.send(Message::Initialize(InitializeRequest {
            account: "default/a".to_owned(),
            parameters_json: parameters.to_string(),
            state: state.to_vec().into(),
        }));
        let Ok(events_response::Message::Initialized(answer)) = self.receive().await else { panic!("not initialized") };
        answer
    }

    pub(crate) async fn reconfigure(&mut self, parameters: &Value) -> ReconfigureResponse {
        self.send(Message::Reconfigure(Reconfigure { parameters_json: parameters.to_string() }));
        let Ok(events_response::Message::Reconfigured(answer)) = self.receive().await else { panic!("no answer") };
        answer
    }

    /// One batch of quotes of one symbol.
    pub(crate) async fn quotes(&mut self, sid: &str, prices: &[&str]) -> EventBatchResult {
        self.batches += 1;
        let first = self.events + 1;
        self.events += prices.len() as u64;
        let event = |(event, price): (u64, &&str)| InputEvent { event, kind: Some(Kind::Quote(quote(sid, price))) };
        let events = (first..).zip(prices).map(event).collect();
        self.send(Message::Batch(EventBatch { number: self.batches, events }));
        let Ok(events_response::Message::Result(result)) = self.receive().await else { panic!("no result") };
        result
    }

    /// Says that there is no more, and sees how the server ends.
    pub(crate) async fn close(self) -> Code {
        let Self { requests, mut responses, .. } = self;
        drop(requests);
        responses
            .message()
            .await
            .map_or_else(|status| status.code(), |more| if more.is_none() { Code::Ok } else { Code::Unknown })
    }
}
