//! Changes the trading state of an account at its runtime.

use std::time::Duration;

use algo_runtime::backend::Address;
use intuition_api::{
    refusal::{OLDER_GENERATION, OTHER_NUMBER, OTHER_UID},
    v1::{AccountRequest, AccountResponse, Refusal, SetTradingStateRequest, Trading, runtime_client::RuntimeClient},
};
use tonic::{Code, Status, transport::Channel};

use super::{report::EffectiveTrading, verb::Verb};

/// Longest time that a runtime may take to connect, and for a call.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts while others change the same state.
const MAX_ATTEMPTS: u32 = 5;
/// Refusals after which the state has to be read again.
const STALE: [&str; 2] = [OTHER_NUMBER, OLDER_GENERATION];

/// A runtime that was not reached, or that refused a call.
#[derive(Debug, thiserror::Error)]
pub(super) enum RuntimeError {
    #[error(
        "cannot reach the runtime at {address}; one in a cluster is reached by \
         `kubectl port-forward -n NAMESPACE service/NAME-runtime 50051` and --runtime http://127.0.0.1:50051"
    )]
    Connect { address: Address, source: tonic::transport::Error },
    #[error("the runtime did not answer within {} s", CALL_TIMEOUT.as_secs())]
    TimeOut,
    #[error("the runtime is of a release that has no trading states: it has to be upgraded; spec.suspend stops it")]
    MissService,
    #[error("the runtime answered {}: {}", .0.code(), .0.message())]
    Call(Box<Status>),
    #[error("OtherUid: {0}; --uid names the resource, as `kubectl get ta NAME -o jsonpath={{.metadata.uid}}` shows it")]
    OtherUid(String),
    #[error("NotHalted: the account trades: halt it first, by `{0}`")]
    NotHalted(String),
    #[error("{}: {}", .0.reason, .0.message)]
    Refuse(Refusal),
}

impl RuntimeError {
    /// An error status of a call.
    pub(super) fn of_status(status: Status) -> Self {
        match status.code() {
            Code::Unimplemented => Self::MissService,
            Code::DeadlineExceeded => Self::TimeOut,
            _ => Self::Call(Box::new(status)),
        }
    }

    /// A refusal in the answer of a call.
    pub(super) fn of_refusal(refusal: Refusal) -> Self {
        if refusal.reason == OTHER_UID { Self::OtherUid(refusal.message) } else { Self::Refuse(refusal) }
    }
}

/// An account at its runtime.
pub(super) struct Account {
    client: RuntimeClient<Channel>,
    /// `<namespace>/<name>`.
    pub(super) name: String,
    /// uid of its resource, or empty.
    pub(super) uid: String,
}

/// Connects to an address.
pub(super) async fn connect(address: &Address) -> Result<Channel, RuntimeError> {
    let failed = |source| RuntimeError::Connect { address: address.clone(), source };
    let connecting = async { address.endpoint().map_err(failed)?.connect().await.map_err(failed) };
    within(connecting).await
}

/// Awaits an answer, not for ever.
async fn within<T>(answer: impl Future<Output = Result<T, RuntimeError>>) -> Result<T, RuntimeError> {
    tokio::time::timeout(CALL_TIMEOUT, answer).await.unwrap_or(Err(RuntimeError::TimeOut))
}

impl Account {
    /// An account of the runtime at the other end of `channel`.
    pub(super) fn new(channel: Channel, name: String, uid: String) -> Self {
        Self { client: RuntimeClient::new(channel), name, uid }
    }

    /// A client for one more call.
    pub(super) fn client(&self) -> RuntimeClient<Channel> {
        self.client.clone()
    }

    /// The account with its trading state.
    pub(super) async fn read(&self) -> Result<(AccountResponse, Trading), RuntimeError> {
        let request = AccountRequest { account: self.name.clone() };
        let mut client = self.client();
        let mut account =
            within(async { client.account(request).await.map_err(RuntimeError::of_status) }).await?.into_inner();
        let trading = account.trading.take().ok_or(RuntimeError::MissService)?;
        Ok((account, trading))
    }

    /// Changes one cause of the state in force, and returns the state after that.
    pub(super) async fn change(&self, verb: &Verb) -> Result<EffectiveTrading, RuntimeError> {
        let mut attempt = 1;
        loop {
            let (_, trading) = self.read().await?;
            let request = SetTradingStateRequest {
                account: self.name.clone(),
                resource_uid: self.uid.clone(),
                generation: trading.generation,
                from: Some(trading.number),
                causes: verb.causes(&trading.causes),
            };
            let mut client = self.client();
            let answer = within(async { client.set_trading_state(request).await.map_err(RuntimeError::of_status) })
                .await?
                .into_inner();
            let in_force = answer.trading.as_ref().map(EffectiveTrading::from);
            match (answer.refusal, in_force) {
                (None, Some(in_force)) => return Ok(in_force),
                // The runtime takes a stop even if it refuses the rest of the call.
                (Some(refusal), Some(in_force)) if is_stale(&refusal) && is_reached(verb, &in_force) => {
                    return Ok(in_force);
                }
                (Some(refusal), _) if is_stale(&refusal) && attempt < MAX_ATTEMPTS => attempt += 1,
                (Some(refusal), _) => return Err(RuntimeError::of_refusal(refusal)),
                (None, None) => return Err(RuntimeError::MissService),
            }
        }
    }
}

fn is_stale(refusal: &Refusal) -> bool {
    STALE.contains(&refusal.reason.as_str())
}

fn is_reached(verb: &Verb, in_force: &EffectiveTrading) -> bool {
    let codes: Vec<_> = in_force.causes.iter().map(|cause| cause.code.as_str()).collect();
    verb.is_reached(in_force.state, Some(&codes))
}
