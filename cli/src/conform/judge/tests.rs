use intuition_api::v1::{Indicator, Quote};

use super::*;

fn events(numbers: &[u64]) -> Vec<InputEvent> {
    let quote = Quote { sid: "GOOG".to_owned(), price: "1".to_owned(), time_micros: 0, ..Quote::default() };
    numbers.iter().map(|event| InputEvent { event: *event, kind: Some(Kind::Quote(quote.clone())) }).collect()
}

fn answer(number: u64, events: &[u64]) -> EventBatchResult {
    let results = events.iter().map(|event| EventResult { event: *event, ..EventResult::default() });
    EventBatchResult { number, results: results.collect(), ..EventBatchResult::default() }
}

fn wish(event: u64, side: Side, quantity: &str) -> Signal {
    Signal { event, side: side.into(), quantity: quantity.to_owned() }
}

#[test]
fn one_result_per_event_in_order_breaks_nothing() {
    let mut good = answer(7, &[1, 2, 4]);
    good.results[2].signals = vec![wish(1, Side::Buy, ""), wish(4, Side::Sell, "0.5"), wish(4, Side::Sell, "")];
    good.state = Some(vec![0; MAX_STATE_BYTES].into());
    good.publications = vec![Publication { channel: "averages/GOOG".to_owned(), payload: "1".into() }];
    assert_eq!(result(7, &events(&[1, 2, 4]), &good), []);
}

#[test]
fn each_rule_has_its_row_and_is_told_by_message_and_field() {
    let with_signal = |signal| {
        let mut answer = answer(7, &[1, 2]);
        answer.results[0].signals = vec![signal];
        answer
    };
    let with_publication = |channel: &str, size| {
        let publications = vec![Publication { channel: channel.to_owned(), payload: vec![0; size].into() }];
        EventBatchResult { publications, ..answer(7, &[1, 2]) }
    };
    let mut both = with_signal(wish(1, Side::Buy, ""));
    both.results[0].reject = "no".to_owned();
    let mut many = answer(7, &[1, 2]);
    many.results[0].signals = vec![wish(1, Side::Buy, ""); 65];
    for (broken, row, came) in [
        (answer(8, &[]), Row::Order, "EventBatchResult.number is 8 for EventBatch.number 7"),
        (answer(7, &[1]), Row::Batches, "EventBatchResult.results has 1 for a batch of 2 events"),
        (answer(7, &[2, 1]), Row::Batches, "EventBatchResult.results[0].event is 2, the batch has event 1 there"),
        (with_signal(wish(3, Side::Buy, "")), Row::Signals, "Signal.event is 3, the batch has quotes from 1 to 2"),
        (with_signal(wish(1, Side::Unspecified, "")), Row::Signals, "Signal.side (event 1) is 0"),
        (with_signal(wish(1, Side::Buy, "1")), Row::Signals, "Signal.quantity of a buy (event 1) is \"1\""),
        (
            with_signal(wish(1, Side::Sell, "0.0")),
            Row::Signals,
            "Signal.quantity (event 1) is none; leave it empty to sell all that is held",
        ),
        (
            with_signal(wish(2, Side::Buy, "")),
            Row::Signals,
            "EventResult of event 1 has a signal about the later quote 2",
        ),
        (both, Row::Signals, "EventResult of event 1 has both signals and a reject"),
        (many, Row::Signals, "EventResult of event 1 has 65 signals"),
        (
            EventBatchResult { state: Some(vec![0; MAX_STATE_BYTES + 1].into()), ..answer(7, &[1, 2]) },
            Row::StateSize,
            "EventBatchResult.state has 1048577 bytes",
        ),
        (with_publication("a/+", 1), Row::Publications, "Publication.channel is \"a/+\""),
        (with_publication("", 1), Row::Publications, "Publication.channel is \"\""),
        (
            with_publication("a", MAX_PUBLICATION_BYTES + 1),
            Row::Publications,
            "Publication.payload on \"a\" has 262145 bytes",
        ),
    ] {
        assert_eq!(result(7, &events(&[1, 2]), &broken), [Violation::new(row, came)]);
    }
    let quantity = with_signal(wish(1, Side::Sell, "1e3"));
    let violations = result(7, &events(&[1, 2]), &quantity);
    assert!(
        violations.len() == 1 && violations[0].came.starts_with("Signal.quantity (event 1): \"1e3\""),
        "{violations:?}"
    );
}

#[test]
fn an_event_without_a_quote_cannot_be_traded_and_says_nothing() {
    let mut batch = events(&[1, 2]);
    batch[1].kind = None;
    let mut traded = answer(7, &[1, 2]);
    traded.results[1].signals = vec![wish(2, Side::Buy, "")];
    let came = "Signal.event is 2, the batch has the quote 1 alone";
    assert_eq!(result(7, &batch, &traded), [Violation::new(Row::Signals, came)]);
    assert!(passed_over(&traded.results[1]).is_some());
    assert!(passed_over(&EventResult { event: 2, reject: "what?".to_owned(), ..EventResult::default() }).is_some());
    assert_eq!(passed_over(&EventResult { event: 2, ..EventResult::default() }), None);
}

