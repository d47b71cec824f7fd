//! The trading state of an account: put in force by `SetTradingState`, and in a runtime that does not serve it by the
//! `suspend` of its settings.

use intuition_api::{
    capability,
    refusal::{INVALID_SETTINGS, NO_UID, OLDER_GENERATION, OTHER_UID},
    v1::{
        AccountResponse, ConfigureResponse, Refusal, SetTradingStateRequest, SetTradingStateResponse, Trading,
        TradingState, runtime_client::RuntimeClient,
    },
};
use intuition_common::exit::with_causes;
use tonic::{Code, Status, transport::Channel};

use crate::{
    account::{
        ask::call::{Questions, send},
        plan::runtime::configure_as_stored,
    },
    workload::pod_call::AskError,
};

/// Refusals of `Configure` with which a runtime of v0.1.0 leaves `suspend` as it was. `InvalidSettings` is also its answer
/// for parameters that only the next algorithm refuses, where `suspend` applies; the two cannot be distinguished.
const NOT_TAKEN: [&str; 4] = [OTHER_UID, NO_UID, OLDER_GENERATION, INVALID_SETTINGS];

/// A runtime's answer to the trading state that its resource asks for.
#[derive(Debug)]
pub(crate) enum TradingReport {
    /// It was not asked.
    Unasked,
    /// The account shows the causes that the resource has.
    InForce,
    /// The answer to `SetTradingState`.
    Answered {
        /// The state after the call.
        trading: Trading,
        /// The code of the part of the call that did not apply.
        refusal: Option<Refusal>,
    },
    /// The call failed.
    Failed(AskError),
    /// The runtime does not serve the call.
    BySuspend(Suspension),
}

impl TradingReport {
    /// Whether the account may show another state than before the call.
    pub(crate) const fn is_changed(&self) -> bool {
        matches!(self, Self::Answered { .. } | Self::BySuspend(Suspension::Taken { .. }))
    }
}

/// The answer of a runtime without trading states to settings that carry `suspend`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Suspension {
    /// They are in force: `true`, every signal is denied; `false`, the account trades.
    Taken {
        /// The value that was sent.
        suspend: bool,
    },
    /// They are not in force, with code and sentence.
    Refused(String),
    /// There are none that could be sent: no spec was accepted, and the cluster holds no settings.
    NoSettings,
}

/// Puts the trading state in force where the account shows another. `None`: the runtime knows no trading states.
pub(crate) async fn set(
    client: &mut RuntimeClient<Channel>,
    questions: &Questions<'_>,
    account: &AccountResponse,
) -> Option<TradingReport> {
    let is_served = account.capabilities.iter().any(|known| known == capability::TRADING_STATE);
    let trading = account.trading.as_ref().filter(|_| is_served)?;
    if questions.trading.is_recorded(trading, questions.generation) {
        return Some(TradingReport::InForce);
    }
    match call(client, request(questions, Some(trading.number))).await {
        Err(status) if status.code() == Code::Unimplemented => None,
        answer => Some(report(answer)),
    }
}

/// Puts a stop in force in a runtime whose account cannot be read. Without the number of the state in force it can only
/// make that state stricter.
pub(crate) async fn set_unread(client: &mut RuntimeClient<Channel>, questions: &Questions<'_>) -> TradingReport {
    if questions.trading.state() == TradingState::Active {
        return TradingReport::Unasked;
    }
    report(call(client, request(questions, None)).await)
}

fn request(questions: &Questions<'_>, from: Option<u64>) -> SetTradingStateRequest {
    let owner = questions.owner;
    questions.trading.request(questions.account.to_owned(), owner.uid.clone(), questions.generation, from)
}

async fn call(
    client: &mut RuntimeClient<Channel>,
    request: SetTradingStateRequest,
) -> Result<SetTradingStateResponse, Status> {
    client.set_trading_state(request).await.map(tonic::Response::into_inner)
}

fn report(answer: Result<SetTradingStateResponse, Status>) -> TradingReport {
    match answer {
        Ok(SetTradingStateResponse { trading: Some(trading), refusal }) => TradingReport::Answered { trading, refusal },
        Ok(_) => TradingReport::Failed(AskError::Call(Box::new(Status::internal("the answer has no trading state")))),
        Err(status) => TradingReport::Failed(AskError::Call(Box::new(status))),
    }
}

/// Sends the settings with `suspend`, at each look: the account of such a runtime does not show whether it is suspended.
/// Without a plan, or without the address of its algorithm, they are those of the cluster's file at their generation.
pub(crate) async fn suspend(
    client: &mut RuntimeClient<Channel>,
    questions: &Questions<'_>,
    account: &AccountResponse,
) -> (Option<Result<ConfigureResponse, AskError>>, TradingReport) {
    let suspend = questions.trading.state() > TradingState::Active;
    let deposits = account.deposits.as_str();
    if let Some(request) = questions.plan.and_then(|plan| plan.configure(deposits, suspend)) {
        let answer = send(client, request).await;
        let suspension = suspension(&answer, suspend);
        return (Some(answer), TradingReport::BySuspend(suspension));
    }
    let owner = questions.owner;
    let stored = questions
        .stored
        .and_then(|text| configure_as_stored(text, questions.account.to_owned(), &owner.uid, deposits, suspend));
    let suspension = match stored {
        Some(request) => suspension(&send(client, request).await, suspend),
        None => Suspension::NoSettings,
    };
    (None, TradingReport::BySuspend(suspension))
}

fn suspension(answer: &Result<ConfigureResponse, AskError>, suspend: bool) -> Suspension {
    match answer {
        Ok(answer) => match answer.refusals.iter().find(|refusal| NOT_TAKEN.contains(&refusal.reason.as_str())) {
            Some(Refusal { reason, message, .. }) => Suspension::Refused(format!("{reason}: {message}")),
            None => Suspension::Taken { suspend },
        },
        Err(error) => Suspension::Refused(with_causes(error)),
    }
}
