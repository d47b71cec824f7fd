//! The trading state: its causes, and the rules by which a call changes them. Pure.
//!
//! A stop is easy to set and hard to lift. A call that makes the state stricter counts at any generation of the resource;
//! one that makes it looser has to be of a generation that is not below the recorded one, and has to name the number of the
//! state that it saw, so that a call that comes late lifts nothing.

mod document;

use std::collections::{BTreeMap, btree_map::Entry};

use intuition_api::{
    trading::{LONGEST_MESSAGE, cause},
    v1::{self, TradingCause, TradingState},
};
use intuition_common::planted::{self, Mistake};

pub use document::{Document, ParseDocumentError};

use crate::ledger::{Cause, SettingsRecord, TradingRecord};

/// Causes that a caller asks for, by their codes.
pub type RequestedCauses = BTreeMap<String, (TradingState, String)>;

/// Text of the cause that `suspend` sets.
const BY_SUSPEND: &str = "spec.suspend";
/// Text of the cause that flags or a local manifest set.
const BY_FLAG: &str = "asked for at the start of the runtime";

/// Why a part of a call did not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// The call is of a generation below the recorded one.
    OlderGeneration,
    /// The call names no number, or another one than that of the state in force.
    OtherNumber,
}

/// Causes that no call may set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CauseError {
    /// The code is none of those that a call sets.
    #[error("the cause {0:?} cannot be set: a call sets User, Halt and Reduce")]
    UnknownCode(String),
    /// A code is there twice.
    #[error("the cause {0} is there twice")]
    RepeatedCode(String),
    /// A cause asks for a state that stops nothing.
    #[error("the cause {0} has to ask for Reducing or Halted; leave it out where it shall not hold")]
    NoStop(String),
    /// A text is too long.
    #[error("the message of the cause {code} has {bytes} bytes, and at most {LONGEST_MESSAGE} are allowed")]
    LongMessage {
        /// Code of the cause.
        code: String,
        /// Length of its text.
        bytes: usize,
    },
}

/// Reads the causes of a call.
pub fn requested_causes(causes: &[TradingCause]) -> Result<RequestedCauses, CauseError> {
    let mut wanted = RequestedCauses::new();
    for TradingCause { cause: code, state, message, .. } in causes {
        if !cause::SETTABLE.contains(&code.as_str()) {
            return Err(CauseError::UnknownCode(code.clone()));
        }
        let Ok(state @ (TradingState::Reducing | TradingState::Halted)) = TradingState::try_from(*state) else {
            return Err(CauseError::NoStop(code.clone()));
        };
        if message.len() > LONGEST_MESSAGE {
            return Err(CauseError::LongMessage { code: code.clone(), bytes: message.len() });
        }
        if wanted.insert(code.clone(), (state, message.clone())).is_some() {
            return Err(CauseError::RepeatedCode(code.clone()));
        }
    }
    Ok(wanted)
}

/// The trading state of an account.
#[derive(Debug, Clone)]
pub struct Trading {
    record: TradingRecord,
    /// As the ledger has it.
    recorded: Option<TradingRecord>,
}

impl Trading {
    /// Takes the record up for the resource `uid`, empty for a runtime that was started by flags. A ledger that v0.1.0 has
    /// written to since has its `suspend` in `settings` alone.
    pub fn load(
        recorded: Option<TradingRecord>,
        uid: &str,
        settings: Option<&SettingsRecord>,
        now_micros: i64,
    ) -> Self {
        let mut trading = Self { record: recorded.clone().unwrap_or_default(), recorded };
        if trading.record.resource_uid != uid {
            // Generations of another resource mean nothing here. Its causes hold until a call replaces them.
            uid.clone_into(&mut trading.record.resource_uid);
            trading.record.generation = 0;
            trading.record.settings = None;
        }
        if let Some(settings) = settings.filter(|settings| !uid.is_empty() && settings.resource_uid == uid) {
            let generation = settings.settings_generation.max(settings.cash_generation);
            let suspend = settings.suspends();
            let by_this_release = trading.record.settings == Some((generation, suspend));
            if !by_this_release && generation > trading.record.generation {
                if suspend {
                    trading.suspend(generation, now_micros);
                } else {
                    trading.end_suspend(generation);
                }
            }
        }
        trading
    }

