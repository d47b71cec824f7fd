//! Algorithms out of process: servers of the contract's service `Algorithm`, in any language.
//!
//! A backend keeps nothing that matters. Its outstanding batch and its last saved state are here and in the ledger, so that
//! it may crash, hang, answer rubbish or come back empty: its stream is opened again, and the batch is sent again. A backend
//! that is away costs no tick. A tick at which a present backend fails alone, again and again, is rejected
//! (`backend/bisect.rs`).
//!
//! - [`Backend`]: one stream to one backend, as a state machine: link events in, link commands out, no I/O.
//! - `messages`: the events and commands. [`link`]: carries the commands out.
//! - [`input`]: events in the contract's form.
//! - [`describe`], [`reply`]: the backend's description and replies, checked against the contract. [`schema`]: the schema of its
//!   parameters. `condition`: why it cannot be asked. `address`: its address.

mod address;
mod bisect;
mod condition;
pub mod describe;
pub mod input;
pub mod link;
mod messages;
mod notice;
pub mod reply;
pub mod schema;

use std::time::Duration;

use intuition_api::v1::{
    EventBatch, InitializeRequest, InitializeResponse, InputEvent, Reconfigure, ReconfigureResponse, input_event::Kind,
};
use intuition_common::backoff::Backoff;
use serde_json::Value;

use self::{
    bisect::BatchBisect,
    describe::Described,
    reply::{BatchResult, OutstandingBatch},
};
use crate::{
    algorithm::{AlgorithmSettings, FieldError, FieldErrors},
    sizes::Sizes,
};

pub use address::{Address, AddressError};
pub use bisect::BatchLimit;
pub use condition::{BackendCondition, BackendError, ConditionReason};
pub use messages::{BackendEvent, BackendReply, LinkCommand, LinkEvent};
pub use notice::BackendNotice;

/// Pauses between attempts: the first one, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The same while the quote at which it fails is searched for: the search takes up to a dozen attempts, and quotes wait.
const LONGEST_SEARCH_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Being called and described, perhaps after a pause.
    Called,
    /// Described; to be initialized.
    Described,
    Initializing,
    /// Initialized; it can be asked.
    Open,
    Deciding(OutstandingBatch),
    Reconfiguring,
}

/// A stream to a backend.
#[derive(Debug)]
pub struct Backend {
    address: Address,
    /// The settings that it is initialized with.
    settings: AlgorithmSettings,
    /// The settings that it is being asked to take.
    next_settings: Option<AlgorithmSettings>,
    phase: Phase,
    attempt: u64,
    described: Option<Described>,
    condition: Option<BackendCondition>,
    /// The reason of the first failure since it was last well.
    warned: Option<ConditionReason>,
    /// The message about a name that changed between the last two descriptions.
    renamed: Option<String>,
    bisect: BatchBisect,
    backoff: Backoff,
    /// Attempts that failed since it was last well: answered a batch, or kept its stream open.
    failures: u32,
    batches: u64,
    events: u64,
    commands: Vec<LinkCommand>,
    notices: Vec<BackendNotice>,
}

