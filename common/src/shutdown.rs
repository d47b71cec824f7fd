//! Signals that end a process, as a cancellation token.

use std::{fs, io};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM, SIGINT, SIGHUP or SIGQUIT. A process that was started with SIGHUP or
/// SIGQUIT ignored, as `nohup` does, goes on ignoring it. Must be called within a tokio runtime.
pub fn on_signal() -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ignored = ignored();
    let mut hangup = unless_ignored(SignalKind::hangup(), ignored)?;
    let mut quit = unless_ignored(SignalKind::quit(), ignored)?;
    let cancelled = token.clone();
    #[expect(clippy::disallowed_methods, reason = "it waits for a signal until the process ends")]
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = received(hangup.as_mut()) => "SIGHUP",
            () = received(quit.as_mut()) => "SIGQUIT",
        };
        tracing::info!(signal = name, "shutting down");
        cancelled.cancel();
    });
    Ok(token)
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
