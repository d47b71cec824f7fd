//! The values of a quote beside its price.

use intuition_api::v1::{InputEvent, input_event};

use super::{far::*, *};

fn detailed(price: &str, details: QuoteDetails) -> Tick {
    let Some(Content::Quote(quote)) = quote(price).content else { panic!("a quote") };
    Tick { content: Some(Content::Quote(Quote { details: Some(Box::new(details)), ..quote })), ..Tick::default() }
}

#[test]
fn a_backend_gets_canonical_values_and_none_for_a_plain_quote() {
    let text = |text: &str| Some(text.to_owned());
    let bar = |open: &str, volume: &str, bid: &str| QuoteDetails {
        open: text(open),
        volume: text(volume),
        bid: text(bid),
        interval_micros: Some(60_000_000),
        ..QuoteDetails::default()
    };
    let mut wired = Wired::new(at(A, 1));
    wired.come_up(A, "algo", &["quotes"]);
    let ticks = vec![detailed("3", bar("3.10", "0.0", "1e1")), quote("4")];
    let delivery = wired.bench.delivery("quotes", ticks);
    wired.take(&[delivery]);
    let batch = wired.batch(A);
    let details = |event: &InputEvent| match &event.kind {
        Some(input_event::Kind::Quote(quote)) => quote.details.as_deref().cloned(),
        other => panic!("no quote: {other:?}"),
    };
    let received: Vec<_> = batch.events.iter().map(details).collect();
    assert_eq!(received, [Some(bar("3.1", "0", "10")), None]);
}

#[test]
fn wrong_values_of_a_bridge_are_dead_letters_that_name_the_field() {
    let mut bench = Bench::new(eager());
    let text = |text: &str| Some(text.to_owned());
    let none = QuoteDetails::default;
    for (details, reason, message) in [
        (QuoteDetails { bid: text("0"), ..none() }, "BadPrice", "bid: \"0\" must be more than 0"),
        (QuoteDetails { volume: text("-1"), ..none() }, "BadSize", "volume: \"-1\" must not be below 0"),
        (QuoteDetails { interval_micros: Some(0), ..none() }, "BadBar", "interval_micros: "),
        (QuoteDetails { high: text("1"), low: text("2"), ..none() }, "BadBar", "high is 1, below low, which is 2"),
    ] {
        let committed = bench.send(vec![detailed("3", details)]);
        let [entry] = committed.entries.as_slice() else { panic!("{committed:?}") };
        let Some(outbox_entry::Content::DeadLetter(letter)) = &entry.content else { panic!("{entry:?}") };
        assert_eq!(letter.reason, reason);
        assert!(letter.message.starts_with(message), "{}", letter.message);
    }
}
