//! The ledger as its users see it: what it keeps, what it refuses, and that damage never passes.

mod damage;
mod fixture;
mod model;
mod speed;
mod store;
mod tampering;
