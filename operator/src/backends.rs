//! The service `Backends`: the directory for programs. Every replica serves it, whoever leads, from watches of its own.

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

use self::store::{ChangeEvent, Pages, Unknown, differences};
pub use self::{store::DirectoryStore, watch::keep};

/// For connections to end by themselves once everything is answered: a peer that is frozen never ends its own.
const FAREWELL: Duration = Duration::from_secs(3);
/// Largest request, bytes: it names a namespace.
const MAX_REQUEST: usize = 64 << 10;
/// Largest list, bytes. Clients take 4 MiB unless they are told otherwise; Watch has no such limit.
const MAX_LIST: usize = 32 << 20;
/// Lists at a time that were not read to their end.
const MAX_LISTS: usize = 4;
/// Beside the watches: a client of the directory needs one connection and a few calls.
const LIMITS: Limits =
    Limits { name: "directory", connections: 512, calls: 64, connection_calls: 32, first_message: MAX_REQUEST };
/// Watches at a time on all connections: each holds some memory of the operator's, which has other work.
const MAX_WATCHES: usize = 256;
/// What the caller is told when the server shuts down.
const GOING: &str = "the operator is shutting down: list and watch again";

/// Why it cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The server failed.
    #[error("cannot answer calls")]
    Serve(#[source] grpc::ServeError),
    /// The reflection service cannot be built from the compiled contract.
    #[error("cannot describe the contract by reflection")]
    Reflect(#[source] tonic_reflection::server::Error),
}

/// Serves the book until `shutdown` is cancelled.
pub async fn serve(
    listener: TcpListener,
    book: Arc<DirectoryStore>,
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
        book: Arc::clone(&book),
        shutdown: shutdown.clone(),
        watches: Arc::new(Semaphore::new(MAX_WATCHES)),
        lists: Arc::new(Semaphore::new(MAX_LISTS)),
    };
    let routes = Routes::new(health_service)
        .add_service(reflection)
        .add_service(BackendsServer::new(directory).max_decoding_message_size(MAX_REQUEST));
    let server = grpc::serve(listener, routes, LIMITS, shutdown.clone());
    let farewell = async {
        tell_health(&health, &book, &shutdown).await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        ended = server => ended.map_err(ServeError::Serve),
        () = farewell => Ok(()),
    }
}

/// Says that it serves while it knows something to say, until `shutdown` is cancelled.
async fn tell_health(health: &HealthReporter, book: &DirectoryStore, shutdown: &CancellationToken) {
    let mut changes = book.changes();
    let known = async { while book.pages("").is_err() && changes.changed().await.is_ok() {} };
    if shutdown.run_until_cancelled(known).await.is_some() {
        health.set_serving::<BackendsServer<Directory>>().await;
        shutdown.cancelled().await;
    }
    health.set_not_serving::<BackendsServer<Directory>>().await;
}

impl From<Unknown> for Status {
    fn from(unknown: Unknown) -> Self {
        let message = unknown.to_string();
        match unknown {
            Unknown::NotWatched(_) => Self::not_found(message),
            Unknown::NotRead | Unknown::Failing(_) => Self::unavailable(message),
        }
    }
}

/// The service.
struct Directory {
    book: Arc<DirectoryStore>,
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
        let pages = self.book.pages(namespace)?;
        let wanted = || pages.values().filter(|backend| namespace.is_empty() || backend.namespace == *namespace);
        let bytes: usize = wanted().map(|backend| backend.encoded_len()).sum();
        if bytes > MAX_LIST {
            return Err(Status::resource_exhausted(format!(
                "the list has {bytes} bytes, more than {MAX_LIST}: name a namespace, or watch"
            )));
        }
        Ok(Response::new(ListBackendsResponse { backends: wanted().map(|backend| backend.as_ref().clone()).collect() }))
    }

    async fn watch(&self, request: Request<WatchBackendsRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.book.pages(&request.get_ref().namespace)?;
        let permit = Arc::clone(&self.watches).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{MAX_WATCHES} watches are open here already: try again, or list"))
        })?;
        let place = request.extensions().get::<Admission>().and_then(Admission::lasts);
        let watching = Watching {
            namespace: request.into_inner().namespace,
            book: Arc::clone(&self.book),
            changes: self.book.changes(),
            shutdown: self.shutdown.clone(),
            told: Arc::default(),
            waiting: VecDeque::new(),
            is_synced: false,
            has_ended: false,
            _permit: permit,
            _place: place,
        };
        Ok(Response::new(Box::pin(stream::unfold(watching, Watching::next))))
    }
}

/// One caller of Watch. What it was told is compared with the book whenever it can take more, so that one that is slow misses
/// what was in between, holds up nothing, and keeps at most one former state of the directory in memory.
struct Watching {
    namespace: String,
    book: Arc<DirectoryStore>,
    changes: versions::Receiver<u64>,
    shutdown: CancellationToken,
    /// What it knows once all that waits was told.
    told: Arc<Pages>,
    waiting: VecDeque<ChangeEvent>,
    is_synced: bool,
    has_ended: bool,
    _permit: OwnedSemaphorePermit,
    /// The connection keeps its place.
    _place: Option<Call>,
}

impl Watching {
    async fn next(mut self) -> Option<(Result<BackendChange, Status>, Self)> {
        if self.has_ended {
            return None;
        }
        while !self.shutdown.is_cancelled() {
            if self.waiting.is_empty() {
                self.look();
            }
            if let Some(news) = self.waiting.pop_front() {
                return Some((Ok(news.tell()), self));
            }
            let shutdown = self.shutdown.clone();
            if !matches!(shutdown.run_until_cancelled(self.changes.changed()).await, Some(Ok(()))) {
                break;
            }
        }
        self.has_ended = true;
        Some((Err(Status::unavailable(GOING)), self))
    }

    /// Notes what has changed since it was told last.
    fn look(&mut self) {
        // Before the book is read: what comes meanwhile is seen the next time.
        self.changes.borrow_and_update();
        let Ok(pages) = self.book.pages(&self.namespace) else { return };
        self.waiting.extend(differences(&self.told, &pages, &self.namespace));
        self.told = pages;
        if !self.is_synced {
            self.is_synced = true;
            self.waiting.push_back(ChangeEvent::Synced);
        }
    }
}

#[cfg(test)]
mod tests;
