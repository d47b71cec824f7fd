//! Caches of children, for every kind.

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

/// A namespaced object type that is known at compile time.
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

/// The API of a kind in one namespace, or in all.
pub(crate) fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// A cache of the children of one type that are labelled for one kind, and the stream that keeps it current. The stream
/// has to be polled.
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
        // `managedFields` are half of an object's memory, and unused.
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects()
        .boxed();
    (store, changes)
}
