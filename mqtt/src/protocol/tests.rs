use std::collections::VecDeque;

use bytes::Bytes;

use super::*;
use crate::{Ack, Awaited, Capabilities, Code, Events, Incoming, Message, codes, lanes};

const EPOCH: u64 = 3;
const KEEP_ALIVE: Duration = Duration::from_mins(1);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Sent {
    Publish(u16),
    Unconfirmed,
    Subscribe(u16, Option<u32>),
    LookUp(u16),
    Unsubscribe(u16),
    PubAck(u16),
    Ping,
}

/// Packets that count one byte each.
#[derive(Debug, Default)]
struct Recorder(Vec<Sent>);

impl Output for Recorder {
    fn publish(&mut self, _: Message, packet_id: u16, _: Option<u32>) -> Result<(), Code> {
        self.0.push(Sent::Publish(packet_id));
        Ok(())
    }

    fn publish_unconfirmed(&mut self, _: Message, _: Option<u32>) -> Result<(), Code> {
        self.0.push(Sent::Unconfirmed);
        Ok(())
    }

    fn subscribe(&mut self, _: String, subscription_id: Option<u32>, packet_id: u16) -> Result<(), Code> {
        self.0.push(Sent::Subscribe(packet_id, subscription_id));
        Ok(())
    }

    fn look_up(&mut self, _: String, packet_id: u16) -> Result<(), Code> {
        self.0.push(Sent::LookUp(packet_id));
        Ok(())
    }

    fn unsubscribe(&mut self, _: String, packet_id: u16) -> Result<(), Code> {
        self.0.push(Sent::Unsubscribe(packet_id));
        Ok(())
    }

    fn puback(&mut self, packet_id: u16) {
        self.0.push(Sent::PubAck(packet_id));
    }

