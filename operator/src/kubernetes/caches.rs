//! Caches of everything that the operator makes, and the streams that keep them current and wake the controller.

use std::fmt::Debug;

use futures::{StreamExt as _, stream::BoxStream};
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, Store},
        watcher,
    },
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{kubernetes::rights::Rights, names::everything};

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
