//! The program as it is started in a container, asked over a real socket.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod program;
mod stream;

use intuition_api::v1::{
    DescribeRequest, EventBatch, EventRequest, EventResult, EventsRequest, Indicator, IndicatorValue,
    InitializeRequest, InputEvent, Quote, QuoteDetails, Side, Signal, events_request::Message, events_response,
    input_event::Kind,
};
use program::Program;
use serde_json::{Value, json};
use stream::{Stream, quote, sides};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

const NONE: Option<Side> = None;
const BUY: Option<Side> = Some(Side::Buy);
const SELL: Option<Side> = Some(Side::Sell);

fn parameters() -> Value {
    json!({"entry": 2, "exit": 1, "threshold": 0.5})
}

fn initialize(parameters: &Value) -> InitializeRequest {
    InitializeRequest {
        account: "default/a".to_owned(),
        parameters_json: parameters.to_string(),
        ..InitializeRequest::default()
    }
}

#[tokio::test]
async fn it_describes_itself_and_is_healthy() {
    let program = Program::start().await;
    let description = program.client().await.describe(DescribeRequest {}).await.unwrap().into_inner();
    assert_eq!((description.name.as_str(), description.contract.as_str()), ("breakout", "intuition.v1"));
    let schema: Value = serde_json::from_str(&description.parameters_schema_json).unwrap();
    assert_eq!(schema["properties"]["entry"]["default"], 20);
    let request = HealthCheckRequest { service: "intuition.v1.Algorithm".to_owned() };
    let health = HealthClient::new(program.channel().await).check(request).await.unwrap().into_inner();
    assert_eq!(health.status(), ServingStatus::Serving);
}

#[tokio::test]
async fn stream_initializes_answers_each_event_and_ends_with_ok() {
    let program = Program::start().await;
    let mut stream = Stream::open(&mut program.client().await).await;
    assert_eq!(stream.initialize(&parameters(), b"").await.channels, ["quotes"]);
    let result = stream.quotes("GOOG", &["1", "2", "3", "2.5"]).await;
    assert_eq!(result.number, 1);
    assert_eq!(result.results.iter().map(|result| result.event).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(sides(&result), [NONE, NONE, BUY, SELL]);
    assert_eq!(result.results[2].signals, [Signal { event: 3, side: Side::Buy.into(), quantity: String::new() }]);
    let told: Vec<Value> =
        result.publications.iter().map(|one| serde_json::from_slice(&one.payload).unwrap()).collect();
    assert_eq!(told[1], json!({"sid": "GOOG", "price": "2.5", "direction": "down"}));
    assert_eq!(stream.close().await, Code::Ok);
}

#[tokio::test]
async fn a_breakout_tells_bid_and_ask_and_a_wrong_value_is_rejected() {
    let program = Program::start().await;
    let mut stream = Stream::open(&mut program.client().await).await;
    stream.initialize(&parameters(), b"").await;
    let event = |event: u64, price: &str, bid: Option<&str>| {
        let details = bid.map(|bid| Box::new(QuoteDetails { bid: Some(bid.to_owned()), ..QuoteDetails::default() }));
        InputEvent { event, kind: Some(Kind::Quote(Quote { details, ..quote("GOOG", price) })) }
    };
    let events = vec![event(1, "1", None), event(2, "2", None), event(3, "3", Some("2.90")), event(4, "4", Some("0"))];
    stream.send(Message::Batch(EventBatch { number: 1, events }));
    let Ok(events_response::Message::Result(result)) = stream.receive().await else { panic!("no result") };
    let told: Value = serde_json::from_slice(&result.publications[0].payload).unwrap();
    assert_eq!(told, json!({"sid": "GOOG", "price": "3", "direction": "up", "bid": "2.9"}));
    assert_eq!(result.results[3].reject, "bid of GOOG must be more than 0");
}

#[tokio::test]
async fn answers_keep_the_order_of_messages_that_were_sent_without_waiting() {
    let program = Program::start().await;
    let mut stream = Stream::open(&mut program.client().await).await;
    stream.initialize(&parameters(), b"").await;
    let numbers = u64::MAX - 200..=u64::MAX;
    for number in numbers.clone() {
        let event = InputEvent { event: number, kind: Some(Kind::Quote(quote("GOOG", "1"))) };
        stream.send(Message::Batch(EventBatch { number, events: vec![event] }));
    }
    for number in numbers {
        let Ok(events_response::Message::Result(result)) = stream.receive().await else { panic!("no result") };
        assert_eq!((result.number, result.results[0].event), (number, number));
    }
    assert_eq!(stream.close().await, Code::Ok);
}

#[tokio::test]
async fn a_state_goes_on_in_a_stream_opened_later() {
    let program = Program::start().await;
    let mut client = program.client().await;
    let mut first = Stream::open(&mut client).await;
    first.initialize(&parameters(), b"").await;
    let state = first.quotes("GOOG", &["1", "2"]).await.state.unwrap();
    drop(first);
    let mut second = Stream::open(&mut client).await;
    second.initialize(&parameters(), &state).await;
    assert_eq!(sides(&second.quotes("GOOG", &["3"]).await), [BUY]);
}

#[tokio::test]
async fn streams_know_nothing_of_each_other() {
    let program = Program::start().await;
    let mut client = program.client().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = Stream::open(&mut client).await;
        stream.initialize(&parameters(), b"").await;
        streams.push(stream);
    }
    for (index, stream) in streams.iter_mut().enumerate() {
        stream.quotes("GOOG", &["1", if index % 2 == 0 { "1" } else { "9" }]).await;
    }
    for (index, stream) in streams.iter_mut().enumerate() {
        let expected = if index % 2 == 0 { BUY } else { NONE };
        assert_eq!(sides(&stream.quotes("GOOG", &["2"]).await), [expected], "stream {index}");
    }
}

