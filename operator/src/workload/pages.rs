//! Pages of the processes in pods: `/readyz`, and other pages in JSON.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    names::HTTP_PORT,
    workload::pod_call::{ANSWER_TIMEOUT, AskError, CONNECT_TIMEOUT, address},
};

/// Largest page read.
const MAX_PAGE_BYTES: usize = 64 * 1024;

/// A part that a process lacks, or a warning about a part, from its `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Missing {
    /// Which part, for example `broker`.
    pub part: String,
    /// CamelCase code.
    pub reason: String,
    /// A sentence for a person.
    pub message: String,
    /// Since when, RFC 3339.
    pub since: String,
}

/// The body of a `/readyz`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Readiness {
    /// The parts that the process lacks; empty when it is ready.
    pub missing: Vec<Missing>,
    /// Warnings about parts that work. Absent from the pages of v0.1.0.
    #[serde(default)]
    pub warnings: Vec<Missing>,
}

/// Reads pages. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct PageReader {
    http: Client<HttpConnector, Empty<Bytes>>,
}

impl Default for PageReader {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        // A pod's address may be another pod's at the next question: connections are not kept.
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self { http }
    }
}

impl PageReader {
    /// The body of a process's `/readyz`.
    pub(crate) async fn readiness(&self, ip: &str) -> Result<Readiness, AskError> {
        self.read(ip, "/readyz").await
    }

    /// The JSON of a page.
    pub(crate) async fn read<P: DeserializeOwned>(&self, ip: &str, page: &'static str) -> Result<P, AskError> {
        let address = address(ip, HTTP_PORT)?;
        let connect =
            |source: Box<dyn std::error::Error + Send + Sync>| AskError::Connect { address: address.clone(), source };
        let uri = format!("http://{address}{page}").parse().map_err(|_| AskError::ParseAddress(ip.to_owned()))?;
        let body = async {
            let response = self.http.get(uri).await.map_err(|error| connect(error.into()))?;
            Limited::new(response.into_body(), MAX_PAGE_BYTES).collect().await.map_err(connect)
        };
        let body = tokio::time::timeout(ANSWER_TIMEOUT, body)
            .await
            .map_err(|_| AskError::TimeOut { address: address.clone() })??;
        serde_json::from_slice(&body.to_bytes()).map_err(|source| AskError::ParsePage { address, page, source })
    }
}
