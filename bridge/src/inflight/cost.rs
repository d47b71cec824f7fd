//! The size of a delivery: bytes of memory here, and bytes of its encoded form on the way to the runtime. Pure.

use std::mem::size_of;

use intuition_api::v1::{Indicator, IndicatorValue, QuoteDetails, Tick, tick::Content};
use prost::Message as _;

use super::{Arrival, Entry};

/// Bytes that an allocator adds to an allocation, about.
const ALLOCATION_BYTES: usize = 16;
/// A hash of 32 bytes, and the counter by which its copies share it.
const HASH_BYTES: usize = 32 + 24 + 2 * ALLOCATION_BYTES;
/// Memory of a place in the queue, which has room for up to twice its entries.
pub(super) const PLACE_BYTES: usize = 2 * size_of::<Entry>();
/// Encoded form of a delivery beside topic, payload and ticks, and its frame in a batch: two hashes of 34 bytes, five numbers of up
/// to 11, the lengths.
const ENCODED_DELIVERY_BYTES: usize = 192;
/// Field number and length of a tick in a delivery.
const ENCODED_FRAME_BYTES: usize = 6;

/// Bytes of memory of a message until it has its outcome.
pub(crate) fn memory(arrival: &Arrival) -> usize {
    let ticks: usize = arrival.ticks.iter().map(of_tick).sum();
    let reserve = (arrival.ticks.capacity() - arrival.ticks.len()) * size_of::<Tick>();
    let ids = heap(arrival.subscription_ids.capacity() * size_of::<u32>());
    let payload = heap(arrival.payload.len()) + 24 + ALLOCATION_BYTES;
    PLACE_BYTES
        + size_of::<Arrival>()
        + ALLOCATION_BYTES
        + ticks
        + reserve
        + heap(arrival.topic.capacity())
        + ids
        + payload
}

/// Bytes of its delivery in a batch, at most; fewer than 256 less at least.
pub(crate) fn encoded(arrival: &Arrival) -> usize {
    let ticks: usize = arrival.ticks.iter().map(|tick| tick.encoded_len() + ENCODED_FRAME_BYTES).sum();
    ENCODED_DELIVERY_BYTES + arrival.topic.len() + arrival.payload.len() + ticks
}

fn of_tick(tick: &Tick) -> usize {
    let content = match &tick.content {
        Some(Content::Quote(quote)) => {
            let details = quote.details.as_ref().map_or(0, |details| of_details(details));
            heap(quote.sid.capacity()) + heap(quote.price.capacity()) + details
        }
        Some(Content::Indicator(indicator)) => of_indicator(indicator),
        Some(Content::Unusable(unusable)) => heap(unusable.reason.capacity()) + heap(unusable.message.capacity()),
        None => 0,
    };
    size_of::<Tick>() + heap(tick.source.capacity()) + heap(tick.id.capacity()) + content + HASH_BYTES
}

fn of_indicator(indicator: &Indicator) -> usize {
    let Indicator { name, sid, values, time_micros: _ } = indicator;
    let texts = values.iter().map(|value| heap(value.name.capacity()) + heap(value.value.capacity()));
    let places = heap(values.capacity() * size_of::<IndicatorValue>());
    heap(size_of::<Indicator>()) + heap(name.capacity()) + heap(sid.capacity()) + places + texts.sum::<usize>()
}

fn of_details(details: &QuoteDetails) -> usize {
    let QuoteDetails { size, open, high, low, volume, bid, ask, interval_micros: _ } = details;
    let texts = [size, open, high, low, volume, bid, ask].into_iter().flatten();
    heap(size_of::<QuoteDetails>()) + texts.map(|text| heap(text.capacity())).sum::<usize>()
}

const fn heap(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes + ALLOCATION_BYTES }
}
