//! Calls to runtimes and bridges at their pods' addresses: readiness, account, settings, trading state, resets.

pub(crate) mod call;
pub(crate) mod trading;

use intuition_api::{
    capability,
    refusal::{OTHER_ERA, OTHER_LAST},
    v1::{AccountRequest, AccountResponse, ConfigureResponse, Refusal, runtime_client::RuntimeClient},
};
use tonic::transport::Channel;

use crate::{
    account::{
        ask::{
            call::{Questions, connect, send},
            trading::TradingReport,
        },
        plan::Plan,
        reset::Reset,
    },
    names::GRPC_PORT,
    workload::{
        pages::{Missing, PageReader, Readiness},
        pod_call::AskError,
    },
};

/// The answers of a runtime.
#[derive(Debug)]
pub(crate) struct RuntimeReport {
    /// The parts that it lacks; empty if it serves.
    pub missing: Result<Vec<Missing>, AskError>,
    /// Warnings about parts that work; none if its `/readyz` cannot be read.
    pub warnings: Vec<Missing>,
    /// Its account.
    pub account: Result<AccountResponse, AskError>,
    /// Its answers to the resets of sources.
    pub resets: Vec<SourceReset>,
    /// The answer to Configure; `None` if the settings took effect before, or the account is not known.
    pub configured: Option<Result<ConfigureResponse, AskError>>,
    /// Its answer to the trading state.
    pub trading: TradingReport,
}

/// A source to reset, and the runtime's answer.
#[derive(Debug)]
pub(crate) struct SourceReset {
    /// As the resource asks for it.
    pub reset: Reset,
    /// Why nothing was reset; `None`: it was, now or earlier. A sentence without numbers that grow.
    pub refused: Option<String>,
}

/// Asks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker {
    pages: PageReader,
}

impl Asker {
    /// The body of a process's `/readyz`.
    pub(crate) async fn readiness(&self, ip: &str) -> Result<Readiness, AskError> {
        self.pages.readiness(ip).await
    }

    /// A runtime's account. A trading state that differs is put in force first, whatever becomes of the rest, then
    /// settings that differ.
    pub(crate) async fn runtime(&self, ip: &str, questions: &Questions<'_>) -> RuntimeReport {
        let (readiness, answers) = tokio::join!(self.readiness(ip), async {
            match connect(ip, GRPC_PORT).await {
                Ok(mut client) => ask(&mut client, questions).await,
                Err(error) => Answers::unread(error, TradingReport::Unasked),
            }
        });
        let Answers { account, configured, resets, trading } = answers;
        let (missing, warnings) = match readiness {
            Ok(page) => (Ok(page.missing), page.warnings),
            Err(error) => (Err(error), Vec::new()),
        };
        RuntimeReport { missing, warnings, account, resets, configured, trading }
    }
}

#[derive(Debug)]
struct Answers {
    account: Result<AccountResponse, AskError>,
    configured: Option<Result<ConfigureResponse, AskError>>,
    resets: Vec<SourceReset>,
    trading: TradingReport,
}

impl Answers {
    const fn unread(error: AskError, trading: TradingReport) -> Self {
        Self { account: Err(error), configured: None, resets: Vec::new(), trading }
    }
}

async fn ask(client: &mut RuntimeClient<Channel>, questions: &Questions<'_>) -> Answers {
    let account = match read(client, questions).await {
        Ok(account) => account,
        Err(error) => return Answers::unread(error, trading::set_unread(client, questions).await),
    };
    // First, because nothing else may hold a stop back.
    let trading = trading::set(client, questions, &account).await;
    let resets = match questions.plan {
        Some(plan) => reset_sources(client, plan).await,
        None => Vec::new(),
    };
    let (configured, trading) = match trading {
        Some(trading) => (configure(client, questions, &account).await, trading),
        None => trading::suspend(client, questions, &account).await,
    };
    // Read again, because the calls changed the state, the cash, the channels or the sources.
    let is_changed = trading.is_changed() || configured.is_some() || !resets.is_empty();
    let account = if is_changed { read(client, questions).await } else { Ok(account) };
    Answers { account, configured, resets, trading }
}

/// Sends the plan's settings to a runtime with trading states, if they differ. Also to a runtime with a later
/// generation, whose refusal the status shows: the resource was restored from a backup. A new URL of an `Algorithm` has
/// no new generation of this resource, and is compared too.
async fn configure(
    client: &mut RuntimeClient<Channel>,
    questions: &Questions<'_>,
    account: &AccountResponse,
) -> Option<Result<ConfigureResponse, AskError>> {
    let plan = questions.plan?;
    // No file has it, so that a new runtime may be of the right generation and without it.
    let has_retention = account.capabilities.iter().any(|known| known == capability::RETENTION);
    let differs = account.effective_generation != plan.generation
        || account.candidate.is_some()
        || !plan.is_decided_by(account)
        || has_retention && account.retention != plan.retention();
    let request = plan.configure(&account.deposits, questions.trading.is_halted_by_spec()).filter(|_| differs)?;
    Some(send(client, request).await)
}

/// Resets the sources that the resource names. At each look, for a runtime that is replaced may have an older ledger;
/// a reset that came before does nothing.
async fn reset_sources(client: &mut RuntimeClient<Channel>, plan: &Plan) -> Vec<SourceReset> {
    let mut resets = Vec::new();
    for reset in plan.resets.iter().flatten() {
        let answer = client.reset_source(reset.request(plan.account(), plan.uid.clone())).await;
        let refused = match answer {
            Ok(answer) => answer.into_inner().refusal.map(|refusal| of_refusal(&refusal)),
            Err(status) => Some(failed(&status)),
        };
        resets.push(SourceReset { reset: reset.clone(), refused });
    }
    resets
}

fn failed(status: &tonic::Status) -> String {
    match status.code() {
        tonic::Code::Unimplemented => "the runtime is of a release that resets no sources".to_owned(),
        code => format!("the runtime answered {code}: {}", status.message()),
    }
}

/// The numbers of the runtime's text change while the source publishes, and the status would be written at each look.
fn of_refusal(refusal: &Refusal) -> String {
    match refusal.reason.as_str() {
        OTHER_LAST => format!(
            "{OTHER_LAST}: the source stands at another number, which `intuition sources list` shows; stop its \
             publisher first"
        ),
        OTHER_ERA => format!("{OTHER_ERA}: the source is in another era, which `intuition sources list` shows"),
        reason => format!("{reason}: {}", refusal.message),
    }
}

async fn read(client: &mut RuntimeClient<Channel>, questions: &Questions<'_>) -> Result<AccountResponse, AskError> {
    let answer = client.account(AccountRequest { account: questions.account.to_owned() }).await;
    answer.map(tonic::Response::into_inner).map_err(|status| AskError::Call(Box::new(status)))
}

#[cfg(test)]
mod tests;
