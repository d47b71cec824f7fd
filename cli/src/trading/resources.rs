//! Changes the trading state of resources of a cluster: first every annotation, then every confirmation.

#![expect(clippy::disallowed_methods, reason = "an edge: it waits by the monotonic clock")]

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt as _, stream};
use kube::api::{ListParams, Patch, PatchParams};
use tokio::time::Instant;

use super::{TradingError, object::Observed, report::Report, verb::Verb};
use crate::{
    args::{AccountsArgs, WaitArgs},
    cluster::{Call, Cluster, ClusterError},
};

/// Field manager of the annotations.
const MANAGER: &str = "intuition-cli";
/// Calls that are under way at once.
const MAX_CONCURRENT_CALLS: usize = 32;
/// Attempts at one annotation.
const MAX_ATTEMPTS: u32 = 3;
/// Pause before the next attempt, and between two reads of an unconfirmed resource.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Least pause for each resource that is not confirmed: 100 reads a second are no load for an API server.
const RETRY_PAUSE_PER_ACCOUNT: Duration = Duration::from_millis(10);

/// A resource by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Target {
    /// From `NAME` or `NAMESPACE/NAME`.
    pub(super) fn named(text: &str, namespace: &str) -> Self {
        let (namespace, name) = text.split_once('/').unwrap_or((namespace, text));
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(super) fn account(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// The resources that the flags name or select, in order and each once.
pub(super) async fn targets(cluster: &Cluster, args: &AccountsArgs) -> Result<Vec<Target>, TradingError> {
    if !args.names.is_empty() {
        let named: BTreeSet<_> = args.names.iter().map(|name| Target::named(name, &cluster.namespace)).collect();
        return Ok(named.into_iter().collect());
    }
    let (api, namespace) = if args.all_namespaces {
        (cluster.all_algos(), "")
    } else {
        (cluster.algos(&cluster.namespace), cluster.namespace.as_str())
    };
    let params = args.selector.iter().fold(ListParams::default(), |params, labels| params.labels(labels));
    let list = Call::on_algo("list", namespace, "");
    let found = cluster.call(list, api.list_metadata(&params)).await.map_err(TradingError::Cluster)?;
    let target =
        |metadata: kube::api::ObjectMeta| Some(Target { namespace: metadata.namespace?, name: metadata.name? });
    let targets: BTreeSet<_> = found.items.into_iter().filter_map(|item| target(item.metadata)).collect();
    if targets.is_empty() {
        let place = if namespace.is_empty() { "the cluster".to_owned() } else { format!("the namespace {namespace}") };
        let labels = args.selector.as_ref().map(|labels| format!(" with the labels {labels}"));
        return Err(TradingError::SelectNone { place, labels: labels.unwrap_or_default() });
    }
    Ok(targets.into_iter().collect())
}

/// Annotates every resource, then waits until the operator confirms. A resource that fails does not keep the others from
/// being annotated. Returns one report each, in the order of the targets. `tell` prints lines about the progress.
pub(super) async fn change(
    cluster: &Cluster,
    targets: Vec<Target>,
    verb: &Verb,
    wait: &WaitArgs,
    tell: impl Fn(&str),
) -> Vec<Report> {
    let annotated = stream::iter(targets).map(|target| async {
        let observed = annotate(cluster, &target, verb).await;
        Entry::new(target, observed, verb)
    });
    // Unordered, so that a call that hangs holds up none of the others.
    let mut entries: Vec<_> = annotated.buffer_unordered(MAX_CONCURRENT_CALLS).collect().await;
    entries.sort_by(|one, other| one.target.cmp(&other.target));
    if !wait.no_wait {
        confirm(cluster, &mut entries, verb, wait.timeout, tell).await;
    }
    entries.into_iter().map(|entry| entry.report(verb, wait)).collect()
}

/// A resource with a change in progress.
struct Entry {
    target: Target,
    /// Its last observed state, or the error that ended the attempt.
    observed: Result<Observed, ClusterError>,
    is_annotated: bool,
    is_confirmed: bool,
    /// Error of the last read, if another read may succeed.
    late: Option<ClusterError>,
}

impl Entry {
    fn new(target: Target, observed: Result<Observed, ClusterError>, verb: &Verb) -> Self {
        let is_confirmed = observed.as_ref().is_ok_and(|observed| observed.confirms(verb));
        Self { target, is_annotated: observed.is_ok(), observed, is_confirmed, late: None }
    }

    fn is_open(&self) -> bool {
        self.observed.is_ok() && !self.is_confirmed
    }

    fn take(&mut self, looked: Result<Observed, ClusterError>, verb: &Verb) {
        match looked {
            Ok(observed) => {
                self.is_confirmed = observed.confirms(verb);
                (self.observed, self.late) = (Ok(observed), None);
            }
            Err(error) if error.is_transient() => self.late = Some(error),
            Err(error) => self.observed = Err(error),
        }
    }

    fn report(self, verb: &Verb, wait: &WaitArgs) -> Report {
        let account = self.target.account();
        let done = if self.is_annotated { format!("{}, but ", verb.done()) } else { String::new() };
        let observed = match self.observed {
            Ok(observed) => observed,
            Err(error) => return Report::failed(&account, format!("{done}{}", in_words(&error))),
        };
        let confirmed = Report {
            account,
            in_force: observed.in_force,
            confirmed: self.is_confirmed,
            note: String::new(),
            error: None,
        };
        if self.is_confirmed {
            return confirmed;
        }
        if wait.no_wait {
            return Report { note: format!("{}; not confirmed yet", verb.done()), ..confirmed };
        }
        let why = self.late.as_ref().map(in_words).or(observed.condition).unwrap_or_else(|| {
            "it has no condition Trading: the operator does not run, or it is of a release that does not read the \
             annotation"
                .to_owned()
        });
        let error = format!(
            "{done}not confirmed within {} s: {why}; `intuition {} --runtime` reaches the runtime without the operator",
            wait.timeout.as_secs(),
            verb.name(),
        );
        Report { error: Some(error), ..confirmed }
    }
}

fn in_words(error: &ClusterError) -> String {
    intuition_common::exit::with_causes(error)
}

/// Sets or removes the annotations, and returns the state of the resource in the answer.
async fn annotate(cluster: &Cluster, target: &Target, verb: &Verb) -> Result<Observed, ClusterError> {
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(verb.patch());
    let api = cluster.algos(&target.namespace);
    let call = Call::on_algo("patch", &target.namespace, &target.name);
    let mut attempt = 1;
    loop {
        match cluster.call(call, api.patch(&target.name, &params, &patch)).await {
            Ok(object) => return Ok(Observed::of(&object.data)),
            Err(error) if error.is_transient() && attempt < MAX_ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// Reads the open resources again and again, until all are confirmed or the time is up.
async fn confirm(cluster: &Cluster, entries: &mut [Entry], verb: &Verb, timeout: Duration, tell: impl Fn(&str)) {
    let deadline = Instant::now() + timeout;
    let open = entries.iter().filter(|entry| entry.is_open()).count();
    if open > 0 {
        let plural = if open == 1 { "" } else { "s" };
        tell(&format!("waiting for the operator to confirm {open} account{plural}"));
    }
    while entries.iter().any(Entry::is_open) {
        let open = entries.iter().filter(|entry| entry.is_open()).count();
        let next = Instant::now()
            + RETRY_PAUSE.max(RETRY_PAUSE_PER_ACCOUNT.saturating_mul(u32::try_from(open).unwrap_or(u32::MAX)));
        let looks = stream::iter(entries.iter_mut().filter(|entry| entry.is_open())).map(|entry| async {
            let Target { namespace, name } = &entry.target;
            let looked = cluster.call(Call::on_algo("get", namespace, name), cluster.algos(namespace).get(name)).await;
            entry.take(looked.map(|object| Observed::of(&object.data)), verb);
        });
        let round = looks.buffer_unordered(MAX_CONCURRENT_CALLS).collect::<()>();
        if tokio::time::timeout_at(deadline, round).await.is_err() || next > deadline {
            return;
        }
        tokio::time::sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_name_with_or_without_its_namespace() {
        assert_eq!(Target::named("goog", "default").account(), "default/goog");
        assert_eq!(Target::named("team-a/goog", "default").account(), "team-a/goog");
    }
}
