mod indicators;
mod storm;
mod values;

use std::{collections::VecDeque, fmt::Write as _, sync::Arc};

use bytes::Bytes;
use intuition_api::{
    capability,
    v1::{
        Acknowledged, Channels, Committed, DeadLetter, Decision, DeliveryOutcome, Filter, HoldingRecorded, Opened,
        OutboxEntry, Published, Side, TickOutcome, outbox_entry::Content, tick_outcome,
    },
};
use intuition_common::clock::Clock;
use intuition_mqtt::{Ack, Awaited, Capabilities, Code, Event, Incoming, LinkError, Request};
use process_response::Message;

use super::*;
use crate::{
    MqttConfig, PARTS,
    inflight::Bounds,
    outbox::{Deadlines, Sizes},
};

/// The token of the state.
const STATE: u64 = 0;
const SUCCESS: Code = Code { value: 0, name: "Success" };
/// Wall-clock time at the beginning, microseconds since the epoch.
const BEGINNING: i64 = 1_800_000_000_000_000;

struct Standing;

impl Clock for Standing {
    fn now_micros(&self) -> i64 {
        BEGINNING
    }
}

/// A machine that is driven by hand. Time passes only by [`Hand::pass`].
struct Hand {
    machine: Machine,
    connections: Connections,
    readiness: Readiness,
    now: Now,
}

fn limits() -> Limits {
    let unacknowledged = Bounds { ticks: 8, message_ticks: 2, bytes: 1 << 20 };
    let outbox = Sizes { reported_at_once: 8, reported_at_opening: 8, named_again: 8, undeliverable_topics: 8 };
    Limits { unacknowledged, batches: 2, batch_deliveries: 2, publishes: 8, outbox, ..Limits::default() }
}

impl Hand {
    fn new(seed: u64) -> Self {
        Self::of("default/test", seed)
    }

