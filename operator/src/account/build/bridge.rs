//! The bridge.

use intuition_api::topic::PREFIX;
use k8s_openapi::api::apps::v1::Deployment;

use super::{
    deployment::{self, Workload},
    runtime,
};
use crate::{
    account::plan::Plan,
    names::{Component, HTTP_PORT},
    settings::Settings,
    workload::{
        broker_credentials,
        deployment::{http_port, log_args},
    },
};

/// The Deployment.
pub(crate) fn deployment(plan: &Plan, settings: &Settings) -> Deployment {
    let mut args: Vec<String> = [
        "--mqtt".to_owned(),
        plan.broker.url.clone(),
        "--rpc".to_owned(),
        runtime::url(plan, settings),
        "--algo".to_owned(),
        plan.account(),
        "--client-id-prefix".to_owned(),
        settings.client_id_prefix.clone(),
        "--http-addr".to_owned(),
        format!("0.0.0.0:{HTTP_PORT}"),
    ]
    .into();
    // A bridge of a release without the flag ends here and the quotes wait, which is better than decisions among those of
    // another installation. The usual prefix is left out, for those bridges and so that an upgrade replaces no pod.
    if settings.topics.prefix != PREFIX {
        args.push(format!("--topic-prefix={}", settings.topics.prefix));
    }
    if let Some(topic) = &plan.publish {
        args.push(format!("--decisions-topic={topic}"));
    }
    let credentials = broker_credentials::mounted(&plan.broker.login);
    args.extend(credentials.args);
    args.extend(log_args(settings));
    let workload = Workload {
        component: Component::Bridge,
        image: settings.bridge_image.clone(),
        args,
        env: settings.bridge_tuning.env(),
        ports: vec![http_port()],
        resources: settings.bridge_resources.clone(),
        volumes: credentials.volumes,
        mounts: credentials.hash,
    };
    deployment::deployment(plan, settings, workload)
}
