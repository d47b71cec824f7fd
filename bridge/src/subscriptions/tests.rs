use super::*;

const GRANTED: Code = Code { value: 1, name: "Granted" };
const DENIED: Code = Code { value: 0x87, name: "NotAuthorized" };

fn fresh() -> Subscriptions {
    Subscriptions::new(vec!["intuition/ns/a/#".to_owned(), "trades".to_owned()], 0)
}

fn filter(filter: &str, subscription_id: u32) -> Filter {
    Filter { filter: filter.to_owned(), subscription_id }
}

fn names(filters: &[&str]) -> Vec<String> {
    filters.iter().map(|filter| (*filter).to_owned()).collect()
}

/// Answers every SUBSCRIBE and UNSUBSCRIBE among the steps, and gives what comes of it.
fn answer(subscriptions: &mut Subscriptions, steps: &[Step], code: Code) -> Vec<Step> {
    let mut next = Vec::new();
    for step in steps {
        match step {
            Step::Subscribe { token, .. } => next.extend(subscriptions.subscribed(*token, code)),
            Step::Unsubscribe { token, .. } => next.extend(subscriptions.unsubscribed(*token, code)),
            Step::Hold(_) | Step::Mark(_) => {}
        }
    }
    next
}

/// Both sides are there, and the ledger has these filters.
fn opened(held: &[Filter], wanted: &[&str]) -> (Subscriptions, Vec<Step>) {
    let mut subscriptions = fresh();
    assert_eq!(subscriptions.connected(true), []);
    subscriptions.opened(held.to_vec(), false);
    let steps = subscriptions.wanted(1, names(wanted));
    (subscriptions, steps)
}

fn settled(wanted: &[&str]) -> Subscriptions {
    let (mut subscriptions, _) = opened(&[], wanted);
    let steps = subscriptions.recorded();
    assert_eq!(answer(&mut subscriptions, &steps, GRANTED), [Step::Mark(1)]);
    assert!(subscriptions.is_settled());
    subscriptions
}

#[test]
fn filters_are_recorded_before_subscribe_and_after_unsubscribe() {
    let (mut subscriptions, steps) = opened(&[filter("old", 2), filter("both", 1)], &["both", "new"]);
    assert_eq!(steps, [Step::Hold(vec![filter("old", 2), filter("both", 1), filter("new", 3)])]);
    let steps = subscriptions.recorded();
    assert_eq!(
        steps,
        [
            Step::Subscribe { token: 1, filter: filter("both", 1) },
            Step::Subscribe { token: 2, filter: filter("new", 3) }
        ]
    );
    let steps = answer(&mut subscriptions, &steps, GRANTED);
    assert_eq!(steps, [Step::Mark(1), Step::Unsubscribe { token: 3, filter: "old".to_owned() }]);
    assert!(!subscriptions.is_settled());
    let steps = answer(&mut subscriptions, &steps, GRANTED);
    assert_eq!(steps, [Step::Hold(vec![filter("both", 1), filter("new", 3)])]);
    assert_eq!(subscriptions.recorded(), []);
    assert!(subscriptions.is_settled());
}

#[test]
fn every_connection_subscribes_again() {
    let mut subscriptions = settled(&["quotes"]);
    subscriptions.disconnected();
    assert!(!subscriptions.is_settled());
    assert_eq!(subscriptions.connected(true), [Step::Hold(vec![filter("quotes", 1)])]);
    assert_eq!(subscriptions.recorded(), [Step::Subscribe { token: 2, filter: filter("quotes", 1) }]);
}

