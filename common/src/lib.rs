//! Code that every Intuition process needs, without the domain.
//!
//! - [`clock`]: the only place that reads the wall clock.
//! - [`planted`]: mistakes that the simulation has to find.
//! - [`backoff`]: jittered pauses between attempts.
//! - [`civil`]: dates and times of day without a zone.
//! - [`duration`]: durations as flags take them.
//! - [`telemetry`]: logs, on stderr, as text or JSON.
//! - [`readiness`]: missing parts of a process, with their times.
//! - [`http`]: `/healthz`, `/readyz`, `/metrics`.
//! - [`heartbeat`]: shows that a loop of the process still turns.
//! - [`listen`]: a TCP listener with a bounded number of connections.
//! - [`grpc`]: a gRPC server within limits.
//! - [`shutdown`]: SIGTERM, Ctrl-C, SIGHUP and SIGQUIT as a cancellation token.
//! - [`secret`]: text that never reaches a log.
//! - [`args`]: reads the command line, and shows errors in it.
//! - [`text`]: text from outside, made safe for terminals and logs.
//! - [`color`]: colours on a terminal.
//! - [`exit`]: error report and exit code of a `main`.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "unit tests read clocks"))]

pub mod args;
pub mod backoff;
pub mod civil;
pub mod clock;
pub mod color;
pub mod duration;
pub mod exit;
pub mod grpc;
pub mod heartbeat;
pub mod http;
pub mod listen;
pub mod planted;
pub mod readiness;
pub mod secret;
pub mod shutdown;
pub mod telemetry;
pub mod text;
