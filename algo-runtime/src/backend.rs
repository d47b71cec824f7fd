//! Algorithms out of process: servers of the contract's service `Algorithm`, in any language.
//!
//! A backend keeps nothing that matters. What it was asked and has not answered, and the state that it saved last, are
//! here and in the ledger, so that it may crash, hang, answer rubbish or come back empty: its stream is opened again and
//! asked anew. A backend that is away costs no tick; a tick at which one that is there fails alone, again and again, is
//! rejected (`backend/caution.rs`).
//!
//! - [`Backend`]: one stream to one backend, as a state machine: reports in, orders out, no I/O.
//! - `messages`: those. [`link`]: carries the orders out.
//! - [`describe`], [`answer`]: what a backend says of itself and answers, checked against the contract.

mod address;
pub mod answer;
mod caution;
pub mod describe;
pub mod link;
mod messages;
mod schema;
mod trouble;

use std::time::Duration;

use intuition_api::v1::{
    EventBatch, InitializeRequest, InitializeResponse, InputEvent, Quote, Reconfigure, ReconfigureResponse, input_event,
};
use intuition_common::backoff::Backoff;
use serde_json::Value;

use self::{answer::Answer, caution::Caution, describe::Described};
use crate::{
    algorithm::{self, AlgorithmSettings, FieldError, FieldErrors},
    sizes::Sizes,
};

pub use address::{Address, AddressError};
pub use messages::{Heard, Order, Report, Said};
pub use trouble::{Failure, Fault, Trouble};

/// Pauses between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// While what it fails at is looked for: it is there, and a quote waits for up to a dozen attempts.
const LONGEST_SEARCH_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Described next, after a pause perhaps.
    Called,
    /// Described; to be initialized.
    Fit,
    Initializing,
    /// It can be asked.
    Open,
    Asked(Asked),
    Reconfiguring,
}

/// An outstanding batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Number of the batch.
    pub number: u64,
    /// Number of its first event; the others follow.
    pub first_event: u64,
    /// How many.
    pub count: usize,
}

/// A stream to a backend.
#[derive(Debug)]
pub struct Backend {
    address: Address,
    /// What it is initialized with.
    settings: AlgorithmSettings,
    /// Being asked to take these instead.
    next_settings: Option<AlgorithmSettings>,
    phase: Phase,
    attempt: u64,
    described: Option<Described>,
    trouble: Option<Trouble>,
    /// The fault that was logged as a warning, since it was last well.
    warned: Option<Fault>,
    /// The sentence about another name than at the last Describe.
    renamed: Option<String>,
    caution: Caution,
    backoff: Backoff,
    /// Attempts that failed since it was last well: answered a batch, or kept its stream open.
    failures: u32,
    batches: u64,
    events: u64,
    orders: Vec<Order>,
}

impl Backend {
    /// Calls it. `seed`: of the pauses between attempts.
    pub fn new(address: Address, settings: AlgorithmSettings, sizes: Sizes, seed: u64) -> Self {
        let starting = Trouble::new(Fault::Starting, format!("{address} is being called"));
        let mut backend = Self {
            address,
            settings,
            next_settings: None,
            phase: Phase::Called,
            attempt: 0,
            described: None,
            trouble: Some(starting),
            warned: None,
            renamed: None,
            caution: Caution::new(sizes),
            backoff: Backoff::seeded(FIRST_PAUSE, LONGEST_PAUSE, seed),
            failures: 0,
            batches: 0,
            events: 0,
            orders: Vec::new(),
        };
        backend.call(Duration::ZERO);
        backend
    }

    /// Where it is.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// What it is, by its own word; `None` before it was reached.
    pub const fn described(&self) -> Option<&Described> {
        self.described.as_ref()
    }

    /// What it is initialized with.
    pub const fn settings(&self) -> &AlgorithmSettings {
        &self.settings
    }

    /// What stands in the way; `None` while it answers.
    pub const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The sentence about a change of its name between the last two descriptions; `None`: they have the same name.
    pub fn renamed(&self) -> Option<&str> {
        self.renamed.as_deref()
    }

