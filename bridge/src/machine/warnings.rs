//! Warnings about brokers that lack a part of MQTT 5 or lose sessions. The bridge works on, and stays ready.

use std::time::Duration;

use intuition_api::reason;
use intuition_mqtt::Capabilities;
use tokio::time::Instant;

use crate::{
    readiness::{self, ReadinessReporter},
    subscriptions::Subscriptions,
};

/// The reason for a broker that takes no publication with `QoS` 1: the name of reason code 0x9B.
const QOS_NOT_SUPPORTED: &str = "QoSNotSupported";
/// Duration of the warning about a lost session. The loss itself is over at once, and a person has to see it.
const SESSION_LOST_WARNING_PERIOD: Duration = Duration::from_hours(1);
/// The message about a lost session.
pub(super) const SESSION_LOST: &str =
    "the broker has lost the session: messages that waited there are gone; check its persistence and session expiry";

/// Warnings about the connection that quotes come on. Pure: times come in as arguments.
#[derive(Debug)]
pub(super) struct BrokerWarnings {
    /// The session expiry that the bridge requested.
    session_expiry: Duration,
    lost_until: Option<Instant>,
}

impl BrokerWarnings {
    pub(super) const fn new(session_expiry: Duration) -> Self {
        Self { session_expiry, lost_until: None }
    }

    /// The broker accepted a connection.
    pub(super) fn connected(&self, capabilities: &Capabilities, readiness: &mut ReadinessReporter) {
        let (asked, granted) = (self.session_expiry.as_secs(), capabilities.session_expiry.map(u64::from));
        let message = granted.filter(|granted| *granted < asked).map(|granted| {
            format!(
                "the broker keeps the session for {granted} s without a connection, not for {asked} s: it drops the quotes of \
                 a longer outage; raise its maximum session expiry"
            )
        });
        readiness.set_warning(readiness::BROKER, "SessionExpiryShortened", message.as_deref());
    }

    /// The broker lost the session.
    pub(super) fn lost_session(&mut self, now: Instant, readiness: &mut ReadinessReporter) {
        self.lost_until = Some(now + SESSION_LOST_WARNING_PERIOD);
        readiness.warn(readiness::BROKER, reason::SESSION_LOST, SESSION_LOST);
    }

    /// Clears expired warnings.
    pub(super) fn expire(&mut self, now: Instant, readiness: &mut ReadinessReporter) {
        if self.lost_until.take_if(|until| *until <= now).is_some() {
            readiness.clear_warning(readiness::BROKER, reason::SESSION_LOST);
        }
    }
}

/// Whether the connection that decisions go out on can be used, with a warning where the broker keeps no state.
pub(super) fn of_publisher(capabilities: &Capabilities, readiness: &mut ReadinessReporter) -> bool {
    let message = "the broker keeps no retained messages: the account has no state topic there; /readyz has the state";
    readiness.set_warning(readiness::PUBLISHER, "RetainUnavailable", (!capabilities.retain).then_some(message));
    if capabilities.max_qos > 0 {
        readiness.set_ready(readiness::PUBLISHER);
        return true;
    }
    let message = "the broker takes publications with QoS 0 alone, and a bridge publishes with QoS 1: raise the Maximum QoS of \
                   the broker";
    readiness.set_missing(readiness::PUBLISHER, QOS_NOT_SUPPORTED, message);
    false
}

/// Warnings about subscriptions that are settled.
pub(super) fn of_subscriptions(
    subscriptions: &Subscriptions,
    takes_identifiers: bool,
    readiness: &mut ReadinessReporter,
) {
    let overlapping = subscriptions.overlapping().filter(|_| !takes_identifiers).map(|(one, other)| {
        format!(
            "`{one}` and `{other}` overlap, and the broker has no Subscription Identifiers to tell the copies of a message \
             apart: a quote without an id and a sequence number may count once for each filter; let no two filters overlap"
        )
    });
    readiness.set_warning(readiness::SUBSCRIPTIONS, reason::OVERLAP_UNRESOLVED, overlapping.as_deref());
    let filters: Vec<String> = subscriptions.without_redelivery().map(|filter| format!("`{filter}`")).collect();
    let too_low = (!filters.is_empty()).then(|| {
        format!(
            "the broker granted QoS 0 for {}: a quote that gets lost on the way does not come again; let this client subscribe \
             with QoS 1",
            filters.join(", ")
        )
    });
    readiness.set_warning(readiness::SUBSCRIPTIONS, reason::QOS_TOO_LOW, too_low.as_deref());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use intuition_common::{clock::SystemClock, readiness::Readiness};

    use super::*;

    fn warned(readiness: &Readiness) -> Vec<(&'static str, String)> {
        readiness.warnings().into_iter().map(|warning| (warning.part, warning.reason)).collect()
    }

    #[test]
    fn session_lost_is_warned_of_for_an_hour() {
        let readiness = Readiness::new(&readiness::PARTS, Arc::new(SystemClock));
        let mut reporter = ReadinessReporter::new(readiness.clone(), "default/test".to_owned());
        let (mut warnings, start) = (BrokerWarnings::new(Duration::from_hours(24)), Instant::now());
        warnings.lost_session(start, &mut reporter);
        warnings.expire(start + Duration::from_mins(59), &mut reporter);
        assert_eq!(warned(&readiness), [("broker", "SessionLost".to_owned())]);
        warnings.lost_session(start + Duration::from_mins(59), &mut reporter);
        warnings.expire(start + Duration::from_mins(61), &mut reporter);
        assert_eq!(warned(&readiness).len(), 1, "the later loss counts");
        warnings.expire(start + Duration::from_mins(119), &mut reporter);
        assert_eq!(warned(&readiness), []);
    }

    #[test]
    fn session_expiry_below_the_one_asked_for_is_a_warning_with_both_times() {
        let readiness = Readiness::new(&readiness::PARTS, Arc::new(SystemClock));
        let mut reporter = ReadinessReporter::new(readiness.clone(), "default/test".to_owned());
        let warnings = BrokerWarnings::new(Duration::from_hours(24));
        let with = |session_expiry| Capabilities { session_expiry, ..Capabilities::UNLIMITED };
        warnings.connected(&with(Some(3_600)), &mut reporter);
        let message = readiness.warnings().remove(0).message;
        assert!(message.contains("3600 s") && message.contains("86400 s"), "{message}");
        for enough in [None, Some(86_400), Some(u32::MAX)] {
            warnings.connected(&with(enough), &mut reporter);
            assert_eq!(warned(&readiness), []);
        }
    }
}