    fn of(account: &str, seed: u64) -> Self {
        let config = Config {
            mqtt: MqttConfig::new("mqtt://broker"),
            runtime_url: "http://runtime:50051".to_owned(),
            account: account.to_owned(),
            decisions_topic: None,
            limits: limits(),
        };
        let readiness = Readiness::new(&PARTS, Arc::new(Standing));
        let sinks = Sinks { readiness: readiness.clone(), metrics: Metrics::default(), published: None };
        let now = Now { instant: Instant::now(), micros: BEGINNING };
        let (mut machine, connections) = Machine::new(&config, sinks, seed, now).unwrap();
        machine.subscriber.subscriptions.begin_ids_after(0);
        Self { machine, connections, readiness, now }
    }

    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now.instant += time;
        self.now.micros += i64::try_from(time.as_micros()).unwrap();
        self.machine.advance(self.now);
        self.machine.take_actions()
    }

    fn give(&mut self, input: Input) -> Vec<Action> {
        self.machine.handle(input, self.now);
        self.pass(Duration::from_millis(1))
    }

    fn say(&mut self, message: Message) -> Vec<Action> {
        self.give(Input::Runtime(StreamEvent::Message(message)))
    }

    fn connect(&mut self, epoch: u64, session_present: bool) -> Vec<Action> {
        let (asked, capabilities) = (self.now.instant, Capabilities::UNLIMITED);
        let connected = || Event::Connected { epoch, asked, session_present, capabilities };
        let mut actions = self.give(Input::Subscribing(connected()));
        actions.append(&mut self.give(Input::Publishing(connected())));
        actions
    }

    fn open(&mut self) -> Vec<Action> {
        self.open_behind(None)
    }

    /// Another bridge delivered so many milliseconds ago.
    fn open_behind(&mut self, other_bridge_ms: Option<u64>) -> Vec<Action> {
        let mut actions = self.give(Input::Runtime(StreamEvent::Connected));
        let capabilities = [capability::OUTBOX_QUEUES, capability::ACKNOWLEDGED].map(str::to_owned).to_vec();
        let ledger_id = "0badf00d".to_owned();
        let opened = Opened { ledger_id, capabilities, other_bridge_ms, ..Opened::default() };
        actions.append(&mut self.say(Message::Opened(opened)));
        actions
    }

    fn want(&mut self) -> Vec<Action> {
        let channels = Channels { version: 1, filters: vec!["quotes".to_owned()], inputs: vec![] };
        self.say(Message::Channels(channels))
    }

    /// Until everything is there.
    fn begin(&mut self) -> Vec<Action> {
        let mut actions = self.connect(1, false);
        actions.append(&mut self.open());
        actions.append(&mut self.want());
        let mut subscribing = self.say(Message::HoldingRecorded(HoldingRecorded {}));
        let [Action::Subscribing(Request::Subscribe { epoch: 1, token, .. })] = subscribing.as_slice() else {
            panic!("one SUBSCRIBE, not {subscribing:?}")
        };
        let token = *token;
        actions.append(&mut subscribing);
        let granted = Code { value: 1, name: "GrantedQoS1" };
        actions.append(&mut self.give(Input::Subscribing(Event::Subscribed { token, code: granted })));
        actions
    }

    fn quote(&mut self, packet_id: u16, symbol: &str) -> Vec<Action> {
        let payload = Bytes::from(format!(r#"{{"sid":"{symbol}","quote":"1.5"}}"#));
        let message = Incoming::new(1, packet_id, "quotes".to_owned(), payload);
        self.give(Input::Subscribing(Event::Message(message)))
    }

    /// One message for each subscription identifier and symbol, with packet identifiers from 1. Returns those that the runtime gets.
    fn quotes_for(&mut self, topic: &str, messages: &[(u32, &str)]) -> Vec<u32> {
        let mut sent = Vec::new();
        for (packet_id, (subscription_id, symbol)) in (1..).zip(messages) {
            let payload = Bytes::from(format!(r#"{{"sid":"{symbol}","quote":"1.5"}}"#));
            let mut message = Incoming::new(1, packet_id, topic.to_owned(), payload);
            message.subscription_ids = vec![*subscription_id];
            for (number, packet_id, _) in deliveries(&self.give(Input::Subscribing(Event::Message(message)))) {
                sent.push(packet_id);
                let outcomes = vec![DeliveryOutcome { number, ticks: vec![TickOutcome::default()] }];
                self.say(Message::Committed(Committed { outcomes, ..Committed::default() }));
            }
        }
        sent
    }

    /// The runtime decides a delivery. Returns the token of the publication.
    fn decide(&mut self, number: u64, position: u64) -> (u64, Vec<Action>) {
        let actions = self.say(Message::Committed(committed(number, position)));
        let [Action::Publishing(Request::Publish { token, .. }), ..] = actions.as_slice() else {
            panic!("a PUBLISH first, not {actions:?}")
        };
        (*token, actions)
    }
}

fn committed(number: u64, position: u64) -> Committed {
    let decision = Decision {
        id: format!("default/test/0badf00d/{position}"),
        seq: position,
        algo: "default/test".to_owned(),
        sid: "A".to_owned(),
        side: Side::Buy.into(),
        amount: "1.50".to_owned(),
        quantity: "1".to_owned(),
        price: "1.5".to_owned(),
        ..Decision::default()
    };
    let kind = tick_outcome::Kind::Decided.into();
    let tick = TickOutcome { kind, positions: vec![position], ..TickOutcome::default() };
    Committed {
        entries: vec![OutboxEntry { position, content: Some(Content::Decision(decision)) }],
        outcomes: vec![DeliveryOutcome { number, ticks: vec![tick] }],
    }
}

/// Expects one message to the runtime and no other action.
fn sent(actions: &[Action]) -> &process_request::Message {
    let [Action::Send(message)] = actions else { panic!("one message to the runtime, not {actions:?}") };
    message
}

#[test]
fn machine_moves_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Machine>();
}

#[test]
fn message_is_acknowledged_once_its_decision_has_a_puback() {
    let mut hand = Hand::new(1);
    let actions = hand.connect(1, false);
    assert!(
        matches!(
            &actions[..],
            [Action::Open(Open { session_present: false, .. }), Action::Publishing(Request::Publish { .. })]
        ),
        "{actions:?}"
    );
    let mut hand = Hand::new(1);
    hand.begin();
    assert_eq!(hand.readiness.missing(), []);
    let batch = hand.quote(7, "A");
    let process_request::Message::Batch(batch) = sent(&batch) else { panic!("a batch, not {batch:?}") };
    let [delivery] = batch.deliveries.as_slice() else { panic!("{batch:?}") };
    assert_eq!((delivery.number, delivery.packet_id, delivery.connection), (1, 7, 1));
    assert_eq!(delivery.arrived_micros, hand.now.micros - 1_000, "by the time of the message");
    let (token, actions) = hand.decide(1, 1);
    let [Action::Publishing(Request::Publish { message, .. })] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(message.topic, "intuition/default/test/decisions");
    let actions = hand.give(Input::Publishing(Event::Published { token, code: SUCCESS }));
    let [Action::Send(report), Action::Subscribing(Request::Acknowledge { epoch: 1, acks })] = &actions[..] else {
        panic!("a report and a PUBACK, not {actions:?}")
    };
    assert_eq!(acks[..], [Ack { packet_id: 7, number: 1 }]);
    assert!(matches!(report, process_request::Message::Published(Published { through: 1, .. })), "{report:?}");
    assert_eq!(hand.machine.subscriber.inflight.unacknowledged(), 1, "in flight until the PUBACK is written");
    assert!(hand.give(Input::Subscribing(Event::AcksWritten { epoch: 1, through: 1 })).is_empty());
    assert_eq!(hand.machine.subscriber.inflight.unacknowledged(), 0);
    let actions = hand.give(Input::Subscribing(Event::AcksConfirmed { epoch: 1, through: 1 }));
    let acknowledged = Acknowledged { through: 1, connection: 1 };
    assert_eq!(*sent(&actions), process_request::Message::Acknowledged(acknowledged));
}

#[test]
fn small_bounds_stop_the_reading_and_release_it() {
    let mut hand = Hand::new(1);
    hand.begin();
    for packet_id in 1..=7 {
        assert!(hand.machine.takes_messages(), "{packet_id}");
        hand.quote(packet_id, "A");
    }
    assert!(!hand.machine.takes_messages(), "a message of 2 ticks does not fit");
    let (token, _) = hand.decide(1, 1);
    hand.give(Input::Publishing(Event::Published { token, code: SUCCESS }));
    hand.give(Input::Subscribing(Event::AcksWritten { epoch: 1, through: 1 }));
    assert!(hand.machine.takes_messages());
}

#[test]
fn ended_stream_is_reopened_after_a_pause_and_late_events_are_ignored() {
    let mut hand = Hand::new(1);
    hand.begin();
    hand.quote(7, "A");
    let actions = hand.give(Input::Runtime(StreamEvent::Ended(RuntimeError::Close)));
    assert!(matches!(actions[..], [Action::Close, Action::Publishing(Request::Publish { .. })]), "{actions:?}");
    assert!(hand.say(Message::Committed(committed(1, 1))).is_empty());
    assert!(hand.give(Input::Runtime(StreamEvent::Ended(RuntimeError::Close))).is_empty());
    let wake = hand.machine.wake(hand.now);
    let actions = hand.pass(wake - hand.now.instant);
    let [Action::Open(open)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((open.ledger_id.as_str(), open.session_present), ("0badf00d", true));
    assert!(hand.say(Message::Committed(committed(1, 1))).is_empty(), "it is not open yet");
    let actions = hand.open();
    let batches = actions.iter().filter(|action| matches!(action, Action::Send(process_request::Message::Batch(_))));
    assert_eq!(batches.count(), 1, "the delivery is sent again: {actions:?}");
}

#[test]
fn last_position_heard_of_is_named_until_the_ledger_is_another() {
    let mut hand = Hand::new(1);
    hand.begin();
    hand.quote(7, "A");
    hand.decide(1, 1);
    hand.quote(8, "A");
    let outcome = Committed { entries: vec![], ..committed(2, 5) };
    hand.say(Message::Committed(outcome));
    let named = |hand: &mut Hand| {
        hand.give(Input::Runtime(StreamEvent::Ended(RuntimeError::Close)));
        let wake = hand.machine.wake(hand.now);
        let actions = hand.pass(wake - hand.now.instant);
        let [Action::Open(open)] = &actions[..] else { panic!("{actions:?}") };
        open.last_position
    };
    assert_eq!(named(&mut hand), 5, "by an outcome whose entry has not come");
    hand.open();
    assert_eq!(named(&mut hand), 5);
    hand.give(Input::Runtime(StreamEvent::Connected));
    let opened = Opened { ledger_id: "0badcafe".to_owned(), restored: true, ..Opened::default() };
    hand.say(Message::Opened(opened));
    assert_eq!(named(&mut hand), 0);
}

#[test]
fn lost_session_gives_the_stream_up_before_another_delivery() {
    let mut hand = Hand::new(1);
    hand.begin();
    hand.give(Input::Subscribing(Event::Disconnected(LinkError::End(SUCCESS))));
    let (asked, capabilities) = (hand.now.instant, Capabilities::UNLIMITED);
    let connected = Event::Connected { epoch: 2, asked, session_present: false, capabilities };
    let actions = hand.give(Input::Subscribing(connected));
    assert!(
        matches!(actions[..], [Action::Close, Action::Open(Open { session_present: false, .. }), ..]),
        "{actions:?}"
    );
}

/// Deliveries to the runtime: number, packet identifier, and the flag DUP.
fn deliveries(actions: &[Action]) -> Vec<(u64, u32, bool)> {
    let batches = actions.iter().filter_map(|action| match action {
        Action::Send(process_request::Message::Batch(batch)) => Some(batch),
        _ => None,
    });
    let deliveries = batches.flat_map(|batch| &batch.deliveries);
    deliveries.map(|delivery| (delivery.number, delivery.packet_id, delivery.duplicate)).collect()
}

/// Tokens of the messages to publish.
fn publications(actions: &[Action]) -> Vec<u64> {
    let token = |action: &Action| match action {
        Action::Publishing(Request::Publish { token, .. }) => Some(*token),
        _ => None,
    };
    actions.iter().filter_map(token).collect()
}

fn has_renewed(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Subscribing(Request::Renew { epoch: 1 })))
}

/// A second bridge has taken the broker's session: the connection is dead, without a sign of it yet.
#[test]
fn superseded_bridge_leaves_its_messages_to_the_next_connection() {
    for session_present in [true, false] {
        let mut hand = Hand::new(1);
        hand.connect(1, true);
        hand.quote(7, "A");
        hand.pass(Duration::from_secs(10));
        let mut actions = hand.open_behind(Some(9_000));
        actions.append(&mut hand.want());
        assert!(has_renewed(&actions), "{actions:?}");
        hand.quote(8, "A");
        assert_eq!(deliveries(&actions), []);
        hand.give(Input::Subscribing(Event::Disconnected(LinkError::End(SUCCESS))));
        let mut actions = hand.connect(2, session_present);
        actions.append(&mut hand.open());
        actions.append(&mut hand.want());
        // Messages of a lost session are sent with DUP: the runtime does not decide them a second time.
        let orphans = [(1, 0, true), (2, 0, true)];
        assert_eq!(deliveries(&actions), if session_present { &[][..] } else { &orphans[..] });
    }
}

#[test]
fn a_bridge_that_was_there_before_this_connection_changes_nothing() {
    for other_bridge_ms in [None, Some(10_001)] {
        let mut hand = Hand::new(1);
        hand.connect(1, true);
        hand.quote(7, "A");
        hand.pass(Duration::from_secs(9));
        let mut actions = hand.open_behind(other_bridge_ms);
        actions.append(&mut hand.want());
        assert!(!has_renewed(&actions), "{actions:?}");
        assert_eq!(deliveries(&actions), [(1, 7, false)]);
    }
}

/// The Open that follows the runtime's question about another bridge that delivered so many milliseconds ago.
fn confirmation(hand: &mut Hand, other_bridge_ms: u64) -> Open {
    let mut actions = hand.give(Input::Runtime(StreamEvent::Connected));
    let (ledger_id, other_bridge_ms) = ("0badf00d".to_owned(), Some(other_bridge_ms));
    actions.extend(hand.say(Message::Opened(Opened {
        ledger_id,
        other_bridge_ms,
        confirm_loss: Some(3),
        ..Opened::default()
    })));
    assert!(matches!(actions[..], [Action::Close]), "the stream is given up: {actions:?}");
    let mut actions = hand.pass(Duration::from_secs(10));
    actions.retain(|action| matches!(action, Action::Open(_)));
    let [Action::Open(open)] = actions.as_slice() else { panic!("{actions:?}") };
    open.clone()
}

#[test]
fn a_loss_of_the_session_is_confirmed_where_it_came_later() {
    for (ago, confirmed) in [(1_002, Some(3)), (1_000, None)] {
        let mut hand = Hand::new(1);
        hand.connect(1, false);
        hand.pass(Duration::from_millis(998));
        let open = confirmation(&mut hand, ago);
        assert_eq!((open.session_present, open.confirmed_loss), (false, confirmed), "{ago}");
        // A delivery later than that has not been asked about.
        let open = confirmation(&mut hand, 1);
        assert_eq!((open.session_present, open.confirmed_loss), (false, None), "{ago}");
        // The next loss has not been asked about either.
        assert_eq!(confirmation(&mut hand, 1_000_000).confirmed_loss, Some(3));
        let actions = hand.connect(2, false);
        let Some(Action::Open(open)) = actions.iter().find(|action| matches!(action, Action::Open(_))) else {
            panic!("{actions:?}")
        };
        assert_eq!((open.session_present, open.confirmed_loss), (false, None), "{ago}");
    }
}

#[test]
fn questions_about_a_lost_session_come_to_an_end() {
    let mut hand = Hand::new(1);
    hand.connect(1, false);
    let opens: Vec<bool> = (0..6).map(|_| confirmation(&mut hand, 0).confirmed_loss.is_some()).collect();
    assert_eq!(opens, [false, false, false, false, false, true]);
}

/// The broker still has messages for a filter that the algorithm before asked for, some with a copy for the new one.
#[test]
fn messages_for_a_filter_that_is_not_held_any_more_count_once() {
    leave_a_filter(true);
}

/// The broker may have dropped it already, and have none of its own for it.
#[test]
fn messages_beside_a_filter_that_is_being_left_count_once() {
    leave_a_filter(false);
}

fn leave_a_filter(has_unsuback: bool) {
    let mut hand = Hand::new(1);
    hand.begin();
    let channels = Channels { version: 2, filters: vec!["+".to_owned()], inputs: vec![] };
    hand.say(Message::Channels(channels));
    let actions = hand.say(Message::HoldingRecorded(HoldingRecorded {}));
    let [Action::Subscribing(Request::Subscribe { token, .. })] = actions[..] else { panic!("{actions:?}") };
    let granted = Code { value: 1, name: "GrantedQoS1" };
    let actions = hand.give(Input::Subscribing(Event::Subscribed { token, code: granted }));
    let unsubscribe = actions.iter().find_map(|action| match action {
        Action::Subscribing(Request::Unsubscribe { token, .. }) => Some(*token),
        _ => None,
    });
    if has_unsuback {
        hand.give(Input::Subscribing(Event::Unsubscribed { token: unsubscribe.unwrap(), code: SUCCESS }));
    }
    // Equal messages: a pair in both orders, then one for each filter alone.
    let messages = [(1, "A"), (2, "A"), (2, "B"), (1, "B"), (1, "C"), (2, "D"), (2, "D")];
    assert_eq!(hand.quotes_for("quotes", &messages), [1, 3, 5, 6, 7]);
}

/// An algorithm with overlapping filters gives way to an algorithm with another filter. The broker sends the messages of its backlog
/// once for each filter of the former, and later messages also for the new filter.
#[test]
fn messages_for_several_filters_that_are_being_left_count_once() {
    let mut hand = Hand::new(1);
    hand.connect(1, true);
    hand.give(Input::Runtime(StreamEvent::Connected));
    let held = [("quotes/+", 1), ("quotes/#", 2)];
    let held = held.map(|(filter, subscription_id)| Filter { filter: filter.to_owned(), subscription_id });
    let opened = Opened { ledger_id: "0badf00d".to_owned(), held: held.to_vec(), ..Opened::default() };
    hand.say(Message::Opened(opened));
    hand.say(Message::Channels(Channels { version: 1, filters: vec!["quotes/a".to_owned()], inputs: vec![] }));
    let actions = hand.say(Message::HoldingRecorded(HoldingRecorded {}));
    let [Action::Subscribing(Request::Subscribe { token, .. })] = actions[..] else { panic!("{actions:?}") };
    let granted = Code { value: 1, name: "GrantedQoS1" };
    hand.give(Input::Subscribing(Event::Subscribed { token, code: granted }));
    let pairs = [(1, "A"), (2, "A"), (2, "B"), (1, "B"), (1, "B"), (2, "B")];
    assert_eq!(hand.quotes_for("quotes/a", &pairs), [1, 3, 5]);
    let triples = [(1, "C"), (2, "C"), (3, "C"), (3, "D"), (2, "D"), (1, "D")];
    assert_eq!(hand.quotes_for("quotes/a", &triples), [1, 4]);
}

/// The bridge reads one copy before the change of the filters, and the other one after it.
#[test]
fn copies_before_and_after_a_change_of_the_filters_count_once() {
    for wanted in ["quotes/#", "quotes/a"] {
        let mut hand = Hand::new(1);
        hand.connect(1, true);
        hand.give(Input::Runtime(StreamEvent::Connected));
        let held = [("quotes/+", 1), ("quotes/#", 2)];
        let held = held.map(|(filter, subscription_id)| Filter { filter: filter.to_owned(), subscription_id });
        let filters = held.iter().map(|held| held.filter.clone()).collect();
        let opened = Opened { ledger_id: "0badf00d".to_owned(), held: held.to_vec(), ..Opened::default() };
        hand.say(Message::Opened(opened));
        hand.say(Message::Channels(Channels { version: 1, filters, inputs: vec![] }));
        assert_eq!(hand.quotes_for("quotes/a", &[(2, "A"), (1, "A"), (1, "B")]), [2, 3]);
        hand.say(Message::Channels(Channels { version: 2, filters: vec![wanted.to_owned()], inputs: vec![] }));
        assert_eq!(hand.quotes_for("quotes/a", &[(2, "B"), (2, "B")]), [2], "{wanted}");
    }
}

/// A publisher repeats a message. The first was there before the subscription to the filter of the new algorithm.
#[test]
fn a_message_for_a_filter_that_is_younger_than_an_equal_one_is_no_copy() {
    let mut hand = Hand::new(1);
    hand.begin();
    hand.say(Message::Channels(Channels { version: 2, filters: vec!["+".to_owned()], inputs: vec![] }));
    let actions = hand.say(Message::HoldingRecorded(HoldingRecorded {}));
    let [Action::Subscribing(Request::Subscribe { token, .. })] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(hand.quotes_for("quotes", &[(1, "A")]), [1]);
    let granted = Code { value: 1, name: "GrantedQoS1" };
    hand.give(Input::Subscribing(Event::Subscribed { token, code: granted }));
    assert_eq!(hand.quotes_for("quotes", &[(2, "A"), (2, "B"), (1, "B")]), [1, 2]);
}

/// A broker without the session sends nothing again, and before its first stream a bridge does not know the filters: each of the two
/// messages came once for either of them.
#[test]
fn copies_of_a_session_lost_before_the_first_stream_are_sent_once() {
    let mut hand = Hand::new(1);
    hand.connect(1, true);
    for (packet_id, subscription_id) in (1..).zip([7, 9, 9, 7]) {
        let payload = Bytes::from_static(br#"{"sid":"A","quote":"1.5"}"#);
        let mut message = Incoming::new(1, packet_id, "quotes".to_owned(), payload);
        message.subscription_ids = vec![subscription_id];
        hand.give(Input::Subscribing(Event::Message(message)));
    }
    hand.give(Input::Subscribing(Event::Disconnected(LinkError::End(SUCCESS))));
    hand.connect(2, false);
    let actions = hand.open();
    assert_eq!(deliveries(&actions), [(1, 0, false), (3, 0, false)]);
}

/// Some brokers end the connection over a message that they refuse.
#[test]
fn an_end_over_the_state_is_not_held_against_a_dead_letter() {
    let mut hand = Hand::new(1);
    hand.begin();
    hand.quote(7, "A");
    let content = Some(Content::DeadLetter(DeadLetter { topic: "quotes".to_owned(), ..DeadLetter::default() }));
    let entries = vec![OutboxEntry { position: 1, content }];
    let mut actions = hand.say(Message::Committed(Committed { entries, ..Committed::default() }));
    for epoch in 2..30 {
        // The state is refused whenever it is sent. Without it the letter is taken.
        let is_state_there = publications(&actions).contains(&STATE);
        let letters: Vec<u64> = publications(&actions).into_iter().filter(|token| *token != STATE).collect();
        if !is_state_there && let [letter] = letters[..] {
            let actions = hand.give(Input::Publishing(Event::Published { token: letter, code: SUCCESS }));
            assert!(!actions.is_empty(), "the runtime hears of it");
            assert_eq!(hand.machine.publisher.outbox.undeliverable().len(), 0);
            return;
        }
        let not_authorized = Code { value: 0x87, name: "NotAuthorized" };
        hand.give(Input::Publishing(Event::Disconnected(LinkError::End(not_authorized))));
        actions = hand.pass(Duration::from_secs(5));
        let (asked, capabilities) = (hand.now.instant, Capabilities::UNLIMITED);
        let connected = Event::Connected { epoch, asked, session_present: false, capabilities };
        actions.append(&mut hand.give(Input::Publishing(connected)));
        actions.append(&mut hand.pass(Duration::from_secs(2)));
    }
    panic!("the letter is never sent without the state");
}

/// The copies wait to be read until the broker has lost a further session.
#[test]
fn copies_of_a_session_before_the_last_one_are_recognised_by_its_filters() {
    let mut hand = Hand::new(1);
    hand.connect(1, true);
    hand.give(Input::Runtime(StreamEvent::Connected));
    let held = [("quotes/+", 1), ("quotes/#", 2), ("+/+", 3)];
    let held = held.map(|(filter, subscription_id)| Filter { filter: filter.to_owned(), subscription_id });
    let filters = held.iter().map(|held| held.filter.clone()).collect();
    hand.say(Message::Opened(Opened { ledger_id: "0badf00d".to_owned(), held: held.to_vec(), ..Opened::default() }));
    hand.say(Message::Channels(Channels { version: 1, filters, inputs: vec![] }));
    for epoch in [2, 3] {
        hand.give(Input::Subscribing(Event::Disconnected(LinkError::End(SUCCESS))));
        hand.connect(epoch, false);
    }
    for (packet_id, subscription_id) in (1..).zip([2, 1, 3]) {
        let payload = Bytes::from_static(br#"{"sid":"A","quote":"1.5"}"#);
        let mut message = Incoming::new(1, packet_id, "quotes/a".to_owned(), payload);
        message.subscription_ids = vec![subscription_id];
        hand.give(Input::Subscribing(Event::Message(message)));
    }
    let mut actions = hand.open();
    actions.append(&mut hand.want());
    assert_eq!(deliveries(&actions).len(), 1, "{actions:?}");
}

#[test]
fn machine_wakes_in_time_with_nothing_to_do() {
    let mut hand = Hand::new(1);
    hand.connect(1, false);
    // The next refresh of the state is a minute away.
    assert!(hand.machine.publisher.wake(hand.now.instant).unwrap() > hand.now.instant + MAX_IDLE);
    assert!(hand.machine.wake(hand.now) <= hand.now.instant + MAX_IDLE);
}

#[test]
fn shutdown_waits_for_quotes_then_for_the_state_then_for_the_runtime() {
    let mut hand = Hand::new(1);
    hand.begin();
    hand.quote(7, "A");
    hand.machine.begin_shutdown(hand.now);
    assert!(hand.machine.take_actions().is_empty() && !hand.machine.takes_messages());
    let (token, _) = hand.decide(1, 1);
    hand.give(Input::Publishing(Event::Published { token, code: SUCCESS }));
    assert_eq!(hand.machine.phase(), Phase::Draining);
    let actions = hand.give(Input::Subscribing(Event::AcksWritten { epoch: 1, through: 1 }));
    let [Action::Publishing(Request::Publish { token, message, .. })] = &actions[..] else { panic!("{actions:?}") };
    assert!(message.payload.windows(7).any(|part| part == b"offline"), "{message:?}");
    // That of the state before, and that of `offline`.
    assert!(hand.give(Input::Publishing(Event::Published { token: *token, code: SUCCESS })).is_empty());
    assert!(hand.give(Input::Publishing(Event::Published { token: *token, code: SUCCESS })).is_empty());
    let actions = hand.give(Input::Publishing(Event::Published { token: *token, code: SUCCESS }));
    assert!(matches!(actions[..], [Action::Finish]), "{actions:?}");
    assert!(matches!(hand.machine.phase(), Phase::Finishing { .. }));
    let actions = hand.give(Input::Runtime(StreamEvent::Ended(RuntimeError::Close)));
    let disconnects = [Action::Publishing(Request::Disconnect), Action::Subscribing(Request::Disconnect)];
    assert_eq!(format!("{actions:?}"), format!("{disconnects:?}"));
    assert!(matches!(hand.machine.phase(), Phase::Disconnecting { .. }));
    assert_eq!(hand.machine.wake(hand.now), hand.now.instant + Duration::from_secs(2) - Duration::from_millis(1));
}

#[test]
fn shutdown_ends_by_time_alone_where_nothing_answers() {
    let mut hand = Hand::new(1);
    hand.begin();
    hand.quote(7, "A");
    let begun = hand.now.instant;
    hand.machine.begin_shutdown(hand.now);
    let mut actions = Vec::new();
    while !matches!(hand.machine.phase(), Phase::Disconnecting { .. }) {
        let wake = hand.machine.wake(hand.now);
        assert!(wake > hand.now.instant, "{:?}", hand.machine.phase());
        actions.append(&mut hand.pass(wake - hand.now.instant));
    }
    assert_eq!(hand.now.instant - begun, Duration::from_secs(3));
    assert!(
        matches!(
            actions[..],
            [
                Action::Publishing(Request::Publish { .. }),
                Action::Finish,
                Action::Publishing(Request::Disconnect),
                Action::Subscribing(Request::Disconnect)
            ]
        ),
        "{actions:?}"
    );
}

#[test]
fn shutdown_rests_although_the_state_has_its_time_meanwhile() {
    let mut hand = Hand::new(1);
    hand.begin();
    // Half a second before the state is to be published again.
    hand.pass(Duration::from_millis(59_500));
    hand.quote(7, "A");
    hand.machine.begin_shutdown(hand.now);
    while hand.machine.phase() == Phase::Draining {
        let wake = hand.machine.wake(hand.now);
        assert!(wake > hand.now.instant);
        hand.pass(wake - hand.now.instant);
    }
}

#[test]
fn state_without_retained_messages_is_probed_once() {
    let mut hand = Hand::new(1);
    hand.begin();
    hand.give(Input::Publishing(Event::Disconnected(LinkError::End(SUCCESS))));
    let capabilities = Capabilities { retain: false, ..Capabilities::UNLIMITED };
    let connected = Event::Connected { epoch: 2, asked: hand.now.instant, session_present: false, capabilities };
    assert!(hand.give(Input::Publishing(connected)).is_empty());
    let letter = DeadLetter { topic: "quotes".to_owned(), ..DeadLetter::default() };
    let entries = vec![OutboxEntry { position: 1, content: Some(Content::DeadLetter(letter)) }];
    hand.say(Message::Committed(Committed { entries, outcomes: vec![] }));
    let actions = hand.pass(Deadlines::default().give_up);
    let [Action::Publishing(Request::Publish { token: STATE, .. })] = &actions[..] else { panic!("{actions:?}") };
    hand.give(Input::Publishing(Event::Published { token: STATE, code: SUCCESS }));
    for _ in 0..20 {
        let wake = hand.machine.wake(hand.now);
        assert!(wake > hand.now.instant);
        let actions = hand.pass(wake - hand.now.instant);
        assert!(
            actions.iter().all(|action| !matches!(action, Action::Publishing(Request::Publish { token: STATE, .. })))
        );
    }
}

/// A run with faults on each side, written down.
fn written_down(seed: u64) -> (String, Connections) {
    let mut hand = Hand::new(seed);
    let mut actions = hand.begin();
    for packet_id in 1..=5 {
        actions.append(&mut hand.quote(packet_id, "A"));
    }
    let (token, mut published) = hand.decide(1, 1);
    actions.append(&mut published);
    let refused = Code { value: 0x87, name: "NotAuthorized" };
    actions.append(&mut hand.give(Input::Publishing(Event::Published { token, code: refused })));
    for _ in 0..20 {
        let wake = hand.machine.wake(hand.now);
        actions.append(&mut hand.pass(wake - hand.now.instant));
        actions.append(&mut hand.give(Input::Runtime(StreamEvent::Ended(RuntimeError::Close))));
        actions.append(&mut hand.give(Input::Publishing(Event::Published { token, code: refused })));
    }
    (format!("{:?} {actions:?}", hand.now.micros), hand.connections)
}

#[test]
fn machines_of_one_seed_do_the_same() {
    let (first, connections) = written_down(7);
    assert_eq!(first, written_down(7).0);
    assert!(first != written_down(8).0, "run and pauses are others");
    assert_eq!(connections.subscribing.client_id, "intuition.default.test");
    assert!(connections.publishing.last_will.is_some() && !connections.subscribing.clean_start);
}
