//! Algorithms out of process: waits for them at the start, and says how they are. Pure but for the waiting.

#![expect(clippy::disallowed_methods, reason = "an edge: it waits by the monotonic clock")]

use std::time::Duration;

use intuition_api::{
    reason::{BACKEND_STARTING, CONTRACT_BROKEN, CONTRACT_UNSUPPORTED, PARAMETERS_REFUSED},
    v1::Backend,
};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    RunError,
    local::{Local, LocalError},
    say,
};

/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// One that is being called for the first time is worth a word after so long only.
const CALL: Duration = Duration::from_secs(1);
/// Reasons that end a run: waiting does not help.
const LASTING: [&str; 3] = [PARAMETERS_REFUSED, CONTRACT_UNSUPPORTED, CONTRACT_BROKEN];

/// An algorithm that can never decide what this run wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit {
    /// `<namespace>/<name>`.
    pub(super) account: String,
    /// CamelCase code.
    pub(super) reason: String,
    /// The same for a person, with the address.
    pub(super) message: String,
}

impl Unfit {
    /// Whether it is what it was told that is wrong.
    pub(super) fn is_usage(&self) -> bool {
        self.reason == PARAMETERS_REFUSED
    }
}

/// An algorithm as it is at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen {
    account: String,
    backend: Backend,
    channels: Vec<String>,
}

impl Seen {
    /// All of a run, in order.
    pub(super) fn all(locals: &[Local]) -> Vec<Self> {
        let seen = locals.iter().map(|local| Self {
            account: local.account.clone(),
            backend: local.backend(),
            channels: local.channels(),
        });
        seen.collect()
    }

    fn is_there(&self) -> bool {
        self.backend.reason.is_empty() && !self.channels.is_empty()
    }

    fn unfit(&self) -> Option<Unfit> {
        let Self { account, backend: Backend { reason, message, .. }, .. } = self;
        let is_lasting = LASTING.contains(&reason.as_str());
        is_lasting.then(|| Unfit { account: account.clone(), reason: reason.clone(), message: message.clone() })
    }
}

/// What was said of each algorithm.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<Last>);

#[derive(Debug, Clone, Default)]
struct Last {
    reason: String,
    channels: Vec<String>,
}

impl Told {
    /// What is new and worth a line, `elapsed` after the start: a reason why one is waited for, once until it is another;
    /// that it answers again; that it wants other channels.
    pub(super) fn news(&mut self, seen: &[Seen], elapsed: Duration) -> Vec<String> {
        self.0.resize_with(seen.len(), Last::default);
        let pairs = self.0.iter_mut().zip(seen);
        pairs.flat_map(|(last, seen)| news_of(last, seen, elapsed)).collect()
    }
}

fn news_of(last: &mut Last, seen: &Seen, elapsed: Duration) -> Vec<String> {
    let Seen { account, backend, channels } = seen;
    let Backend { address, reason, message, name, version } = backend;
    let mut lines = Vec::new();
    if *reason != last.reason && (reason != BACKEND_STARTING || elapsed >= CALL) {
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
                format!("{account}: the algorithm at {address} is there: {}{changed}", named.trim_end())
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
pub(super) async fn wait(locals: &[Local], told: &mut Told, signal: &CancellationToken) -> Result<bool, RunError> {
    let begun = Instant::now();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = signal.cancelled() => return Ok(false),
        }
        if let Some((local, part)) = locals.iter().find_map(|local| Some((local, local.ended()?))) {
            return Err(RunError::local(local.account.clone(), LocalError::Lose(part)));
        }
        let seen = Seen::all(locals);
        if let Some(unfit) = seen.iter().find_map(Seen::unfit) {
            return Err(RunError::Unfit(unfit));
        }
        say(&told.news(&seen, begun.elapsed()));
        if seen.iter().all(Seen::is_there) {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "http://127.0.0.1:50051";

    fn seen(reason: &str, message: &str, channels: &[&str]) -> [Seen; 1] {
        let backend = Backend {
            address: ADDRESS.to_owned(),
            name: "breakout".to_owned(),
            version: "1.2.0".to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let channels = channels.iter().map(|&channel| channel.to_owned()).collect();
        [Seen { account: "default/a".to_owned(), backend, channels }]
    }

    fn nobody() -> [Seen; 1] {
        seen("BackendUnreachable", "http://127.0.0.1:50051: nobody answers", &[])
    }

    const NONE: [String; 0] = [];

    #[test]
    fn a_reason_is_said_once_until_it_is_another_and_that_it_answers_too() {
        let (mut told, at) = (Told::default(), Duration::ZERO);
        let waits = "default/a: waits for the algorithm at http://127.0.0.1:50051: ";
        assert_eq!(told.news(&nobody(), at), [format!("{waits}nobody answers")]);
        let again = seen("BackendUnreachable", "http://127.0.0.1:50051: nobody answers: refused", &[]);
        assert_eq!(told.news(&again, at), NONE);
        let late = seen("BackendTimeout", "http://127.0.0.1:50051: it did not answer within 10 s", &[]);
        assert_eq!(told.news(&late, at), [format!("{waits}it did not answer within 10 s")]);
        let failing = seen("BackendFailing", "http://127.0.0.1:50051 fails at one quote after another: boom", &[]);
        assert_eq!(told.news(&failing, at), [format!("{waits}it fails at one quote after another: boom")]);
        let there = "default/a: the algorithm at http://127.0.0.1:50051 is there: breakout 1.2.0";
        assert_eq!(told.news(&seen("", "", &["quotes"]), at), [there]);
        assert_eq!(told.news(&seen("", "", &["quotes"]), at), NONE);
        told.news(&nobody(), at);
        let renamed = "was breakout 1.1.0, is breakout-2 1.2.0: it begins without the state of breakout";
        assert_eq!(told.news(&seen("", renamed, &["quotes"]), at), [format!("{there} ({renamed})")]);
    }

    #[test]
    fn one_that_answers_at_once_is_not_worth_a_word_and_one_that_hangs_is() {
        let starting = seen(BACKEND_STARTING, "http://127.0.0.1:50051 is being called", &[]);
        let mut told = Told::default();
        assert_eq!(told.news(&starting, Duration::from_millis(999)), NONE);
        assert_eq!(told.news(&seen("", "", &["quotes"]), Duration::from_secs(1)), NONE);
        let hangs = "default/a: waits for the algorithm at http://127.0.0.1:50051: it has not answered yet";
        assert_eq!(Told::default().news(&starting, Duration::from_secs(1)), [hangs]);
    }

    #[test]
    fn other_channels_are_said_and_the_first_are_not() {
        let (mut told, at) = (Told::default(), Duration::ZERO);
        assert_eq!(told.news(&seen("", "", &["quotes"]), at), NONE);
        let expected = ["default/a: takes trades, fx/+ from here on"];
        assert_eq!(told.news(&seen("", "", &["trades", "fx/+"]), at), expected);
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
            let [seen] = seen(reason, "", &[]);
            assert_eq!(seen.unfit().map(|unfit| unfit.is_usage()), is_usage, "{reason}");
        }
    }
}
