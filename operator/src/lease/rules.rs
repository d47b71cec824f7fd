//! The rules of the election, from the observed Lease. Pure: times are arguments.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::{SignedDuration, Timestamp},
};
use tokio::time::Instant;

/// One elector's view of the Lease.
#[derive(Debug, Clone)]
pub(super) struct View {
    name: String,
    /// Our holder identity.
    identity: String,
    /// Our lease duration, in whole seconds.
    duration: Duration,
    lease: Option<Lease>,
    /// Another replica may lead until this time, by our own clock.
    free_at: Instant,
}

/// The next step of an elector.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// No Lease exists: create this one.
    Create(Lease),
    /// Replace the Lease by this one, with the version in it.
    Replace(Lease),
    /// Another replica may lead until this time. Read the Lease again before.
    Wait(Instant),
}

impl View {
    /// The view of an elector that has not read the Lease yet.
    pub(super) fn new(name: &str, identity: &str, duration: Duration, now: Instant) -> Self {
        Self { name: name.to_owned(), identity: identity.to_owned(), duration, lease: None, free_at: now }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// The holder; empty for a released Lease.
    pub(super) fn holder(&self) -> &str {
        self.spec().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
    }

    /// Updates the view from a read or a write. `now` is not before the answer came.
    pub(super) fn see(&mut self, found: Option<Lease>, now: Instant) {
        let before = (self.is_others(), self.promised());
        // The spec is compared and not the version, which changes of labels and annotations move too.
        let has_changed = found.as_ref().and_then(|lease| lease.spec.as_ref()) != self.spec();
        self.lease = found;
        if !has_changed {
            return;
        }
        let wait = match &self.lease {
            Some(_) if self.is_others() => self.promised(),
            // The Lease was deleted, and its holder may not know yet.
            None if before.0 => before.1,
            _ => Duration::ZERO,
        };
        self.free_at = now + wait;
    }

    /// The next step. `now` is not later than the call of the step; `wall` is for people.
    pub(super) fn next(&self, now: Instant, wall: Timestamp) -> Step {
        if self.holder() != self.identity && now < self.free_at {
            return Step::Wait(self.free_at);
        }
        let claimed = self.claimed(wall);
        if let Some(lease) = &self.lease {
            return Step::Replace(Lease { spec: Some(claimed), ..lease.clone() });
        }
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        Step::Create(Lease { metadata, spec: Some(claimed) })
    }

    /// The released Lease; `None` if it is not ours.
    pub(super) fn released(&self, wall: Timestamp) -> Option<Lease> {
        let lease = self.lease.as_ref().filter(|_| self.holder() == self.identity)?;
        let spec = LeaseSpec { holder_identity: Some(String::new()), ..self.claimed(wall) };
        Some(Lease { spec: Some(spec), ..lease.clone() })
    }

    /// The spec with us as the holder.
    fn claimed(&self, wall: Timestamp) -> LeaseSpec {
        let before = self.spec().cloned().unwrap_or_default();
        // Every write must be a visible change, even if the wall clock stands still.
        let tick = SignedDuration::from_micros(1);
        let after = before.renew_time.as_ref().and_then(|MicroTime(last)| last.checked_add(tick).ok());
        let renewed = MicroTime(after.map_or(wall, |after| after.max(wall)));
        let (acquired, transitions) = if self.holder() == self.identity {
            (before.acquire_time.clone(), before.lease_transitions)
        } else {
            let transitions =
                self.lease.as_ref().map_or(0, |_| before.lease_transitions.unwrap_or(0).saturating_add(1));
            (Some(renewed.clone()), Some(transitions))
        };
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX)),
            acquire_time: acquired,
            renew_time: Some(renewed),
            lease_transitions: transitions,
            ..before
        }
    }

    fn is_others(&self) -> bool {
        !self.holder().is_empty() && self.holder() != self.identity
    }

    /// The holder's lease duration; ours if it is missing or not positive.
    fn promised(&self) -> Duration {
        let seconds = self.spec().and_then(|spec| spec.lease_duration_seconds);
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        seconds.map_or(self.duration, Duration::from_secs)
    }

    fn spec(&self) -> Option<&LeaseSpec> {
        self.lease.as_ref()?.spec.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(15);

    fn wall(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn lease(holder: &str, renewed: i64) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(20),
            renew_time: Some(MicroTime(wall(renewed))),
            acquire_time: Some(MicroTime(wall(0))),
            lease_transitions: Some(4),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta {
            name: Some("operator".to_owned()),
            resource_version: Some(renewed.to_string()),
            ..ObjectMeta::default()
        };
        Lease { metadata, spec: Some(spec) }
    }

    /// A candidate `me` that saw these, each so many seconds after it began.
    fn seen(begin: Instant, looks: &[(u64, Option<Lease>)]) -> View {
        let mut view = View::new("operator", "me", LEASE, begin);
        for (second, found) in looks {
            view.see(found.clone(), begin + Duration::from_secs(*second));
        }
        view
    }

    #[test]
    fn a_lease_is_left_alone_for_as_long_as_its_holder_may_lead() {
        let begin = Instant::now();
        let (other, touched) = (lease("other", 1), {
            let mut touched = lease("other", 1);
            touched.metadata.resource_version = Some("9".to_owned());
            touched
        });
        let promises_nothing = {
            let mut lease = lease("other", 1);
            lease.spec.as_mut().unwrap().lease_duration_seconds = Some(0);
            lease
        };
        // The observed Lease, and the second at which it is free.
        for (what, looks, free) in [
            ("there is none", vec![(3, None)], 0),
            ("nobody has it", vec![(3, Some(lease("", 1)))], 3),
            ("it is ours", vec![(3, Some(lease("me", 1)))], 3),
            ("another has it", vec![(3, Some(other.clone()))], 23),
            ("another has it and promised nothing", vec![(3, Some(promises_nothing))], 18),
            ("it did not change", vec![(3, Some(other.clone())), (9, Some(other.clone()))], 23),
            ("only its version changed", vec![(3, Some(other.clone())), (9, Some(touched))], 23),
            ("it was renewed", vec![(3, Some(other.clone())), (9, Some(lease("other", 2)))], 29),
            ("it was renewed by an older clock", vec![(3, Some(other.clone())), (9, Some(lease("other", -99)))], 29),
            ("another one took it", vec![(3, Some(other.clone())), (9, Some(lease("third", 2)))], 29),
            ("it was given back", vec![(3, Some(other.clone())), (9, Some(lease("", 2)))], 9),
            ("it was deleted under another", vec![(3, Some(other.clone())), (9, None)], 29),
            ("it stays deleted", vec![(3, Some(other)), (9, None), (11, None)], 29),
            ("it was deleted under us", vec![(3, Some(lease("me", 1))), (9, None)], 9),
        ] {
            let view = seen(begin, &looks);
            let free_at = begin + Duration::from_secs(free);
            let just_before = free_at - Duration::from_millis(1);
            if free > looks.last().unwrap().0 {
                assert_eq!(view.next(just_before, wall(0)), Step::Wait(free_at), "{what}");
            }
            assert!(!matches!(view.next(free_at, wall(0)), Step::Wait(_)), "{what}");
        }
    }

    #[test]
    fn acquired_lease_has_times_transitions_and_the_version_read() {
        let begin = Instant::now();
        let taken = |found: Option<Lease>| match seen(begin, &[(0, found)]).next(begin + LEASE * 2, wall(50)) {
            Step::Create(lease) | Step::Replace(lease) => lease,
            Step::Wait(_) => panic!("it is free"),
        };
        for (found, acquired, transitions) in
            [(None, 50, 0), (Some(lease("other", 1)), 50, 5), (Some(lease("", 1)), 50, 5), (Some(lease("me", 1)), 0, 4)]
        {
            let version = found.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
            let Lease { metadata, spec } = taken(found);
            let spec = spec.unwrap();
            assert_eq!((metadata.name.as_deref(), metadata.resource_version), (Some("operator"), version));
            assert_eq!(spec.holder_identity.as_deref(), Some("me"));
            assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(15), Some(transitions)));
            assert_eq!(
                (spec.acquire_time, spec.renew_time),
                (Some(MicroTime(wall(acquired))), Some(MicroTime(wall(50))))
            );
        }
    }

    #[test]
    fn every_renewal_is_a_change_also_with_a_clock_that_was_set_back() {
        let view = seen(Instant::now(), &[(0, Some(lease("me", 100)))]);
        let Step::Replace(renewed) = view.next(Instant::now(), wall(7)) else { panic!("it is ours") };
        let expected = wall(100).checked_add(SignedDuration::from_micros(1)).unwrap();
        assert_eq!(renewed.spec.unwrap().renew_time, Some(MicroTime(expected)));
    }

    #[test]
    fn only_what_is_ours_is_given_back() {
        let begin = Instant::now();
        for found in [None, Some(lease("", 1)), Some(lease("other", 1))] {
            assert_eq!(seen(begin, &[(0, found)]).released(wall(9)), None);
        }
        let given = seen(begin, &[(0, Some(lease("me", 1)))]).released(wall(9)).unwrap();
        assert_eq!(given.spec.unwrap().holder_identity.as_deref(), Some(""));
        assert_eq!(given.metadata.resource_version.as_deref(), Some("1"));
    }
}
