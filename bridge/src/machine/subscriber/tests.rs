use intuition_api::{
    bounds::{
        DELIVERY_TICKS, LARGEST_MESSAGE_BYTES, PAYLOAD_BYTES, REASON_BYTES, SYMBOL_BYTES, TEXT_BYTES, TOPIC_BYTES,
        WAITING_BYTES, WAITING_TICKS,
    },
    v1::{Batch, Tick, tick::Content},
};
use prost::Message as _;

use super::*;
use crate::{
    inflight::Bounds,
    message::{MAX_TICKS, Marks},
};

/// Memory of the largest message that has been read, as the sum at `Limits` has it.
const LARGEST_MEMORY: usize = 16 << 20;
/// The largest packet from a broker.
const PACKET: usize = 4 << 20;

/// The same element as often as a message may hold it.
fn array(element: &str) -> String {
    let count = MAX_TICKS.min(PACKET / (element.len() + 1));
    format!("[{}]", vec![element; count].join(","))
}

/// Every optional member of a quote.
fn details(price: &str, size: &str) -> String {
    let prices: String = ["open", "high", "low", "bid", "ask"].map(|name| format!(r#""{name}":{price},"#)).concat();
    format!(r#"{prices}"size":{size},"volume":{size},"interval":"1m""#)
}

/// Messages with the largest deliveries, by the length of their fields.
fn worst_messages() -> Vec<String> {
    let (wide, symbol) = ("\u{1f4c8}".repeat(200), "\u{1f4c8}".repeat(64));
    let zeros = "0".repeat(150);
    let long = "999999999999.0000000001";
    vec![
        array(&format!(r#"{{"sid":"{symbol}","quote":1.{zeros}1}}"#)),
        array(&format!(r#"{{"sid":"{wide}","quote":1}}"#)),
        array(&format!(r#"{{"sid":"{symbol}","quote":1,{}}}"#, details("1", "1"))),
        array(&format!(r#"{{"sid":"A","quote":{long},{}}}"#, details(long, "1e27"))),
        array(&format!(r#"{{"sid":"{symbol}","quote":"{}"}}"#, "9".repeat(140))),
        array(&format!(r#"{{"{symbol}{symbol}":1,"{symbol}{symbol}":2}}"#)),
        array(&format!(r#"{{"{symbol}":"{symbol}"}}"#)),
        array(&format!(r#"{{"sid":"A","quote":1,"time":"{wide}"}}"#)),
        array(&format!(r#"{{"sid":"A","quote":1,"seq":"{wide}"}}"#)),
        array(&format!(r#"{{"specversion":"1.0","data":"{symbol}"}}"#)),
        array(&format!("\"{symbol}\"")),
        array("1"),
        array("{}"),
        wide.repeat(PACKET / wide.len()),
        "[".repeat(PACKET),
        format!("{{{}}}", (0..MAX_TICKS).map(|n| format!("\"{symbol}{n}\":1")).collect::<Vec<_>>().join(",")),
    ]
}

/// As [`QuoteSubscriber::take`] makes it, on the longest topic and with the longest identity.
fn arrival(payload: &str, largest: usize) -> Arrival {
    let property = |name: &str, value: String| (name.to_owned(), value);
    let user_properties =
        [property("id", "i".repeat(256)), property("source", "s".repeat(256)), property("seq", i64::MAX.to_string())];
    let inputs = Inputs::default();
    let topic = "t".repeat(TOPIC_BYTES);
    let envelope = Envelope {
        payload: payload.as_bytes(),
        user_properties: &user_properties,
        input: inputs.on(&topic),
        arrived_micros: i64::MAX,
    };
    let arrival = Arrival {
        epoch: u64::MAX,
        packet_id: u16::MAX,
        duplicate: true,
        marks: Marks { replay: true, sparse: true, backfill: true },
        ticks: envelope.parse().ticks,
        envelope_sha256: envelope.sha256(),
        topic: topic.clone(),
        subscription_ids: vec![1; 4],
        payload_sha256: [0; 32],
        payload_size: payload.len(),
        payload: kept(payload.as_bytes()),
        arrived_micros: i64::MAX,
    };
    fitting(arrival, &envelope, largest)
}

fn sent(arrival: Arrival, bytes: usize) -> (Vec<Delivery>, usize) {
    let mut inflight = Inflight::new(Bounds { ticks: 32_768, message_ticks: MAX_TICKS, bytes: 32 << 20 });
    inflight.connected(u64::MAX, false);
    inflight.push(arrival);
    let batch = inflight.next_batch(1, bytes);
    (batch, inflight.under_way())
}

#[test]
fn no_message_exceeds_the_bounds_of_the_runtime() {
    let bounds = Limits::default().unacknowledged;
    assert!(bounds.ticks <= WAITING_TICKS);
    for payload in worst_messages() {
        assert!(payload.len() <= PACKET + 2, "{}", payload.len());
        let start = payload.get(..100.min(payload.len())).unwrap_or_default().to_owned();
        let arrival = arrival(&payload, LARGEST_MESSAGE_BYTES);
        let memory = cost::memory(&arrival);
        let (batch, counted) = sent(arrival, 1 << 20);
        assert!(memory <= LARGEST_MEMORY && memory + 256 >= counted, "{start}: {memory} for {counted} on the way");
        // All that is held, with one message more than the bound, may wait at the runtime.
        assert!(bounds.bytes + memory <= WAITING_BYTES);
        let delivery = &batch[0];
        assert!((1..=DELIVERY_TICKS).contains(&delivery.ticks.len()), "{start}");
        assert!(delivery.payload.len() <= PAYLOAD_BYTES && delivery.topic.len() <= TOPIC_BYTES);
        assert_eq!((delivery.payload_sha256.len(), delivery.envelope_sha256.len()), (32, 32));
        for tick in &delivery.ticks {
            assert!(tick.content_sha256.len() == 32 && tick.id.len() <= 256 && tick.source.len() <= 256);
            let fits = match tick.content.as_ref().unwrap() {
                Content::Quote(quote) => quote.sid.len() <= SYMBOL_BYTES && quote.price.len() <= TEXT_BYTES,
                Content::Indicator(indicator) => indicator.sid.len() <= SYMBOL_BYTES,
                Content::Unusable(unusable) => {
                    unusable.reason.len() <= REASON_BYTES && unusable.message.len() <= TEXT_BYTES
                }
            };
            assert!(fits, "{tick:?}");
        }
        let encoded = Batch { deliveries: batch }.encoded_len();
        assert!(encoded <= counted && counted <= LARGEST_MESSAGE_BYTES, "{start}: {encoded} of {counted}");
    }
}

#[test]
fn delivery_that_is_too_large_is_one_unusable_tick() {
    let payload = array(r#"{"sid":"A","quote":1}"#);
    let whole = arrival(&payload, LARGEST_MESSAGE_BYTES);
    assert_eq!(whole.ticks.len(), MAX_TICKS);
    let arrival = arrival(&payload, cost::encoded(&whole) - 1);
    let [Tick { content: Some(Content::Unusable(unusable)), id, ordinal, .. }] = arrival.ticks.as_slice() else {
        panic!("one unusable tick, not {}", arrival.ticks.len())
    };
    assert_eq!((unusable.reason.as_str(), id.len(), *ordinal), ("DeliveryTooLarge", 256, Some(0)));
    assert!(unusable.message.contains("split it"), "{}", unusable.message);
}

#[test]
fn payload_that_is_kept_holds_no_other_bytes_in_memory() {
    let read = Bytes::from(vec![1; 1 << 20]);
    let short = kept(&read.slice(..10));
    assert_eq!(short.len(), 10);
    assert!(read.try_into_mut().is_ok(), "the read is free");
}
