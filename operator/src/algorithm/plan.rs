//! From an `Algorithm` to a plan. Later steps decide nothing. Pure.

use intuition_resources::{
    ALGORITHM_KIND, Algorithm, AlgorithmSpec,
    validate::{FieldError, check_algorithm},
};
use kube::ResourceExt as _;
use serde_json::json;

use crate::{
    kubernetes::owner::Owner,
    names::{ALGORITHM_APP, algorithm_image, algorithm_port, algorithm_url},
    settings::Settings,
};

/// The request of one `Algorithm`, validated, with all defaults applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The owner of the children.
    pub owner: Owner,
    /// The generation of the spec.
    pub generation: i64,
    /// URL of its server, `http://host:port`.
    pub url: String,
    /// The image to run; `None` if the algorithm runs elsewhere.
    pub image: Option<Image>,
}

/// An image to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The image.
    pub image: String,
    /// Name of its Deployment and of the Service in front of it.
    pub name: String,
    /// Port that it listens on.
    pub port: i32,
    /// Number of pods.
    pub replicas: i32,
    /// Resources, arguments, variables and pull secrets.
    pub spec: AlgorithmSpec,
}

/// The plan of a resource, or all violations of its spec.
pub fn plan(algorithm: &Algorithm, settings: &Settings) -> Result<Plan, Vec<FieldError>> {
    let problems = check_algorithm(&json!(algorithm));
    let Some(url) = algorithm_url(algorithm, &settings.cluster_domain).filter(|_| problems.is_empty()) else {
        return Err(problems);
    };
    let name = algorithm.name_any();
    let image = algorithm.spec.image.as_ref().map(|image| Image {
        image: image.clone(),
        name: algorithm_image(&name, image),
        port: algorithm_port(&algorithm.spec),
        replicas: algorithm.spec.replicas.unwrap_or(1),
        spec: algorithm.spec.clone(),
    });
    Ok(Plan {
        owner: Owner {
            namespace: algorithm.namespace().unwrap_or_default(),
            name,
            uid: algorithm.uid().unwrap_or_default(),
            kind: ALGORITHM_KIND,
            app: ALGORITHM_APP,
            keeps: None,
            installation: settings.installation.clone(),
        },
        generation: algorithm.metadata.generation.unwrap_or_default(),
        url,
        image,
    })
}
