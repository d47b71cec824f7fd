//! Messages of an indicator's account: their place in commits, outcomes and the outbox.

use intuition_api::{
    capability,
    v1::{GivenUp, Joined},
};
use prost::Message as _;

use super::*;
use crate::{
    algorithm::{Algorithm, AlgorithmSettings, Answer, Event, FieldErrors, Indicator, Output, SavedState},
    ledger::OutboxPage,
    settings::Input,
};

const INDICATOR: &str = "default/indicator.trend";

/// Publishes each quote with its number, and before the quote a bar where the price is 9.
#[derive(Default)]
struct Counts {
    quotes: u8,
}

impl Algorithm for Counts {
    fn channels(&self) -> Vec<String> {
        vec!["quotes".to_owned()]
    }

    fn decide(&mut self, events: &[Event]) -> Vec<Answer> {
        let mut answer = |event: &Event| {
            let Event::Quote(quote) = event else { return Answer::default() };
            self.quotes += 1;
            let values = vec![("value".to_owned(), self.quotes.to_string().parse().unwrap())];
            let (name, sid, time_micros) = ("count".to_owned(), quote.sid.clone(), quote.time_micros);
            let indicators = vec![Indicator { name, sid, values, time_micros }];
            let bar = Output::Bar { bar: quote.clone(), values: Vec::new(), minute: 12 };
            let bars = (quote.price == "9".parse().unwrap()).then_some(bar);
            Answer { outputs: bars.into_iter().chain([Output::Quote(indicators)]).collect(), ..Answer::default() }
        };
        events.iter().map(&mut answer).collect()
    }

    fn reconfigure(&mut self, _: &AlgorithmSettings) -> Result<(), FieldErrors> {
        Ok(())
    }

    fn take_changes(&mut self) -> SavedState {
        [("count".to_owned(), vec![self.quotes])].into()
    }
}

fn indicator() -> Settings {
    let mut settings = Settings { account: INDICATOR.to_owned(), ..eager() };
    settings.live.starting_cash = "0".to_owned();
    settings
}

fn subscribed(filter: &str, symbols: &[&str]) -> Settings {
    let symbols = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
    let inputs = vec![Input { topic: filter.to_owned(), symbols, ..Input::default() }];
    Settings { subscribe: Some(vec![filter.to_owned()]), inputs, ..indicator() }
}

fn bench(settings: Settings) -> Bench {
    let mut bench = Bench::on_disk(settings);
    bench.engine.deciders.replace_builtin(Box::new(Counts::default()));
    bench
}

fn joined(entry: &v1::OutboxEntry) -> &Joined {
    let Some(outbox_entry::Content::Joined(joined)) = &entry.content else { panic!("{entry:?}") };
    joined
}

/// Source and number of each entry.
fn numbers(committed: &v1::Committed) -> Vec<(&str, Option<i64>)> {
    committed.entries.iter().map(|entry| (joined(entry).source.as_str(), joined(entry).seq)).collect()
}

/// The entries that wait, as they are sent.
fn waiting(bench: &mut Bench) -> Vec<Vec<u8>> {
    let rows = bench.ledger.outbox(OutboxPage { after: 0, rows: 99, bytes: usize::MAX }).unwrap();
    let (account, ids) = bench.engine.names();
    rows.iter().map(|row| crate::wire::outbox_entry(account, ids, row).encode_to_vec()).collect()
}

#[test]
fn quote_is_published_with_its_indicators_and_waits_for_that() {
    let mut bench = bench(indicator());
    let told = bench.send(vec![numbered(17, "345.50")]);
    let message = joined(&told.entries[0]);
    assert_eq!((message.source.as_str(), message.seq, message.sparse), ("feed", Some(17), false));
    assert_eq!(message.quote.as_ref().unwrap().price, "345.50");
    assert_eq!((message.indicators[0].name.as_str(), message.indicators[0].values[0].value.as_str()), ("count", "1"));
    let outcome = &told.outcomes[0].ticks[0];
    assert_eq!((outcome.kind(), &outcome.positions[..], outcome.seqs.len()), (Kind::NoSignal, &[1][..], 0));
    let saved = bench.ledger.snapshot().unwrap().state;
    assert_eq!(saved[&("random".to_owned(), "count".to_owned())], [1], "in the same transaction");
}

#[test]
fn messages_of_one_quote_follow_each_other() {
    let mut bench = bench(indicator());
    let told = bench.send(vec![numbered(1, "9"), numbered(2, "10")]);
    assert_eq!(numbers(&told), [("default/indicator.trend:GOOG", Some(12)), ("feed", Some(1)), ("feed", Some(2))]);
    let positions: Vec<&[u64]> = told.outcomes[0].ticks.iter().map(|tick| tick.positions.as_slice()).collect();
    assert_eq!(positions, [&[1, 2][..], &[3]]);
}

#[test]
fn restart_before_the_publication_sends_the_same_bytes_and_no_second_message() {
    let mut bench = bench(indicator());
    let delivery = bench.delivery("quotes", vec![numbered(1, "9"), quote("10"), quote("11")]);
    let first = bench.process(std::slice::from_ref(&delivery));
    let sent: Vec<_> = first.entries.iter().map(prost::Message::encode_to_vec).collect();
    assert_eq!(sent.len(), 4);
    bench.restart(indicator());
    bench.engine.deciders.replace_builtin(Box::new(Counts::default()));
    assert_eq!(waiting(&mut bench), sent);
    let again = bench.process(&[delivery]);
    assert!(again.entries.is_empty());
    let positions = |told: &v1::Committed| -> Vec<Vec<u64>> {
        told.outcomes[0].ticks.iter().map(|tick| tick.positions.clone()).collect()
    };
    assert_eq!(positions(&again), positions(&first));
    bench.published(3);
    assert_eq!(waiting(&mut bench), &sent[3..]);
}

