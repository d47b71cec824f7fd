//! Asks a server of an algorithm what it is.

use std::time::Duration;

use algo_runtime::backend::{
    Address, BackendError, BackendReply, ConditionReason, LinkCommand,
    describe::Described,
    link::{Link, Links},
    reply,
};
use intuition_api::{
    describe::CONTRACT,
    v1::{InitializeRequest, algorithm_client::AlgorithmClient},
};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Backend, schema};

/// For everything that one address is asked.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks servers, as a runtime does: what stands in the way has the same codes.
#[derive(Clone)]
pub(super) struct Probe(Links);

impl Probe {
    /// Within tokio.
    pub(super) fn new() -> Self {
        Self(Links::new(Handle::current(), TaskTracker::new(), CancellationToken::new(), ANSWER_TIMEOUT))
    }

    /// What is at the address.
    #[expect(clippy::disallowed_methods, reason = "an edge: it waits by the monotonic clock")]
    pub(super) async fn ask(&self, address: &Address) -> Backend {
        let due = Instant::now() + ANSWER_TIMEOUT;
        let described = self.describe(address).await;
        let there = Backend { address: address.to_string(), ..Backend::default() };
        match described {
            Ok(described) => Backend {
                parameters_schema: schema(&described.parameters_schema_json),
                name: described.name.clone(),
                algorithm: described.name,
                version: described.version,
                contract: CONTRACT.to_owned(),
                channels: timeout_at(due, channels(address)).await.ok().flatten().unwrap_or_default(),
                healthy: true,
                ..there
            },
            Err(failure) => Backend {
                reason: failure.reason.code().to_owned(),
                message: format!("{address}: {}", failure.message),
                ..there
            },
        }
    }

    async fn describe(&self, address: &Address) -> Result<Described, BackendError> {
        let (sender, mut receiver) = mpsc::channel(1);
        let link: Link = self.0.start(address.clone(), move |report| {
            let sender = sender.clone();
            async move { sender.send(report).await.is_ok() }
        });
        link.send(LinkCommand::Call { attempt: 1, pause: Duration::ZERO });
        match receiver.recv().await.map(|report| report.reply) {
            Some(Ok(BackendReply::Described(described))) => Ok(described),
            Some(Err(failure)) => Err(failure),
            Some(Ok(_)) | None => Err(BackendError::new(ConditionReason::Error, "Describe was given up".to_owned())),
        }
    }
}

/// The channels it wants where it has no parameters but the threshold; `None` where it does not tell: it may need some
/// parameters, or do without the simple way.
async fn channels(address: &Address) -> Option<Vec<String>> {
    let channel = address.endpoint().ok()?.connect().await.ok()?;
    let request = InitializeRequest {
        account: "intuition/backends".to_owned(),
        parameters_json: r#"{"threshold":0.5}"#.to_owned(),
        ..InitializeRequest::default()
    };
    let response = AlgorithmClient::new(channel).initialize(request).await.ok()?;
    reply::check_initialize(response.into_inner()).ok()?.ok()
}
