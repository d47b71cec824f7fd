//! A message from the broker, read.

use bytes::Bytes;
use intuition_api::v1::{Delivery, Tick};

use crate::message::Marks;

/// A message from the broker, read.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The connection that it came on.
    pub epoch: u64,
    /// 0: nothing to acknowledge.
    pub packet_id: u16,
    /// The broker sent it before.
    pub duplicate: bool,
    /// The publisher's marks.
    pub marks: Marks,
    /// Topic it came on.
    pub topic: String,
    /// Identifiers of the subscriptions it was sent for.
    pub subscription_ids: Vec<u32>,
    /// SHA-256 of the whole payload.
    pub payload_sha256: [u8; 32],
    /// SHA-256 of the payload and the user properties.
    pub envelope_sha256: [u8; 32],
    /// The whole payload's length.
    pub payload_size: usize,
    /// Its first [`KEPT_PAYLOAD_BYTES`](super::KEPT_PAYLOAD_BYTES).
    pub payload: Bytes,
    /// Microseconds since the epoch.
    pub arrived_micros: i64,
    /// Its ticks.
    pub ticks: Vec<Tick>,
}

impl Arrival {
    /// Its delivery, not marked as interrupted.
    pub(super) fn delivery(&self, number: u64, packet_id: u16) -> Delivery {
        Delivery {
            number,
            topic: self.topic.clone(),
            packet_id: u32::from(packet_id),
            duplicate: self.duplicate,
            replay: self.marks.replay,
            payload_sha256: self.payload_sha256.to_vec().into(),
            payload_size: u64::try_from(self.payload_size).unwrap_or(u64::MAX),
            payload: self.payload.clone(),
            arrived_micros: self.arrived_micros,
            ticks: self.ticks.clone(),
            connection: self.epoch,
            interrupted: false,
            envelope_sha256: self.envelope_sha256.to_vec().into(),
            sparse: self.marks.sparse,
            backfill: self.marks.backfill,
        }
    }
}
