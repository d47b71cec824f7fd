//! A bridge's reports about the outbox, and a ledger that has gone back.

use intuition_api::{
    capability,
    v1::{GivenUp, Opened, Positions},
};

use super::*;
use crate::ledger::OutboxPage;

const OURS: &str = "3f9c2a71";

fn report(through: u64, done: &[(u64, u64)], given_up: &[(u64, &str)]) -> Published {
    Published {
        through,
        done: done.iter().map(|(first, last)| Positions { first: *first, last: *last }).collect(),
        given_up: given_up
            .iter()
            .map(|(position, reason)| GivenUp {
                position: *position,
                topic: "dead-letter".to_owned(),
                reason: (*reason).to_owned(),
            })
            .collect(),
    }
}

/// That of a bridge with this knowledge of a ledger.
fn knowing(ledger_id: &str, published: Published) -> Open {
    Open {
        account: ACCOUNT.to_owned(),
        broker_url: BROKER.to_owned(),
        session_present: true,
        run: 9,
        capabilities: vec![capability::OUTBOX_QUEUES.to_owned()],
        ledger_id: ledger_id.to_owned(),
        published: Some(published),
        pages: true,
        ..Open::default()
    }
}

fn open_knowing(bench: &mut Bench, ledger_id: &str, published: Published) -> Opened {
    bench.delivered += 1;
    bench.open_with(bench.delivered % 10, &knowing(ledger_id, published)).unwrap()
}

#[test]
fn a_ledger_without_an_entry_that_the_bridge_has_heard_of_has_gone_back() {
    let open = |ledger_id: &str, last_position| Open { last_position, ..knowing(ledger_id, report(3, &[], &[])) };
    let mut bench = filled(eager());
    let id = bench.engine.account().ledger_id;
    assert!(!bench.open_with(1, &open(&id, 5)).unwrap().restored, "it has all of them");
    // The sixth was on its way to the broker, without a PUBACK, when the ledger was replaced.
    let opened = bench.open_with(2, &open(&id, 6)).unwrap();
    assert!(opened.restored && opened.ledger_id != id);
    assert_eq!(opened.published_through, 3);
}

/// Three decisions and two dead letters: D1 L2 D3 L4 D5.
fn filled(settings: Settings) -> Bench {
    let mut bench = Bench::on_disk(settings);
    for tick in [quote("1"), bad("BadPrice"), quote("2"), bad("BadPrice"), quote("3")] {
        bench.send(vec![tick]);
    }
    bench
}

fn done(bench: &mut Bench) -> (u64, Vec<(u64, u64)>) {
    let snapshot = bench.ledger.snapshot().unwrap();
    (snapshot.account.published_through, snapshot.done.ranges().collect())
}

fn positions(bench: &mut Bench) -> Vec<u64> {
    bench.ledger.outbox(OutboxPage::all(0)).unwrap().iter().map(|row| row.position).collect()
}

fn counted(bench: &Bench, name: &str) -> Vec<(String, u64)> {
    let tally = bench.engine.tally();
    tally.by_reason(name).map(|(reason, value)| (reason.to_owned(), value)).collect()
}

#[test]
fn entries_done_out_of_order_stay_in_the_outbox_until_all_before_them_are() {
    let mut bench = filled(eager());
    bench.report(&report(0, &[(2, 2), (4, 4)], &[])).unwrap();
    assert_eq!(done(&mut bench), (0, vec![(2, 2), (4, 4)]));
    assert_eq!(positions(&mut bench), [1, 2, 3, 4, 5], "v0.1.0 needs all of them");
    bench.restart(eager());
    let opened = open_knowing(&mut bench, "", Published::default());
    assert_eq!((opened.published_through, opened.done.len(), opened.restored), (0, 2, false));
    bench.report(&report(1, &[(4, 4)], &[])).unwrap();
    assert_eq!(done(&mut bench), (2, vec![(4, 4)]), "the position behind `through` was done");
    assert_eq!(positions(&mut bench), [3, 4, 5]);
    bench.report(&report(3, &[], &[])).unwrap();
    assert_eq!((done(&mut bench), positions(&mut bench)), ((4, vec![]), vec![5]));
    assert_eq!(bench.engine.account().unpublished, 1);
}

#[test]
fn entries_given_up_are_done_and_counted_once_and_a_decision_never_is_one() {
    let mut bench = filled(eager());
    bench.report(&report(0, &[], &[(4, "NotAuthorized")])).unwrap();
    bench.report(&report(0, &[(4, 4)], &[(4, "NotAuthorized"), (2, "NoAnswer")])).unwrap();
    assert_eq!(done(&mut bench), (0, vec![(2, 2), (4, 4)]));
    bench.restart(eager());
    let expected = [("NoAnswer".to_owned(), 1), ("NotAuthorized".to_owned(), 1)];
    assert_eq!(counted(&bench, counter::UNDELIVERABLE), expected);
    let refused = bench.report(&report(0, &[], &[(3, "NotAuthorized")])).unwrap_err();
    assert!(refused.to_string().contains("position 3, which is a decision"), "{refused}");
    assert_eq!(counted(&bench, counter::UNDELIVERABLE), expected);
}

