//! Workloads, for every kind: the state of the pods of a Deployment, and the finding about it. Pure.

pub(crate) mod pod_finding;
pub mod pod_state;
