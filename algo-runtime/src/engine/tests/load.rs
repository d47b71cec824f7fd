//! Bounds of deliveries.

use super::{far::*, *};

/// Breaks one bound of the contract.
type Spoil = fn(&mut Delivery);

fn sent(ticks: usize) -> Delivery {
    Delivery { payload_sha256: vec![1; 32].into(), ticks: vec![quote("1"); ticks], number: 7, ..Delivery::default() }
}

#[test]
fn a_delivery_beyond_the_bounds_is_refused_and_names_the_field() {
    let wrongs: [(&str, Spoil); 11] = [
        ("ticks: 0", |delivery| delivery.ticks.clear()),
        ("ticks: 10001", |delivery| delivery.ticks = vec![quote("1"); 10_001]),
        ("topic: 65536", |delivery| delivery.topic = "t".repeat(65_536)),
        ("packet_id: 65536", |delivery| delivery.packet_id = 65_536),
        ("payload: 65537", |delivery| delivery.payload = vec![0; 65_537].into()),
        ("payload_sha256: 31", |delivery| delivery.payload_sha256 = vec![0; 31].into()),
        ("envelope_sha256: 1", |delivery| delivery.envelope_sha256 = vec![0; 1].into()),
        ("ticks[0].content_sha256: 33", |delivery| delivery.ticks[0].content_sha256 = vec![0; 33].into()),
        ("ticks[0].quote.sid: 257", |delivery| {
            let quote = Quote { sid: "S".repeat(257), ..Quote::default() };
            delivery.ticks[0].content = Some(Content::Quote(quote));
        }),
        ("ticks[0].quote.bid: 65537", |delivery| {
            let details = QuoteDetails { bid: Some("1".repeat(65_537)), ..QuoteDetails::default() };
            let quote = Quote { details: Some(Box::new(details)), ..Quote::default() };
            delivery.ticks[0].content = Some(Content::Quote(quote));
        }),
        ("ticks[0].unusable.reason: 65", |delivery| delivery.ticks[0] = bad(&"R".repeat(65))),
    ];
    let mut bench = Bench::new(eager());
    for (field, spoil) in wrongs {
        let mut delivery = sent(1);
        spoil(&mut delivery);
        let error = bench.engine.take(vec![sent(1), delivery]).unwrap_err();
        assert!(
            matches!(&error, RequestError::BreakContract(said) if said.contains(&format!("delivery 7: {field}"))),
            "{error}"
        );
    }
    assert!(!bench.engine.has_work(), "nothing of such a batch is taken");
}

#[test]
fn waiting_deliveries_are_bounded_in_ticks_and_bytes_until_answered() {
    let mut wired = Wired::new(at(A, 1));
    for large in [false, true] {
        let one = |number: u64| {
            let delivery = if large { sent(1) } else { sent(10_000) };
            let payload = if large { vec![0; 65_536].into() } else { bytes::Bytes::new() };
            Delivery { number, payload, ..delivery }
        };
        let taken = (1..2_000).find(|number| match wired.bench.engine.take(vec![one(*number)]) {
            Ok(()) => false,
            Err(RequestError::Overload(_)) => true,
            Err(error) => panic!("{error}"),
        });
        assert_eq!(taken, Some(if large { 1_024 } else { 8 }), "large: {large}");
        wired.bench.engine.drop_backlog();
        assert_eq!(wired.bench.engine.backlog.load(), Load::default());
    }
    let mut bench = Bench::new(eager());
    for _ in 0..10 {
        bench.send(vec![bad("BadPrice"); 10_000]);
    }
    assert_eq!(bench.engine.backlog.load(), Load::default());
}
