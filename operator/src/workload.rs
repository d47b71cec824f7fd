//! Workloads, for every kind: pods and network policies to build, the observed state of pods, and the finding about it. Pure.

pub(crate) mod network;
pub(crate) mod pod;
pub(crate) mod pod_finding;
pub mod pod_state;
