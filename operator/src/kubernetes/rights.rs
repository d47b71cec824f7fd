//! Rights that the operator lacks, from the errors of its watches. A type that may not be listed or watched stops every
//! pass in its namespace: nothing can be concluded from a cache that was never filled.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt as _};
use intuition_common::readiness::Readiness;
use kube::{
    Resource,
    runtime::{
        WatchStreamExt as _,
        utils::Backoff,
        watcher::{self, DefaultBackoff, Event},
    },
};

use crate::kubernetes::call::code;

/// Reason of a pass, or a write, that failed because a right is missing.
pub(crate) const OPERATOR_LACKS_RIGHTS: &str = "OperatorLacksRights";
/// Readiness part: the rights to list and watch children.
const RIGHTS: &str = "rights";

/// The API server's refusal by namespace and type; `None` for a type that is watched.
type Refusals = BTreeMap<Option<String>, BTreeMap<String, Option<String>>>;

/// The rights that the operator lacks. Clones share their state.
#[derive(Clone, Default)]
pub struct Rights {
    refusals: Arc<Mutex<Refusals>>,
    readiness: Option<Readiness>,
}

impl Rights {
    /// Reports missing rights in `readiness`, as the part `rights`.
    pub fn shown_by(readiness: Readiness) -> Self {
        Self { refusals: Arc::default(), readiness: Some(readiness) }
    }

    /// A watch of one type in one namespace, or in all, with its own delays between attempts. A refusal is kept until
    /// the watch works.
    pub(crate) fn watched<K>(
        &self,
        namespace: Option<&str>,
        events: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    ) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static
    where
        K: Resource<DynamicType = ()> + Send + 'static,
    {
        let (rights, namespace, kind) = (self.clone(), namespace.map(str::to_owned), K::plural(&()).into_owned());
        rights.note(namespace.as_deref(), &kind, None);
        events.backoff(WatchBackoff::default()).inspect(move |event| match event {
            // `Init` comes before the answer to the list call.
            Ok(Event::Init) => {}
            Ok(_) => rights.note(namespace.as_deref(), &kind, None),
            Err(error) => {
                if let Some(refusal) = refusal(error) {
                    rights.note(namespace.as_deref(), &kind, Some(refusal));
                }
            }
        })
    }

    /// The refusals of the watches in a namespace, in the API server's words, which name verb and resource.
    pub(crate) fn lacking(&self, namespace: Option<&str>) -> Vec<String> {
        let refusals = self.lock();
        let in_scope = |scope: &Option<String>| scope.is_none() || scope.as_deref() == namespace;
        refusals
            .iter()
            .filter(|(scope, _)| in_scope(scope))
            .flat_map(|(_, kinds)| kinds.values().flatten().cloned())
            .collect()
    }

