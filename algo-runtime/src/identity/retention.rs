//! Outcomes that the broker may still ask for: those of deliveries whose PUBACK it has not read for certain.

use std::{collections::BTreeMap, sync::Arc};

use intuition_api::v1::Acknowledged;

use crate::{ledger::Sender, sizes::Sizes};

/// The last report that covers a delivery which was new on its connection.
///
/// A broker repeats unacknowledged deliveries in order, before it sends anything new. So this report also covers every
/// delivery of the connections before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Report {
    run: u64,
    connection: u64,
    through: u64,
}

/// A few numbers for each connection, whatever the backlog.
#[derive(Debug, Default)]
pub(super) struct Retention {
    sizes: Sizes,
    /// Whether the bridge reports; `None` until a bridge has opened its stream.
    reports: Option<bool>,
    session: Option<Arc<str>>,
    /// A report was taken since the session became the current one.
    has_report_of_session: bool,
    run: u64,
    last: Option<Report>,
    /// Runs that opened a stream after the one of `last`.
    later: Vec<u64>,
    /// Of connections of this run, the first delivery that was new.
    first_new: BTreeMap<u64, u64>,
}

impl Retention {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self { sizes, ..Self::default() }
    }

    /// A bridge opened its stream.
    pub(super) fn open(&mut self, session: Arc<str>, run: u64, reports: bool) {
        self.has_report_of_session &= self.session.as_ref() == Some(&session);
        self.session = Some(session);
        self.reports = Some(reports);
        if self.run != run {
            self.first_new.clear();
        }
        self.run = run;
        if self.last.is_some_and(|report| report.run != run) && !self.later.contains(&run) {
            self.later.push(run);
        }
        if self.later.len() > self.sizes.runs {
            (self.last, self.later) = (None, Vec::new());
        }
    }

    /// Notes a delivery that the broker sent for the first time.
    pub(super) fn took_new(&mut self, sender: &Sender) {
        if sender.run != self.run {
            return;
        }
        self.first_new.entry(sender.connection).or_insert(sender.delivery);
        if self.first_new.len() > self.sizes.connections {
            self.first_new.pop_first();
        }
    }

    /// Takes the bridge's report.
    pub(super) fn acknowledged(&mut self, Acknowledged { through, connection }: Acknowledged) {
        if self.first_new.get(&connection).is_none_or(|first| *first > through) {
            return;
        }
        let (run, known) = (self.run, self.last.filter(|report| report.run == self.run));
        if known.is_some_and(|known| (known.connection, known.through) >= (connection, through)) {
            return;
        }
        self.last = Some(Report { run, connection, through });
        self.has_report_of_session = true;
        self.later.clear();
    }

    /// Whether rows that came this way stay in the ledger, however many there are.
    ///
    /// Another session may be the same one under another URL of the broker. Then everything that is in flight in it is repeated on
    /// the first connection, before anything new, so that the first report covers it. At another broker no report would ever do so.
    pub(super) fn holds(&self, sender: &Sender) -> bool {
        let is_of_another = || self.session.as_ref().is_some_and(|session| *session != sender.session);
        match self.reports {
            Some(false) => false,
            Some(true) if self.has_report_of_session && is_of_another() => false,
            _ => !self.is_acknowledged(sender),
        }
    }

    /// Whether the broker has read the PUBACK for certain.
    pub(super) fn is_acknowledged(&self, sender: &Sender) -> bool {
        let Some(report) = self.last else { return false };
        if sender.run != report.run {
            return !self.later.contains(&sender.run);
        }
        (sender.connection, sender.delivery) <= (report.connection, report.through)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(run: u64, connection: u64, delivery: u64) -> Sender {
        Sender { session: "s".into(), run, connection, delivery }
    }

    fn opened(run: u64) -> Retention {
        let mut retention = Retention::default();
        retention.open("s".into(), run, true);
        retention
    }

    #[test]
    fn rows_stay_until_a_report_of_their_connection_covers_them() {
        let mut retention = opened(1);
        retention.took_new(&sender(1, 1, 5));
        assert!(retention.holds(&sender(1, 1, 5)));
        retention.acknowledged(Acknowledged { through: 6, connection: 1 });
        assert!(!retention.holds(&sender(1, 1, 6)));
        assert!(retention.holds(&sender(1, 1, 7)));
        assert!(retention.holds(&sender(1, 2, 6)), "a later connection");
    }

    #[test]
    fn rows_of_an_ended_connection_go_once_a_later_delivery_is_acknowledged() {
        let mut retention = opened(1);
        retention.took_new(&sender(1, 1, 5));
        retention.open("s".into(), 1, true);
        // Deliveries 10 and 11 repeat earlier ones, 12 is new.
        retention.took_new(&sender(1, 2, 12));
        retention.acknowledged(Acknowledged { through: 11, connection: 2 });
        assert!(retention.holds(&sender(1, 1, 5)));
        retention.acknowledged(Acknowledged { through: 12, connection: 2 });
        assert!(!retention.holds(&sender(1, 1, 5)));
    }

    #[test]
    fn rows_of_another_bridge_go_the_same_way() {
        let mut retention = opened(1);
        retention.took_new(&sender(1, 1, 5));
        retention.acknowledged(Acknowledged { through: 5, connection: 1 });
        retention.open("s".into(), 2, true);
        assert!(retention.holds(&sender(1, 1, 6)));
        assert!(retention.holds(&sender(2, 1, 1)));
        retention.took_new(&sender(2, 1, 3));
        retention.acknowledged(Acknowledged { through: 3, connection: 1 });
        assert!(!retention.holds(&sender(1, 1, 6)));
        assert!(!retention.holds(&sender(2, 1, 3)));
    }

    #[test]
    fn rows_of_another_session_stay_until_the_first_report_of_the_current_one() {
        let mut retention = opened(1);
        retention.open("other".into(), 2, true);
        assert!(retention.holds(&sender(1, 1, 5)), "the same session under another URL, perhaps");
        // Bridges alternate between the URLs: no report shows that everything was repeated.
        retention.open("s".into(), 1, true);
        assert!(retention.holds(&Sender { session: "other".into(), ..sender(2, 1, 5) }));
        retention.open("other".into(), 2, true);
        retention.took_new(&Sender { session: "other".into(), ..sender(2, 1, 6) });
        retention.acknowledged(Acknowledged { through: 6, connection: 1 });
        assert!(!retention.holds(&sender(1, 1, 5)));
        assert!(!retention.holds(&sender(2, 1, 7)), "at another broker, where no report covers it");
    }

    #[test]
    fn a_bridge_that_does_not_report_holds_nothing() {
        let mut retention = opened(1);
        retention.open("s".into(), 1, false);
        assert!(!retention.holds(&sender(1, 1, 5)));
    }

    #[test]
    fn before_a_bridge_has_opened_its_stream_everything_is_held() {
        assert!(Retention::default().holds(&sender(1, 1, 5)));
    }
}
