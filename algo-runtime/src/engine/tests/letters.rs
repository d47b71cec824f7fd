//! Dead letters: one for each message and commit.

use intuition_api::v1::DeadLetter;

use super::{far::*, *};

fn letters(committed: &v1::Committed) -> Vec<&DeadLetter> {
    let letters = committed.entries.iter().filter_map(|entry| match &entry.content {
        Some(outbox_entry::Content::DeadLetter(letter)) => Some(letter),
        _ => None,
    });
    letters.collect()
}

fn causes(letter: &DeadLetter) -> Vec<(&str, u32)> {
    letter.causes.iter().map(|cause| (cause.reason.as_str(), cause.count)).collect()
}

#[test]
fn ticks_of_a_message_share_a_letter_that_counts_their_reasons() {
    let mut bench = Bench::new(eager());
    let committed = bench.send(vec![bad("BadPrice"), quote("1"), bad("BadSymbol"), bad("BadPrice")]);
    let letters = letters(&committed);
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].reason.as_str(), letters[0].message.as_str()), ("BadPrice", "why"));
    assert_eq!(causes(letters[0]), [("BadPrice", 2), ("BadSymbol", 1)]);
    assert_eq!(letters[0].payload, "payload");
    let positions: Vec<&[u64]> = committed.outcomes[0].ticks.iter().map(|tick| tick.positions.as_slice()).collect();
    assert_eq!(positions, [[1], [2], [1], [1]]);
    let tally = bench.engine.tally();
    assert_eq!(tally.by_reason(counter::DEAD_LETTERED).collect::<Vec<_>>(), [("BadPrice", 2), ("BadSymbol", 1)]);
}

#[test]
fn a_hundred_messages_with_eight_faults_each_carry_each_payload_once() {
    let mut bench = Bench::new(eager());
    let payload = bytes::Bytes::from(vec![b'x'; 64 << 10]);
    let deliveries: Vec<Delivery> = (0..100)
        .map(|_| {
            let ticks = (0..8).map(|fault| bad(&format!("Fault{fault}"))).collect();
            Delivery { payload: payload.clone(), payload_size: 64 << 10, ..bench.delivery("quotes", ticks) }
        })
        .collect();
    let committed = bench.process(&deliveries);
    let letters = letters(&committed);
    assert_eq!((letters.len(), committed.entries.len()), (100, 100));
    assert!(letters.iter().all(|letter| letter.payload.len() == 64 << 10 && letter.causes.len() == 8));
}

#[test]
fn letters_of_later_commits_leave_the_payload_out() {
    let mut wired = Wired::new(at(A, 1));
    wired.come_up(A, "momentum", &["quotes"]);
    let mut ticks = vec![quote("10"); 300];
    ticks.insert(0, bad("BadPrice"));
    ticks.extend([bad("BadSymbol"), bad("BadTime")]);
    let delivery = wired.bench.delivery("quotes", ticks);
    wired.take(&[delivery]);
    wired.answer(A, "s");
    let first = wired.told();
    assert_eq!(letters(&first).iter().map(|letter| letter.payload.len()).collect::<Vec<_>>(), [7]);
    assert!(first.outcomes.is_empty());
    wired.answer(A, "s");
    let second = wired.told();
    let later = letters(&second);
    assert_eq!(later.len(), 1);
    assert_eq!(causes(later[0]), [("BadSymbol", 1), ("BadTime", 1)]);
    assert_eq!((later[0].payload.len(), later[0].payload_size, later[0].payload_sha256.len()), (0, 7, 32));
    let ticks = &second.outcomes[0].ticks;
    assert_eq!(
        (&ticks[0].positions, &ticks[301].positions),
        (&vec![letter_position(&first)], &vec![letter_position(&second)])
    );
    assert_eq!(ticks[302].positions, ticks[301].positions);
}

fn letter_position(committed: &v1::Committed) -> u64 {
    let is_letter = |entry: &&v1::OutboxEntry| matches!(entry.content, Some(outbox_entry::Content::DeadLetter(_)));
    committed.entries.iter().find(is_letter).unwrap().position
}

#[test]
fn reasons_and_their_texts_are_bounded_in_a_letter_and_in_the_counters() {
    let mut bench = Bench::new(eager());
    let mut ticks: Vec<Tick> = (0..200).map(|fault| bad(&format!("Fault{fault:03}"))).collect();
    let unusable = Unusable { reason: "Long".to_owned(), message: "ä".repeat(3_000) };
    ticks.insert(0, Tick { content: Some(Content::Unusable(unusable)), ..Tick::default() });
    let committed = bench.send(ticks);
    let letter = letters(&committed)[0];
    assert_eq!(letter.causes.len(), 32);
    assert_eq!(causes(letter)[31], ("Other", 170));
    assert_eq!(letter.causes.iter().map(|cause| u64::from(cause.count)).sum::<u64>(), 201);
    assert!(letter.message.len() <= 1_024 && letter.message.ends_with("ä..."), "{}", letter.message.len());
    let tally = bench.engine.tally();
    let counters: Vec<(&str, u64)> = tally.by_reason(counter::DEAD_LETTERED).collect();
    assert_eq!((counters.len(), tally.count(counter::DEAD_LETTERED)), (101, 201));
    assert!(counters.contains(&("Other", 101)), "{counters:?}");
}