    fn note(&self, namespace: Option<&str>, kind: &str, refusal: Option<String>) {
        let mut refusals = self.lock();
        let known = refusals.entry(namespace.map(str::to_owned)).or_default();
        if known.get(kind) == Some(&refusal) {
            return;
        }
        if let Some(refusal) = &refusal {
            tracing::error!(kind, namespace, "the operator lacks a right: {refusal}");
        }
        known.insert(kind.to_owned(), refusal);
        if let Some(readiness) = &self.readiness {
            let told = told(&refusals);
            if told.is_empty() {
                readiness.set_ready(RIGHTS);
            } else {
                readiness.set_missing(RIGHTS, OPERATOR_LACKS_RIGHTS, &told.join("; "));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Refusals> {
        // A panic cannot leave the map half changed.
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The missing rights for the readiness page. A named namespace without a single right was deleted, and its Role with it:
/// the operator stays ready then.
fn told(refusals: &Refusals) -> Vec<String> {
    let is_there = |(scope, kinds): &(&Option<String>, &BTreeMap<String, Option<String>>)| {
        scope.is_none() || kinds.values().any(Option::is_none)
    };
    refusals.iter().filter(is_there).flat_map(|(_, kinds)| kinds.values().flatten().cloned()).collect()
}

fn refusal(error: &watcher::Error) -> Option<String> {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return None;
    };
    (status.code == code::FORBIDDEN).then(|| status.message.clone())
}

/// Pauses of one watch, 0.8 s doubling to 30 s. Unlike kube's default they do not begin anew with each event: the first event of
/// a watch comes before the API server was asked. They do after two minutes without an error.
#[derive(Default)]
struct WatchBackoff(DefaultBackoff);

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next()
    }
}

impl Backoff for WatchBackoff {
    fn reset(&mut self) {}
}

/// No pause of a whole controller after an error of one of its watches: each watch has its own.
pub(crate) struct NoBackoff;

impl Iterator for NoBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

impl Backoff for NoBackoff {
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use intuition_common::clock::SystemClock;
    use k8s_openapi::api::{core::v1::Pod, networking::v1::NetworkPolicy};
    use kube::core::Status;

    use super::*;

    fn forbidden(message: &str) -> watcher::Error {
        let status = Status::failure(message, "Forbidden").with_code(code::FORBIDDEN);
        watcher::Error::InitialListFailed(kube::Error::Api(status.boxed()))
    }

    async fn meet<K>(rights: &Rights, namespace: Option<&str>, events: Vec<Result<Event<K>, watcher::Error>>)
    where
        K: Resource<DynamicType = ()> + Send + 'static,
    {
        let watched = rights.watched(namespace, stream::iter(events));
        watched.for_each(|_| std::future::ready(())).await;
    }

    fn shown(readiness: &Readiness) -> Vec<(String, String)> {
        readiness.missing().into_iter().map(|missing| (missing.reason, missing.message)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn kind_that_may_not_be_listed_is_missing_until_it_may() {
        let readiness = Readiness::new(&[], Arc::new(SystemClock));
        let rights = Rights::shown_by(readiness.clone());
        let message =
            "networkpolicies.networking.k8s.io is forbidden: User \"o\" cannot list resource \"networkpolicies\"";
        meet::<Pod>(&rights, None, vec![Ok(Event::Init), Ok(Event::InitDone)]).await;
        assert_eq!(shown(&readiness), []);
        meet::<NetworkPolicy>(&rights, None, vec![Ok(Event::Init), Err(forbidden(message)), Ok(Event::Init)]).await;
        assert_eq!(shown(&readiness), [(OPERATOR_LACKS_RIGHTS.to_owned(), message.to_owned())]);
        assert_eq!(rights.lacking(Some("n")), [message], "a right for all namespaces is one for each");
        meet::<NetworkPolicy>(&rights, None, vec![Ok(Event::InitDone)]).await;
        assert_eq!((shown(&readiness), rights.lacking(Some("n"))), (vec![], vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn namespace_that_is_gone_keeps_the_others_ready() {
        let readiness = Readiness::new(&[], Arc::new(SystemClock));
        let rights = Rights::shown_by(readiness.clone());
        meet::<Pod>(&rights, Some("gone"), vec![Err(forbidden("cannot list resource \"pods\""))]).await;
        meet::<NetworkPolicy>(&rights, Some("gone"), vec![Err(forbidden("cannot list"))]).await;
        meet::<Pod>(&rights, Some("n"), vec![Ok(Event::InitDone)]).await;
        assert_eq!((shown(&readiness), rights.lacking(Some("n"))), (vec![], vec![]));
        assert_eq!(rights.lacking(Some("gone")).len(), 2);
        meet::<NetworkPolicy>(&rights, Some("n"), vec![Err(forbidden("cannot list there"))]).await;
        assert_eq!(shown(&readiness).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_of_a_watch_grow_although_each_attempt_begins_with_an_event() {
        let began = tokio::time::Instant::now();
        let attempts = (0..8).flat_map(|_| [Ok(Event::Init), Err(forbidden("cannot list"))]).collect();
        meet::<Pod>(&Rights::default(), None, attempts).await;
        assert!(began.elapsed() > Duration::from_mins(1), "{:?}", began.elapsed());
        assert_eq!(NoBackoff.next(), Some(Duration::ZERO));
    }
}