#[tokio::test]
async fn new_parameters_apply_from_the_next_batch_unless_refused() {
    let program = Program::start().await;
    let mut stream = Stream::open(&mut program.client().await).await;
    stream.initialize(&json!({"entry": 3}), b"").await;
    let refusal = stream.reconfigure(&json!({"entry": 0})).await.refusal;
    assert!(refusal.starts_with("entry must be"), "{refusal}");
    assert_eq!(sides(&stream.quotes("GOOG", &["9", "1", "2"]).await), [NONE; 3]);
    assert_eq!(stream.reconfigure(&parameters()).await.refusal, "");
    assert_eq!(sides(&stream.quotes("GOOG", &["3"]).await), [BUY]);
}

#[tokio::test]
async fn refused_parameters_are_named_on_a_stream_and_in_a_single_call() {
    let program = Program::start().await;
    let mut client = program.client().await;
    let mut stream = Stream::open(&mut client).await;
    let answer = stream.initialize(&json!({"entry": 0}), b"").await;
    assert!(answer.refusal.starts_with("entry must be"), "{answer:?}");
    assert_eq!(answer.channels, Vec::<String>::new());
    let status = client.initialize(initialize(&json!({"entry": 0}))).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("entry must be"), "{status:?}");
}

#[tokio::test]
async fn unknown_event_is_passed_over_and_unusable_price_is_rejected() {
    let program = Program::start().await;
    let mut stream = Stream::open(&mut program.client().await).await;
    stream.initialize(&parameters(), b"").await;
    let events = vec![InputEvent { event: 1, kind: None }];
    stream.send(Message::Batch(EventBatch { number: 1, events }));
    let Ok(events_response::Message::Result(result)) = stream.receive().await else { panic!("no result") };
    assert_eq!((result.results.len(), result.state), (1, None));
    let rejected = stream.quotes("GOOG", &["cheap"]).await;
    assert_eq!(rejected.results[0].reject, r#"the price "cheap" of GOOG is not a decimal number"#);
}

#[tokio::test]
async fn quote_is_decided_with_the_values_in_front_of_it() {
    let program = Program::start().await;
    let mut stream = Stream::open(&mut program.client().await).await;
    stream.initialize(&json!({"entry": 1, "trend": "sma-200"}), b"").await;
    let average = |sid: &str, value: &str| {
        let values = vec![IndicatorValue { name: "value".to_owned(), value: value.to_owned() }];
        Kind::Indicator(Indicator { name: "sma-200".to_owned(), sid: sid.to_owned(), values, time_micros: 0 })
    };
    let kinds = [
        Some(average("GOOG", "1")),
        Some(Kind::Quote(quote("GOOG", "1"))),
        Some(Kind::Quote(quote("GOOG", "2"))),
        // About another symbol, so that it belongs to no quote.
        Some(average("AAPL", "1")),
        Some(Kind::Quote(quote("GOOG", "3"))),
        Some(average("GOOG", "3.5")),
        None,
        Some(Kind::Quote(quote("GOOG", "4"))),
        Some(average("GOOG", "high")),
        Some(Kind::Quote(quote("GOOG", "5"))),
        Some(average("GOOG", "1")),
    ];
    let events = (1..).zip(kinds).map(|(event, kind)| InputEvent { event, kind }).collect();
    stream.send(Message::Batch(EventBatch { number: 1, events }));
    let Ok(events_response::Message::Result(result)) = stream.receive().await else { panic!("no result") };
    let mut expected = vec![NONE; 11];
    expected[7] = BUY;
    assert_eq!(sides(&result), expected);
    let rejects: Vec<_> = result.results.iter().filter(|result| !result.reject.is_empty()).collect();
    let [EventResult { event: 10, reject, .. }] = rejects.as_slice() else { panic!("{rejects:?}") };
    assert_eq!(reject, r#"the value "value" of the indicator sma-200 is not a decimal number, at GOOG"#);
}

#[tokio::test]
async fn a_message_out_of_turn_ends_the_stream_with_the_reason() {
    let program = Program::start().await;
    let mut client = program.client().await;
    let mut early = Stream::open(&mut client).await;
    early.send(Message::Batch(EventBatch::default()));
    assert_eq!(early.receive().await.unwrap_err().code(), Code::FailedPrecondition);
    let mut twice = Stream::open(&mut client).await;
    twice.initialize(&parameters(), b"").await;
    twice.send(Message::Initialize(initialize(&parameters())));
    assert!(twice.receive().await.unwrap_err().message().contains("comes once"));
    let mut empty = Stream::open(&mut client).await;
    empty.send_raw(EventsRequest { message: None });
    assert_eq!(empty.receive().await.unwrap_err().code(), Code::InvalidArgument);
    let mut foreign = Stream::open(&mut client).await;
    let state = b"rubbish".as_slice().into();
    foreign.send(Message::Initialize(InitializeRequest { state, ..initialize(&parameters()) }));
    assert!(foreign.receive().await.unwrap_err().message().contains("saved state"));
}

#[tokio::test]
async fn a_cancelled_stream_leaves_the_others_alone() {
    let program = Program::start().await;
    let mut client = program.client().await;
    let mut gone = Stream::open(&mut client).await;
    let mut staying = Stream::open(&mut client).await;
    gone.initialize(&parameters(), b"").await;
    staying.initialize(&parameters(), b"").await;
    drop(gone);
    assert_eq!(staying.quotes("GOOG", &["1"]).await.number, 1);
    client.describe(DescribeRequest {}).await.unwrap();
}

#[tokio::test]
async fn single_calls_carry_parameters_and_state_in_and_the_new_state_out() {
    let program = Program::start().await;
    let mut client = program.client().await;
    assert_eq!(client.initialize(initialize(&parameters())).await.unwrap().into_inner().channels, ["quotes"]);
    let mut request = EventRequest {
        account: "default/a".to_owned(),
        parameters_json: parameters().to_string(),
        ..EventRequest::default()
    };
    assert_eq!(client.event(request.clone()).await.unwrap_err().code(), Code::InvalidArgument);
    let mut signals = Vec::new();
    for (event, price) in [(1, "1"), (2, "1"), (3, "2")] {
        let quote = Quote { sid: "GOOG".to_owned(), price: price.to_owned(), time_micros: 0, ..Quote::default() };
        request.event = Some(InputEvent { event, kind: Some(Kind::Quote(quote)) });
        let answer = client.event(request.clone()).await.unwrap().into_inner();
        signals.push(answer.result.unwrap().signals.first().map(Signal::side));
        request.state = answer.state.unwrap();
    }
    assert_eq!(signals, [NONE, NONE, BUY]);
}

#[tokio::test]
async fn sigterm_ends_it_though_a_stream_is_open_and_the_stream_is_told_why() {
    let program = Program::start().await;
    let mut stream = Stream::open(&mut program.client().await).await;
    stream.initialize(&parameters(), b"").await;
    let end = program.terminate();
    let status = stream.receive().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the algorithm is being shut down"));
    assert!(end.await.success());
}

#[tokio::test]
async fn it_serves_on_a_unix_socket_also_where_one_was_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("algorithm.sock");
    let address = format!("unix:{}", path.display());
    Program::start_at(&address).await.kill().await;
    assert!(path.exists());
    let program = Program::start_at(&address).await;
    let description = program.client().await.describe(DescribeRequest {}).await.unwrap().into_inner();
    assert_eq!(description.name, "breakout");
    assert!(program.terminate().await.success());
    assert!(!path.exists());
}
