//! The gRPC service `Backends`, the directory of algorithms for programs. Every replica serves it from watches of its
//! own.

pub mod store;
mod watch;

use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, stream};
use intuition_api::v1::{
    self, BackendChange, ListBackendsRequest, ListBackendsResponse, WatchBackendsRequest,
    backends_server::{Backends, BackendsServer},
};
use intuition_common::{
    grpc::{self, Admission, Limits},
    listen::Call,
};
use prost::Message as _;
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, watch as versions},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};
use tonic_health::server::HealthReporter;

use self::store::{ChangeEvent, Entries, Unavailable, differences};
pub use self::{store::DirectoryStore, watch::watch_into};

/// Time for connections to end by themselves at shutdown. A frozen peer never ends its own.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// Largest request, bytes: it names a namespace.
const MAX_REQUEST_BYTES: usize = 64 << 10;
/// Largest list, bytes. Clients take 4 MiB unless they are sent otherwise; Watch has no such limit.
const MAX_LIST_BYTES: usize = 32 << 20;
/// Concurrent lists that were not read to their end.
const MAX_LISTS: usize = 4;
/// Limits besides the watches: a client needs one connection and a few calls.
const LIMITS: Limits =
    Limits { name: "directory", connections: 512, calls: 64, connection_calls: 32, first_message: MAX_REQUEST_BYTES };
/// Concurrent watches on all connections. Each holds memory of the operator.
const MAX_WATCHES: usize = 256;
/// Status message at shutdown.
const SHUTTING_DOWN: &str = "the operator is shutting down: list and watch again";

/// Errors that end the server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The server failed.
    #[error("cannot answer calls")]
    Serve(#[source] grpc::ServeError),
    /// The reflection service cannot be built from the compiled contract.
    #[error("cannot describe the contract by reflection")]
    Reflect(#[source] tonic_reflection::server::Error),
}

/// Serves the directory until `shutdown` is cancelled.
pub async fn serve(
    listener: TcpListener,
    store: Arc<DirectoryStore>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_not_serving::<BackendsServer<Directory>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServeError::Reflect)?;
    let directory = Directory {
        store: Arc::clone(&store),
        shutdown: shutdown.clone(),
        watches: Arc::new(Semaphore::new(MAX_WATCHES)),
        lists: Arc::new(Semaphore::new(MAX_LISTS)),
    };
    let routes = Routes::new(health_service)
        .add_service(reflection)
        .add_service(BackendsServer::new(directory).max_decoding_message_size(MAX_REQUEST_BYTES));
    let server = grpc::serve(listener, routes, LIMITS, shutdown.clone());
    let shutdown_grace = async {
        report_health(&health, &store, &shutdown).await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        ended = server => ended.map_err(ServeError::Serve),
        () = shutdown_grace => Ok(()),
    }
}

/// Reports `SERVING` once the store is filled, until `shutdown` is cancelled.
async fn report_health(health: &HealthReporter, store: &DirectoryStore, shutdown: &CancellationToken) {
    let mut changes = store.changes();
    let known = async { while store.entries("").is_err() && changes.changed().await.is_ok() {} };
    if shutdown.run_until_cancelled(known).await.is_some() {
        health.set_serving::<BackendsServer<Directory>>().await;
        shutdown.cancelled().await;
    }
    health.set_not_serving::<BackendsServer<Directory>>().await;
}

impl From<Unavailable> for Status {
    fn from(unknown: Unavailable) -> Self {
        let message = unknown.to_string();
        match unknown {
            Unavailable::NotWatched(_) => Self::not_found(message),
            Unavailable::NotRead | Unavailable::Failing(_) => Self::unavailable(message),
        }
    }
}

/// The service.
struct Directory {
    store: Arc<DirectoryStore>,
    shutdown: CancellationToken,
    watches: Arc<Semaphore>,
    lists: Arc<Semaphore>,
}

#[tonic::async_trait]
impl Backends for Directory {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<BackendChange, Status>> + Send>>;

    async fn list(&self, request: Request<ListBackendsRequest>) -> Result<Response<ListBackendsResponse>, Status> {
        let permit = Arc::clone(&self.lists).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{MAX_LISTS} lists are being read here already: try again, or watch"))
        })?;
        if let Some(admission) = request.extensions().get::<Admission>() {
            admission.keep(permit);
        }
        let namespace = &request.get_ref().namespace;
        let entries = self.store.entries(namespace)?;
        let wanted = || entries.values().filter(|backend| namespace.is_empty() || backend.namespace == *namespace);
        let bytes: usize = wanted().map(|backend| backend.encoded_len()).sum();
        if bytes > MAX_LIST_BYTES {
            return Err(Status::resource_exhausted(format!(
                "the list has {bytes} bytes, more than {MAX_LIST_BYTES}: name a namespace, or watch"
            )));
        }
        Ok(Response::new(ListBackendsResponse { backends: wanted().map(|backend| backend.as_ref().clone()).collect() }))
    }

    async fn watch(&self, request: Request<WatchBackendsRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.store.entries(&request.get_ref().namespace)?;
        let permit = Arc::clone(&self.watches).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{MAX_WATCHES} watches are open here already: try again, or list"))
        })?;
        let place = request.extensions().get::<Admission>().and_then(Admission::lasts);
        let watching = Watching {
            namespace: request.into_inner().namespace,
            store: Arc::clone(&self.store),
            changes: self.store.changes(),
            shutdown: self.shutdown.clone(),
            sent: Arc::default(),
            waiting: VecDeque::new(),
            is_synced: false,
            has_ended: false,
            _permit: permit,
            _place: place,
        };
        Ok(Response::new(Box::pin(stream::unfold(watching, Watching::next))))
    }
}

/// One Watch stream. The entries that were sent are compared with the store whenever the client can take more: a slow
/// client skips intermediate states, delays no other, and holds at most one old snapshot in memory.
struct Watching {
    namespace: String,
    store: Arc<DirectoryStore>,
    changes: versions::Receiver<u64>,
    shutdown: CancellationToken,
    /// The client's entries once the queue is sent.
    sent: Arc<Entries>,
    waiting: VecDeque<ChangeEvent>,
    is_synced: bool,
    has_ended: bool,
    _permit: OwnedSemaphorePermit,
    /// Keeps the connection counted while the stream lasts.
    _place: Option<Call>,
}

impl Watching {
    async fn next(mut self) -> Option<(Result<BackendChange, Status>, Self)> {
        if self.has_ended {
            return None;
        }
        while !self.shutdown.is_cancelled() {
            if self.waiting.is_empty() {
                self.enqueue_changes();
            }
            if let Some(event) = self.waiting.pop_front() {
                return Some((Ok(event.into_change()), self));
            }
            let shutdown = self.shutdown.clone();
            if !matches!(shutdown.run_until_cancelled(self.changes.changed()).await, Some(Ok(()))) {
                break;
            }
        }
        self.has_ended = true;
        Some((Err(Status::unavailable(SHUTTING_DOWN)), self))
    }

    /// Queues the changes since the last comparison.
    fn enqueue_changes(&mut self) {
        // Marked as seen before the store is read, so that a change in between is compared next time.
        self.changes.borrow_and_update();
        let Ok(entries) = self.store.entries(&self.namespace) else { return };
        self.waiting.extend(differences(&self.sent, &entries, &self.namespace));
        self.sent = entries;
        if !self.is_synced {
            self.is_synced = true;
            self.waiting.push_back(ChangeEvent::Synced);
        }
    }
}

#[cfg(test)]
mod tests;
