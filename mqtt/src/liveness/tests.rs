use super::*;

const INTERVAL: Duration = Duration::from_secs(30);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn begun() -> (Liveness, Instant) {
    let now = Instant::now();
    (Liveness::new(INTERVAL, Sizes::default(), now), now)
}

#[test]
fn pingreq_is_due_when_nothing_was_written_or_read_for_the_interval() {
    let (mut liveness, start) = begun();
    assert!(!liveness.ping(start + seconds(29), true));
    liveness.read(start + seconds(29));
    assert!(liveness.ping(start + seconds(30), true), "nothing was written");
    let (mut liveness, start) = begun();
    liveness.wrote(start + seconds(29));
    assert_eq!(liveness.wake(true), start + INTERVAL);
    assert!(liveness.ping(start + seconds(30), true), "nothing was read");
    assert!(!liveness.ping(start + seconds(59), true));
    assert!(liveness.ping(start + seconds(60), true), "another goes out while one has no answer");
}

#[test]
fn any_bytes_that_arrive_are_a_sign_of_life() {
    let (mut liveness, start) = begun();
    assert!(liveness.ping(start + seconds(30), true));
    assert!(!liveness.is_dead(start + seconds(59)));
    assert!(liveness.is_dead(start + seconds(60)));
    // Messages of a backlog, no PINGRESP.
    for second in 31..600 {
        let now = start + seconds(second);
        liveness.read(now);
        liveness.ping(now, true);
        assert!(!liveness.is_dead(now));
    }
    liveness.ping(start + seconds(630), true);
    assert!(liveness.is_dead(start + seconds(660)));
}

#[test]
fn silence_of_the_broker_counts_only_while_something_is_read() {
    let (mut liveness, start) = begun();
    liveness.set_reading(false, start + seconds(1));
    for second in 2..300 {
        let now = start + seconds(second);
        let pinged = liveness.ping(now, true);
        assert_eq!(pinged, second % 30 == 0, "{second}");
        liveness.set_reading(false, now);
        assert!(!liveness.is_dead(now));
    }
    liveness.set_reading(true, start + seconds(300));
    assert!(!liveness.is_dead(start + seconds(329)));
    assert!(liveness.is_dead(start + seconds(330)), "answers are due and nothing comes");
}

#[test]
fn pingresp_confirms_what_was_acknowledged_before_its_pingreq() {
    let (mut liveness, start) = begun();
    liveness.acknowledged(7);
    assert!(liveness.ping(start + seconds(1), true));
    liveness.acknowledged(8);
    assert!(liveness.ping(start + seconds(2), true), "a second one goes out while the first has no answer");
    liveness.acknowledged(9);
    assert_eq!(liveness.answered(), Some(7));
    assert_eq!(liveness.answered(), Some(8));
    assert_eq!(liveness.answered(), None, "9 was acknowledged behind both");
    assert!(liveness.ping(start + seconds(3), true));
    assert!(liveness.ping(start + seconds(33), true), "for the keep alive");
    assert_eq!(liveness.answered(), Some(9));
    assert_eq!(liveness.answered(), None, "no news");
}

#[test]
fn confirmation_is_requested_once_a_second_when_idle_or_after_8192() {
    let (mut liveness, start) = begun();
    liveness.acknowledged(1);
    assert!(!liveness.ping(start, true), "within the first second");
    assert_eq!(liveness.wake(true), start + seconds(1));
    assert_eq!(liveness.wake(false), start + INTERVAL);
    assert!(!liveness.ping(start + seconds(1), false), "more PUBACKs wait");
    for number in 2..=8_192 {
        liveness.acknowledged(number);
    }
    assert!(liveness.ping(start + seconds(1), false));
    assert!(!liveness.ping(start + seconds(2), true), "nothing new to confirm");
}

#[test]
fn unanswered_confirmations_are_bounded() {
    let (mut liveness, start) = begun();
    let mut asked = 0;
    for second in 1..3_000 {
        let now = start + seconds(second);
        liveness.read(now);
        liveness.wrote(now);
        liveness.acknowledged(second);
        asked += usize::from(liveness.ping(now, true));
    }
    assert_eq!(asked, Sizes::default().unanswered_pings);
    assert_eq!(liveness.answered(), Some(1));
    assert!(liveness.ping(start + seconds(3_000), true), "an answer makes room");
}
