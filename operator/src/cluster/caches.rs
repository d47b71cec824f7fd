//! Caches of everything that the operator makes, and the streams that keep them current and wake the controller.

use std::fmt::Debug;

use futures::{StreamExt as _, stream::BoxStream};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
    },
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, Store},
        watcher,
    },
};
use serde::{Serialize, de::DeserializeOwned};

use super::Rights;
use crate::names::{APP, everything};

/// A kind of object in a namespace, known when this is compiled.
pub(crate) trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// Changes of one kind of object.
pub(crate) type Changes<K> = BoxStream<'static, Result<K, watcher::Error>>;

/// What is there, by kind.
pub struct Caches {
    pub(super) settings: Store<ConfigMap>,
    pub(super) accounts: Store<ServiceAccount>,
    pub(super) claims: Store<PersistentVolumeClaim>,
    pub(super) services: Store<Service>,
    pub(super) deployments: Store<Deployment>,
    pub(super) policies: Store<NetworkPolicy>,
    pub(super) pods: Store<Pod>,
}

impl Caches {
    /// Waits until each of them has been filled once.
    pub(super) async fn filled(&self) {
        // An error means that its stream has ended, and with it the controller.
        drop(tokio::join!(
            self.settings.wait_until_ready(),
            self.accounts.wait_until_ready(),
            self.claims.wait_until_ready(),
            self.services.wait_until_ready(),
            self.deployments.wait_until_ready(),
            self.policies.wait_until_ready(),
            self.pods.wait_until_ready(),
        ));
    }
}

/// What keeps [`Caches`] current; each has to be polled.
pub struct Streams {
    /// Of `Caches::settings`.
    pub settings: Changes<ConfigMap>,
    /// Of `Caches::accounts`.
    pub accounts: Changes<ServiceAccount>,
    /// Of `Caches::claims`.
    pub claims: Changes<PersistentVolumeClaim>,
    /// Of `Caches::services`.
    pub services: Changes<Service>,
    /// Of `Caches::deployments`.
    pub deployments: Changes<Deployment>,
    /// Of `Caches::policies`.
    pub policies: Changes<NetworkPolicy>,
    /// Of `Caches::pods`.
    pub pods: Changes<Pod>,
}

/// Watches everything that the operator makes, in one namespace or in all.
pub fn watch(client: &Client, namespace: Option<&str>, rights: &Rights) -> (Caches, Streams) {
    let (settings, settings_changes) = cache(client, namespace, APP, rights);
    let (accounts, accounts_changes) = cache(client, namespace, APP, rights);
    let (claims, claims_changes) = cache(client, namespace, APP, rights);
    let (services, services_changes) = cache(client, namespace, APP, rights);
    let (deployments, deployments_changes) = cache(client, namespace, APP, rights);
    let (policies, policies_changes) = cache(client, namespace, APP, rights);
    let (pods, pods_changes) = cache(client, namespace, APP, rights);
    (
        Caches { settings, accounts, claims, services, deployments, policies, pods },
        Streams {
            settings: settings_changes,
            accounts: accounts_changes,
            claims: claims_changes,
            services: services_changes,
            deployments: deployments_changes,
            policies: policies_changes,
            pods: pods_changes,
        },
    )
}

/// Objects of a kind in one namespace or in all.
pub(crate) fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// What the operator makes of a kind of object for one kind of resource, and what keeps that current; it has to be polled.
pub(crate) fn cache<K: Kind>(
    client: &Client,
    namespace: Option<&str>,
    app: &str,
    rights: &Rights,
) -> (Store<K>, Changes<K>) {
    let (store, writer) = reflector::store();
    let events = watcher(api::<K>(client, namespace), watcher::Config::default().labels(&everything(app)));
    let changes = rights
        .watched(namespace, events)
        // Half of an object, and nobody here reads it.
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects()
        .boxed();
    (store, changes)
}
