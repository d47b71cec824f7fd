//! The gRPC contract `intuition.v1`, generated from `proto/intuition/v1`, and the exact decimals that it carries as text.
//!
//! - [`v1`]: messages, clients and servers.
//! - [`decimal`]: [`Price`](decimal::Price), [`Money`](decimal::Money), [`Quantity`](decimal::Quantity): parsed exactly,
//!   printed exactly, multiplied and divided in integers wide enough to be exact.
//! - [`epoch`]: numbers that are times.
//! - [`mod@format`]: descriptions of messages of other forms.
//! - [`indicator`]: names and limits of indicators.
//! - [`quote`]: the values of a quote beside its price, and their rules.
//! - [`part`]: parts of `/readyz`.
//! - [`bounds`]: sizes of messages of the service `Runtime`; [`limits`]: those of the service `Algorithm`.
//! - [`describe`]: the rules of an answer to `Describe`; [`channel`]: those of channels; [`status`]: how a call ended.
//! - [`reason`]: reasons of `/readyz` and conditions; [`refusal`]: codes of the runtime's refusals.
//! - [`capability`]: capabilities of a side beyond v0.1.0.
//! - [`trading`]: trading states and their causes.
//! - [`topic`]: MQTT topic filters, as the contract's channels use them.

pub mod bounds;
pub mod capability;
pub mod channel;
pub mod decimal;
pub mod describe;
pub mod epoch;
pub mod format;
pub mod indicator;
pub mod limits;
pub mod part;
pub mod quote;
pub mod reason;
pub mod refusal;
pub mod status;
pub mod topic;
pub mod trading;

/// Messages, clients and servers of the contract.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::clone_on_ref_ptr,
    clippy::indexing_slicing,
    reason = "generated; documented in the .proto files, from which the comments come"
)]
pub mod v1 {
    tonic::include_proto!("intuition.v1");

    pub use crate::quote::{Quote, QuoteDetails};

    /// The compiled `.proto` files, for server reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/intuition.v1.bin"));
}
