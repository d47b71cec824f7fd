//! Sessions over real sockets, against the local exchange and its faults.

mod bars;
mod certificates;
mod faults;
mod harness;
mod markets;
