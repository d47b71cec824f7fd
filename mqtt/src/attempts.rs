//! The attempts of one link to keep a connection: how each ended, and the pause before the next. No I/O, no clock.

use std::time::Duration;

use super::{LinkError, pauses::Pauses};

/// A connection shorter than this counts as a failed attempt: not every broker reports that another client took the session.
const STEADY_AFTER: Duration = Duration::from_secs(5);
/// Short connections in a row, without a reason from the broker, that mean another client with the same client id.
const MAX_SHORT_CONNECTIONS: u32 = 3;

/// The attempts of one link.
#[derive(Debug)]
pub struct Attempts {
    client_id: String,
    pauses: Pauses,
    /// Connections in a row that the broker closed shortly after it accepted them.
    short_connections: u32,
}

impl Attempts {
    /// The attempts of a client, with pauses from a seed.
    pub fn seeded(client_id: String, seed: u64) -> Self {
        Self { client_id, pauses: Pauses::seeded(seed), short_connections: 0 }
    }

    /// The pause after an attempt that ended before the broker was asked, for want of credentials.
    pub fn unasked(&mut self, error: &LinkError) -> Duration {
        self.pauses.after(error)
    }

    /// The pause after an attempt that the broker did not accept.
    pub fn failed(&mut self, error: &LinkError) -> Duration {
        self.short_connections = 0;
        self.pauses.after(error)
    }

    /// The reason why an accepted connection ended, with the pause after it. `has_refused`: as of
    /// [`Protocol::has_refused`](super::Protocol::has_refused). `lasted`: since the attempt began.
    pub fn ended(&mut self, error: LinkError, has_refused: bool, lasted: Duration) -> (LinkError, Duration) {
        let is_steady = lasted >= STEADY_AFTER;
        if is_steady {
            self.pauses.reset();
        }
        let error = if matches!(error, LinkError::Reach(_)) && !has_refused && !is_steady {
            self.closed_early(error)
        } else {
            self.short_connections = 0;
            error
        };
        let pause = self.pauses.after(&error);
        (error, pause)
    }

    /// mosquitto 2.0.11 closes the older of two connections of one client id without a reason.
    fn closed_early(&mut self, error: LinkError) -> LinkError {
        self.short_connections = self.short_connections.saturating_add(1);
        if self.short_connections < MAX_SHORT_CONNECTIONS {
            return error;
        }
        LinkError::ClientIdInUse {
            client_id: self.client_id.clone(),
            connections: self.short_connections,
            source: Box::new(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    fn closed() -> LinkError {
        LinkError::Reach("closed".into())
    }

    fn reasons(attempts: &mut Attempts, has_refused: bool, lasted: Duration, count: usize) -> Vec<&'static str> {
        (0..count).map(|_| attempts.ended(closed(), has_refused, lasted).0.reason()).collect()
    }

    fn attempts() -> Attempts {
        Attempts::seeded("client".to_owned(), 1)
    }

    #[test]
    fn third_short_connection_without_a_reason_means_client_id_in_use() {
        assert_eq!(reasons(&mut attempts(), false, SHORT, 3), ["Unreachable", "Unreachable", "ClientIdInUse"]);
        assert_eq!(reasons(&mut attempts(), true, SHORT, 3), ["Unreachable"; 3]);
        assert_eq!(reasons(&mut attempts(), false, STEADY_AFTER, 3), ["Unreachable"; 3]);
        let mut interrupted = attempts();
        assert_eq!(reasons(&mut interrupted, false, SHORT, 2), ["Unreachable"; 2]);
        interrupted.failed(&closed());
        assert_eq!(reasons(&mut interrupted, false, SHORT, 2), ["Unreachable"; 2], "an attempt failed between them");
        interrupted.unasked(&LinkError::NoCertificates);
        assert_eq!(
            reasons(&mut interrupted, false, SHORT, 1),
            ["ClientIdInUse"],
            "the broker was not asked between them"
        );
    }

    #[test]
    fn pauses_grow_over_short_connections_and_reset_after_a_steady_one() {
        let mut attempts = attempts();
        let longest = (0..100).map(|_| attempts.ended(closed(), true, SHORT).1).max();
        assert!(longest > Some(Duration::from_secs(1)), "{longest:?}");
        let (_, pause) = attempts.ended(closed(), true, STEADY_AFTER);
        assert!(pause <= Duration::from_millis(100), "{pause:?}");
    }

    #[test]
    fn attempts_with_one_seed_pause_alike() {
        let drawn = |seed| {
            let mut attempts = Attempts::seeded("client".to_owned(), seed);
            let errors = [closed(), LinkError::StandDown, LinkError::NoCertificates];
            (0..30).map(|turn| attempts.failed(&errors[turn % 3])).collect::<Vec<_>>()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }
}
