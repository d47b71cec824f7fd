//! The operator. It changes the resource now and then, and calls the runtime until the runtime has the settings of the resource.
//!
//! Calls get lost, come late and come twice, as the network has it. A lost call is made again, from a new look at the
//! account.

use std::{collections::BTreeMap, time::Duration};

use algo_runtime::{
    portfolio::Policy,
    settings::{AlgorithmRef, Initial, InitialTrading, LiveSettings, Settings, SettingsSource, Topics},
    trading::Document,
};
use intuition_api::v1::{self, TradingCause, TradingState};
use rand::{RngExt as _, rngs::ChaCha8Rng, seq::IndexedRandom as _};
use serde_json::Map;

use super::{
    algorithm::ADDRESSES,
    runtime::{Answer, Call},
};
use crate::{facts::Time, storage::ACCOUNT};

/// uid of the resource.
pub const UID: &str = "5a1e0000-0000-4000-8000-000000000001";
/// How long a call is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The resource of one generation.
#[derive(Debug, Clone)]
struct Spec {
    generation: i64,
    algorithm: AlgorithmRef,
    threshold: f64,
    cash: String,
    /// By code: `User` belongs to the spec, the others to annotations.
    causes: BTreeMap<&'static str, TradingState>,
}

impl Spec {
    /// The field that a runtime of v0.1.0 knows alone. The operator sends it to every runtime.
    fn is_suspended(&self) -> bool {
        self.causes.get("User") == Some(&TradingState::Halted)
    }
}

/// What the operator has to bring about.
#[derive(Debug, Clone)]
enum Intent {
    Configure,
    Trading,
    Close(String),
    Reset,
}

/// See the module.
pub struct Operator {
    rng: ChaCha8Rng,
    specs: Vec<Spec>,
    intent: Option<Intent>,
    /// When the call under way counts as lost.
    deadline: Option<Time>,
    next_at: Time,
    left: u32,
    pause: Duration,
    account: Option<Box<v1::AccountResponse>>,
    sources: Option<Vec<v1::Source>>,
    policy: Policy,
    /// `None`: each algorithm names its channels, and none in process decides.
    subscribe: Option<Vec<String>>,
    symbols: Vec<String>,
    requests: u32,
}

impl Operator {
    /// An operator that changes the resource `calls` times within `active`.
    pub fn new(
        mut rng: ChaCha8Rng,
        (calls, active): (u32, Duration),
        subscribe: Option<Vec<String>>,
        symbols: Vec<String>,
    ) -> Self {
        let policies = [
            ("fixed-amount", None, Some("7.77")),
            ("fixed-fraction", Some(0.013), None),
            ("random-fraction", None, None),
        ];
        let drawn = policies.get(rng.random_range(0..policies.len()));
        let policy = drawn.and_then(|(name, fraction, amount)| Policy::from_parts(name, *fraction, *amount).ok());
        let spec = Spec {
            generation: 1,
            algorithm: choice(rng.random_range(lowest(subscribe.as_deref())..3)),
            threshold: 0.0,
            cash: "10000".to_owned(),
            causes: BTreeMap::new(),
        };
        let pause = active / (calls + 1);
        Self {
            next_at: pause.mul_f64(rng.random_range(0.1..1.0)),
            rng,
            specs: vec![spec],
            intent: None,
            deadline: None,
            left: calls,
            pause,
            account: None,
            sources: None,
            policy: policy.unwrap_or(Policy::RandomFraction),
            subscribe,
            symbols,
            requests: 0,
        }
    }

    /// The settings at the start of a runtime: those of the present resource, or of the resource `behind` changes ago.
    pub fn settings(&self, behind: usize) -> Settings {
        let index = self.specs.len().saturating_sub(1 + behind);
        let spec = self.specs.get(index).unwrap_or_else(|| self.spec());
        let causes = spec.causes.iter().map(|(code, state)| ((*code).to_owned(), (*state, String::new())));
        Settings {
            account: ACCOUNT.to_owned(),
            live: LiveSettings {
                algorithm: spec.algorithm.clone(),
                threshold: spec.threshold,
                parameters: Map::new(),
                starting_cash: spec.cash.clone(),
                suspend: spec.is_suspended(),
                retention: None,
            },
            source: SettingsSource::Resource { uid: UID.to_owned(), generation: spec.generation },
            policy: self.policy,
            topics: Topics::default(),
            subscribe: self.subscribe.clone(),
            inputs: Vec::new(),
            initial: Initial {
                cash_unchanged: false,
                trading: InitialTrading::File(Document {
                    resource_uid: UID.to_owned(),
                    generation: spec.generation,
                    causes: causes.collect(),
                }),
            },
        }
    }

    /// Nothing is left to be done.
    pub const fn is_idle(&self) -> bool {
        self.left == 0 && self.intent.is_none()
    }

    /// The account at the last look.
    pub fn account(&self) -> Option<&v1::AccountResponse> {
        self.account.as_deref()
    }

    /// When it acts next.
    pub fn wake(&self) -> Option<Time> {
        match (self.deadline, self.left) {
            (Some(deadline), _) => Some(deadline),
            (None, 0) if self.intent.is_none() => None,
            (None, _) => Some(self.next_at),
        }
    }

