//! Workloads, for every kind: pods, Deployments and network policies to build, the broker and its login, the observed state of pods
//! and the pages of their processes, and the findings about them. All of it is pure but `broker_login` and `pages`.

pub mod broker;
pub(crate) mod broker_credentials;
pub(crate) mod broker_login;
pub(crate) mod deployment;
pub(crate) mod network;
pub(crate) mod pages;
pub(crate) mod pod;
pub(crate) mod pod_call;
pub(crate) mod pod_finding;
pub mod pod_state;
