//! The service `Backends`: the directory for programs. Every replica serves it, whoever leads, from a watch of its own.

mod book;

use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use intuition_api::v1::{
    BackendChange, ListBackendsRequest, ListBackendsResponse, WatchBackendsRequest, WatchSynced,
    backend_change::Change,
    backends_server::{Backends, BackendsServer},
};
use kube::{
    Client,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, watcher},
    },
};
use tokio::{net::TcpListener, sync::watch};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, transport::Server};

pub use self::book::Book;
use self::book::Told;
use crate::{cluster::api, guarded::Guarded, resource::Algorithm};

const KEEPALIVE: Duration = Duration::from_secs(20);
/// For connections to end by themselves once everything is answered: a peer that is frozen never ends its own.
const FAREWELL: Duration = Duration::from_secs(3);
/// What the caller is told when the server shuts down, and before it knows anything.
const GOING: &str = "the operator is shutting down: list and watch again";
const EMPTY: &str = "the directory has not been read yet: try again";

/// Keeps a book current, for each namespace on its own or for all as one, until `shutdown` is cancelled.
pub async fn keep(client: &Client, scopes: &[Option<String>], book: &Book, shutdown: &CancellationToken) {
    let keepers = scopes.iter().enumerate().map(|(scope, namespace)| async move {
        let config = watcher::Config::default();
        let events = watcher(api::<Guarded<Algorithm>>(client, namespace.as_deref()), config).default_backoff();
        let mut events = std::pin::pin!(events.take_until(shutdown.cancelled()));
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => book.begin(scope),
                Ok(watcher::Event::InitApply(algorithm) | watcher::Event::Apply(algorithm)) => {
                    book.update(scope, &algorithm);
                }
                Ok(watcher::Event::InitDone) => book.complete(scope),
                Ok(watcher::Event::Delete(algorithm)) => book.delete(scope, &algorithm),
                Err(error) => {
                    // A namespace that is gone, or forbidden, keeps nobody from the others.
                    book.give_up(scope);
                    let error = intuition_common::exit::with_causes(&error);
                    tracing::debug!(namespace, error, "the directory's watch failed, and is being started again");
                }
            }
        }
    });
    futures::future::join_all(keepers).await;
}

/// Serves the book until `shutdown` is cancelled.
pub async fn serve(
    listener: TcpListener,
    book: Arc<Book>,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let service = BackendsServer::new(Directory { book, shutdown: shutdown.clone() });
    health.set_serving::<BackendsServer<Directory>>().await;
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .add_service(health_service)
        .add_service(service)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown.clone().cancelled_owned());
    tokio::select! {
        ended = server => ended,
        () = async { shutdown.cancelled().await; tokio::time::sleep(FAREWELL).await } => Ok(()),
    }
}

/// The service.
struct Directory {
    book: Arc<Book>,
    shutdown: CancellationToken,
}

#[tonic::async_trait]
impl Backends for Directory {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<BackendChange, Status>> + Send>>;

    async fn list(&self, request: Request<ListBackendsRequest>) -> Result<Response<ListBackendsResponse>, Status> {
        let Some(pages) = self.book.pages() else { return Err(Status::unavailable(EMPTY)) };
        let namespace = &request.get_ref().namespace;
        let wanted = pages.values().filter(|backend| namespace.is_empty() || backend.namespace == *namespace);
        let backends = wanted.map(|backend| backend.as_ref().clone()).collect();
        Ok(Response::new(ListBackendsResponse { backends }))
    }

    async fn watch(&self, request: Request<WatchBackendsRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let watching = Watching {
            namespace: request.into_inner().namespace,
            book: Arc::clone(&self.book),
            changes: self.book.changes(),
            shutdown: self.shutdown.clone(),
            told: Told::default(),
            waiting: VecDeque::new(),
            is_synced: false,
            has_ended: false,
        };
        Ok(Response::new(Box::pin(stream::unfold(watching, Watching::next))))
    }
}

/// One caller of Watch. What it was told is compared with the book whenever it can take more, so that one that is slow misses
/// what was in between and holds up nothing.
struct Watching {
    namespace: String,
    book: Arc<Book>,
    changes: watch::Receiver<u64>,
    shutdown: CancellationToken,
    told: Told,
    waiting: VecDeque<BackendChange>,
    is_synced: bool,
    has_ended: bool,
}

impl Watching {
    async fn next(mut self) -> Option<(Result<BackendChange, Status>, Self)> {
        if self.has_ended {
            return None;
        }
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return Some((Ok(change), self));
            }
            self.look();
            if !self.waiting.is_empty() {
                continue;
            }
            let shutdown = self.shutdown.clone();
            if !matches!(shutdown.run_until_cancelled(self.changes.changed()).await, Some(Ok(()))) {
                self.has_ended = true;
                return Some((Err(Status::unavailable(GOING)), self));
            }
        }
    }

    /// Notes what has changed since it was told last.
    fn look(&mut self) {
        // Before the book is read: what comes meanwhile is seen the next time.
        self.changes.borrow_and_update();
        let Some(pages) = self.book.pages() else { return };
        self.waiting.extend(self.told.differences(&pages, &self.namespace));
        if !self.is_synced {
            self.is_synced = true;
            self.waiting.push_back(BackendChange { change: Some(Change::Synced(WatchSynced {})) });
        }
    }
}

#[cfg(test)]
mod tests;
