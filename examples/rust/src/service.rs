//! The service `intuition.v1.Algorithm`: the contract on the outside, the algorithm on the inside.

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use intuition_api::{
    decimal::Price,
    quote::Details,
    v1::{
        DescribeRequest, DescribeResponse, EventBatch, EventBatchResult, EventRequest, EventResponse, EventResult,
        EventsRequest, EventsResponse, InitializeRequest, InitializeResponse, InputEvent, Publication, Quote,
        Reconfigure, ReconfigureResponse, Side, Signal, algorithm_server::Algorithm, events_request, events_response,
        input_event::Kind,
    },
};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    breakout::Breakout,
    indicators::Waiting,
    parameters::{Parameters, Refused},
};

const NAME: &str = "breakout";
const CHANNEL: &str = "quotes";

/// Serves any number of accounts; what belongs to one is kept with its stream.
#[derive(Debug)]
pub struct Service {
    shutdown: CancellationToken,
}

impl Service {
    /// Streams end once `shutdown` is cancelled: the server's own shutdown waits for them.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { shutdown }
    }
}

#[tonic::async_trait]
impl Algorithm for Service {
    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse {
            name: NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            contract: "intuition.v1".to_owned(),
            parameters_schema_json: Parameters::schema().to_string(),
        }))
    }

    type EventsStream = BoxStream<'static, Result<EventsResponse, Status>>;

    async fn events(&self, request: Request<Streaming<EventsRequest>>) -> Result<Response<Self::EventsStream>, Status> {
        let session = Session { incoming: request.into_inner(), shutdown: self.shutdown.clone(), stage: Stage::New };
        // A message is taken when the answer to the one before has left.
        let answers = stream::try_unfold(session, async |mut session| {
            Ok(session.next().await?.map(|answer| (EventsResponse { message: Some(answer) }, session)))
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn initialize(&self, request: Request<InitializeRequest>) -> Result<Response<InitializeResponse>, Status> {
        let InitializeRequest { account: _, parameters_json, state } = request.into_inner();
        open(read(&parameters_json)?, &state)?;
        Ok(Response::new(accepted()))
    }

    async fn event(&self, request: Request<EventRequest>) -> Result<Response<EventResponse>, Status> {
        let EventRequest { account: _, parameters_json, state, event } = request.into_inner();
        let event = event.ok_or_else(|| Status::invalid_argument("event is missing"))?;
        let mut algorithm = open(read(&parameters_json)?, &state)?;
        let mut outcome = Outcome::default();
        // One event, so that no values come with a quote here.
        let result = outcome.decide(&mut algorithm, event);
        let state = outcome.state(&algorithm)?;
        Ok(Response::new(EventResponse { result: Some(result), state, publications: outcome.publications }))
    }
}

/// One stream: one account.
struct Session {
    incoming: Streaming<EventsRequest>,
    shutdown: CancellationToken,
    stage: Stage,
}

enum Stage {
    New,
    Refused,
    Open(Breakout),
}

impl Session {
    /// The answer to the next message; `None` once the runtime has closed its side.
    async fn next(&mut self) -> Result<Option<events_response::Message>, Status> {
        let request = tokio::select! {
            () = self.shutdown.cancelled() => return Err(Status::unavailable("the algorithm is being shut down")),
            request = self.incoming.message() => request?,
        };
        let Some(request) = request else { return Ok(None) };
        let message = request.message.ok_or_else(|| Status::invalid_argument("a message of an unknown kind"))?;
        self.answer(message).map(Some)
    }

    fn answer(&mut self, message: events_request::Message) -> Result<events_response::Message, Status> {
        use events_request::Message;
        match (&mut self.stage, message) {
            (Stage::New, Message::Initialize(request)) => {
                self.initialize(&request).map(events_response::Message::Initialized)
            }
            (Stage::New, _) => Err(Status::failed_precondition("the first message must be initialize")),
            (Stage::Refused | Stage::Open(_), Message::Initialize(_)) => {
                Err(Status::failed_precondition("initialize is the first message and comes once"))
            }
            (Stage::Refused, _) => Err(Status::failed_precondition("initialize was refused")),
            (Stage::Open(algorithm), Message::Batch(batch)) => {
                decide(algorithm, batch).map(events_response::Message::Result)
            }
            (Stage::Open(algorithm), Message::Reconfigure(request)) => {
                Ok(events_response::Message::Reconfigured(reconfigure(algorithm, &request)))
            }
        }
    }

    fn initialize(&mut self, request: &InitializeRequest) -> Result<InitializeResponse, Status> {
        match Parameters::read(&request.parameters_json) {
            Ok(parameters) => {
                tracing::info!(account = request.account, ?parameters, "initialize");
                self.stage = Stage::Open(open(parameters, &request.state)?);
                Ok(accepted())
            }
            Err(refused) => {
                self.stage = Stage::Refused;
                Ok(InitializeResponse { channels: Vec::new(), refusal: refused.to_string() })
            }
        }
    }
}

fn read(parameters_json: &str) -> Result<Parameters, Status> {
    Parameters::read(parameters_json).map_err(|refused: Refused| Status::invalid_argument(refused.to_string()))
}

fn open(parameters: Parameters, state: &[u8]) -> Result<Breakout, Status> {
    Breakout::open(parameters, state).map_err(|error| Status::failed_precondition(error.to_string()))
}

fn accepted() -> InitializeResponse {
    InitializeResponse { channels: vec![CHANNEL.to_owned()], refusal: String::new() }
}

fn reconfigure(algorithm: &mut Breakout, request: &Reconfigure) -> ReconfigureResponse {
    let mut response = ReconfigureResponse::default();
    match Parameters::read(&request.parameters_json) {
        Ok(parameters) => algorithm.reconfigure(parameters),
        Err(refused) => response.refusal = refused.to_string(),
    }
    response
}

fn decide(algorithm: &mut Breakout, EventBatch { number, events }: EventBatch) -> Result<EventBatchResult, Status> {
    let mut outcome = Outcome::default();
    let results = events.into_iter().map(|event| outcome.decide(algorithm, event)).collect();
    let state = outcome.state(algorithm)?;
    Ok(EventBatchResult { number, results, state, publications: outcome.publications })
}

/// What comes of events beside their results.
#[derive(Default)]
struct Outcome {
    changed: bool,
    /// Values and their quote are in one batch, so that nothing waits for the next one.
    waiting: Waiting,
    publications: Vec<Publication>,
}

impl Outcome {
    fn decide(&mut self, algorithm: &mut Breakout, InputEvent { event, kind }: InputEvent) -> EventResult {
        let mut result = EventResult { event, ..EventResult::default() };
        let quote = match kind {
            Some(Kind::Quote(quote)) => quote,
            Some(Kind::Indicator(indicator)) => {
                self.waiting.push(indicator);
                return result;
            }
            // An event of a kind that is not known here has no signals.
            None => return result,
        };
        let indicators = match self.waiting.take(&quote.sid) {
            Ok(indicators) => indicators,
            Err(error) => {
                result.reject = format!("{error}, at {}", quote.sid);
                return result;
            }
        };
        let price: Price = match quote.price.parse() {
            Ok(price) => price,
            Err(error) => {
                result.reject = format!("the price {:?} of {} {error}", quote.price, quote.sid);
                return result;
            }
        };
        let details = match quote.details.as_deref().map(Details::from_message).transpose() {
            Ok(details) => details.unwrap_or_default(),
            Err((field, error)) => {
                result.reject = format!("{field} of {} {error}", quote.sid);
                return result;
            }
        };
        self.changed = true;
        if let Some(side) = algorithm.quote(&quote.sid, price, &indicators) {
            result.signals.push(Signal { event, side: side.into(), quantity: String::new() });
            self.publications.push(publication(&quote, &details, side));
        }
        result
    }

    fn state(&self, algorithm: &Breakout) -> Result<Option<bytes::Bytes>, Status> {
        if !self.changed {
            return Ok(None);
        }
        let saved =
            algorithm.save().map_err(|error| Status::internal(format!("the state cannot be saved: {error}")))?;
        Ok(Some(saved.into()))
    }
}

/// A message of its own, on `intuition/<namespace>/<name>/data/breakouts`: bid and ask where the publisher gave them.
fn publication(quote: &Quote, details: &Details, side: Side) -> Publication {
    let direction = if side == Side::Buy { "up" } else { "down" };
    let text = |price: Option<Price>| price.map(|price| price.to_string());
    let members = [
        ("sid", Some(quote.sid.clone())),
        ("price", Some(quote.price.clone())),
        ("direction", Some(direction.to_owned())),
        ("bid", text(details.bid)),
        ("ask", text(details.ask)),
    ];
    let told: Map<String, Value> =
        members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect();
    Publication { channel: "breakouts".to_owned(), payload: Value::Object(told).to_string().into() }
}
