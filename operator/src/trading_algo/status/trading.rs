//! The finding for `Trading`. It is true only where the runtime has confirmed Active and the resource asks for nothing stricter,
//! and false only where the runtime has confirmed a state in which the account does not both buy and sell.

use intuition_api::{
    refusal::{OLDER_GENERATION, OTHER_NUMBER},
    trading::cause,
    v1::{Refusal, Trading, TradingCause, TradingState},
};
use intuition_common::exit::with_causes;
use intuition_resources::{TradingAlgoStatus, TradingCauseStatus, TradingStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    account::{
        ask::{
            RuntimeReport,
            trading::{Suspension, TradingReport},
        },
        trading_state::{RequestedState, told},
    },
    reconcile::{
        condition_type,
        finding::Finding,
        reason::{self, RUNTIME_TOO_OLD, Urgency},
    },
};

/// State in the status while the runtime has confirmed none.
const UNKNOWN: &str = "Unknown";
/// Most causes that the status shows.
const MAX_CAUSES: usize = 32;

/// The finding for `Trading`, and the same as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traded {
    pub(crate) finding: Finding,
    pub(crate) status: TradingStatus,
    /// The resource asks for a stop that the account does not have, as far as is known.
    pub(crate) is_unconfirmed: bool,
}

impl Traded {
    /// The state is not known.
    pub(crate) fn unknown(finding: Finding) -> Self {
        Self { finding, status: status(UNKNOWN, &[]), is_unconfirmed: false }
    }

    /// A stop that the runtime has confirmed stays in its ledger, so that the status keeps it while no pod is looked at;
    /// that an account trades does not last. `None`: there is none, or the resource asks for another one.
    pub(crate) fn kept(wanted: &RequestedState, before: &TradingAlgoStatus) -> Option<Self> {
        let is_stop = |known: &&Condition| known.type_ == condition_type::TRADING && known.status == "False";
        let known = before.conditions.iter().find(is_stop).filter(|_| !wanted.is_news_to(before.trading.as_ref()))?;
        let finding = Finding::again(known, Urgency::None);
        Some(Self { finding, status: before.trading.clone()?, is_unconfirmed: false })
    }

    /// By the runtime's answers; `None`: it does not run.
    pub(crate) fn of(wanted: &RequestedState, report: Option<&RuntimeReport>, generation: i64) -> Self {
        let Some(report) = report else { return Self::unread(wanted) };
        let account = report.account.as_ref().ok();
        let shown = account.and_then(|account| account.trading.as_ref());
        let comparison = Comparison { wanted, generation };
        match (&report.trading, shown) {
            (TradingReport::BySuspend(suspension), _) => comparison.by_suspend(suspension),
            (TradingReport::Answered { trading, refusal }, shown) => {
                comparison.by_state(shown.unwrap_or(trading), refusal.as_ref(), "")
            }
            (TradingReport::Failed(error), Some(shown)) => comparison.by_state(shown, None, &with_causes(error)),
            (TradingReport::Failed(error), None) => {
                let message = format!("{}: {}", comparison.asked(), with_causes(error));
                comparison.unconfirmed(reason::NOT_CONFIRMED, message, Urgency::Wait)
            }
            (TradingReport::InForce, Some(shown)) => comparison.by_state(shown, None, ""),
            (TradingReport::InForce | TradingReport::Unasked, _) => Self::unread(wanted),
        }
    }

    fn unread(wanted: &RequestedState) -> Self {
        let mut message = "the runtime's account cannot be read; RuntimeReady has the cause".to_owned();
        if wanted.state() > TradingState::Active {
            message = format!("{message}. The resource asks for: {}", told(wanted.causes()));
        }
        Self::unknown(Finding { urgency: Urgency::None, ..Finding::unknown(reason::ACCOUNT_UNREAD, message) })
    }
}

/// The requested trading state, to compare with that of the account.
struct Comparison<'a> {
    wanted: &'a RequestedState,
    generation: i64,
}

