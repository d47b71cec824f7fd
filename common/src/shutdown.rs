//! Signals that end a process, as a cancellation token. A second signal ends it at once.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The value for a process without a signal.
const NONE: u8 = 0;

/// The signals of a process.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Cancelled by the first signal.
    pub first: CancellationToken,
    number: Arc<AtomicU8>,
}

impl Signals {
    /// The exit code that shells show for a process that the first signal ended: 128 and its number, as 130 for SIGINT and
    /// 143 for SIGTERM. `None`: there was no signal.
    pub fn exit_code(&self) -> Option<u8> {
        match self.number.load(Ordering::Acquire) {
            NONE => None,
            number => Some(exit_code(number)),
        }
    }
}

const fn exit_code(number: u8) -> u8 {
    number.saturating_add(128)
}

/// A token that is cancelled by the first signal of [`signals`].
pub fn on_signal() -> io::Result<CancellationToken> {
    signals().map(|signals| signals.first)
}

/// Listens to SIGTERM, SIGINT, SIGHUP and SIGQUIT. The first one cancels the token, and the second one ends the process at
/// once with the exit code of that signal. A process that was started with SIGHUP or SIGQUIT ignored, as `nohup` does, goes
/// on ignoring it. Must be called within a tokio runtime.
pub fn signals() -> io::Result<Signals> {
    let signals = Signals { first: CancellationToken::new(), number: Arc::new(AtomicU8::new(NONE)) };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ignored = ignored();
    let mut hangup = unless_ignored(SignalKind::hangup(), ignored)?;
    let mut quit = unless_ignored(SignalKind::quit(), ignored)?;
    let Signals { first, number } = signals.clone();
    #[expect(clippy::disallowed_methods, reason = "it waits for signals until the process ends")]
    tokio::spawn(async move {
        loop {
            let (name, kind) = tokio::select! {
                _ = terminate.recv() => ("SIGTERM", SignalKind::terminate()),
                _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt()),
                () = received(hangup.as_mut()) => ("SIGHUP", SignalKind::hangup()),
                () = received(quit.as_mut()) => ("SIGQUIT", SignalKind::quit()),
            };
            let received = u8::try_from(kind.as_raw_value()).unwrap_or(u8::MAX);
            if first.is_cancelled() {
                tracing::warn!(signal = name, "second signal: ending at once");
                #[expect(clippy::exit, reason = "a second signal means that the orderly end takes too long")]
                std::process::exit(i32::from(exit_code(received)));
            }
            tracing::info!(signal = name, "shutting down");
            number.store(received, Ordering::Release);
            first.cancel();
        }
    });
    Ok(signals)
}

fn unless_ignored(kind: SignalKind, ignored: u64) -> io::Result<Option<Signal>> {
    let bit = u32::try_from(kind.as_raw_value() - 1).ok().and_then(|shift| 1_u64.checked_shl(shift));
    let is_ignored = bit.is_some_and(|bit| ignored & bit != 0);
    if is_ignored { Ok(None) } else { signal(kind).map(Some) }
}

async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// The signals that this process ignores, the lowest bit for signal 1. Zero where there is no `/proc`.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status)
}

fn ignored_in(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status_of_the_process() {
        assert_eq!(ignored_in("Name:\tx\nSigBlk:\tffff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"), 0x1001);
        assert_eq!(ignored_in(""), 0);
    }
}
