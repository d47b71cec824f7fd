//! Hosts one trading algorithm: decides, sizes, and keeps the ledger.

pub mod algorithm;
pub mod generator;
pub mod ledger;
pub mod portfolio;
pub mod settings;
