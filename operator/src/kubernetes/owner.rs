//! Owners of children.

use intuition_resources::API_VERSION;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::names::{annotation, label, labels};

/// A resource that has children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Namespace of the resource and of everything made for it.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its kind.
    pub kind: &'static str,
    /// Value of [`label::NAME`] on its children.
    pub app: &'static str,
    /// uid of an object that belongs to it even without labels: the ledger's claim.
    pub keeps: Option<String>,
    /// Id of the installation that makes the children, the value of [`annotation::INSTALLATION`].
    pub installation: Option<String>,
}

impl Owner {
    /// The owner reference by which the garbage collector deletes children. It does not block deletion, so that the
    /// operator needs no right to the resource's finalizers.
    pub fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: API_VERSION.to_owned(),
            kind: self.kind.to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }

    /// Metadata of a child that is deleted with the resource.
    pub fn metadata(&self, name: String, component: Option<&str>) -> ObjectMeta {
        let mut labels = labels(self.app, &self.name);
        if let Some(component) = component {
            labels.insert(label::COMPONENT.to_owned(), component.to_owned());
        }
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels),
            annotations: self
                .installation
                .as_ref()
                .map(|id| [(annotation::INSTALLATION.to_owned(), id.clone())].into()),
            owner_references: Some(vec![self.reference()]),
            ..ObjectMeta::default()
        }
    }

    /// `<namespace>/<name>`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
