//! Caches of everything that is made for the accounts of one kind, and the streams that keep them current and wake the controller.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
};
use kube::{
    Client,
    runtime::{Controller, reflector::Store},
};

use crate::{
    account::kind::AccountKind,
    kubernetes::{
        caches::{Changes, cache},
        object::{PartialObject, WatchedKind},
        rights::Rights,
    },
    reconcile::watch::labelled_for,
};

/// The children by type, from the watches.
pub(crate) struct Caches {
    pub(crate) settings: Store<ConfigMap>,
    pub(crate) accounts: Store<ServiceAccount>,
    pub(crate) claims: Store<PersistentVolumeClaim>,
    pub(crate) services: Store<Service>,
    pub(crate) deployments: Store<Deployment>,
    pub(crate) policies: Store<NetworkPolicy>,
    pub(crate) pods: Store<Pod>,
}

impl Caches {
    /// Waits until each of them has been filled once.
    pub(crate) async fn filled(&self) {
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

/// The streams that keep [`Caches`] current. Each has to be polled.
pub(crate) struct Streams {
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

impl Streams {
    /// The controller that a change of a child wakes.
    pub(crate) fn wake<K: WatchedKind>(self, controller: Controller<PartialObject<K>>) -> Controller<PartialObject<K>> {
        let Self { settings, accounts, claims, services, deployments, policies, pods } = self;
        controller
            .owns_stream(settings)
            .owns_stream(accounts)
            .owns_stream(services)
            .owns_stream(deployments)
            .owns_stream(policies)
            .watches_stream(claims, |claim| labelled_for(&claim))
            .watches_stream(pods, |pod| labelled_for(&pod))
    }
}

/// Watches all children of a kind in one namespace, or in all.
pub(crate) fn watch(kind: AccountKind, client: &Client, namespace: Option<&str>, rights: &Rights) -> (Caches, Streams) {
    let (settings, settings_changes) = cache(client, namespace, kind.app(), rights);
    let (accounts, accounts_changes) = cache(client, namespace, kind.app(), rights);
    let (claims, claims_changes) = cache(client, namespace, kind.app(), rights);
    let (services, services_changes) = cache(client, namespace, kind.app(), rights);
    let (deployments, deployments_changes) = cache(client, namespace, kind.app(), rights);
    let (policies, policies_changes) = cache(client, namespace, kind.app(), rights);
    let (pods, pods_changes) = cache(client, namespace, kind.app(), rights);
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
