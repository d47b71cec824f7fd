//! Values of indicators before runtimes that know them, and before others.

use intuition_api::v1::{Delivery, Tick, tick};

use super::*;

const JOINED: &str =
    r#"[{"indicator":"x","sid":"A","value":1,"seq":1,"source":"s"},{"sid":"A","quote":2,"seq":1,"source":"s"}]"#;
const VALUES_ALONE: &str = r#"{"indicator":"x","sid":"A","value":1}"#;

/// Whether the runtime of the stream knows values of indicators.
fn open(hand: &mut Hand, knows: bool) -> Vec<Action> {
    let mut actions = hand.give(Input::Runtime(StreamEvent::Connected));
    let capabilities = if knows { vec![capability::INDICATORS.to_owned()] } else { Vec::new() };
    let opened = Opened { ledger_id: "0badf00d".to_owned(), capabilities, ..Opened::default() };
    actions.append(&mut hand.say(Message::Opened(opened)));
    actions.append(&mut hand.want());
    actions
}

fn publish(hand: &mut Hand, packet_id: u16, payload: &'static str) -> Vec<Action> {
    let message = Incoming::new(1, packet_id, "quotes".to_owned(), Bytes::from_static(payload.as_bytes()));
    hand.give(Input::Subscribing(Event::Message(message)))
}

fn sent_deliveries(actions: &[Action]) -> Vec<Delivery> {
    let batches = actions.iter().filter_map(|action| match action {
        Action::Send(process_request::Message::Batch(batch)) => Some(batch.deliveries.clone()),
        _ => None,
    });
    batches.flatten().collect()
}

/// The ordinals of the ticks of a delivery, those of values in brackets.
fn ordinals(delivery: &Delivery) -> Vec<String> {
    let ordinal = |tick: &Tick| match tick.content {
        Some(tick::Content::Indicator(_)) => format!("({})", tick.ordinal.unwrap()),
        _ => tick.ordinal.unwrap().to_string(),
    };
    delivery.ticks.iter().map(ordinal).collect()
}

#[test]
fn runtime_that_knows_values_gets_them() {
    let mut hand = Hand::new(1);
    hand.connect(1, true);
    open(&mut hand, true);
    let sent = sent_deliveries(&publish(&mut hand, 1, JOINED));
    assert_eq!(sent.iter().map(ordinals).collect::<Vec<_>>(), [["(0)", "1"]]);
    let sent = sent_deliveries(&publish(&mut hand, 2, VALUES_ALONE));
    assert_eq!(sent.iter().map(ordinals).collect::<Vec<_>>(), [["(0)"]]);
}

#[test]
fn other_runtime_gets_the_quotes_alone_with_their_ordinals() {
    let mut hand = Hand::new(1);
    hand.connect(1, true);
    // One message comes before the stream, one on it.
    publish(&mut hand, 1, JOINED);
    let sent = sent_deliveries(&open(&mut hand, false));
    assert_eq!(sent.iter().map(ordinals).collect::<Vec<_>>(), [["1"]]);
    let sent = sent_deliveries(&publish(&mut hand, 2, JOINED));
    assert_eq!(sent.iter().map(ordinals).collect::<Vec<_>>(), [["1"]]);
    // A later runtime that knows values gets these deliveries as the first one got them: their quotes are recognised by their places.
    hand.give(Input::Runtime(StreamEvent::Ended(RuntimeError::Close)));
    hand.pass(Duration::from_secs(10));
    let sent = sent_deliveries(&open(&mut hand, true));
    assert_eq!(sent.iter().map(ordinals).collect::<Vec<_>>(), [["1"], ["1"]]);
    let sent = sent_deliveries(&publish(&mut hand, 3, JOINED));
    assert_eq!(sent.iter().map(ordinals).collect::<Vec<_>>(), [["(0)", "1"]]);
}

#[test]
fn message_of_values_alone_is_acknowledged_without_the_other_runtime() {
    let mut hand = Hand::new(1);
    hand.connect(1, true);
    open(&mut hand, false);
    hand.quote(1, "A");
    let actions = publish(&mut hand, 2, VALUES_ALONE);
    assert!(sent_deliveries(&actions).is_empty(), "{actions:?}");
    let outcomes = vec![DeliveryOutcome { number: 1, ticks: vec![TickOutcome::default()] }];
    let actions = hand.say(Message::Committed(Committed { outcomes, ..Committed::default() }));
    let [Action::Subscribing(Request::Acknowledge { acks, .. })] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!(acks, &[Ack { packet_id: 1, number: 1 }, Ack { packet_id: 2, number: 2 }]);
    hand.give(Input::Subscribing(Event::AcksWritten { epoch: 1, through: 2 }));
    assert_eq!(hand.machine.subscriber.inflight.unacknowledged(), 0);
}
