//! Identities of messages, and the collisions that they avoid: no two messages of an account have the same.

use std::collections::BTreeSet;

use intuition_api::{quote::Details, v1::Unusable};

use super::*;

const ACCOUNT: &str = "desk/indicator.trend";
const ONE_TOPIC: Rules = Rules { joins_topics: false, lists_symbols: false };
const SEVERAL_TOPICS: Rules = Rules { joins_topics: true, lists_symbols: false };

#[derive(Clone, Copy)]
struct Rules {
    joins_topics: bool,
    lists_symbols: bool,
}

fn tick(source: &str, seq: Option<i64>, id: &str) -> Tick {
    let quote = v1::Quote { sid: "GOOG".to_owned(), price: "1.50".to_owned(), time_micros: 7, details: None };
    let (source, id) = (source.to_owned(), id.to_owned());
    Tick { source, seq, id, content: Some(Content::Quote(quote)), ..Tick::default() }
}

fn delivery(topic: &str, ticks: Vec<Tick>) -> Delivery {
    Delivery { topic: topic.to_owned(), payload_sha256: vec![7; 32].into(), ticks, ..Delivery::default() }
}

/// The messages of the quotes of a delivery, each without indicators, at positions from 40 on.
fn messages(delivery: &Delivery, rules: Rules) -> Vec<v1::Joined> {
    let (ranks, Rules { joins_topics, lists_symbols }) = (shared_ranks(delivery), rules);
    let message = |((position, tick), shared_rank)| {
        let origin = Origin { delivery, tick, shared_rank, joins_topics, lists_symbols };
        joined(Publisher { account: ACCOUNT, ledger_id: "3f9c2a71", position }, origin, Output::Quote(Vec::new()))
    };
    (40..).zip(&delivery.ticks).zip(ranks).filter_map(message).collect()
}

/// Source, number and id of each message, as text.
fn identities(delivery: &Delivery, rules: Rules) -> Vec<String> {
    let text = |message: v1::Joined| match message.seq {
        Some(seq) => format!("{} {seq}{}", message.source, message.id),
        None => format!("{} id {}", message.source, message.id),
    };
    messages(delivery, rules).into_iter().map(text).collect()
}

#[test]
fn message_has_the_identity_of_its_quote_and_its_exact_text() {
    let one = delivery("quotes", vec![tick("nyse", Some(17), "ignored")]);
    assert_eq!(identities(&one, ONE_TOPIC), ["nyse 17"]);
    assert_eq!(identities(&delivery("quotes", vec![tick("", None, "a-1")]), ONE_TOPIC), [" id a-1"]);
    assert_eq!(identities(&delivery("quotes", vec![tick("nyse", None, "a-1")]), ONE_TOPIC), ["nyse id a-1"]);
    let message = &messages(&one, ONE_TOPIC)[0];
    assert_eq!(message.quote.as_ref().unwrap().price, "1.50");
    assert!(!message.sparse && !message.replay && !message.backfill);
}

#[test]
fn quote_without_an_identity_is_numbered_by_the_outbox() {
    let nameless = [tick("", None, ""), tick("nyse", None, ""), tick("", Some(5), "")];
    let numbered = delivery("quotes", nameless.to_vec());
    let source = "desk/indicator.trend/3f9c2a71";
    for rules in [ONE_TOPIC, SEVERAL_TOPICS] {
        assert_eq!(identities(&numbered, rules), [40, 41, 42].map(|position| format!("{source} {position}")));
        assert!(messages(&numbered, rules).iter().all(|message| message.sparse));
    }
}

#[test]
fn quotes_of_one_message_with_a_common_identity_get_an_id_with_their_rank() {
    let twice = || [tick("nyse", Some(17), ""), tick("nyse", Some(17), "")];
    let once = tick("nyse", Some(18), "");
    let mixed = delivery("quotes", [&twice()[..], &[once]].concat());
    assert_eq!(identities(&mixed, ONE_TOPIC), ["nyse id nyse/17/0", "nyse id nyse/17/1", "nyse 18"]);
    assert_eq!(
        identities(&mixed, SEVERAL_TOPICS),
        ["quotes:nyse id quotes:nyse/17/0", "quotes:nyse id quotes:nyse/17/1", "quotes:nyse 18"]
    );
    let named = delivery("quotes", vec![tick("", None, "a-1"), tick("", None, "a-1"), tick("lse", None, "a-1")]);
    assert_eq!(identities(&named, ONE_TOPIC), [" id a-1/0", " id a-1/1", "lse id a-1"]);
    // A map of prices is ranked by name.
    let mut ranked = twice();
    (ranked[0].ordinal, ranked[1].ordinal) = (Some(1), Some(0));
    let ranked = delivery("quotes", ranked.to_vec());
    assert_eq!(identities(&ranked, ONE_TOPIC), ["nyse id nyse/17/1", "nyse id nyse/17/0"]);
}