    /// The strictest state of all causes.
    pub fn state(&self) -> TradingState {
        self.record.causes.values().map(|cause| cause.state).max().unwrap_or(TradingState::Active)
    }

    /// Grows by one with each change of the causes.
    pub const fn number(&self) -> u64 {
        self.record.number
    }

    /// The highest generation whose causes were taken.
    pub const fn generation(&self) -> i64 {
        self.record.generation
    }

    /// As the contract shows it. Of two causes with one code the stricter is shown.
    pub fn shown(&self) -> v1::Trading {
        let mut causes: BTreeMap<&str, &Cause> = BTreeMap::new();
        for ((code, _), cause) in &self.record.causes {
            let shown = causes.entry(code).or_insert(cause);
            if cause.state > shown.state {
                *shown = cause;
            }
        }
        v1::Trading {
            state: self.state().into(),
            number: self.record.number,
            generation: self.record.generation,
            causes: causes.into_iter().map(|(code, cause)| shown_cause(code, cause)).collect(),
            closing: Vec::new(),
        }
    }

    /// Sets the causes that a call sets to `wanted`, as far as the call may. Returns why the rest was left out.
    pub fn set(
        &mut self,
        wanted: &RequestedCauses,
        generation: i64,
        from: Option<u64>,
        now_micros: i64,
    ) -> Option<LeftOut> {
        let is_older = generation < self.record.generation;
        let is_in_force = from == Some(self.record.number) || planted::is(Mistake::LooserWithoutNumber);
        if !is_older && is_in_force {
            self.replace(wanted, now_micros);
            self.record.generation = generation;
            return None;
        }
        let loosens = self
            .settable()
            .any(|((code, _), cause)| wanted.get(code.as_str()).is_none_or(|(state, _)| *state < cause.state));
        self.tighten(wanted, now_micros);
        match (loosens, is_older) {
            (true, true) => Some(LeftOut::OlderGeneration),
            (true, false) => Some(LeftOut::OtherNumber),
            (false, _) => None,
        }
    }

    /// The file of the start: it counts where its generation is above the recorded one, and at the same generation as far
    /// as it makes the state stricter. So does a file that is older than the recorded settings, whose generation is
    /// `settings`: it comes late.
    pub fn begin_with(&mut self, document: &Document, settings: i64, now_micros: i64) {
        let is_newer = document.generation > self.record.generation && document.generation >= settings;
        if is_newer || planted::is(Mistake::OlderFileLifts) {
            self.replace(&document.causes, now_micros);
            self.record.generation = document.generation;
        } else if document.generation >= self.record.generation {
            self.tighten(&document.causes, now_micros);
        }
    }

    /// Halts the account for a cause of the runtime's own. A cause in force keeps its time.
    pub fn halt(&mut self, code: &str, message: &str, now_micros: i64) {
        let key = (code.to_owned(), false);
        let known = self.record.causes.get(&key);
        let since_micros = known.map_or(now_micros, |cause| cause.since_micros);
        let cause = Cause { state: TradingState::Halted, message: message.to_owned(), since_micros };
        if known != Some(&cause) {
            self.record.causes.insert(key, cause);
            self.record.number += 1;
        }
    }

    /// Whether a cause of the runtime's own is in force.
    pub fn has(&self, code: &str) -> bool {
        self.record.causes.contains_key(&(code.to_owned(), false))
    }

    /// Ends a cause of the runtime's own.
    pub fn end(&mut self, code: &str) {
        if self.record.causes.remove(&(code.to_owned(), false)).is_some() {
            self.record.number += 1;
        }
    }

