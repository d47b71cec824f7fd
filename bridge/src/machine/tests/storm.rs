//! Machines among faults at random. Every failure names its seed.

use intuition_api::v1::Publication;
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng, seq::IndexedRandom as _};

use super::*;

const CODES: [Code; 4] = [
    SUCCESS,
    Code { value: 0x87, name: "NotAuthorized" },
    Code { value: 0x95, name: "PacketTooLarge" },
    Code { value: 0x97, name: "QuotaExceeded" },
];

/// Broker and runtime around a machine, both unreliable.
struct Storm {
    hand: Hand,
    random: ChaCha8Rng,
    subscribing: Option<u64>,
    publishing: Option<u64>,
    epochs: u64,
    /// Tokens without an answer.
    unanswered: Vec<u64>,
    subscriptions: Vec<Event>,
    /// Delivery numbers without an outcome, in order.
    deliveries: VecDeque<u64>,
    /// Entries, and how many of them have been sent on this stream.
    entries: Vec<OutboxEntry>,
    next: usize,
    stream: Stream,
    written: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    None,
    Asked,
    Connected,
    Open,
}

impl Storm {
    fn new(seed: u64) -> Self {
        Self {
            hand: Hand::new(seed),
            random: ChaCha8Rng::seed_from_u64(seed),
            subscribing: None,
            publishing: None,
            epochs: 0,
            unanswered: Vec::new(),
            subscriptions: Vec::new(),
            deliveries: VecDeque::new(),
            entries: Vec::new(),
            next: 0,
            stream: Stream::None,
            written: String::new(),
        }
    }

    /// Carries out actions, as far as the storm remembers them.
    fn note(&mut self, actions: Vec<Action>) {
        use process_request::Message;
        for action in actions {
            writeln!(self.written, "{:?} {action:?}", self.hand.now.micros).unwrap();
            match action {
                Action::Publishing(Request::Publish { epoch, token, .. }) => {
                    assert_eq!(Some(epoch), self.publishing);
                    self.unanswered.push(token);
                }
                Action::Subscribing(Request::Subscribe { epoch, token, .. }) if Some(epoch) == self.subscribing => {
                    let code = if self.random.random_bool(0.8) { SUCCESS } else { CODES[1] };
                    self.subscriptions.push(Event::Subscribed { token, code });
                }
                Action::Subscribing(Request::Unsubscribe { epoch, token, .. }) if Some(epoch) == self.subscribing => {
                    self.subscriptions.push(Event::Unsubscribed { token, code: SUCCESS });
                }
                Action::Open(_) => {
                    assert_eq!(self.stream, Stream::None);
                    self.stream = Stream::Asked;
                }
                Action::Close | Action::Finish => {
                    self.stream = Stream::None;
                    self.deliveries.clear();
                }
                Action::Send(message) => {
                    assert_eq!(self.stream, Stream::Open, "{message:?}");
                    if let Message::Batch(batch) = message {
                        self.deliveries.extend(batch.deliveries.iter().map(|delivery| delivery.number));
                    }
                }
                _ => {}
            }
        }
    }