#[test]
fn answers_of_an_earlier_round_mean_nothing() {
    let (mut subscriptions, _) = opened(&[], &["a"]);
    let early = subscriptions.recorded();
    let steps = subscriptions.wanted(2, names(&["a", "b"]));
    assert_eq!(steps, [Step::Hold(vec![filter("a", 1), filter("b", 2)])]);
    assert_eq!(answer(&mut subscriptions, &early, GRANTED), []);
    // Two holds under way: the first answer is the earlier one's.
    assert_eq!(subscriptions.wanted(3, names(&["b"])), [Step::Hold(vec![filter("a", 1), filter("b", 2)])]);
    assert_eq!(subscriptions.recorded(), []);
    assert_eq!(subscriptions.recorded(), [Step::Subscribe { token: 2, filter: filter("b", 2) }]);
}

#[test]
fn a_refused_filter_shows_and_is_tried_again() {
    let (mut subscriptions, _) = opened(&[], &["quotes"]);
    let steps = subscriptions.recorded();
    assert_eq!(answer(&mut subscriptions, &steps, DENIED), []);
    let error = subscriptions.error().unwrap();
    assert_eq!(error.to_string(), "the broker refused `quotes`: NotAuthorized (0x87)");
    assert!(error.is_worth_retrying() && !subscriptions.is_settled());
    assert_eq!(subscriptions.retry(), [Step::Hold(vec![filter("quotes", 1)])]);
    let steps = subscriptions.recorded();
    assert_eq!(answer(&mut subscriptions, &steps, GRANTED), [Step::Mark(1)]);
}

#[test]
fn own_topics_and_bad_filters_are_refused_before_anything_is_held() {
    for (wanted, reason) in [
        ("intuition/+/a/decisions", "OwnTopic"),
        ("#", "OwnTopic"),
        ("trades", "OwnTopic"),
        ("quotes/#/x", "InvalidFilter"),
        ("$share/g/quotes", "InvalidFilter"),
    ] {
        let (mut subscriptions, steps) = opened(&[], &["quotes", wanted]);
        assert_eq!(steps, []);
        assert_eq!(subscriptions.error().unwrap().reason(), reason, "{wanted}");
        assert_eq!(subscriptions.wanted(2, names(&["quotes"])), [Step::Hold(vec![filter("quotes", 1)])]);
    }
}

#[test]
fn of_overlapping_filters_the_one_held_longest_owns_a_message() {
    let subscriptions = settled(&["quotes/#", "quotes/+", "other"]);
    assert_eq!(subscriptions.standing("quotes/a", &[1]), Standing::Counts);
    assert_eq!(subscriptions.standing("quotes/a", &[2]), Standing::Copy);
    assert_eq!(subscriptions.standing("quotes/a", &[2, 1]), Standing::Counts, "a broker may send one copy for both");
    assert_eq!(subscriptions.standing("quotes/a", &[]), Standing::Counts, "a broker without identifiers");
    assert_eq!(subscriptions.standing("left/behind", &[9]), Standing::Unheld);
}

#[test]
fn overlapping_filters_and_those_without_redelivery_are_named() {
    let mut subscriptions = settled(&["quotes/#", "other", "quotes/+"]);
    assert_eq!(subscriptions.overlapping(), Some(("quotes/#", "quotes/+")));
    assert_eq!(subscriptions.without_redelivery().count(), 0);
    assert_eq!(settled(&["quotes/a", "quotes/b"]).overlapping(), None);
    subscriptions.wanted(2, names(&["other"]));
    let steps = subscriptions.recorded();
    let [Step::Subscribe { token, .. }] = steps.as_slice() else { panic!("{steps:?}") };
    subscriptions.subscribed(*token, Code { value: 0, name: "Success" });
    assert_eq!(subscriptions.without_redelivery().collect::<Vec<_>>(), ["other"]);
}

#[test]
fn a_filter_that_the_broker_refused_owns_nothing() {
    let (mut subscriptions, _) = opened(&[], &["quotes/#", "quotes/+"]);
    let steps = subscriptions.recorded();
    let [Step::Subscribe { token: first, .. }, Step::Subscribe { token: second, .. }] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    subscriptions.subscribed(*first, DENIED);
    subscriptions.subscribed(*second, GRANTED);
    assert_eq!(subscriptions.standing("quotes/a", &[2]), Standing::Counts);
}