#[test]
fn quotes_with_a_common_identity_are_told_apart() {
    let mut bench = bench(indicator());
    let told = bench.send(vec![numbered(1, "10"), bad("BadPrice"), numbered(1, "11"), numbered(2, "12")]);
    let entries = told.entries.iter().filter(|entry| matches!(entry.content, Some(outbox_entry::Content::Joined(_))));
    let ids: Vec<_> = entries.map(|entry| (joined(entry).id.as_str(), joined(entry).seq)).collect();
    assert_eq!(ids, [("feed/1/0", None), ("feed/1/1", None), ("", Some(2))]);
    let next = bench.send(vec![numbered(3, "10"), numbered(3, "11")]);
    assert_eq!(joined(&next.entries[1]).id, "feed/3/1", "each delivery counts for itself");
    assert_eq!(numbers(&bench.send(vec![numbered(4, "10"), numbered(5, "11")]))[1], ("feed", Some(5)));
}

#[test]
fn source_names_the_topic_where_several_topics_meet() {
    let mut bench = bench(subscribed("quotes/+", &[]));
    for topic in ["quotes/a", "quotes/b"] {
        let delivery = bench.delivery(topic, vec![numbered(1, "10")]);
        assert_eq!(numbers(&bench.process(&[delivery])), [(format!("{topic}:feed").as_str(), Some(1))]);
    }
    let several = Settings { subscribe: Some(vec!["a".to_owned(), "b".to_owned()]), ..indicator() };
    let mut bench = self::bench(several);
    let delivery = bench.delivery("b", vec![numbered(1, "10")]);
    assert_eq!(numbers(&bench.process(&[delivery])), [("b:feed", Some(1))]);
}

#[test]
fn numbers_are_sparse_where_the_input_lists_symbols() {
    let mut bench = bench(subscribed("quotes", &["GOOG"]));
    let told = bench.send(vec![numbered(1, "10")]);
    let message = joined(&told.entries[0]);
    assert!(message.sparse && message.source == "feed");
}

#[test]
fn quote_without_an_identity_has_a_number_of_this_ledger() {
    let mut bench = bench(indicator());
    let id = bench.engine.account().ledger_id;
    let source = format!("{INDICATOR}/{id}");
    let told = bench.send(vec![quote("10"), quote("11")]);
    assert_eq!(numbers(&told), [(source.as_str(), Some(1)), (source.as_str(), Some(2))]);
    assert!(joined(&told.entries[0]).sparse);
    // Positions of the lost entries are given again, under another source.
    let went_back = |ledger_id: &str| Open {
        account: INDICATOR.to_owned(),
        broker_url: BROKER.to_owned(),
        session_present: true,
        run: 9,
        capabilities: vec![capability::JOINED.to_owned()],
        ledger_id: ledger_id.to_owned(),
        last_position: 9,
        ..Open::default()
    };
    // The bridge knows a later entry of this ledger, and then an id that the ledger never had.
    for known in [&id, "0badf00d"] {
        let opened = bench.open_with(2, &went_back(known)).unwrap();
        assert!(opened.restored && opened.ledger_id != id, "{known}");
        let told = bench.send(vec![quote("12")]);
        assert_eq!(joined(&told.entries[0]).source, format!("{INDICATOR}/{}", opened.ledger_id));
    }
}

#[test]
fn messages_of_an_account_that_is_no_indicators_are_dropped_and_logged() {
    let mut bench = Bench::new(eager());
    bench.engine.deciders.replace_builtin(Box::new(Counts::default()));
    let told = bench.send(vec![numbered(1, "9")]);
    assert_eq!((kinds(&told), told.entries.len()), (vec![Kind::NoSignal], 0));
    assert!(told.outcomes[0].ticks[0].positions.is_empty());
    assert_eq!(bench.engine.take_notices(), [EngineNotice::OutputsDropped { outputs: 2 }]);
}

#[test]
fn bridge_that_cannot_publish_them_gets_no_stream() {
    let mut bench = bench(indicator());
    let open = Open { account: INDICATOR.to_owned(), broker_url: BROKER.to_owned(), ..Open::default() };
    let refused = bench.open_with(2, &open).unwrap_err();
    assert!(matches!(refused, RequestError::UnfitBridge(why) if why.contains("upgrade its image")), "{refused:?}");
    let other = Open { account: ACCOUNT.to_owned(), ..open };
    assert!(Bench::new(eager()).open_with(2, &other).is_ok(), "other accounts need no such bridge");
}

#[test]
fn bridge_cannot_give_them_up() {
    let mut bench = bench(indicator());
    bench.send(vec![numbered(1, "10")]);
    let given_up = vec![GivenUp { position: 1, topic: "t".to_owned(), reason: "NotAuthorized".to_owned() }];
    let refused = bench.report(&Published { given_up, ..Published::default() });
    assert!(matches!(refused, Err(RequestError::BreakContract(why)) if why.contains("position 1")));
}