    fn ping(&mut self) {
        self.0.push(Sent::Ping);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A connection with a socket that takes and gives as the test asks for.
struct Bench {
    protocol: Protocol,
    events: Events,
    requests: VecDeque<Request>,
    input: VecDeque<Packet>,
    output: Recorder,
    start: Instant,
}

impl Bench {
    fn new(capacity: usize, sizes: Sizes) -> Self {
        let (lanes, mut events) = lanes(capacity, &sizes);
        let accepted = Accepted { session_present: true, capabilities: Capabilities::UNLIMITED, keep_alive: None };
        let settings = Settings { keep_alive: KEEP_ALIVE, answer_timeout: ANSWER_TIMEOUT, sizes };
        let start = Instant::now();
        let protocol = Protocol::new(EPOCH, &accepted, &settings, lanes, (start, start));
        let connected = events.try_recv();
        assert!(matches!(connected, Some(Event::Connected { epoch: EPOCH, session_present: true, .. })));
        let (requests, input) = (VecDeque::new(), VecDeque::new());
        Self { protocol, events, requests, input, output: Recorder::default(), start }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn turn(&mut self, seconds: u64) -> Result<(), Ended> {
        let now = self.at(seconds);
        let (requests, input) = (&mut self.requests, &mut self.input);
        self.protocol.turn(|| Ok(requests.pop_front()), || Ok(input.pop_front()), &mut self.output, now)
    }

    fn work(&self) -> [Option<Work>; 2] {
        self.protocol.work(&self.output)
    }

    /// The socket takes all packets of the output, and returns them.
    fn write(&mut self, seconds: u64) -> Vec<Sent> {
        assert_eq!(self.work()[0], Some(Work::Write));
        self.protocol.wrote(self.at(seconds));
        std::mem::take(&mut self.output.0)
    }

    fn flush(&mut self) {
        assert_eq!(self.work()[0], Some(Work::Flush));
        self.protocol.flushed();
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv()).collect()
    }
}

fn message(packet_id: u16) -> Packet {
    Packet::Message(Incoming::new(0, packet_id, "quotes".to_owned(), Bytes::from_static(b"{}")))
}

fn acknowledge(number: u64) -> Request {
    let packet_id = u16::try_from(number).unwrap();
    Request::Acknowledge { epoch: EPOCH, acks: vec![Ack { packet_id, number }] }
}

fn publish(epoch: u64) -> Request {
    Request::Publish { epoch, token: 1, message: Message::new("decisions".to_owned(), Bytes::new()) }
}

#[test]
fn acknowledgements_are_written_and_flushed_before_more_is_read() {
    let mut bench = Bench::new(8, Sizes::default());
    bench.input.push_back(message(1));
    bench.turn(0).unwrap();
    assert!(matches!(&bench.events()[..], [Event::Message(Incoming { epoch: EPOCH, packet_id: 1, .. })]));
    assert_eq!(bench.work(), [None, Some(Work::Read)]);
    bench.requests.push_back(acknowledge(1));
    bench.turn(0).unwrap();
    assert_eq!(bench.work(), [Some(Work::Write), Some(Work::Read)], "it is read first only where nothing is taken");
    assert_eq!(bench.write(0), [Sent::PubAck(1)]);
    assert_eq!(bench.work(), [Some(Work::Flush), Some(Work::Read)]);
    bench.flush();
    assert_eq!(bench.work(), [None, Some(Work::Read)]);
}

#[test]
fn requests_are_taken_before_the_packets_that_wait() {
    let mut bench = Bench::new(8, Sizes::default());
    bench.input.push_back(Packet::Ended(codes::code(0x8b)));
    bench.requests.push_back(Request::Disconnect);
    assert!(matches!(bench.turn(0), Err(Ended::Disconnect)));
}

#[test]
fn acknowledgements_are_reported_once_they_are_flushed() {
    let mut bench = Bench::new(8, Sizes::default());
    bench.requests.extend([acknowledge(1), acknowledge(2)]);
    bench.turn(0).unwrap();
    assert_eq!(bench.write(0), [Sent::PubAck(1), Sent::PubAck(2)]);
    assert!(bench.events().is_empty(), "written, not flushed");
    bench.flush();
    assert!(matches!(bench.events()[..], [Event::AcksWritten { epoch: EPOCH, through: 2 }]));
    bench.requests.push_back(publish(EPOCH));
    bench.turn(0).unwrap();
    bench.write(0);
    bench.flush();
    assert!(bench.events().is_empty(), "no acknowledgement is new");
}

#[test]
fn acknowledgements_are_confirmed_by_the_pingresp_behind_them() {
    let mut bench = Bench::new(8, Sizes::default());
    bench.requests.push_back(acknowledge(1));
    bench.turn(0).unwrap();
    bench.write(0);
    assert_eq!(bench.protocol.wake(&bench.output), bench.at(1));
    bench.turn(1).unwrap();
    bench.requests.push_back(acknowledge(2));
    bench.turn(1).unwrap();
    assert_eq!(bench.write(1), [Sent::Ping, Sent::PubAck(2)]);
    bench.flush();
    bench.input.push_back(Packet::Pong);
    bench.turn(1).unwrap();
    let events = bench.events();
    assert!(
        matches!(
            events[..],
            [Event::AcksWritten { through: 2, .. }, Event::AcksConfirmed { epoch: EPOCH, through: 1 }]
        ),
        "the second is behind the PINGREQ: {events:?}"
    );
}

#[test]
fn stalled_event_stops_the_reading_until_it_finds_room() {
    let mut bench = Bench::new(1, Sizes::default());
    bench.input.extend([message(1), message(2), message(3)]);
    bench.turn(0).unwrap();
    assert_eq!((bench.protocol.is_reading(), bench.input.len()), (false, 1));
    assert_eq!(bench.work(), [None, None]);
    bench.protocol.resume();
    bench.turn(0).unwrap();
    assert_eq!((bench.protocol.is_reading(), bench.input.len()), (false, 1), "there is still no room");
    let mut taken = Vec::new();
    for _ in 0..3 {
        let event = bench.events.try_recv();
        let Some(Event::Message(message)) = event else { panic!("{event:?}") };
        taken.push(message.packet_id);
        bench.protocol.resume();
        bench.turn(0).unwrap();
    }
    assert_eq!(taken, [1, 2, 3]);
    assert_eq!((bench.protocol.is_reading(), bench.work()), (true, [None, Some(Work::Read)]));
}

#[test]
fn messages_wait_within_the_bound_on_their_memory() {
    let mut bench = Bench::new(8, Sizes { waiting_bytes: 1, ..Sizes::default() });
    bench.input.extend([message(1), message(2)]);
    bench.turn(0).unwrap();
    assert!(!bench.protocol.is_reading());
    assert!(bench.events.try_recv_control().is_none(), "a message is none");
    drop(bench.events.try_recv());
    bench.protocol.resume();
    assert!(bench.protocol.is_reading(), "one message always has room");
}

#[test]
fn events_that_are_no_messages_overtake_them() {
    let mut bench = Bench::new(8, Sizes::default());
    bench.requests.push_back(publish(EPOCH));
    bench.turn(0).unwrap();
    bench.input.extend([message(1), Packet::Published { packet_id: 1, code: codes::code(0) }]);
    bench.turn(0).unwrap();
    assert!(matches!(bench.events()[..], [Event::Published { token: 1, .. }, Event::Message(_)]));
}

#[test]
fn requests_of_another_connection_are_void() {
    let mut bench = Bench::new(8, Sizes::default());
    for epoch in [EPOCH - 1, EPOCH + 1] {
        let filter = || "quotes".to_owned();
        bench.requests.extend([
            publish(epoch),
            Request::Subscribe { epoch, token: 1, filter: filter(), subscription_id: 1 },
            Request::LookUp { epoch, token: 1, filter: filter() },
            Request::Unsubscribe { epoch, token: 1, filter: filter() },
            Request::Acknowledge { epoch, acks: vec![Ack { packet_id: 1, number: 1 }] },
            Request::StandDown { epoch },
        ]);
    }
    bench.turn(0).unwrap();
    assert!(bench.output.is_empty() && bench.requests.is_empty());
    bench.requests.push_back(Request::StandDown { epoch: EPOCH });
    assert!(matches!(bench.turn(0), Err(Ended::Failed(LinkError::StandDown))));
}

#[test]
fn requests_about_subscriptions_take_turns() {
    let mut bench = Bench::new(8, Sizes::default());
    let (epoch, filter) = (EPOCH, "quotes".to_owned());
    bench.requests.extend([
        Request::Subscribe { epoch, token: 1, filter: filter.clone(), subscription_id: 9 },
        Request::LookUp { epoch, token: 2, filter: filter.clone() },
        Request::Unsubscribe { epoch, token: 3, filter },
    ]);
    bench.turn(0).unwrap();
    bench.input.push_back(Packet::Subscribed { packet_id: 1, code: codes::code(1) });
    bench.turn(0).unwrap();
    assert!(!bench.protocol.has_refused());
    bench.input.push_back(Packet::Subscribed { packet_id: 2, code: codes::code(0x87) });
    bench.turn(0).unwrap();
    assert!(bench.protocol.has_refused());
    assert_eq!(bench.write(0), [Sent::Subscribe(1, Some(9)), Sent::LookUp(2), Sent::Unsubscribe(3)]);
}

#[test]
fn publications_stay_queued_while_too_many_bytes_wait_to_be_written() {
    let mut bench = Bench::new(8, Sizes { write_ahead: 2, ..Sizes::default() });
    bench.requests.extend((0..3).map(|_| publish(EPOCH)));
    bench.turn(0).unwrap();
    assert_eq!(bench.write(0), [Sent::Publish(1), Sent::Publish(2)]);
    bench.turn(0).unwrap();
    assert_eq!(bench.write(0), [Sent::Publish(3)]);
}

#[test]
fn connection_ends_after_the_patience_without_an_answer() {
    let mut bench = Bench::new(8, Sizes::default());
    bench.requests.push_back(publish(EPOCH));
    bench.turn(0).unwrap();
    bench.write(0);
    bench.flush();
    assert_eq!(bench.protocol.wake(&bench.output), bench.at(30));
    bench.turn(29).unwrap();
    let Err(Ended::Failed(LinkError::NoAnswer { awaited, answer_timeout })) = bench.turn(30) else { panic!("an end") };
    assert_eq!((awaited, answer_timeout), (Awaited::Publish("decisions".to_owned()), ANSWER_TIMEOUT));
}

#[test]
fn connection_ends_when_nothing_is_written_for_the_patience() {
    let mut bench = Bench::new(8, Sizes::default());
    bench.requests.push_back(acknowledge(1));
    bench.turn(0).unwrap();
    bench.turn(29).unwrap();
    let end = bench.turn(30);
    assert!(matches!(end, Err(Ended::Failed(LinkError::NoAnswer { awaited: Awaited::Flush, .. }))), "{end:?}");
}

#[test]
fn connection_ends_without_a_sign_of_life() {
    let mut bench = Bench::new(8, Sizes::default());
    bench.turn(60).unwrap();
    assert_eq!(bench.write(60), [Sent::Ping]);
    bench.flush();
    bench.protocol.read(bench.at(61));
    bench.turn(120).unwrap();
    assert_eq!(bench.write(120), [Sent::Ping]);
    bench.flush();
    assert_eq!(bench.protocol.wake(&bench.output), bench.at(180));
    let end = bench.turn(180);
    assert!(matches!(end, Err(Ended::Failed(LinkError::Reach(_)))), "{end:?}");
}

#[test]
fn keep_alive_of_the_broker_replaces_that_of_the_client() {
    let (lanes, _events) = lanes(8, &Sizes::default());
    let keep_alive = Duration::from_secs(5);
    let accepted =
        Accepted { session_present: false, capabilities: Capabilities::UNLIMITED, keep_alive: Some(keep_alive) };
    let settings = Settings { keep_alive: KEEP_ALIVE, answer_timeout: ANSWER_TIMEOUT, sizes: Sizes::default() };
    let start = Instant::now();
    let protocol = Protocol::new(EPOCH, &accepted, &settings, lanes, (start, start));
    assert_eq!(protocol.wake(&Recorder::default()), start + keep_alive);
}

#[test]
fn last_packets_give_answers_and_the_reason_of_the_end() {
    let mut bench = Bench::new(8, Sizes::default());
    bench.requests.push_back(publish(EPOCH));
    bench.turn(0).unwrap();
    bench.protocol.receive_last(&message(1)).unwrap();
    bench.protocol.receive_last(&Packet::Published { packet_id: 1, code: codes::code(0x97) }).unwrap();
    let events = bench.events();
    assert!(matches!(events[..], [Event::Published { token: 1, code: Code { value: 0x97, .. } }]), "{events:?}");
    let end = bench.protocol.receive_last(&Packet::Ended(codes::code(0x8b)));
    assert!(matches!(end, Err(LinkError::End(Code { value: 0x8b, .. }))));
}
