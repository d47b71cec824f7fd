//! The election against a real API server: what it refuses, accepts, and calls a conflict. Needs the cluster of `KUBECONFIG`.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use intuition_common::clock::SystemClock;
use intuition_operator::lease::{Election, Leadership, LeaseError};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Namespace};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

const NAME: &str = "operator";
const PATIENCE: Duration = Duration::from_mins(1);
/// client-go's defaults: without a renewal nobody takes the Lease before, counted from when it was seen.
const LEASE: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(2);

fn stand(api: &Api<Lease>, identity: &str) -> Election {
    Election::new(api.clone(), NAME, identity, Arc::new(SystemClock))
}

type Candidates = JoinSet<(String, Result<Option<Leadership>, LeaseError>)>;

/// The next candidate that leads, with the name it has in the Lease.
async fn next_leader(candidates: &mut Candidates, api: &Api<Lease>) -> Leadership {
    let next = timeout(PATIENCE, candidates.join_next()).await.expect("a leader in time");
    let (identity, leadership) = next.unwrap().unwrap();
    let leadership = leadership.unwrap().unwrap();
    assert!(leadership.is_held());
    let spec = api.get(NAME).await.unwrap().spec.unwrap();
    assert_eq!(spec.holder_identity, Some(identity));
    leadership
}

async fn elect(api: Api<Lease>) {
    let shutdown = CancellationToken::new();
    let mut candidates = Candidates::new();
    for number in 0..5 {
        let (election, shutdown) = (stand(&api, &format!("candidate-{number}")), shutdown.clone());
        candidates.spawn(async move { (election.identity().to_owned(), election.acquire(&shutdown).await) });
    }
    let first = next_leader(&mut candidates, &api).await;
    assert!(timeout(RETRY * 3, candidates.join_next()).await.is_err(), "only one of those that began at once leads");

    // Given back, it is free at once.
    let began = Instant::now();
    first.release().await;
    let second = next_leader(&mut candidates, &api).await;
    assert!(began.elapsed() < LEASE, "{:?}", began.elapsed());

    // As by a crash: nobody renews it any more.
    let began = Instant::now();
    drop(second);
    let third = next_leader(&mut candidates, &api).await;
    assert!(began.elapsed() + RETRY > LEASE, "{:?}", began.elapsed());

    // Deleted under its holder, it is made anew and stays with it.
    let version = api.get(NAME).await.unwrap().resource_version();
    api.delete(NAME, &DeleteParams::default()).await.unwrap();
    assert!(timeout(RETRY * 3, candidates.join_next()).await.is_err(), "nobody takes it meanwhile");
    assert!(third.is_held());
    assert_ne!(api.get(NAME).await.unwrap().resource_version(), version);

    // Somebody else's from one moment to the next, by hand.
    let patch = Patch::Merge(json!({"spec": {"holderIdentity": "somebody"}}));
    api.patch(NAME, &PatchParams::default(), &patch).await.unwrap();
    timeout(PATIENCE, third.lost().cancelled()).await.expect("the holder finds out");
    assert!(!third.is_held());

    shutdown.cancel();
    while let Some(ended) = candidates.join_next().await {
        assert!(ended.unwrap().1.unwrap().is_none(), "told to end, they do not lead");
    }
}

#[tokio::test]
async fn one_leads_at_a_time_and_the_next_follows() {
    // Another test of this process may have been first.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Client::try_default().await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let mut namespace = Namespace::default();
    namespace.metadata.generate_name = Some("lease-".to_owned());
    let name = namespaces.create(&PostParams::default(), &namespace).await.unwrap().name_any();
    let mut test = JoinSet::new();
    test.spawn(elect(Api::namespaced(client, &name)));
    let outcome = test.join_next().await.unwrap();
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    outcome.unwrap();
}

#[tokio::test]
async fn what_waiting_would_not_mend_is_an_error() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let api: Api<Lease> = Api::namespaced(Client::try_default().await.unwrap(), "there-is-no-such-namespace");
    let refused = stand(&api, "me").acquire(&CancellationToken::new()).await.err().unwrap();
    assert!(refused.to_string().contains("there-is-no-such-namespace"), "{refused}");
}
