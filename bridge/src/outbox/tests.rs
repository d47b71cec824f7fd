use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn filled(entries: u64, window: usize) -> Outbox<u64> {
    let mut outbox = Outbox::default();
    for position in 1..=entries {
        assert_eq!(outbox.push(position, || position), Ok(true));
    }
    outbox.connected(window);
    outbox
}

fn sent(outbox: &mut Outbox<u64>) -> Vec<u64> {
    std::iter::from_fn(|| outbox.next_to_send().map(|(position, _)| position)).collect()
}

#[test]
fn no_more_is_sent_than_the_broker_takes() {
    let mut outbox = filled(5, 2);
    assert_eq!(sent(&mut outbox), [1, 2]);
    assert_eq!(outbox.answered(1, true), [(1, 1)]);
    assert_eq!(sent(&mut outbox), [3]);
}

#[test]
fn what_is_published_grows_without_holes() {
    let mut outbox = filled(3, 10);
    assert_eq!(sent(&mut outbox), [1, 2, 3]);
    assert_eq!(outbox.answered(2, true), []);
    assert_eq!(outbox.published_through(), 0);
    assert_eq!(outbox.answered(1, true), [(1, 1), (2, 2)]);
    assert_eq!(outbox.published_through(), 2);
}

#[test]
fn nothing_behind_a_refused_entry_is_sent_until_the_broker_takes_it() {
    let mut outbox = filled(5, 3);
    assert_eq!(sent(&mut outbox), [1, 2, 3]);
    outbox.answered(1, false);
    outbox.answered(2, false);
    outbox.answered(3, true);
    assert_eq!(outbox.blocked_at(), Some(1));
    assert!(sent(&mut outbox).is_empty());
    assert_eq!(outbox.retry().map(|(position, _)| position), Some(1));
    assert_eq!(outbox.retry(), None, "one attempt at a time");
    outbox.answered(1, false);
    assert_eq!(outbox.retry().map(|(position, _)| position), Some(1));
    assert_eq!(outbox.answered(1, true), [(1, 1)]);
    assert_eq!(sent(&mut outbox), [2, 4, 5], "what has a PUBACK is not sent again");
}

#[test]
fn a_refusal_behind_the_one_that_is_tried_again_starts_no_second_attempt() {
    let mut outbox = filled(4, 3);
    assert_eq!(sent(&mut outbox), [1, 2, 3]);
    outbox.answered(1, false);
    outbox.answered(2, true);
    assert_eq!(outbox.retry().map(|(position, _)| position), Some(1));
    outbox.answered(3, false);
    assert_eq!(outbox.retry(), None, "the attempt is still on its way");
    assert_eq!(outbox.answered(1, true), [(1, 1), (2, 2)]);
    assert_eq!(sent(&mut outbox), [3, 4], "the whole window is free again");
}

#[test]
fn what_has_no_puback_is_sent_again_on_the_next_connection_and_the_first_alone() {
    let mut outbox = filled(4, 10);
    assert_eq!(sent(&mut outbox), [1, 2, 3, 4]);
    outbox.answered(2, true);
    outbox.disconnected();
    assert!(sent(&mut outbox).is_empty());
    outbox.connected(10);
    assert_eq!(sent(&mut outbox), [1]);
    outbox.answered(1, true);
    assert_eq!(sent(&mut outbox), [3, 4]);
}

#[test]
fn a_stream_that_begins_again_repeats_what_it_does_not_know_to_be_published() {
    let mut outbox = filled(3, 10);
    sent(&mut outbox);
    outbox.answered(1, true);
    outbox.opened(0);
    assert_eq!(outbox.push(1, || 1), Ok(false));
    assert_eq!(outbox.push(3, || 3), Ok(false));
    assert_eq!(outbox.push(4, || 4), Ok(true));
    assert_eq!(outbox.push(6, || 6), Err(MissingPosition { expected: 5, found: 6 }));
    outbox.opened(10);
    assert_eq!((outbox.published_through(), outbox.unpublished()), (10, 0));
    assert_eq!(outbox.push(11, || 11), Ok(true));
    assert_eq!(sent(&mut outbox), [11]);
}

#[derive(Debug, Clone)]
enum Happens {
    Entry,
    Send,
    Accepted(usize),
    Refused(usize),
    Reconnect(usize),
    Retry,
    StreamLost,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::Entry),
        3 => Just(Happens::Send),
        5 => (0_usize..4).prop_map(Happens::Accepted),
        1 => (0_usize..4).prop_map(Happens::Refused),
        1 => (1_usize..5).prop_map(Happens::Reconnect),
        2 => Just(Happens::Retry),
        1 => Just(Happens::StreamLost),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_everything_is_published_in_order_and_nothing_counts_too_early(
        script in proptest::collection::vec(happens(), 1..150)
    ) {
        let mut outbox: Outbox<u64> = Outbox::default();
        let (mut last, mut told) = (0_u64, 0_u64);
        let (mut under_way, mut accepted) = (VecDeque::new(), std::collections::BTreeSet::new());
        outbox.connected(3);
        let mut publish = |outbox: &mut Outbox<u64>, position: u64, accepted: &mut std::collections::BTreeSet<u64>| {
            accepted.insert(position);
            for (published, content) in outbox.answered(position, true) {
                assert_eq!((published, content), (told + 1, told + 1), "in order, once");
                told = published;
            }
        };
        for step in script {
            match step {
                Happens::Entry => {
                    last += 1;
                    prop_assert_eq!(outbox.push(last, || last), Ok(true));
                }
                Happens::Send => while let Some((position, _)) = outbox.next_to_send() {
                    prop_assert!(!accepted.contains(&position), "sent again after its PUBACK");
                    under_way.push_back(position);
                },
                Happens::Accepted(index) => if let Some(position) = under_way.remove(index) {
                    publish(&mut outbox, position, &mut accepted);
                },
                Happens::Refused(index) => if let Some(position) = under_way.remove(index) {
                    prop_assert_eq!(outbox.answered(position, false), vec![]);
                    prop_assert!(outbox.blocked_at().is_some());
                    prop_assert_eq!(outbox.next_to_send(), None);
                },
                Happens::Reconnect(window) => {
                    under_way.clear();
                    outbox.connected(window);
                }
                Happens::Retry => if let Some((position, _)) = outbox.retry() {
                    prop_assert!(!accepted.contains(&position));
                    under_way.push_back(position);
                },
                Happens::StreamLost => outbox.opened(outbox.published_through() / 2),
            }
            let holes = (1..=outbox.published_through()).find(|position| !accepted.contains(position));
            prop_assert_eq!(holes, None, "published without a PUBACK");
        }
        under_way.clear();
        outbox.connected(2);
        for _ in 0..2 * last + 2 {
            let next = outbox.retry().map(|(position, _)| position);
            let next = next.or_else(|| outbox.next_to_send().map(|(position, _)| position));
            if let Some(position) = next {
                publish(&mut outbox, position, &mut accepted);
            }
        }
        prop_assert_eq!(outbox.published_through(), last);
    }
}
