//! The stream to the bridge: its beginning, its messages in both directions, its end.

use std::time::Duration;

use intuition_api::v1::{
    AccountResponse, Credit, HoldingRecorded, Open, Opened, Published, Waiting, process_request,
    process_response::Message,
};
use rand::Rng as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{
    Answer, Writer,
    bridge::{self, Bridge},
    committed::CommittedBuilder,
    reply::status_of,
    visits::Another,
};
use crate::{
    engine::{Fresh, RequestError, SettledBatch},
    ledger::{LedgerError, OutboxRow},
    responses::Responses,
    wire,
};

/// A bridge without the capability `input-formats`.
const BRIDGE_TOO_OLD: &str = "the bridge is of an earlier release, which does not know spec.channels.inputs[].format and would \
                              read such messages as other quotes: it gets no channels; upgrade its image";

/// The standing of a bridge's report that the broker has lost the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// It holds, or there is none.
    AsReported,
    /// The broker has made the session anew for another bridge since.
    OutOfDate,
    /// The same may be so, and the bridge alone can see it: the report does not show how long it was under way. The delivery of the
    /// other bridge has this name.
    Unconfirmed(u64),
    /// The same may be so, and no one can see it: the runtime has started again since, and knows no times of deliveries before.
    Doubtful,
}

impl Writer {
    fn loss(&self, open: &Open, now: Instant) -> Loss {
        let Some(ago) = open.session_lost_ms.map(Duration::from_millis) else { return Loss::AsReported };
        match self.visits.another(ago, open.run, now) {
            Another::Since => Loss::OutOfDate,
            Another::Unknown => Loss::Doubtful,
            Another::Before(name) if open.confirmed_loss != Some(name) && self.engine.had_session(open) => {
                Loss::Unconfirmed(name)
            }
            Another::Before(_) | Another::Never => Loss::AsReported,
        }
    }

