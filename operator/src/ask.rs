//! What runtimes and bridges say about themselves, asked at their pods' addresses.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use intuition_api::v1::{AccountRequest, AccountResponse, ConfigureResponse, Refusal, runtime_client::RuntimeClient};
use serde::Deserialize;
use tonic::transport::{Channel, Endpoint};

use crate::{
    names::{GRPC_PORT, HTTP_PORT},
    plan::Plan,
    reset::Reset,
};

/// Longest that an answer may take: a runtime commits to disk before it answers.
const ANSWER: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(2);
/// Largest page read.
const PAGE_BYTES: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The address is none.
    #[error("{0:?} is no address of a pod")]
    ParseAddress(String),
    /// Nothing answers there.
    #[error("{address} does not answer")]
    Connect {
        /// Where.
        address: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The runtime refused the call.
    #[error("the runtime answered {}: {}", .0.code(), .0.message())]
    Call(#[source] Box<tonic::Status>),
    /// The page is none that we know.
    #[error("{address} answered with something else than its readiness")]
    ParseReadiness {
        /// Where.
        address: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It takes too long.
    #[error("{address} did not answer within {} s", ANSWER.as_secs())]
    TimeOut {
        /// Where.
        address: String,
    },
}

/// A part that a process lacks, from its `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Missing {
    /// Which part, for example `broker`.
    pub part: String,
    /// CamelCase code.
    pub reason: String,
    /// A sentence for a person.
    pub message: String,
    /// Since when, RFC 3339.
    pub since: String,
}

#[derive(Deserialize)]
struct Page {
    missing: Vec<Missing>,
}

/// What a runtime says.
#[derive(Debug)]
pub struct RuntimeReport {
    /// What it lacks; empty when it serves.
    pub missing: Result<Vec<Missing>, AskError>,
    /// Its account.
    pub account: Result<AccountResponse, AskError>,
    /// Its answers to the resets of sources.
    pub resets: Vec<SourceReset>,
    /// What it said to the settings; `None`: they were in force already, or the account is not known.
    pub configured: Option<Result<ConfigureResponse, AskError>>,
}

/// A source to reset, and the runtime's answer.
#[derive(Debug)]
pub struct SourceReset {
    /// As the resource asks for it.
    pub reset: Reset,
    /// Why nothing was reset; `None`: it was, now or earlier. A sentence without numbers that grow.
    pub refused: Option<String>,
}

/// Asks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Asker {
    http: Client<HttpConnector, Empty<Bytes>>,
}

impl Default for Asker {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        // A pod's address may be another pod's at the next question: connections are not kept.
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self { http }
    }
}

impl Asker {
    /// What a process lacks; empty when it is ready.
    pub async fn missing(&self, ip: &str) -> Result<Vec<Missing>, AskError> {
        let address = address(ip, HTTP_PORT)?;
        let connect =
            |source: Box<dyn std::error::Error + Send + Sync>| AskError::Connect { address: address.clone(), source };
        let uri = format!("http://{address}/readyz").parse().map_err(|_| AskError::ParseAddress(ip.to_owned()))?;
        let page = async {
            let response = self.http.get(uri).await.map_err(|error| connect(error.into()))?;
            Limited::new(response.into_body(), PAGE_BYTES).collect().await.map_err(connect)
        };
        let page =
            tokio::time::timeout(ANSWER, page).await.map_err(|_| AskError::TimeOut { address: address.clone() })??;
        let page = serde_json::from_slice::<Page>(&page.to_bytes());
        page.map(|page| page.missing).map_err(|source| AskError::ParseReadiness { address, source })
    }

    /// A runtime's account; where its settings are older than the plan's, they are put in force first.
    pub async fn runtime(&self, ip: &str, plan: &Plan) -> RuntimeReport {
        let (missing, (account, configured, resets)) = tokio::join!(self.missing(ip), account(ip, plan));
        RuntimeReport { missing, account, resets, configured }
    }
}

/// The account, the answer to its settings, and those to its resets.
type Answers = (Result<AccountResponse, AskError>, Option<Result<ConfigureResponse, AskError>>, Vec<SourceReset>);

async fn account(ip: &str, plan: &Plan) -> Answers {
    let mut client = match connect(ip).await {
        Ok(client) => client,
        Err(error) => return (Err(error), None, Vec::new()),
    };
    // Before the account, which then shows the sources as they are.
    let resets = reset_sources(&mut client, plan).await;
    let account = read(&mut client, plan).await;
    // Not only where it is behind: one that is ahead (the resource was restored from a backup) has to say so. And an Algorithm
    // that is served elsewhere now is no generation of this resource.
    let differs = account.as_ref().is_ok_and(|account| {
        account.effective_generation != plan.generation || account.candidate.is_some() || !plan.is_decided_by(account)
    });
    let Some(configure) = plan.configure().filter(|_| differs) else { return (account, None, resets) };
    let configured = client.configure(configure).await;
    let configured = configured.map(tonic::Response::into_inner).map_err(|status| AskError::Call(Box::new(status)));
    // With what it changed: the cash, the channels.
    (read(&mut client, plan).await, Some(configured), resets)
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
        "OtherLast" => {
            "OtherLast: the source stands at another number, which `intuition sources list` shows; stop its \
                        publisher first"
                .to_owned()
        }
        "OtherEra" => "OtherEra: the source is in another era, which `intuition sources list` shows".to_owned(),
        reason => format!("{reason}: {}", refusal.message),
    }
}

async fn read(client: &mut RuntimeClient<Channel>, plan: &Plan) -> Result<AccountResponse, AskError> {
    let answer = client.account(AccountRequest { account: plan.account() }).await;
    answer.map(tonic::Response::into_inner).map_err(|status| AskError::Call(Box::new(status)))
}

async fn connect(ip: &str) -> Result<RuntimeClient<Channel>, AskError> {
    let address = address(ip, GRPC_PORT)?;
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| AskError::ParseAddress(ip.to_owned()))?
        .connect_timeout(CONNECT)
        .timeout(ANSWER);
    let channel = endpoint.connect().await.map_err(|error| AskError::Connect { address, source: error.into() })?;
    Ok(RuntimeClient::new(channel))
}

fn address(ip: &str, port: i32) -> Result<String, AskError> {
    match ip.parse() {
        Ok(IpAddr::V4(ip)) => Ok(format!("{ip}:{port}")),
        Ok(IpAddr::V6(ip)) => Ok(format!("[{ip}]:{port}")),
        Err(_) => Err(AskError::ParseAddress(ip.to_owned())),
    }
}