    fn event(&mut self) -> Option<Input> {
        match self.random.random_range(0..12) {
            0 | 1 => self.of_connections(),
            2 | 3 => {
                let epoch = self.subscribing.filter(|_| self.hand.machine.takes_messages())?;
                let (packet_id, symbol) = (self.random.random_range(1..20), self.random.random_range(0..3));
                let payload = format!(r#"{{"sid":"S{symbol}","quote":"1.5"}}"#);
                let message = Incoming::new(epoch, packet_id, "quotes".to_owned(), payload.into());
                Some(Input::Subscribing(Event::Message(message)))
            }
            4..7 if !self.unanswered.is_empty() => {
                let token = self.unanswered.swap_remove(self.random.random_range(0..self.unanswered.len()));
                let code = if self.random.random_bool(0.5) { SUCCESS } else { *CODES.choose(&mut self.random)? };
                Some(Input::Publishing(Event::Published { token, code }))
            }
            7 => self.subscriptions.pop().map(Input::Subscribing),
            8 => {
                let (epoch, through) = (self.subscribing?, self.random.random_range(1..100));
                Some(Input::Subscribing(Event::AcksWritten { epoch, through }))
            }
            _ => self.of_runtime(),
        }
    }

    fn of_connections(&mut self) -> Option<Input> {
        let is_subscribing = self.random.random_bool(0.5);
        let connection = if is_subscribing { &mut self.subscribing } else { &mut self.publishing };
        let event = if connection.take().is_some() {
            let code = *CODES.choose(&mut self.random)?;
            let no_answer = LinkError::NoAnswer { awaited: Awaited::Flush, answer_timeout: Duration::from_secs(30) };
            Event::Disconnected(if self.random.random_bool(0.5) { LinkError::End(code) } else { no_answer })
        } else {
            self.epochs += 1;
            *connection = Some(self.epochs);
            let [retain, session_present] = [0.5, 0.7].map(|chance| self.random.random_bool(chance));
            let capabilities = Capabilities { retain, receive_maximum: 3, ..Capabilities::UNLIMITED };
            Event::Connected { epoch: self.epochs, asked: self.hand.now.instant, session_present, capabilities }
        };
        Some(if is_subscribing {
            self.subscriptions.clear();
            Input::Subscribing(event)
        } else {
            self.unanswered.clear();
            Input::Publishing(event)
        })
    }

    fn of_runtime(&mut self) -> Option<Input> {
        let message = match self.stream {
            Stream::None => return None,
            _ if self.random.random_bool(0.1) => {
                let status = tonic::Status::aborted("superseded");
                let is_superseded = self.random.random_bool(0.2);
                let error = if is_superseded { RuntimeError::End(Box::new(status)) } else { RuntimeError::Close };
                return Some(Input::Runtime(StreamEvent::Ended(error)));
            }
            Stream::Asked => {
                self.stream = Stream::Connected;
                return Some(Input::Runtime(StreamEvent::Connected));
            }
            Stream::Connected => {
                self.stream = Stream::Open;
                self.next = 0;
                let capabilities = vec![capability::OUTBOX_QUEUES.to_owned()];
                let ledger_id = "0badf00d".to_owned();
                Message::Opened(Opened { ledger_id, capabilities, ..Opened::default() })
            }
            Stream::Open => match self.random.random_range(0..4) {
                0 => Message::HoldingRecorded(HoldingRecorded {}),
                1 => Message::Channels(Channels { version: 1, filters: vec!["quotes".to_owned()], inputs: vec![] }),
                _ => Message::Committed(self.commit()),
            },
        };
        Some(Input::Runtime(StreamEvent::Message(message)))
    }

    /// Some entries that have not been sent on this stream, and perhaps an outcome with a new one.
    fn commit(&mut self) -> Committed {
        let mut outcomes = Vec::new();
        if let Some(number) = self.deliveries.pop_front() {
            let position = self.entries.len() as u64 + 1;
            let content = match self.random.random_range(0..3) {
                0 => Content::DeadLetter(DeadLetter { topic: "quotes".to_owned(), ..DeadLetter::default() }),
                1 => Content::Publication(Publication { channel: "c".to_owned(), payload: Bytes::new() }),
                _ => Content::Decision(Decision { seq: position, ..Decision::default() }),
            };
            self.entries.push(OutboxEntry { position, content: Some(content) });
            let tick = TickOutcome { positions: vec![position], ..TickOutcome::default() };
            outcomes.push(DeliveryOutcome { number, ticks: vec![tick] });
        }
        let entries: Vec<_> = self.entries.iter().skip(self.next).take(5).cloned().collect();
        self.next += entries.len();
        Committed { entries, outcomes }
    }

    /// Time passes: to the machine's next wake, or less.
    fn rest(&mut self) {
        let wake = self.hand.machine.wake(self.hand.now);
        assert!(wake > self.hand.now.instant, "nothing has happened, and the machine asks for another turn at once");
        let wait = wake - self.hand.now.instant;
        let wait = if self.random.random_bool(0.5) { wait } else { wait.mul_f64(self.random.random::<f64>()) };
        let actions = self.hand.pass(wait);
        self.note(actions);
    }

    fn step(&mut self) {
        let mut input = self.event();
        if matches!(input, Some(Input::Runtime(StreamEvent::Ended(_)))) {
            self.stream = Stream::None;
            self.deliveries.clear();
        }
        if let Some(input) = input.take() {
            let shown = match &input {
                // Its time is an `Instant`, which differs between two runs of a seed.
                Input::Subscribing(Event::Connected { epoch, .. })
                | Input::Publishing(Event::Connected { epoch, .. }) => {
                    format!("connection {epoch}")
                }
                input => format!("{input:?}"),
            };
            writeln!(self.written, "{:?} {shown}", self.hand.now.micros).unwrap();
            self.hand.machine.handle(input, self.hand.now);
            let actions = self.hand.machine.take_actions();
            self.note(actions);
        }
        let actions = self.hand.pass(Duration::ZERO);
        self.note(actions);
        if self.random.random_bool(0.3) {
            self.rest();
        }
    }

    fn run(mut self, steps: usize) -> String {
        for _ in 0..steps {
            self.step();
        }
        self.hand.machine.begin_shutdown(self.hand.now);
        let actions = self.hand.machine.take_actions();
        self.note(actions);
        let begun = self.hand.now.instant;
        while !matches!(self.hand.machine.phase(), Phase::Disconnecting { .. }) {
            self.rest();
        }
        assert!(self.hand.now.instant <= begun + Duration::from_secs(4));
        self.written
    }
}

#[test]
fn machine_never_asks_for_a_turn_at_once_and_two_of_one_seed_do_the_same() {
    for seed in 0..50 {
        let run = || Storm::new(seed).run(1_000);
        let written = std::panic::catch_unwind(run).unwrap_or_else(|_| panic!("seed {seed}"));
        if seed % 10 == 0 {
            assert!(written == run(), "seed {seed}");
        }
    }
}