#[test]
fn reports_beyond_sent_entries_are_cut_and_malformed_ones_refused() {
    let mut bench = filled(eager());
    let beyond = bench.engine.published(&report(9, &[(11, 12)], &[(20, "NoAnswer")]), 2, bench.ledger.as_mut());
    assert_eq!(beyond, Ok(10));
    assert_eq!(bench.engine.published_through(), 2);
    assert_eq!(bench.engine.published(&report(u64::MAX, &[], &[]), 3, bench.ledger.as_mut()), Ok(u64::MAX - 3));
    assert_eq!(counted(&bench, counter::PUBLISHED_BEYOND), [(String::new(), i64::MAX.cast_unsigned())]);
    for malformed in [
        report(0, &[(0, 3)], &[]),
        report(0, &[(4, 3)], &[]),
        report(0, &[(4, 5), (5, 6)], &[]),
        report(0, &[(4, u64::MAX)], &[]),
        report(0, &[], &[(0, "NoAnswer")]),
        report(0, &[], &[(4, "")]),
        report(0, &[], &[(4, "two words")]),
    ] {
        let refused = bench.engine.published(&malformed, 5, bench.ledger.as_mut());
        assert!(matches!(refused, Err(RequestError::BreakContract(_))), "{malformed:?}");
    }
}

#[test]
fn reports_have_no_commit_of_their_own_and_join_the_next() {
    let mut bench = filled(eager());
    bench.engine.published(&report(1, &[(4, 4)], &[(4, "NoAnswer")]), 5, bench.ledger.as_mut()).unwrap();
    assert_eq!((bench.engine.unsaved_reports(), bench.engine.take_changes()), (Some(2), None));
    assert_eq!(done(&mut bench), (0, vec![]));
    bench.send(vec![quote("9")]);
    assert_eq!((bench.engine.unsaved_reports(), done(&mut bench)), (None, (1, vec![(4, 4)])));
    assert_eq!(bench.ledger.snapshot().unwrap().counters[&("undeliverable".to_owned(), "NoAnswer".to_owned())], 1);
}

fn ids(committed: &v1::Committed) -> Vec<String> {
    let id = |entry: &v1::OutboxEntry| match &entry.content {
        Some(outbox_entry::Content::Decision(decision)) => Some(decision.id.clone()),
        _ => None,
    };
    committed.entries.iter().filter_map(id).collect()
}

#[test]
fn a_ledger_that_has_gone_back_numbers_later_decisions_under_another_id() {
    let mut bench = Bench::on_disk(eager());
    let first_id = bench.engine.account().ledger_id;
    let first = ids(&bench.send(vec![quote("1")]));
    // The bridge has published seven entries of this ledger, two of which are decisions that were lost.
    let opened = open_knowing(&mut bench, &first_id, report(6, &[(8, 8)], &[]));
    let next_id = opened.ledger_id.clone();
    assert!(opened.restored && next_id != first_id);
    assert_eq!(opened.published_through, 1, "entry 1 is in both timelines");
    let later = ids(&bench.send(vec![quote("2")]));
    assert_eq!((first, later), (vec![format!("{ACCOUNT}/{first_id}/1")], vec![format!("{ACCOUNT}/{next_id}/2")]));
    let account = bench.engine.account();
    assert_eq!((account.ledger_id, account.ledger_first_seq), (next_id.clone(), 2));

    bench.restart(eager());
    let (name, known) = bench.engine.names();
    assert_eq!((name, known.of(1), known.of(2)), (ACCOUNT, first_id.as_str(), next_id.as_str()));
    let verified = verify(bench.dir.as_ref().unwrap().path()).unwrap().to_string();
    assert!(verified.contains(&format!("ledger       {next_id}\n")), "{verified}");
    assert!(verified.contains(&format!("earlier id   {first_id} for decisions 1 to 1\n")), "{verified}");

    // The answer was lost on its way: the bridge still has the first id.
    let again = open_knowing(&mut bench, &first_id, report(7, &[], &[]));
    assert!(again.restored);
    assert_eq!(
        (again.ledger_id, again.published_through),
        (next_id.clone(), 1),
        "no further id, and 2 is another entry"
    );
    let present = open_knowing(&mut bench, &next_id, report(1, &[], &[]));
    assert_eq!((present.restored, present.ledger_id), (false, next_id));
}

#[test]
fn bridge_that_knows_no_more_than_the_ledger_changes_only_reports() {
    let mut bench = filled(eager());
    let id = bench.engine.account().ledger_id;
    let opened = open_knowing(&mut bench, &id, report(1, &[(4, 5)], &[]));
    assert_eq!((opened.restored, opened.published_through, &opened.ledger_id), (false, 1, &id));
    assert_eq!(opened.done, [Positions { first: 4, last: 5 }]);
    assert_eq!(counted(&bench, counter::PUBLISHED_BEYOND), []);
}

#[test]
fn unknown_ledger_id_means_an_older_copy_unless_nothing_was_decided() {
    let mut bench = Bench::new(eager());
    let opened = open_knowing(&mut bench, "deadbeef", report(8, &[], &[]));
    assert_eq!((opened.restored, opened.ledger_id.as_str(), opened.published_through), (false, OURS, 0));
    bench.send(vec![quote("1")]);
    let opened = open_knowing(&mut bench, "deadbeef", report(8, &[], &[]));
    assert!(opened.restored && opened.ledger_id != OURS);
    assert_eq!(opened.published_through, 0, "the bridge published another entry 1");
}