#[test]
fn quote_beside_an_unusable_tick_keeps_its_number() {
    let unusable = Tick { content: Some(Content::Unusable(Unusable::default())), ..tick("nyse", Some(17), "") };
    let beside = delivery("quotes", vec![unusable, tick("nyse", Some(17), "")]);
    assert_eq!(identities(&beside, ONE_TOPIC), ["nyse 17"], "the unusable one has no message");
}

#[test]
fn same_source_on_two_topics_is_two_sources() {
    let on = |topic| delivery(topic, vec![tick("nyse", Some(17), ""), tick("", None, "a-1")]);
    let both = ["quotes/a", "quotes/b"].map(|topic| identities(&on(topic), SEVERAL_TOPICS)).concat();
    assert_eq!(both, ["quotes/a:nyse 17", " id quotes/a:a-1", "quotes/b:nyse 17", " id quotes/b:a-1"]);
}

#[test]
fn long_identity_becomes_its_hash() {
    let hashed = |text: &str| hex::encode(Sha256::digest(text.as_bytes()));
    let (fits, long) = ("s".repeat(256), "s".repeat(250));
    assert_eq!(identities(&delivery("quotes", vec![tick(&fits, Some(1), "")]), ONE_TOPIC), [format!("{fits} 1")]);
    let topic = identities(&delivery("quotes", vec![tick(&long, Some(1), "")]), SEVERAL_TOPICS);
    assert_eq!(topic, [format!("{} 1", hashed(&format!("quotes:{long}")))]);
    let id = "i".repeat(255);
    let shared = delivery("quotes", vec![tick("", None, &id), tick("", None, &id)]);
    let expected = [0, 1].map(|rank| format!(" id {}", hashed(&format!("{id}/{rank}"))));
    assert_eq!(identities(&shared, ONE_TOPIC), expected);
}

#[test]
fn messages_of_many_deliveries_have_identities_of_their_own() {
    let kinds = [tick("nyse", Some(1), ""), tick("nyse", Some(1), "x"), tick("", None, "1"), tick("", None, "")];
    let mut all = Vec::new();
    for topic in ["a", "a:b", "b"] {
        for ticks in [&kinds[..1], &kinds[2..], &[kinds[2].clone(), kinds[2].clone()]] {
            let mut found = messages(&delivery(topic, ticks.to_vec()), SEVERAL_TOPICS);
            // The outbox gives no position twice.
            found.iter_mut().filter(|message| message.source.starts_with(ACCOUNT)).for_each(|message| {
                message.seq = Some(i64::try_from(all.len()).unwrap());
            });
            all.extend(found.into_iter().map(|message| (message.source, message.seq, message.id)));
        }
    }
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
}

#[test]
fn marks_of_the_message_are_passed_on_and_listed_symbols_make_numbers_sparse() {
    let plain = delivery("quotes", vec![tick("nyse", Some(1), "")]);
    let listed = Rules { lists_symbols: true, ..ONE_TOPIC };
    assert!(messages(&plain, listed)[0].sparse);
    let marked = Delivery { replay: true, sparse: true, backfill: true, ..plain };
    let message = &messages(&marked, ONE_TOPIC)[0];
    assert!(message.replay && message.sparse && message.backfill);
}

#[test]
fn bar_is_numbered_by_the_minute_of_its_opening() {
    let delivery = Delivery { backfill: true, ..delivery("quotes", vec![tick("nyse", Some(17), "")]) };
    let details = Details { volume: Some("12".parse().unwrap()), ..Details::default() };
    let bar = Quote {
        sid: "BRK".to_owned(),
        price: "2.50".parse().unwrap(),
        time_micros: 60_000_000,
        details: Some(Box::new(details)),
    };
    let sma = Indicator {
        name: "sma".to_owned(),
        sid: "BRK".to_owned(),
        values: vec![("value".to_owned(), "-1.5".parse().unwrap())],
        time_micros: 60_000_000,
    };
    let origin = Origin {
        delivery: &delivery,
        tick: &delivery.ticks[0],
        shared_rank: Some(3),
        joins_topics: true,
        lists_symbols: false,
    };
    let publisher = Publisher { account: ACCOUNT, ledger_id: "3f9c2a71", position: 40 };
    let output = Output::Bar { bar, values: vec![sma], minute: 1 };
    let message = joined(publisher, origin, output).unwrap();
    assert_eq!((message.source.as_str(), message.seq), ("desk/indicator.trend:BRK", Some(1)));
    assert!(message.id.is_empty() && message.sparse && message.backfill && !message.replay);
    let quote = message.quote.unwrap();
    assert_eq!((quote.price.as_str(), quote.time_micros), ("2.5", 60_000_000));
    assert_eq!(quote.details.unwrap().volume.as_deref(), Some("12"));
    assert_eq!(message.indicators[0].values[0].value, "-1.5");
    assert_eq!(message.indicators[0].name, "sma");
}
