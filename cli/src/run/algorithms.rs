//! Algorithms out of process: waits for them at the start, and reports changes of their states. Pure but for the waiting.

#![expect(clippy::disallowed_methods, reason = "an edge: it waits by the monotonic clock")]

use std::time::Duration;

use intuition_api::{
    reason::{BACKEND_STARTING, CONTRACT_BROKEN, CONTRACT_UNSUPPORTED, PARAMETERS_REFUSED},
    v1::Backend,
};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    error::{PermanentError, RunError},
    local::{Local, LocalError},
    say,
};

/// Interval of reads of their states.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The first call of an algorithm is reported only if it takes longer than this.
const SILENT_START: Duration = Duration::from_secs(1);
/// Permanent reasons, which end a run.
const PERMANENT: [&str; 3] = [PARAMETERS_REFUSED, CONTRACT_UNSUPPORTED, CONTRACT_BROKEN];

/// The state of an algorithm at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AlgorithmState {
    account: String,
    backend: Backend,
    channels: Vec<String>,
}

impl AlgorithmState {
    /// The states of all algorithms of a run, in order.
    pub(super) fn all(locals: &[Local]) -> Vec<Self> {
        let states = locals.iter().map(|local| Self {
            account: local.account.clone(),
            backend: local.backend(),
            channels: local.channels(),
        });
        states.collect()
    }

    fn is_there(&self) -> bool {
        self.backend.reason.is_empty() && !self.channels.is_empty()
    }

    fn permanent_error(&self) -> Option<PermanentError> {
        let Self { account, backend: Backend { reason, message, .. }, .. } = self;
        let is_permanent = PERMANENT.contains(&reason.as_str());
        is_permanent.then(|| PermanentError {
            account: account.clone(),
            reason: reason.clone(),
            message: message.clone(),
        })
    }
}

/// Reports changes of the algorithms' states, and keeps the last reported ones.
#[derive(Debug, Default)]
pub(super) struct StateReporter(Vec<Reported>);

#[derive(Debug, Clone, Default)]
struct Reported {
    reason: String,
    channels: Vec<String>,
}

impl StateReporter {
    /// Lines about the changes, `elapsed` after the start: a new reason to wait for an algorithm, its first answer after
    /// that, and other channels.
    pub(super) fn changes(&mut self, states: &[AlgorithmState], elapsed: Duration) -> Vec<String> {
        self.0.resize_with(states.len(), Reported::default);
        let pairs = self.0.iter_mut().zip(states);
        pairs.flat_map(|(last, state)| changes_of(last, state, elapsed)).collect()
    }
}

fn changes_of(last: &mut Reported, state: &AlgorithmState, elapsed: Duration) -> Vec<String> {
    let AlgorithmState { account, backend, channels } = state;
    let Backend { address, reason, message, name, version } = backend;
    let mut lines = Vec::new();
    if *reason != last.reason && (reason != BACKEND_STARTING || elapsed >= SILENT_START) {
        // The message begins with the address, which the line has already.
        let message = match message.strip_prefix(address.as_str()) {
            None => message.clone(),
            Some(rest) if rest.starts_with(' ') => format!("it{rest}"),
            Some(rest) => rest.trim_start_matches(": ").to_owned(),
        };
        lines.push(match reason.as_str() {
            "" => {
                let named = format!("{name} {version}");
                // A message without a reason is about another name, and names the state that is missing by it.
                let changed = if message.is_empty() { String::new() } else { format!(" ({message})") };
                format!("{account}: the algorithm at {address} is ready: {}{changed}", named.trim_end())
            }
            BACKEND_STARTING => format!("{account}: waits for the algorithm at {address}: it has not answered yet"),
            _ => format!("{account}: waits for the algorithm at {address}: {message}"),
        });
        last.reason.clone_from(reason);
    }
    if *channels != last.channels {
        if !last.channels.is_empty() {
            lines.push(format!("{account}: takes {} from here on", channels.join(", ")));
        }
        last.channels.clone_from(channels);
    }
    lines
}