    /// The next call, if one is due.
    pub fn advance(&mut self, now: Time) -> Option<Call> {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            (self.deadline, self.account) = (None, None);
        }
        if self.deadline.is_some() || self.next_at > now {
            return None;
        }
        if self.intent.is_none() {
            if self.left == 0 {
                return None;
            }
            self.left -= 1;
            self.intent = Some(self.draw());
            self.account = None;
        }
        let call = self.call()?;
        self.deadline = Some(now + PATIENCE);
        Some(call)
    }

    /// The answer to the last call.
    pub fn answered(&mut self, answer: Answer, now: Time) {
        self.deadline = None;
        self.next_at = now + Duration::from_millis(self.rng.random_range(1..500));
        let is_done = match answer {
            Answer::Account(account) => {
                self.account = Some(account);
                false
            }
            Answer::Sources(sources) => {
                self.sources = Some(sources);
                false
            }
            Answer::Configure(_) | Answer::Close(_) | Answer::ResetSource(_) => true,
            Answer::SetTradingState(response) => {
                // Another look, and another attempt.
                self.account = None;
                response.refusal.is_none()
            }
            Answer::Failed => {
                self.account = None;
                false
            }
        };
        if is_done {
            (self.intent, self.account) = (None, None);
            self.next_at = now + self.pause.mul_f64(self.rng.random_range(0.2..1.5));
        }
    }

    /// What was planned and has not begun is left undone from now on.
    pub fn finish(&mut self, now: Time) {
        self.left = 0;
        self.next_at = self.next_at.min(now);
    }

    #[expect(clippy::indexing_slicing, reason = "there is a first generation")]
    fn spec(&self) -> &Spec {
        &self.specs[self.specs.len() - 1]
    }

    fn draw(&mut self) -> Intent {
        let mut spec = self.spec().clone();
        match self.rng.random_range(0..10) {
            0..=2 => {
                spec.generation += 1;
                match self.rng.random_range(0..4) {
                    0 => spec.threshold = self.rng.random_range(0.0..0.9),
                    1 => {
                        let (whole, part) = (self.rng.random_range(9_000..14_000), self.rng.random_range(0..100));
                        spec.cash = format!("{whole}.{part:02}");
                    }
                    _ => spec.algorithm = choice(self.rng.random_range(lowest(self.subscribe.as_deref())..3)),
                }
                self.specs.push(spec);
                Intent::Configure
            }
            3..=7 => {
                let code = ["User", "Halt", "Reduce"].choose(&mut self.rng).copied().unwrap_or("User");
                if spec.causes.remove(code).is_none() {
                    let state = if code == "Reduce" || self.rng.random_bool(0.3) {
                        TradingState::Reducing
                    } else {
                        TradingState::Halted
                    };
                    spec.causes.insert(code, state);
                }
                spec.generation += i64::from(code == "User");
                let is_by_settings = code == "User" && self.rng.random_bool(0.3);
                self.specs.push(spec);
                // The settings may come before the causes, and have one of these too.
                if is_by_settings { Intent::Configure } else { Intent::Trading }
            }
            8 => {
                self.requests += 1;
                Intent::Close(format!("close-{}", self.requests))
            }
            _ => Intent::Reset,
        }
    }

    /// The next call for the intent.
    fn call(&mut self) -> Option<Call> {
        let intent = self.intent.clone()?;
        match intent {
            Intent::Trading if self.account.is_none() => return Some(Call::Account),
            Intent::Reset if self.sources.is_none() => return Some(Call::Sources),
            _ => {}
        }
        let (account, resource_uid) = (ACCOUNT.to_owned(), UID.to_owned());
        let (generation, algorithm, threshold, starting_cash, suspend) = {
            let spec = self.spec();
            (spec.generation, spec.algorithm.clone(), spec.threshold, spec.cash.clone(), spec.is_suspended())
        };
        Some(match intent {
            Intent::Configure => {
                let (name, address) = algorithm.fields();
                let settings = v1::Settings {
                    algorithm: name.to_owned(),
                    algorithm_address: address.to_owned(),
                    threshold: threshold.to_string(),
                    parameters_json: String::new(),
                    starting_cash,
                    suspend,
                };
                let settings = Some(settings);
                Call::Configure(v1::ConfigureRequest {
                    account,
                    resource_uid,
                    generation,
                    settings,
                    starting_cash_unchanged: false,
                    retention: None,
                })
            }
            Intent::Trading => {
                let causes = self.spec().causes.iter().map(|(code, state)| TradingCause {
                    cause: (*code).to_owned(),
                    state: (*state).into(),
                    message: "as planned".to_owned(),
                    since_micros: 0,
                });
                let causes = causes.collect();
                let from =
                    self.account.as_ref().and_then(|account| account.trading.as_ref()).map(|trading| trading.number);
                Call::SetTradingState(v1::SetTradingStateRequest { account, resource_uid, generation, from, causes })
            }
            Intent::Close(request) => {
                let what = if self.rng.random_bool(0.5) {
                    v1::close_request::What::All(true)
                } else {
                    let sids = self.symbols.iter().take(1).cloned().collect();
                    v1::close_request::What::Symbols(v1::Symbols { sids })
                };
                Call::Close(v1::CloseRequest { account, resource_uid, request, what: Some(what) })
            }
            Intent::Reset => {
                // A person resets a source because its quotes are refused.
                let sources = self.sources.take().unwrap_or_default();
                let known = sources.into_iter().max_by_key(|source| source.conflicts);
                let Some(v1::Source { channel, name, era, last: Some(last), .. }) = known else {
                    self.intent = None;
                    return None;
                };
                Call::ResetSource(v1::ResetSourceRequest { account, resource_uid, channel, source: name, era, last })
            }
        })
    }
}

/// The first algorithm that may decide: the one in process asks for a topic that no publisher has.
fn lowest(subscribe: Option<&[String]>) -> usize {
    usize::from(subscribe.is_none())
}

fn choice(number: usize) -> AlgorithmRef {
    let address = number.checked_sub(1).and_then(|index| ADDRESSES.get(index)).and_then(|address| address.parse().ok());
    address.map_or_else(|| AlgorithmRef::Builtin("random".to_owned()), AlgorithmRef::Backend)
}
