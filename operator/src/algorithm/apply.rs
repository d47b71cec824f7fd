//! The children of an `Algorithm`: their caches, the writes in their order, and the removal of old images.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
};
use kube::{
    Client, Resource, ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};

use super::{build::Desired, plan::Plan};
use crate::{
    kubernetes::{
        apply_error::{ApplyError, NoAnswer, note},
        caches::{Changes, cache},
        ownership::{check_installation, is_of, is_owned},
        rights::Rights,
        writer::Writer,
    },
    names::{ALGORITHM_APP, algorithm, annotation, image_hash, label},
    workload::pod_state::{self, Fleet},
};

/// The children of all `Algorithm`s that one controller watches.
pub(crate) struct Cluster {
    writer: Writer,
    accounts: Store<ServiceAccount>,
    services: Store<Service>,
    deployments: Store<Deployment>,
    policies: Store<NetworkPolicy>,
    pods: Store<Pod>,
}

/// The streams that keep the caches current. Each has to be polled.
pub(crate) struct Streams {
    pub(crate) accounts: Changes<ServiceAccount>,
    pub(crate) services: Changes<Service>,
    pub(crate) deployments: Changes<Deployment>,
    pub(crate) policies: Changes<NetworkPolicy>,
    pub(crate) pods: Changes<Pod>,
}

/// The result of applying.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Generation of the Deployment that was written, if it was.
    pub(crate) generation: Option<i64>,
    /// The worst error.
    pub(crate) error: Option<ApplyError>,
}

/// An image that the plan does not have any more, and that still runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OldImage {
    /// Name of its Deployment and Service.
    pub(crate) name: String,
    /// The image, from the annotation.
    pub(crate) image: String,
    /// The port it listens on.
    pub(crate) port: Option<i32>,
    /// Number of ready pods.
    pub(crate) ready: i32,
}

impl Cluster {
    pub(crate) fn watch(client: &Client, namespace: Option<&str>, rights: &Rights) -> (Self, Streams) {
        let (accounts, accounts_changes) = cache(client, namespace, ALGORITHM_APP, rights);
        let (services, services_changes) = cache(client, namespace, ALGORITHM_APP, rights);
        let (deployments, deployments_changes) = cache(client, namespace, ALGORITHM_APP, rights);
        let (policies, policies_changes) = cache(client, namespace, ALGORITHM_APP, rights);
        let (pods, pods_changes) = cache(client, namespace, ALGORITHM_APP, rights);
        let writer = Writer::new(client.clone());
        let streams = Streams {
            accounts: accounts_changes,
            services: services_changes,
            deployments: deployments_changes,
            policies: policies_changes,
            pods: pods_changes,
        };
        (Self { writer, accounts, services, deployments, policies, pods }, streams)
    }

    pub(crate) const fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Completes once every cache has been filled.
    pub(crate) async fn caches_filled(&self) {
        // An error means that its watch has ended, and with it the controller.
        drop(tokio::join!(
            self.accounts.wait_until_ready(),
            self.services.wait_until_ready(),
            self.deployments.wait_until_ready(),
            self.policies.wait_until_ready(),
            self.pods.wait_until_ready(),
        ));
    }

    /// Writes all children. A child that is refused does not keep the others from being written.
    pub(crate) async fn apply(&self, plan: &Plan, desired: Option<&Desired>) -> Applied {
        let mut applied = Applied::default();
        if let Err(error) = self.check_installation(plan) {
            applied.error = Some(error);
            return applied;
        }
        // Stops at the first call without an answer, which is noted as the error.
        drop(self.apply_children(plan, desired, &mut applied).await);
        applied
    }

    /// An error if another installation of the operator made one of the children.
    fn check_installation(&self, plan: &Plan) -> Result<(), ApplyError> {
        let owner = &plan.owner;
        for found in self.deployments.state_filter(|object| is_of(object, owner)) {
            check_installation::<Deployment>(owner, found.meta())?;
        }
        for found in self.services.state_filter(|object| is_of(object, owner)) {
            check_installation::<Service>(owner, found.meta())?;
        }
        Ok(())
    }