impl Comparison<'_> {
    /// A runtime that knows trading states. `failure`: why the call has no answer.
    fn by_state(&self, trading: &Trading, refusal: Option<&Refusal>, failure: &str) -> Traded {
        let state = in_force(trading);
        let differs = !self.wanted.is_in_force(trading);
        let why = match (refusal, failure) {
            (Some(refusal), _) => self.refused(refusal, trading),
            (None, "") => "it is asked for again at the next look".to_owned(),
            (None, failure) => failure.to_owned(),
        };
        // The next look repeats a call that failed, or that met another one.
        let urgency = match refusal {
            Some(refusal) if refusal.reason != OTHER_NUMBER => Urgency::Notify,
            _ if differs => Urgency::Wait,
            _ => Urgency::None,
        };
        if state < self.wanted.state() {
            let reason = refusal.map_or(reason::NOT_CONFIRMED, |refusal| &refusal.reason);
            return self.unconfirmed(reason, format!("{}; {state} is in force. {why}", self.asked()), urgency);
        }
        let finding = if state == TradingState::Active {
            Finding::fine(state.name(), "the account buys and sells")
        } else {
            let mut message = told(&trading.causes);
            if differs {
                message = format!("{message}, although {}: {why}", self.asked());
            }
            Finding::lacking(reason(state, &trading.causes), message, urgency)
        };
        Traded { finding, status: status(state.name(), &trading.causes), is_unconfirmed: false }
    }

    /// A runtime without trading states.
    fn by_suspend(&self, suspension: &Suspension) -> Traded {
        let upgrade = "upgrade the image of algo-runtime (algos.imageTag of the chart)";
        let causes = self.wanted.causes();
        match suspension {
            Suspension::Taken { suspend: false } => Traded {
                finding: Finding::fine(TradingState::Active.name(), "the account buys and sells"),
                status: status(TradingState::Active.name(), &[]),
                is_unconfirmed: false,
            },
            Suspension::Taken { suspend: true } => {
                let halted = TradingState::Halted.name();
                let mut message = told(causes);
                if self.wanted.state() < TradingState::Halted {
                    message = format!(
                        "{message}. {RUNTIME_TOO_OLD}: the runtime is of a release that does not know Reducing, and is \
                         Halted instead: {upgrade}"
                    );
                }
                let finding = Finding::lacking(halted, message, Urgency::None);
                Traded { finding, status: status(halted, causes), is_unconfirmed: false }
            }
            Suspension::Refused(why) => {
                let message = format!(
                    "{}. The runtime is of a release that takes a stop only with settings that it can use, and it refused \
                     them ({why}): correct them, or {upgrade}",
                    self.asked()
                );
                self.unconfirmed(RUNTIME_TOO_OLD, message, Urgency::Notify)
            }
            Suspension::NoSettings => {
                let message = format!(
                    "{}. The runtime is of a release that takes a stop only with settings, and there are none: correct \
                     what Accepted or Configured names, or {upgrade}",
                    self.asked()
                );
                self.unconfirmed(RUNTIME_TOO_OLD, message, Urgency::Notify)
            }
        }
    }

    /// `urgency` where the resource asks for a stop; that an account without one may be stopped is no news.
    fn unconfirmed(&self, reason: &str, message: String, urgency: Urgency) -> Traded {
        let is_unconfirmed = self.wanted.state() > TradingState::Active;
        let urgency = if is_unconfirmed { urgency } else { Urgency::None };
        Traded { is_unconfirmed, ..Traded::unknown(Finding { urgency, ..Finding::unknown(reason, message) }) }
    }

    fn asked(&self) -> String {
        match self.wanted.state() {
            TradingState::Unspecified | TradingState::Active => "the resource asks for Active".to_owned(),
            _ => format!("the resource asks for {}", told(self.wanted.causes())),
        }
    }

    fn refused(&self, refusal: &Refusal, trading: &Trading) -> String {
        match refusal.reason.as_str() {
            OLDER_GENERATION => format!(
                "{OLDER_GENERATION}: the runtime has taken generation {}, and the resource is at {}, for example out of a \
                 backup. Only a stricter state is taken until metadata.generation is not below that one: change the spec \
                 until then",
                trading.generation, self.generation
            ),
            reason => format!("{reason}: {}", refusal.message),
        }
    }
}

/// The state that an account shows. One that this release does not know is Halted: it is no less strict.
fn in_force(trading: &Trading) -> TradingState {
    let shown = match TradingState::try_from(trading.state) {
        Ok(TradingState::Unspecified) => TradingState::Active,
        Ok(state) => state,
        Err(_) => TradingState::Halted,
    };
    shown.max(TradingState::strictest(&trading.causes))
}

/// The state's name where a person asked for it, else the runtime's own cause.
fn reason(state: TradingState, causes: &[TradingCause]) -> &str {
    let mut strictest = causes.iter().filter(|held| held.strictness() == state);
    let is_asked_for = strictest.clone().any(|held| cause::SETTABLE.contains(&held.cause.as_str()));
    match strictest.next() {
        Some(own) if !is_asked_for => &own.cause,
        _ => state.name(),
    }
}

fn status(state: &str, causes: &[TradingCause]) -> TradingStatus {
    let causes = causes.iter().take(MAX_CAUSES).map(|held| TradingCauseStatus {
        cause: held.cause.clone(),
        state: held.strictness().name().to_owned(),
        message: held.message.clone(),
    });
    TradingStatus { state: state.to_owned(), causes: causes.collect() }
}