/// Waits until every algorithm can decide and its channels are known; `false`: `signal` came first.
pub(super) async fn wait(
    locals: &[Local],
    reporter: &mut StateReporter,
    signal: &CancellationToken,
) -> Result<bool, RunError> {
    let begun = Instant::now();
    let mut looks = interval(POLL_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = signal.cancelled() => return Ok(false),
        }
        if let Some((local, part)) = locals.iter().find_map(|local| Some((local, local.ended()?))) {
            return Err(RunError::local(local.account.clone(), LocalError::Lose(part)));
        }
        let states = AlgorithmState::all(locals);
        if let Some(error) = states.iter().find_map(AlgorithmState::permanent_error) {
            return Err(RunError::Algorithm(error));
        }
        say(&reporter.changes(&states, begun.elapsed()));
        if states.iter().all(AlgorithmState::is_there) {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "http://127.0.0.1:50051";

    fn states(reason: &str, message: &str, channels: &[&str]) -> [AlgorithmState; 1] {
        let backend = Backend {
            address: ADDRESS.to_owned(),
            name: "breakout".to_owned(),
            version: "1.2.0".to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let channels = channels.iter().map(|&channel| channel.to_owned()).collect();
        [AlgorithmState { account: "default/a".to_owned(), backend, channels }]
    }

    fn unreachable() -> [AlgorithmState; 1] {
        states("BackendUnreachable", "http://127.0.0.1:50051: no server answers", &[])
    }

    const NONE: [String; 0] = [];

    #[test]
    fn a_reason_is_said_once_until_it_is_another_and_that_it_answers_too() {
        let (mut reporter, at) = (StateReporter::default(), Duration::ZERO);
        let waits = "default/a: waits for the algorithm at http://127.0.0.1:50051: ";
        assert_eq!(reporter.changes(&unreachable(), at), [format!("{waits}no server answers")]);
        let again = states("BackendUnreachable", "http://127.0.0.1:50051: no server answers: refused", &[]);
        assert_eq!(reporter.changes(&again, at), NONE);
        let late = states("BackendTimeout", "http://127.0.0.1:50051: it did not answer within 10 s", &[]);
        assert_eq!(reporter.changes(&late, at), [format!("{waits}it did not answer within 10 s")]);
        let failing = states("BackendFailing", "http://127.0.0.1:50051 fails at one quote after another: boom", &[]);
        assert_eq!(reporter.changes(&failing, at), [format!("{waits}it fails at one quote after another: boom")]);
        let there = "default/a: the algorithm at http://127.0.0.1:50051 is ready: breakout 1.2.0";
        assert_eq!(reporter.changes(&states("", "", &["quotes"]), at), [there]);
        assert_eq!(reporter.changes(&states("", "", &["quotes"]), at), NONE);
        reporter.changes(&unreachable(), at);
        let renamed = "was breakout 1.1.0, is breakout-2 1.2.0: it begins without the state of breakout";
        assert_eq!(reporter.changes(&states("", renamed, &["quotes"]), at), [format!("{there} ({renamed})")]);
    }

    #[test]
    fn one_that_answers_at_once_is_not_worth_a_word_and_one_that_hangs_is() {
        let starting = states(BACKEND_STARTING, "http://127.0.0.1:50051 is being called", &[]);
        let mut reporter = StateReporter::default();
        assert_eq!(reporter.changes(&starting, Duration::from_millis(999)), NONE);
        assert_eq!(reporter.changes(&states("", "", &["quotes"]), Duration::from_secs(1)), NONE);
        let hangs = "default/a: waits for the algorithm at http://127.0.0.1:50051: it has not answered yet";
        assert_eq!(StateReporter::default().changes(&starting, Duration::from_secs(1)), [hangs]);
    }

    #[test]
    fn other_channels_are_said_and_the_first_are_not() {
        let (mut reporter, at) = (StateReporter::default(), Duration::ZERO);
        assert_eq!(reporter.changes(&states("", "", &["quotes"]), at), NONE);
        let expected = ["default/a: takes trades, fx/+ from here on"];
        assert_eq!(reporter.changes(&states("", "", &["trades", "fx/+"]), at), expected);
    }

    #[test]
    fn what_waiting_does_not_mend_is_told_apart_and_whose_mistake_it_is() {
        for (reason, is_usage) in [
            ("ParametersRefused", Some(true)),
            ("ContractUnsupported", Some(false)),
            ("ContractBroken", Some(false)),
            ("BackendUnreachable", None),
            ("BackendError", None),
            ("", None),
        ] {
            let [state] = states(reason, "", &[]);
            assert_eq!(state.permanent_error().map(|error| error.is_usage()), is_usage, "{reason}");
        }
    }
}
