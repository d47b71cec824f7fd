//! The connection, the look-up of the position, and the beginning of a run.

use std::collections::BTreeMap;

use intuition_common::{clock::Now, exit::with_causes};
use intuition_mqtt::{Ack, Capabilities, Incoming, LinkError, Request};

use super::{
    Action, Connection, ENDED, Machine, Run,
    flight::{Flight, MAX_IN_FLIGHT},
    keeper::{Keeper, Mode},
    lookup::{Lookup, LookupError, Outcome},
    numbers::SourceNumbers,
    position::Stored,
    tokens,
};
use crate::{
    readiness::{BROKER, POSITION, SOURCE},
    source::{Beginning, Position},
};

/// The broker keeps no retained messages.
const NO_RETAIN: &str = "RetainNotSupported";

impl Machine {
    pub(super) fn connected(&mut self, epoch: u64, capabilities: Capabilities, now: Now) {
        // A place is left for the position.
        let window = usize::from(capabilities.receive_maximum).saturating_sub(1).clamp(1, MAX_IN_FLIGHT);
        self.connection = Some(Connection { epoch, window, retain: capabilities.retain, acks: 0 });
        self.reporter.ready(BROKER);
        if self.run.is_some() {
            self.metrics.republished.inc_by(self.flight.sent() as u64);
            self.flight.rewind();
        }
        if capabilities.retain {
            // Of each connection: a broker may give the client id to another process without a word.
            self.look_up(now);
        } else if self.run.is_none() {
            let message = "the broker keeps no retained messages, so every start of the feed is at the beginning";
            self.reporter.warn(POSITION, NO_RETAIN, message);
            self.begin(None, now);
        }
    }

    pub(super) fn disconnected(&mut self, error: &LinkError) {
        self.metrics.disconnections.inc();
        self.reporter.missing(BROKER, error.reason(), &with_causes(error));
        (self.connection, self.lookup) = (None, None);
        if error.is_taken_over() {
            // The pause follows in the connection's task. The other run goes on meanwhile.
            self.forget_run();
        } else if let Some(run) = &mut self.run {
            run.keeper.forget();
        }
    }

    pub(super) fn end_run(&mut self) {
        if self.run.take().is_some() {
            self.actions.push(Action::Stop);
        }
        self.waiting.clear();
        (self.flight, self.state, self.paused_until) = (Flight::default(), None, None);
        self.retry.started();
    }

    pub(super) fn forget_run(&mut self) {
        self.end_run();
        self.reporter.missing(
            POSITION,
            "TakenOver",
            "another process has the client id of the feed, and may go further",
        );
    }

    pub(super) fn look_up(&mut self, now: Now) {
        let Some(connection) = self.connection else { return };
        self.lookups += 1;
        let nonce = format!("{}-{}", run_name(self.nonce), self.lookups);
        let (lookup, request) = Lookup::begin(connection.epoch, self.settings.topics.position(), nonce, now);
        self.lookup = Some(lookup);
        self.actions.push(Action::Broker(request));
    }

    pub(super) fn message(&mut self, message: &Incoming, now: Now) {
        let Some(connection) = self.connection.as_mut().filter(|known| known.epoch == message.epoch) else { return };
        let epoch = connection.epoch;
        if message.packet_id != 0 {
            connection.acks += 1;
            let acks = vec![Ack { packet_id: message.packet_id, number: connection.acks }];
            self.actions.push(Action::Broker(Request::Acknowledge { epoch, acks }));
        }
        let Some(lookup) = &mut self.lookup else { return };
        let stored = match lookup.take(message, &self.settings.feed, now) {
            Ok(Outcome::Open) => return,
            Ok(Outcome::Nothing) => None,
            Ok(Outcome::Found(stored)) => Some(*stored),
            Err(error) => return self.lookup_failed(&error),
        };
        let filter = self.settings.topics.position().to_owned();
        self.actions.push(Action::Broker(Request::Unsubscribe { epoch, token: tokens::LOOKUP, filter }));
        self.lookup = None;
        self.go_on(stored, now);
    }

    /// Goes on with the run where the retained position is known, and behind that of another run otherwise.
    fn go_on(&mut self, stored: Option<Stored>, now: Now) {
        let own = run_name(self.nonce);
        match (&mut self.run, stored) {
            // The broker has lost the position, and gets it again.
            (Some(run), None) => run.keeper.note(),
            (Some(run), Some(stored)) if stored.run == own || stored.run == run.behind => {}
            (Some(_), stored) => {
                self.forget_run();
                return self.begin(stored, now);
            }
            (None, stored) => return self.begin(stored, now),
        }
        self.reporter.ready(POSITION);
    }

    pub(super) fn judge(&mut self, outcome: Result<(), LookupError>) {
        if let Err(error) = outcome {
            self.lookup_failed(&error);
        }
    }

    pub(super) fn lookup_failed(&mut self, error: &LookupError) {
        self.reporter.missing(POSITION, error.reason(), &with_causes(error));
    }

    /// Begins behind a stored position, or without one.
    pub(super) fn begin(&mut self, stored: Option<Stored>, now: Now) {
        let retain = self.connection.is_some_and(|connection| connection.retain);
        let replay = stored.as_ref().map_or(self.beginning == Beginning::First, |stored| stored.replay);
        let Stored { run: behind, numbers, ahead, state, .. } = stored.unwrap_or_default();
        let mode = match (retain, replay) {
            (false, _) => Mode::Off,
            (true, true) => Mode::Uncounted,
            (true, false) => Mode::Counted,
        };
        self.run = Some(Run {
            numbers: SourceNumbers::new(&numbers, ahead),
            keeper: Keeper::new(mode),
            replay,
            sent: 0,
            lasts: BTreeMap::new(),
            behind,
            stored_state: state.clone(),
        });
        self.last_quote = Some(now.instant);
        tracing::info!(feed = self.settings.feed, sources = numbers.len(), replay, "begins behind its position");
        self.reporter.ready(POSITION);
        self.reporter.clear_warning(SOURCE, ENDED);
        (self.has_ended, self.failure) = (false, None);
        self.actions.push(Action::Start(Position { numbers, state }));
    }
}

/// The name of a run, in its positions and markers.
pub(super) fn run_name(nonce: u64) -> String {
    format!("{nonce:016x}")
}
