//! Changes of the trading state: each follows from a call, or from the file of a start.

use std::collections::BTreeMap;

use algo_runtime::ledger::{Cause, Changes, Snapshot, TradingRecord};
use intuition_api::v1::{ConfigureRequest, SetTradingStateRequest, TradingState};

use super::{hold, promise};
use crate::facts::{Time, Violation};

/// A call waits at most so long at a runtime that stands still.
const LONGEST_WAIT: Time = Time::from_secs(200);

type Codes<'a> = BTreeMap<&'a str, TradingState>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Causes {
    trading: TradingRecord,
    /// Calls that came to a runtime and have changed nothing yet.
    asked: Vec<(Time, SetTradingStateRequest)>,
    /// Calls with settings that came to a runtime: generation, and `suspend`.
    configured: Vec<(Time, i64, bool)>,
    /// The next commit is that of a start, which has a file.
    is_start: bool,
}

impl Causes {
    /// A call came to a runtime.
    pub(super) fn asked(&mut self, request: &SetTradingStateRequest, now: Time) {
        self.asked.retain(|(at, _)| now.saturating_sub(*at) < LONGEST_WAIT);
        self.asked.push((now, request.clone()));
    }

    /// A call with settings came to a runtime.
    pub(super) fn configured(&mut self, request: &ConfigureRequest, now: Time) {
        self.configured.retain(|(at, ..)| now.saturating_sub(*at) < LONGEST_WAIT);
        let suspend = request.settings.as_ref().is_some_and(|settings| settings.suspend);
        self.configured.push((now, request.generation, suspend));
    }

    /// A runtime opened the ledger.
    pub(super) fn opened(&mut self, snapshot: &Snapshot) {
        self.trading = snapshot.trading.clone().unwrap_or_default();
        self.is_start = true;
    }

    /// A commit.
    pub(super) fn commit(&mut self, changes: &Changes) -> Result<(), Violation> {
        let is_start = std::mem::take(&mut self.is_start);
        let Some(after) = &changes.trading else { return Ok(()) };
        let before = std::mem::replace(&mut self.trading, after.clone());
        let (then, now) = (codes(&before), codes(after));
        if then == now {
            return Ok(());
        }
        hold!(
            after.number > before.number,
            promise::STOP,
            "the causes of the trading state go from {then:?} to {now:?}, and its number stays {}: who has seen the one state \
             alone can lift the other",
            after.number
        );
        // The file of a start lifts only stops of generations before its own.
        let may_be_file = is_start && (strictest(&now) >= strictest(&then) || after.generation > before.generation);
        // Of several calls in one commit only the result is seen.
        let is_one = after.number == before.number + 1;
        let by_call = self.asked.iter().position(|(_, request)| is_by(request, &before, &then, &now));
        let is_called = by_call.map(|place| self.asked.remove(place)).is_some();
        let by_settings =
            |(_, generation, suspend): &(Time, i64, bool)| is_by_settings(*generation, *suspend, &before, &now);
        let is_explained = is_called || may_be_file || !is_one || self.configured.iter().any(by_settings);
        hold!(
            is_explained,
            promise::STOP,
            "the causes of the trading state go from {then:?}, number {}, to {now:?}, and no call asked for that",
            before.number
        );
        Ok(())
    }
}

/// Whether a call makes the causes `now` of those before it.
fn is_by(request: &SetTradingStateRequest, before: &TradingRecord, then: &Codes<'_>, now: &Codes<'_>) -> bool {
    let asked: Codes<'_> = request.causes.iter().map(|cause| (cause.cause.as_str(), cause.state())).collect();
    let mut tightened = then.clone();
    for (code, state) in &asked {
        let known = tightened.entry(code).or_insert(*state);
        *known = (*known).max(*state);
    }
    let is_in_force = request.from == Some(before.number) && request.generation >= before.generation;
    tightened == *now || is_in_force && asked == *now
}

/// Whether settings of a generation make the causes `now` of those before: `suspend` is a cause of the code `User` beside the
/// one of the calls, and ends only by settings that are not older than the state.
fn is_by_settings(generation: i64, suspend: bool, before: &TradingRecord, now: &Codes<'_>) -> bool {
    let mut next = before.clone();
    let key = ("User".to_owned(), true);
    if suspend {
        let halted = Cause { state: TradingState::Halted, message: String::new(), since_micros: 0 };
        next.causes.entry(key).or_insert(halted);
    } else if generation >= before.generation {
        next.causes.remove(&key);
    }
    codes(&next) == *now
}

/// The state that each code asks for.
fn codes(trading: &TradingRecord) -> Codes<'_> {
    let mut codes = Codes::new();
    for ((code, _), cause) in &trading.causes {
        let known = codes.entry(code.as_str()).or_insert(cause.state);
        *known = (*known).max(cause.state);
    }
    codes
}

fn strictest(codes: &Codes<'_>) -> TradingState {
    codes.values().copied().max().unwrap_or(TradingState::Active)
}