#[test]
fn copies_of_a_session_that_the_broker_has_lost_are_told_by_its_filters() {
    let mut subscriptions = settled(&["quotes/#", "quotes/+"]);
    subscriptions.disconnected();
    subscriptions.stream_ended();
    subscriptions.connected(false);
    assert_eq!(subscriptions.standing("quotes/a", &[2]), Standing::Unheld, "the new session has no filter yet");
    let lost = subscriptions.take_lost();
    assert_eq!(lost.standing("quotes/a", &[2]), Some(Standing::Copy));
    assert_eq!(lost.standing("quotes/a", &[1]), Some(Standing::Counts));
    subscriptions.disconnected();
    subscriptions.connected(false);
    assert_eq!(subscriptions.take_lost().standing("quotes/a", &[2]), None, "the second session had no filters");
}

#[test]
fn without_the_brokers_session_nothing_is_held() {
    let mut subscriptions = settled(&["quotes"]);
    subscriptions.disconnected();
    subscriptions.stream_ended();
    assert_eq!(subscriptions.connected(false), []);
    subscriptions.opened(vec![], false);
    assert_eq!(
        subscriptions.wanted(1, names(&["more", "quotes"])),
        [Step::Hold(vec![filter("more", 2), filter("quotes", 3)])]
    );
}

/// The copy of the ledger is from a time at which the session had another filter.
#[test]
fn a_ledger_that_went_back_does_not_change_the_filters_of_the_session() {
    let mut subscriptions = settled(&["quotes/+"]);
    subscriptions.stream_ended();
    subscriptions.opened(vec![filter("quotes/#", 1)], true);
    let steps = subscriptions.wanted(1, names(&["quotes/#", "quotes/+"]));
    assert_eq!(steps, [Step::Hold(vec![filter("quotes/+", 1), filter("quotes/#", 2)])]);
    assert_eq!(subscriptions.standing("quotes/a", &[1]), Standing::Counts);
    assert_eq!(subscriptions.standing("quotes/a", &[2]), Standing::Copy);
}

#[test]
fn a_filter_is_as_old_as_its_first_confirmation_in_this_process() {
    let (mut subscriptions, _) = opened(&[filter("quotes/+", 1), filter("quotes/#", 2)], &["quotes/#"]);
    let steps = subscriptions.recorded();
    assert!(!subscriptions.is_younger(&[2], 0), "the session may have it since long ago");
    answer(&mut subscriptions, &steps, GRANTED);
    assert!(subscriptions.is_younger(&[2], 0) && !subscriptions.is_younger(&[1], 0));
    let confirmations = subscriptions.confirmations();
    subscriptions.stream_ended();
    subscriptions.opened(vec![filter("quotes/#", 2)], false);
    subscriptions.wanted(1, names(&["quotes/#"]));
    let steps = subscriptions.recorded();
    answer(&mut subscriptions, &steps, GRANTED);
    assert!(!subscriptions.is_younger(&[2], confirmations), "it was there before the stream");
}

/// Messages may still wait for a filter that the session has left.
#[test]
fn an_identifier_is_given_once_in_a_session() {
    let (mut subscriptions, _) = opened(&[filter("quotes/#", 2)], &["quotes/#", "quotes/+"]);
    let mut names_of = |wanted: &[&str]| match subscriptions.wanted(2, names(wanted)).as_slice() {
        [Step::Hold(held)] => held.iter().map(|held| held.subscription_id).collect::<Vec<_>>(),
        steps => panic!("{steps:?}"),
    };
    assert_eq!(names_of(&["quotes/#", "quotes/+"]), [2, 1]);
    subscriptions.stream_ended();
    subscriptions.opened(vec![filter("quotes/#", 2)], false);
    let steps = subscriptions.wanted(3, names(&["quotes/#", "more"]));
    assert_eq!(steps, [Step::Hold(vec![filter("quotes/#", 2), filter("more", 3)])]);
}
