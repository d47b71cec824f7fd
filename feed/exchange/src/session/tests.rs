//! Sessions in virtual time, with a model of the exchange.

mod connecting;
mod harness;
mod numbers;
mod random;