    async fn apply_children(
        &self,
        plan: &Plan,
        desired: Option<&Desired>,
        applied: &mut Applied,
    ) -> Result<(), NoAnswer> {
        let (owner, worst) = (&plan.owner, &mut applied.error);
        if let Some(desired) = desired {
            note(worst, self.writer.ensure(owner, &desired.account, &self.accounts).await)?;
            if let Some(policy) = &desired.policy {
                note(worst, self.writer.ensure(owner, policy, &self.policies).await)?;
            }
            note(worst, self.writer.ensure(owner, &desired.service, &self.services).await)?;
            let written = self.writer.ensure(owner, &desired.deployment, &self.deployments).await;
            applied.generation = note(worst, written)?.and_then(|written| written.meta().generation);
        }
        // While old images still run beside an address, their policy stays.
        let has_pods = desired.is_some() || !self.old_images(plan).is_empty();
        if !has_pods || desired.is_some_and(|desired| desired.policy.is_none()) {
            for policy in self.policies.state_filter(|policy| is_of(policy, owner)) {
                note(worst, self.writer.delete(policy.as_ref()).await)?;
            }
        }
        Ok(())
    }

    /// The images that the plan does not have any more, by name.
    pub(crate) fn old_images(&self, plan: &Plan) -> Vec<OldImage> {
        let owner = &plan.owner;
        let current = plan.image.as_ref().map(|image| image.name.as_str());
        let mut old = BTreeMap::new();
        let mut add = |name: String, image: Option<&String>| {
            if current != Some(&name) {
                let image = image.cloned().unwrap_or_default();
                old.entry(name.clone()).or_insert(OldImage { name, image, port: None, ready: 0 });
            }
        };
        let services = self.services.state_filter(|service| is_of(service, owner));
        for service in &services {
            add(service.name_any(), service.annotations().get(annotation::IMAGE));
        }
        let deployments = self.deployments.state_filter(|deployment| is_of(deployment, owner));
        for deployment in &deployments {
            add(deployment.name_any(), deployment.annotations().get(annotation::IMAGE));
        }
        for found in old.values_mut() {
            let service = services.iter().find(|service| service.name_any() == found.name);
            found.port = service.and_then(|service| Some(service.spec.as_ref()?.ports.as_ref()?.first()?.port));
            let deployment = deployments.iter().find(|deployment| deployment.name_any() == found.name);
            found.ready =
                deployment.and_then(|deployment| deployment.status.as_ref()?.ready_replicas).unwrap_or_default();
        }
        old.into_values().collect()
    }

    /// Deletes the Deployment and the Service of an old image.
    pub(crate) async fn remove(&self, plan: &Plan, old: &OldImage) -> Result<(), ApplyError> {
        let (owner, name) = (&plan.owner, &old.name);
        for deployment in self.deployments.state_filter(|object| is_of(object, owner) && object.name_any() == *name) {
            check_installation::<Deployment>(owner, deployment.meta())?;
            self.writer.delete(deployment.as_ref()).await?;
        }
        for service in self.services.state_filter(|object| is_of(object, owner) && object.name_any() == *name) {
            check_installation::<Service>(owner, service.meta())?;
            self.writer.delete(service.as_ref()).await?;
        }
        tracing::info!(kind = "Algorithm", name = owner.full_name(), image = old.image, "removed old image");
        Ok(())
    }

    /// The state of the pods of the plan's image; `None` if the algorithm runs elsewhere.
    pub(crate) fn fleet(&self, plan: &Plan, generation: Option<i64>) -> Option<Fleet> {
        let (owner, image) = (&plan.owner, plan.image.as_ref()?);
        let deployment = self.deployments.get(&ObjectRef::new(&image.name).within(&owner.namespace));
        let deployment = deployment.as_deref().filter(|deployment| is_owned(*deployment, &owner.uid));
        let hash = image_hash(&image.image);
        let pods = self.pods.state_filter(|pod| {
            let is = |key: &str, value: &str| pod.labels().get(key).is_some_and(|found| found == value);
            pod.namespace().as_deref() == Some(&owner.namespace)
                && is(label::INSTANCE, &owner.name)
                && is(label::IMAGE, &hash)
        });
        Some(pod_state::fleet(deployment, generation, pods.iter().map(AsRef::as_ref)))
    }

    /// Forgets the children of a deleted resource.
    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        let prefix = algorithm(name);
        self.writer.forget(namespace, |child| child == prefix || child.starts_with(&format!("{prefix}-")));
    }
}

/// The ports of these images.
pub(crate) fn ports(old: &[OldImage]) -> BTreeSet<i32> {
    old.iter().filter_map(|old| old.port).collect()
}