#[test]
fn indicators_cannot_be_traded_in_any_batch() {
    let mut batch = events(&[1, 2]);
    batch[0].kind = Some(Kind::Indicator(Indicator { name: "sma-20".to_owned(), ..Indicator::default() }));
    let judged = |at: usize, signals: &[Signal], reject: &str| {
        let mut answer = answer(7, &[1, 2]);
        answer.results[at].signals = signals.to_vec();
        answer.results[at].reject = reject.to_owned();
        result(7, &batch, &answer)
    };
    assert_eq!(judged(1, &[wish(2, Side::Buy, "")], ""), []);
    assert_eq!(judged(0, &[], "no values"), []);
    for (at, signals, reject, row, came) in [
        (0, vec![wish(1, Side::Buy, "")], "", Row::Indicators, "EventResult of event 1, an indicator, has signals: 1"),
        (
            0,
            vec![wish(2, Side::Buy, ""); 2],
            "",
            Row::Indicators,
            "EventResult of event 1, an indicator, has signals: 2",
        ),
        (1, vec![wish(1, Side::Buy, "")], "", Row::Signals, "Signal.event is 1, the batch has the quote 2 alone"),
    ] {
        assert_eq!(judged(at, &signals, reject), [Violation::new(row, came)]);
    }
    let within = |row| Violation::new(row, "came").within(Row::Indicators).row;
    assert_eq!((within(Row::Batches), within(Row::Signals)), (Row::Indicators, Row::Signals));
}

#[test]
fn a_description_is_judged_field_by_field() {
    let good = DescribeResponse {
        name: "Random_1.x-y".to_owned(),
        version: "1.0.0".to_owned(),
        contract: "intuition.v1".to_owned(),
        ..DescribeResponse::default()
    };
    assert_eq!(description(&good), []);
    for broken in [
        DescribeResponse { name: String::new(), ..good.clone() },
        DescribeResponse { name: "my algo".to_owned(), ..good.clone() },
        DescribeResponse { name: "x".repeat(65), ..good.clone() },
        DescribeResponse { version: "1".repeat(65), ..good.clone() },
        DescribeResponse { contract: "intuition.v2".to_owned(), ..good.clone() },
    ] {
        assert_eq!(description(&broken).len(), 1, "{broken:?}");
    }
}

#[test]
fn channels_are_filters_and_not_too_many() {
    let judged = |list: &[&str]| {
        channels(Row::Initialize, "InitializeResponse", &list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(judged(&["quotes", "a/+/b", "#"]), []);
    assert_eq!(judged(&["a/#/b", ""]).len(), 2);
    assert_eq!(judged(&["q"; 65]).len(), 1);
    assert_eq!(judged(&[&"q".repeat(257)]).len(), 1);
}

#[test]
fn runs_are_compared_by_what_they_decide() {
    let run = |side: Side, reject: &str| {
        let mut results = answer(1, &[1, 2]).results;
        if reject.is_empty() {
            results[1].signals = vec![wish(2, side, "")];
        }
        results[1].reject = reject.to_owned();
        results.iter().map(Outcome::from).collect::<Vec<_>>()
    };
    assert_eq!(difference(&run(Side::Buy, ""), &run(Side::Buy, "")), None);
    assert_eq!(difference(&run(Side::Buy, "one"), &run(Side::Buy, "another")), None);
    let told = difference(&run(Side::Buy, ""), &run(Side::Sell, ""));
    assert_eq!(told.as_deref(), Some("event 2: sell instead of buy"));
    let shorter = difference(&run(Side::Buy, ""), &run(Side::Buy, "")[..1]);
    assert_eq!(shorter.as_deref(), Some("1 results instead of 2"));
}

#[test]
fn descriptions_that_differ_are_told_field_by_field() {
    let first = DescribeResponse {
        name: "algo".to_owned(),
        version: "1".to_owned(),
        contract: "intuition.v1".to_owned(),
        parameters_schema_json: "{}".to_owned(),
    };
    assert_eq!(descriptions(&first, &first), []);
    let second = DescribeResponse { version: "2".to_owned(), parameters_schema_json: String::new(), ..first.clone() };
    let came: Vec<_> = descriptions(&first, &second).into_iter().map(|violation| violation.came).collect();
    assert_eq!(
        came,
        [
            "DescribeResponse.version is \"1\" the first time, \"2\" the second",
            "DescribeResponse.parameters_schema_json is \"{}\" the first time, \"\" the second"
        ]
    );
}

#[test]
fn a_signal_about_an_earlier_quote_is_a_note_and_breaks_nothing() {
    let mut answer = answer(7, &[1, 2]);
    answer.results[0].signals = vec![wish(1, Side::Buy, "")];
    assert_eq!(notes(&answer), []);
    answer.results[1].signals = vec![wish(1, Side::Buy, "")];
    assert_eq!(result(7, &events(&[1, 2]), &answer), []);
    let noted = notes(&answer);
    assert_eq!((noted.len(), noted[0].row), (1, Row::Signals));
    assert!(noted[0].came.starts_with("EventResult of event 2 has a signal about an earlier quote"), "{noted:?}");
}