impl Backend {
    /// Calls the backend. `seed`: of the pauses between attempts.
    pub fn new(address: Address, settings: AlgorithmSettings, sizes: Sizes, seed: u64) -> Self {
        let starting = BackendCondition::new(ConditionReason::Starting, format!("{address} is being called"));
        let mut backend = Self {
            address,
            settings,
            next_settings: None,
            phase: Phase::Called,
            attempt: 0,
            described: None,
            condition: Some(starting),
            warned: None,
            renamed: None,
            bisect: BatchBisect::new(sizes),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, seed),
            failures: 0,
            batches: 0,
            events: 0,
            commands: Vec::new(),
            notices: Vec::new(),
        };
        backend.call(Duration::ZERO);
        backend
    }

    /// Its address.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Its description; `None` before it was reached.
    pub const fn described(&self) -> Option<&Described> {
        self.described.as_ref()
    }

    /// The settings that it is initialized with.
    pub const fn settings(&self) -> &AlgorithmSettings {
        &self.settings
    }

    /// Why it cannot be asked; `None` while it answers.
    pub const fn condition(&self) -> Option<&BackendCondition> {
        self.condition.as_ref()
    }

    /// The message about a name that changed between the last two descriptions; `None`: the names are equal.
    pub fn renamed(&self) -> Option<&str> {
        self.renamed.as_deref()
    }

    /// Whether it can be asked now.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether it has a batch or a reconfiguration to answer.
    pub const fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Deciding(_) | Phase::Reconfiguring)
    }

    /// Attempts that failed since it was last well: answered a batch, or kept its stream open.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The largest next batch.
    pub fn batch_limit(&self) -> BatchLimit {
        BatchLimit { groups: self.bisect.batch_limit(), events: self.bisect.most_events() }
    }

    /// A tick was rejected before, perhaps in another process, and none was answered since.
    pub const fn has_rejected(&mut self) {
        self.bisect.resume();
    }

    /// Why the tick at the head is to be rejected, if it is; once. See `backend/bisect.rs`.
    pub fn rejection(&mut self) -> Option<String> {
        let message = self.bisect.rejection()?;
        Some(format!("{}: {message}", self.name()))
    }

    /// The commands since the last call, in order.
    pub fn take_commands(&mut self) -> Vec<LinkCommand> {
        std::mem::take(&mut self.commands)
    }

    /// Facts for the log since the last call.
    pub fn take_notices(&mut self) -> Vec<BackendNotice> {
        std::mem::take(&mut self.notices)
    }

    /// Initializes it for an account, with its last saved state.
    pub fn initialize(&mut self, account: &str, state: Vec<u8>) {
        if self.phase != Phase::Described {
            return;
        }
        self.phase = Phase::Initializing;
        (self.batches, self.events) = (0, 0);
        self.commands.push(LinkCommand::Initialize(InitializeRequest {
            account: account.to_owned(),
            parameters_json: parameters_json(&self.settings),
            state: state.into(),
        }));
    }

    /// Closes the stream and opens it again, without counting a failure.
    pub fn reopen(&mut self) {
        self.next_settings = None;
        self.call(Duration::ZERO);
    }

    /// Sends a batch of events, of at least one, in so many groups ([`BatchLimit`]).
    pub fn ask(&mut self, groups: usize, events: impl Iterator<Item = Kind>) {
        self.batches += 1;
        let first_event = self.events + 1;
        let input = |(event, kind)| InputEvent { event, kind: Some(kind) };
        let events: Vec<InputEvent> = (first_event..).zip(events).map(input).collect();
        self.events += events.len() as u64;
        let (number, count, indicators) = (self.batches, events.len(), reply::indicators_in(&events));
        self.phase = Phase::Deciding(OutstandingBatch { number, first_event, count, groups, indicators });
        let is_search = self.bisect.is_search(groups);
        self.commands.push(LinkCommand::Batch { batch: EventBatch { number: self.batches, events }, is_search });
    }

    /// Asks it to take other settings. Settings that do not fit its description are refused at once.
    pub fn reconfigure(&mut self, settings: &AlgorithmSettings) -> Result<(), FieldErrors> {
        if let Some(described) = &self.described {
            described.check(settings)?;
        }
        self.phase = Phase::Reconfiguring;
        self.next_settings = Some(settings.clone());
        self.commands.push(LinkCommand::Reconfigure(Reconfigure { parameters_json: parameters_json(settings) }));
        Ok(())
    }

    /// Takes an event of the link.
    pub fn on_link_event(&mut self, event: LinkEvent) -> BackendEvent {
        if event.attempt != self.attempt {
            return BackendEvent::Nothing;
        }
        match (event.reply, self.phase.clone()) {
            (Ok(BackendReply::Described(described)), Phase::Called) => self.described_as(described),
            (Ok(BackendReply::Initialized(answer)), Phase::Initializing) => self.initialized(answer),
            (Ok(BackendReply::Result(result)), Phase::Deciding(batch)) => match reply::check_batch(result, &batch) {
                Ok(answer) => self.answered(batch.groups, answer),
                Err(violation) => self.failed(BackendError::new(ConditionReason::ContractBroken, violation)),
            },
            (Ok(BackendReply::Reconfigured(answer)), Phase::Reconfiguring) => self.reconfigured(answer),
            (Ok(BackendReply::Steady), _) => {
                // While a quote at which it failed waits, only an answer shows that it is well.
                if !self.bisect.is_suspicious() {
                    self.is_well();
                }
                BackendEvent::Nothing
            }
            (Ok(_), _) => {
                let message = "it sent a message that answers nothing it was asked".to_owned();
                self.failed(BackendError::new(ConditionReason::ContractBroken, message))
            }
            (Err(error), _) => self.failed(error),
        }
    }

    fn described_as(&mut self, described: Described) -> BackendEvent {
        self.compare_with_last(&described);
        // It is present: the failure before was not its absence.
        self.bisect.on_describe_ok();
        if let Err(errors) = described.check(&self.settings) {
            self.described = Some(described);
            return self.failed(BackendError::refused(errors));
        }
        self.described = Some(described);
        self.phase = Phase::Described;
        BackendEvent::Described
    }

    fn compare_with_last(&mut self, described: &Described) {
        let Some(last) = &self.described else { return };
        let (was, is) = (last.to_string(), described.to_string());
        self.renamed = None;
        if last.name != described.name {
            let message = format!("was {was}, is {is}: it begins without the state of {}", last.name);
            self.notices.push(BackendNotice::Renamed { address: self.address.clone(), message: message.clone() });
            self.renamed = Some(message);
        } else if last.version != described.version {
            self.notices.push(BackendNotice::NewVersion { address: self.address.clone(), was, is });
        }
    }

    fn initialized(&mut self, answer: InitializeResponse) -> BackendEvent {
        match reply::check_initialize(answer) {
            Ok(Ok(channels)) => {
                self.phase = Phase::Open;
                // The pauses go on growing until it has answered a batch or kept the stream open: a server that ends each
                // stream behind Initialize would be called ten times a second.
                if !self.bisect.is_suspicious() {
                    self.condition = None;
                }
                BackendEvent::Initialized(channels)
            }
            Ok(Err(refusal)) => self.failed(BackendError::refused(FieldError::new("parameters", refusal).into())),
            Err(violation) => self.failed(BackendError::new(ConditionReason::ContractBroken, violation)),
        }
    }

    fn answered(&mut self, groups: usize, answer: BatchResult) -> BackendEvent {
        self.phase = Phase::Open;
        self.bisect.answered(groups);
        self.is_well();
        BackendEvent::Answered(answer)
    }

    fn reconfigured(&mut self, answer: ReconfigureResponse) -> BackendEvent {
        let settings = self.next_settings.take();
        match reply::check_reconfigure(answer) {
            Err(violation) => self.failed(BackendError::new(ConditionReason::ContractBroken, violation)),
            Ok(answer) => {
                self.phase = Phase::Open;
                self.is_well();
                if let (Ok(_), Some(settings)) = (&answer, settings) {
                    self.settings = settings;
                }
                BackendEvent::Reconfigured(answer.map_err(|refusal| FieldError::new("parameters", refusal).into()))
            }
        }
    }

    fn is_well(&mut self) {
        self.condition = None;
        self.warned = None;
        self.failures = 0;
        self.backoff.reset();
    }

    fn failed(&mut self, error: BackendError) -> BackendEvent {
        let searching = if let Phase::Deciding(batch) = &self.phase {
            self.bisect.failed(batch.groups, &error);
            !self.bisect.is_failing()
        } else {
            false
        };
        self.failures = self.failures.saturating_add(1);
        self.next_settings = None;
        let pause = match (error.is_lasting(), searching) {
            (true, _) => LONGEST_PAUSE,
            (false, true) => self.backoff.pause().min(LONGEST_SEARCH_PAUSE),
            (false, false) => self.backoff.pause(),
        };
        let condition = if self.bisect.is_failing() {
            BackendCondition::new(
                ConditionReason::Failing,
                format!("{} fails at one quote after another: {}", self.address, error.message),
            )
        } else {
            error.condition(&self.address)
        };
        self.notices.push(BackendNotice::Failed {
            reason: condition.code(),
            attempt: self.attempt,
            pause,
            message: condition.message.clone(),
            is_repeated: self.warned == Some(condition.reason),
        });
        self.warned = Some(condition.reason);
        self.condition = Some(condition);
        self.call(pause);
        BackendEvent::Failed
    }

    fn call(&mut self, pause: Duration) {
        self.phase = Phase::Called;
        self.attempt += 1;
        // Commands of the previous attempt are void.
        self.commands.clear();
        self.commands.push(LinkCommand::Call { attempt: self.attempt, pause });
    }

    fn name(&self) -> &str {
        self.described.as_ref().map_or(self.address.as_str(), |described| &described.name)
    }
}

/// Parameters and threshold in one object.
fn parameters_json(settings: &AlgorithmSettings) -> String {
    let mut parameters = settings.parameters.clone();
    parameters.insert("threshold".to_owned(), settings.threshold.into());
    Value::Object(parameters).to_string()
}