    /// Makes `state` the state of the cause `User`: flags rule at every start.
    pub fn begin_by_flags(&mut self, state: TradingState, now_micros: i64) {
        let mut wanted: RequestedCauses = self
            .settable()
            .filter(|((code, _), _)| code != cause::USER)
            .map(|((code, _), cause)| (code.clone(), (cause.state, cause.message.clone())))
            .collect();
        if state > TradingState::Active {
            wanted.insert(cause::USER.to_owned(), (state, BY_FLAG.to_owned()));
        }
        self.replace(&wanted, now_micros);
    }

    /// `suspend: true` of settings of this generation.
    pub fn suspend(&mut self, generation: i64, now_micros: i64) {
        if let Entry::Vacant(vacant) = self.record.causes.entry((cause::USER.to_owned(), true)) {
            let message = BY_SUSPEND.to_owned();
            vacant.insert(Cause { state: TradingState::Halted, message, since_micros: now_micros });
            self.record.number += u64::from(!planted::is(Mistake::SuspendedUnnumbered));
        }
        self.record.generation = self.record.generation.max(generation);
    }

    /// `suspend: false` of settings of this generation: ends the stop that `suspend: true` began, and no other.
    pub fn end_suspend(&mut self, generation: i64) {
        if generation >= self.record.generation && self.record.causes.remove(&(cause::USER.to_owned(), true)).is_some()
        {
            self.record.number += 1;
            self.record.generation = generation;
        }
    }

    /// Notes the settings record that goes into the same transaction.
    pub fn note_settings(&mut self, settings: &SettingsRecord) {
        let generation = settings.settings_generation.max(settings.cash_generation);
        self.record.settings = Some((generation, self.state() != TradingState::Active));
    }

    /// The record, where it is another than the ledger's.
    pub fn take_change(&mut self) -> Option<TradingRecord> {
        let is_new = self.recorded.is_none() && self.record == TradingRecord::default();
        if is_new || self.recorded.as_ref() == Some(&self.record) {
            return None;
        }
        self.recorded = Some(self.record.clone());
        self.recorded.clone()
    }

    fn settable(&self) -> impl Iterator<Item = (&(String, bool), &Cause)> {
        self.record.causes.iter().filter(|((code, _), _)| cause::SETTABLE.contains(&code.as_str()))
    }

    fn replace(&mut self, wanted: &RequestedCauses, now_micros: i64) {
        let before = self.record.causes.clone();
        self.record.causes.retain(|(code, _), _| !cause::SETTABLE.contains(&code.as_str()));
        for (code, (state, message)) in wanted {
            let known = [false, true].map(|by_suspend| before.get(&(code.clone(), by_suspend)));
            let since_micros = known.into_iter().flatten().filter(|cause| cause.state == *state);
            let since_micros = since_micros.map(|cause| cause.since_micros).min().unwrap_or(now_micros);
            let cause = Cause { state: *state, message: message.clone(), since_micros };
            self.record.causes.insert((code.clone(), false), cause);
        }
        if self.record.causes != before {
            self.record.number += 1;
        }
    }

    fn tighten(&mut self, wanted: &RequestedCauses, now_micros: i64) {
        let before = self.record.causes.clone();
        for (code, (state, message)) in wanted {
            let key = (code.clone(), false);
            if self.record.causes.get(&key).is_none_or(|cause| cause.state < *state) {
                let cause = Cause { state: *state, message: message.clone(), since_micros: now_micros };
                self.record.causes.insert(key, cause);
            }
        }
        if self.record.causes != before {
            self.record.number += 1;
        }
    }
}

fn shown_cause(code: &str, cause: &Cause) -> TradingCause {
    TradingCause {
        cause: code.to_owned(),
        state: cause.state.into(),
        message: cause.message.clone(),
        since_micros: cause.since_micros,
    }
}

#[cfg(test)]
mod tests;