    /// Whether it can be asked now.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether it is at work on something it was asked.
    pub const fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Asked(_) | Phase::Reconfiguring)
    }

    /// Attempts that failed since it was last well: answered a batch, or kept its stream open.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// How many quotes it may be asked at once.
    pub fn batch_limit(&self) -> usize {
        self.caution.batch_limit()
    }

    /// It rejected a tick before, in another process perhaps, and answered none since.
    pub const fn has_rejected(&mut self) {
        self.caution.resume();
    }

    /// Why the tick at the head is to be rejected, where it is: see `backend/caution.rs`. Told once.
    pub fn rejection(&mut self) -> Option<String> {
        let message = self.caution.rejection()?;
        Some(format!("{}: {message}", self.name()))
    }

    /// What is to be done, in order.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// Initializes it for an account, with what it saved last.
    pub fn initialize(&mut self, account: &str, state: Vec<u8>) {
        if self.phase != Phase::Fit {
            return;
        }
        self.phase = Phase::Initializing;
        (self.batches, self.events) = (0, 0);
        self.orders.push(Order::Initialize(InitializeRequest {
            account: account.to_owned(),
            parameters_json: parameters_json(&self.settings),
            state: state.into(),
        }));
    }

    /// Closes the stream and opens it again, without calling that a failure.
    pub fn reopen(&mut self) {
        self.next_settings = None;
        self.call(Duration::ZERO);
    }

    /// Asks about quotes, of which there is at least one.
    pub fn ask<'a>(&mut self, quotes: impl Iterator<Item = &'a algorithm::Quote>) {
        self.batches += 1;
        let first_event = self.events + 1;
        let events: Vec<InputEvent> = (first_event..).zip(quotes).map(|(event, quote)| input(event, quote)).collect();
        self.events += events.len() as u64;
        self.phase = Phase::Asked(Asked { number: self.batches, first_event, count: events.len() });
        let is_search = self.caution.is_search(events.len());
        self.orders.push(Order::Batch { batch: EventBatch { number: self.batches, events }, is_search });
    }

    /// Asks it to take other settings. What does not fit its description is refused at once.
    pub fn reconfigure(&mut self, settings: &AlgorithmSettings) -> Result<(), FieldErrors> {
        if let Some(described) = &self.described {
            described.check(settings)?;
        }
        self.phase = Phase::Reconfiguring;
        self.next_settings = Some(settings.clone());
        self.orders.push(Order::Reconfigure(Reconfigure { parameters_json: parameters_json(settings) }));
        Ok(())
    }

    /// Takes a report.
    pub fn hear(&mut self, report: Report) -> Heard {
        if report.attempt != self.attempt {
            return Heard::Nothing;
        }
        match (report.said, self.phase.clone()) {
            (Ok(Said::Described(described)), Phase::Called) => self.described_as(described),
            (Ok(Said::Initialized(answer)), Phase::Initializing) => self.initialized(answer),
            (Ok(Said::Result(result)), Phase::Asked(asked)) => match answer::judge(result, asked) {
                Ok(answer) => self.answered(asked, answer),
                Err(breach) => self.failed(Failure::new(Fault::ContractBroken, breach)),
            },
            (Ok(Said::Reconfigured(answer)), Phase::Reconfiguring) => self.reconfigured(answer),
            (Ok(Said::Steady), _) => {
                // While a quote that it failed at waits, only an answer shows that it is well.
                if !self.caution.is_suspicious() {
                    self.is_well();
                }
                Heard::Nothing
            }
            (Ok(_), _) => {
                let message = "it sent a message that answers nothing it was asked".to_owned();
                self.failed(Failure::new(Fault::ContractBroken, message))
            }
            (Err(failure), _) => self.failed(failure),
        }
    }

    fn described_as(&mut self, described: Described) -> Heard {
        self.compare_with_last(&described);
        // It answers: what it failed at before was not for want of it.
        self.caution.is_there();
        if let Err(errors) = described.check(&self.settings) {
            self.described = Some(described);
            return self.failed(Failure::refused(errors));
        }
        self.described = Some(described);
        self.phase = Phase::Fit;
        Heard::Fit
    }

    fn compare_with_last(&mut self, described: &Described) {
        let Some(last) = &self.described else { return };
        let (was, is) = (last.to_string(), described.to_string());
        self.renamed = None;
        if last.name != described.name {
            let message = format!("was {was}, is {is}: it begins without the state of {}", last.name);
            tracing::warn!(address = %self.address, "the algorithm has another name: {message}");
            self.renamed = Some(message);
        } else if last.version != described.version {
            tracing::info!(address = %self.address, "the algorithm has another version: was {was}, is {is}");
        }
    }

    fn initialized(&mut self, answer: InitializeResponse) -> Heard {
        match answer::channels(answer) {
            Ok(Ok(channels)) => {
                self.phase = Phase::Open;
                // The pauses go on growing until it has answered a batch or kept the stream open: a server that ends each
                // stream behind Initialize would be called ten times a second.
                if !self.caution.is_suspicious() {
                    self.trouble = None;
                }
                Heard::Initialized(channels)
            }
            Ok(Err(refusal)) => self.failed(Failure::refused(FieldError::new("parameters", refusal).into())),
            Err(breach) => self.failed(Failure::new(Fault::ContractBroken, breach)),
        }
    }

    fn answered(&mut self, asked: Asked, answer: Answer) -> Heard {
        self.phase = Phase::Open;
        self.caution.answered(asked.count);
        self.is_well();
        Heard::Answered(answer)
    }

    fn reconfigured(&mut self, answer: ReconfigureResponse) -> Heard {
        let settings = self.next_settings.take();
        match answer::reconfigured(answer) {
            Err(breach) => self.failed(Failure::new(Fault::ContractBroken, breach)),
            Ok(answer) => {
                self.phase = Phase::Open;
                self.is_well();
                if let (Ok(_), Some(settings)) = (&answer, settings) {
                    self.settings = settings;
                }
                Heard::Reconfigured(answer.map_err(|refusal| FieldError::new("parameters", refusal).into()))
            }
        }
    }

    fn is_well(&mut self) {
        self.trouble = None;
        self.warned = None;
        self.failures = 0;
        self.backoff.reset();
    }

    fn failed(&mut self, failure: Failure) -> Heard {
        let searching = if let Phase::Asked(asked) = &self.phase {
            self.caution.failed(asked.count, &failure);
            !self.caution.is_failing()
        } else {
            false
        };
        self.failures = self.failures.saturating_add(1);
        self.next_settings = None;
        let pause = match (failure.is_lasting(), searching) {
            (true, _) => LONGEST_PAUSE,
            (false, true) => self.backoff.pause().min(LONGEST_SEARCH_PAUSE),
            (false, false) => self.backoff.pause(),
        };
        let trouble = if self.caution.is_failing() {
            Trouble::new(
                Fault::Failing,
                format!("{} fails at one quote after another: {}", self.address, failure.message),
            )
        } else {
            failure.trouble(&self.address)
        };
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let (reason, attempt, message) = (trouble.reason(), self.attempt, &trouble.message);
        if self.warned == Some(trouble.fault) {
            tracing::debug!(reason, attempt, pause_ms, "the algorithm failed again: {message}");
        } else {
            tracing::warn!(reason, attempt, pause_ms, "the algorithm failed, and is called again: {message}");
        }
        self.warned = Some(trouble.fault);
        self.trouble = Some(trouble);
        self.call(pause);
        Heard::Failed
    }

    fn call(&mut self, pause: Duration) {
        self.phase = Phase::Called;
        self.attempt += 1;
        // Orders of the attempt before mean nothing any more.
        self.orders.clear();
        self.orders.push(Order::Call { attempt: self.attempt, pause });
    }

    fn name(&self) -> &str {
        self.described.as_ref().map_or(self.address.as_str(), |described| &described.name)
    }
}

fn input(event: u64, quote: &algorithm::Quote) -> InputEvent {
    let quote = Quote { sid: quote.sid.clone(), price: quote.price.to_string(), time_micros: quote.time_micros };
    InputEvent { event, kind: Some(input_event::Kind::Quote(quote)) }
}

/// Parameters and threshold in one object.
fn parameters_json(settings: &AlgorithmSettings) -> String {
    let mut parameters = settings.parameters.clone();
    parameters.insert("threshold".to_owned(), settings.threshold.into());
    Value::Object(parameters).to_string()
}
