//! The data path in one thread, from one seed: the standing critic.
//!
//! The real cores run here: the bridge's `Machine` with its two MQTT connections (`Protocol`), the runtime's `Writer` with
//! engine and ledger. Everything around them is a model: the broker, the network, publishers, a remote algorithm, a
//! consumer, the operator's calls, and the faults. Virtual time jumps from one event to the next, and every choice is
//! drawn from the seed, so that a seed gives the same run each time.
//!
//! - [`plan`]: the parameters of a run, drawn from its seed. [`facts`]: what happened, as the checker hears it.
//! - [`world`]: the events in their order. [`process`]: bridge, runtime, remote algorithms, operator. [`storage`]: the disk.
//! - [`broker`], [`publisher`], [`consumer`]: the outside.
//! - `check`: the promises, with arithmetic of its own. `coverage`: how often each fault and outcome occurred.

pub mod broker;
pub mod consumer;
pub mod facts;
pub mod plan;
pub mod process;
pub mod publisher;
pub mod storage;
pub mod world;
