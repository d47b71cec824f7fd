//! Hosts one trading algorithm: decides, sizes, and keeps the ledger.

pub mod ledger;
