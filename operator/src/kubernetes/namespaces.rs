//! Labels of namespaces, read when a resource needs them and kept for a short time.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio::time::Instant;

use crate::kubernetes::call::{CallError, call};

/// How long labels are cached: a new label takes effect within this time.
const LABELS_TTL: Duration = Duration::from_secs(20);
/// Most namespaces in the cache.
const MAX_NAMESPACES: usize = 10_000;

type Labels = BTreeMap<String, String>;

/// Reads labels by `get` of one namespace, which a Role in that namespace can allow as well as a `ClusterRole`.
pub(crate) struct Namespaces {
    client: Client,
    known: Mutex<HashMap<String, (Instant, Labels)>>,
}

impl Namespaces {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// The labels of a namespace.
    #[expect(
        clippy::disallowed_methods,
        reason = "an edge: it reads labels from the API server, and their age from the monotonic clock"
    )]
    pub(crate) async fn labels(&self, namespace: &str) -> Result<Labels, CallError> {
        let now = Instant::now();
        if let Some((at, labels)) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(namespace)
            && now.duration_since(*at) < LABELS_TTL
        {
            return Ok(labels.clone());
        }
        let api: Api<Namespace> = Api::all(self.client.clone());
        let labels = call(api.get_metadata(namespace)).await?.metadata.labels.unwrap_or_default();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_NAMESPACES {
            known.retain(|_, (at, _)| now.duration_since(*at) < LABELS_TTL);
        }
        known.insert(namespace.to_owned(), (now, labels.clone()));
        Ok(labels)
    }
}