    pub(super) fn open(
        &mut self,
        stream: u64,
        open: &Open,
        (responses, ended): (Responses, CancellationToken),
        now: Instant,
    ) {
        let before = self.engine.names().1.newest().clone();
        let fresh = self.fresh();
        let loss = self.loss(open, now);
        let is_kept = matches!(loss, Loss::OutOfDate | Loss::Unconfirmed(_));
        let open = &Open { session_present: open.session_present || is_kept, ..open.clone() };
        if loss == Loss::Doubtful {
            self.engine.doubt_loss(open);
        }
        let opened = match self.engine.open(stream, open, fresh, self.ledger.as_mut()) {
            Ok(opened) => opened,
            Err(error) => return bridge::refuse(&responses, &ended, status_of(&error)),
        };
        let since_another = self.visits.since_another(open.run, now);
        let other_bridge_ms = since_another.map(|since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let confirm_loss = if let Loss::Unconfirmed(name) = loss { Some(name) } else { None };
        let opened = Opened { other_bridge_ms, confirm_loss, ..opened };
        let (account, ids) = self.engine.names();
        if *ids.newest() != before {
            tracing::warn!(
                account,
                known_to_the_bridge = open.ledger_id,
                ledger_id = ids.newest().id,
                first_seq = ids.newest().first_seq,
                "the ledger has gone back: the bridge knows of entries that it does not have; decisions from here on have \
                 another ledger id"
            );
        }
        self.end_stream(Status::aborted("a newer stream of the same account was opened"));
        let mut bridge = Bridge::new(stream, responses, ended, (open, &opened), self.engine.position());
        if !self.engine.can_read(bridge.knows) {
            tracing::warn!(account = self.engine.names().0, "{BRIDGE_TOO_OLD}");
        }
        self.reports.name();
        self.answers.push(Answer::Stream { stream, message: Message::Opened(opened) });
        if let Some(channels) = self.engine.channels_for_bridge(bridge.knows) {
            bridge.sent_channels = channels.version;
            self.answers.push(Answer::Stream { stream, message: Message::Channels(channels) });
        }
        self.bridge = Some(bridge);
        self.answers.push(Answer::Outbox);
    }

    pub(super) fn request(
        &mut self,
        stream: u64,
        message: process_request::Message,
        now: Instant,
    ) -> Result<(), RequestError> {
        use process_request::Message as Request;
        match message {
            Request::Open(_) => return Err(RequestError::BreakContract("Open comes first, and only first".to_owned())),
            Request::Batch(batch) => {
                if self.bridge.as_ref().is_some_and(|bridge| !self.engine.can_read(bridge.knows)) {
                    return Err(RequestError::BreakContract(BRIDGE_TOO_OLD.to_owned()));
                }
                self.visits.delivered(self.engine.run(), now);
                self.engine.take(batch.deliveries)?;
            }
            Request::Holding(holding) => {
                self.engine.hold(&holding)?;
                self.answers.push(Answer::Stream { stream, message: Message::HoldingRecorded(HoldingRecorded {}) });
            }
            Request::Marker(marker) => self.engine.mark(marker)?,
            Request::Published(published) => self.published(&published)?,
            Request::Acknowledged(report) => self.engine.acknowledged(report),
            Request::Credit(Credit { bytes }) => {
                if let Some(bridge) = &mut self.bridge {
                    bridge.add_credit(bytes);
                }
            }
        }
        Ok(())
    }

    fn published(&mut self, published: &Published) -> Result<(), RequestError> {
        let Some(bridge) = &mut self.bridge else { return Ok(()) };
        let beyond = self.engine.published(published, bridge.known(), self.ledger.as_mut())?;
        if beyond > 0 && !std::mem::replace(&mut bridge.has_reported_beyond, true) {
            tracing::warn!(
                account = self.engine.names().0,
                positions = beyond,
                last_sent = bridge.known(),
                "the bridge reports entries as published that it was never sent; they are passed over"
            );
        }
        Ok(())
    }

    /// Sends the bridge's part of a commit: outcomes of its deliveries at once, entries if it has had all before them
    /// and has room. A stream that did not bring the deliveries gets only the entries.
    pub(super) fn send_commit(&mut self, rows: &[OutboxRow], settled: Vec<SettledBatch>, now: Instant) {
        let Some(bridge) = &mut self.bridge else { return };
        let (account, ids) = self.engine.names();
        let mut builder = CommittedBuilder::new(self.sizes.message_bytes);
        for row in rows {
            if bridge.takes(row.position) {
                bridge.entry(wire::outbox_entry(account, ids, row), &mut builder, now);
            }
        }
        let stream = bridge.stream;
        for outcome in
            settled.into_iter().filter(|settled| settled.stream == stream).flat_map(|settled| settled.outcomes)
        {
            let full = builder.outcome(outcome);
            bridge.committed(full, now);
        }
        bridge.committed(builder.rest(), now);
    }

    /// Sends entries from the ledger for which the bridge has room.
    pub(super) fn send_outbox(&mut self, now: Instant) {
        let Some(bridge) = &mut self.bridge else { return };
        let (account, ids) = self.engine.names();
        let mut builder = CommittedBuilder::new(self.sizes.message_bytes);
        while let Some(page) = bridge.next_page(self.engine.published_through(), self.engine.position(), &self.sizes) {
            let rows = match self.ledger.outbox(page) {
                Ok(rows) if rows.is_empty() => break,
                Ok(rows) => rows,
                Err(error) => {
                    self.end_stream(Status::internal(format!("{}: {error}", error.reason())));
                    self.taken_over = Some(error).filter(|error| matches!(error, LedgerError::TakenOver { .. }));
                    return;
                }
            };
            for row in &rows {
                if bridge.takes(row.position) {
                    bridge.entry(wire::outbox_entry(account, ids, row), &mut builder, now);
                }
            }
        }
        bridge.committed(builder.rest(), now);
    }

    /// Sends changed channels.
    pub(super) fn send_channels(&mut self, now: Instant) {
        let Some(bridge) = &mut self.bridge else { return };
        // Most commits change no channels: nothing is copied for those.
        if self.engine.channels().is_none_or(|channels| channels.version <= bridge.sent_channels) {
            return;
        }
        let Some(channels) = self.engine.channels_for_bridge(bridge.knows) else { return };
        bridge.sent_channels = channels.version;
        bridge.send(Message::Channels(channels), now);
    }

    /// Sends `Waiting` while deliveries of the bridge wait.
    pub(super) fn send_waiting(&mut self, now: Instant) {
        if !self.engine.has_work() {
            return;
        }
        let Some(bridge) = &self.bridge else { return };
        let (reason, message) = self.engine.algorithm_condition().unwrap_or(("", "the algorithm is at work"));
        let waiting = Waiting { reason: reason.to_owned(), message: message.to_owned() };
        bridge.send(Message::Waiting(waiting), now);
    }

    /// Sends a message, unless its stream has ended.
    pub(super) fn send(&self, stream: u64, message: Message, now: Instant) {
        if let Some(bridge) = self.bridge.as_ref().filter(|bridge| bridge.stream == stream) {
            bridge.send(message, now);
        }
    }

    pub(super) fn is_open(&self, stream: u64) -> bool {
        self.bridge.as_ref().is_some_and(|bridge| bridge.stream == stream)
    }

    /// The account, with the capabilities of the bridge that has the stream.
    pub(super) fn account(&self) -> AccountResponse {
        let mut account = self.engine.account();
        if self.bridge.is_none() {
            account.bridge_capabilities.clear();
        }
        account
    }

    /// Ends the stream of a bridge that does not read.
    pub(super) fn end_unread_stream(&mut self, now: Instant) {
        if self.bridge.as_ref().is_some_and(|bridge| bridge.is_stuck(now)) {
            tracing::warn!(account = self.engine.names().0, "the bridge does not read its stream: it is ended");
            self.bridge = None;
            self.engine.drop_backlog();
        }
    }

    pub(super) fn end_stream(&mut self, status: Status) {
        if let Some(bridge) = self.bridge.take() {
            bridge.end(status);
        }
    }

    /// Names for a session and a ledger id that begin with a stream.
    fn fresh(&mut self) -> Fresh {
        Fresh { session: format!("{:016x}", self.rng.next_u64()), ledger_id: format!("{:08x}", self.rng.next_u32()) }
    }
}
