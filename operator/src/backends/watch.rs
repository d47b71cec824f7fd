//! The watches that fill the store.

use futures::{FutureExt as _, StreamExt as _};
use intuition_common::exit::with_causes;
use kube::{
    Client,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    backends::store::DirectoryStore,
    kubernetes::{
        caches::api,
        object::{PartialObject, WatchedKind},
    },
    metrics::Metrics,
};

/// Fills a store from watches of its namespaces until `shutdown` is cancelled.
pub async fn watch_into(
    client: &Client,
    namespaces: &[Option<String>],
    book: &DirectoryStore,
    metrics: &Metrics,
    shutdown: &CancellationToken,
) {
    let keepers = namespaces.iter().enumerate().flat_map(|(scope, namespace)| {
        let place = Place { client, namespace: namespace.as_deref(), metrics, shutdown };
        [
            place
                .follow(
                    move |event| book.take_algorithm(scope, event),
                    move |problem| book.lose_algorithms(scope, problem),
                )
                .boxed(),
            place
                .follow(move |event| book.take_user(scope, event), move |problem| book.lose_users(scope, problem))
                .boxed(),
        ]
    });
    futures::future::join_all(keepers).await;
}

/// A namespace to watch, and the shutdown of the watch.
#[derive(Clone, Copy)]
struct Place<'a> {
    client: &'a Client,
    namespace: Option<&'a str>,
    metrics: &'a Metrics,
    shutdown: &'a CancellationToken,
}

impl Place<'_> {
    /// Watches one kind, and restarts the watch with a growing delay after an error.
    async fn follow<K: WatchedKind>(self, take: impl Fn(Event<PartialObject<K>>), lose: impl Fn(&str)) {
        let events = watcher(api::<PartialObject<K>>(self.client, self.namespace), watcher::Config::default());
        let events = events.default_backoff().take_until(self.shutdown.cancelled());
        let mut events = std::pin::pin!(events);
        let mut is_failing = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    // The begin of a list proves nothing: it may fail again.
                    is_failing &= matches!(event, Event::Init);
                    take(event);
                }
                Err(error) => {
                    self.metrics.watch_failed();
                    let (kind, namespace, error) = (K::KIND, self.namespace, with_causes(&error));
                    // Logged once until the watch works again: a deleted namespace may stay deleted.
                    if is_failing {
                        tracing::debug!(kind, namespace, error, "the directory's watch failed again");
                    } else {
                        tracing::warn!(
                            kind,
                            namespace,
                            error,
                            "the directory's watch failed, and is being started again"
                        );
                    }
                    is_failing = true;
                    lose(&error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
