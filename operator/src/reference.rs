//! The resource's reference for people.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// The reference.
pub fn markdown(_: &CustomResourceDefinition) -> String {
    String::new()
}
