//! The processes of a world: the real cores, driven by virtual time.
//!
//! - `bridge`: the bridge's machine with its two connections to the broker (`client`) and its stream to the runtime.
//! - `runtime`: the runtime's writer. `algorithm`: remote algorithms. `operator`: who calls the runtime.

pub mod algorithm;
pub mod bridge;
pub mod client;
pub mod operator;
pub mod runtime;
