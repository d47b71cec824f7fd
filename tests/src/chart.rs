//! What the tests of the Helm chart stand on: the chart rendered by the real `helm`, and read as data.
//!
//! - [`tools`]: helm and the checkers, as `tests/chart/tools` brings them; [`helm`]: rendering; [`cluster`]: what
//!   the chart looks up.
//! - [`rendered`]: the objects that came out; [`rights`]: what their roles allow; [`restricted`]: whether their pods are
//!   as the Pod Security Standard "restricted" wants them.
//! - [`network`]: network policies, evaluated: whether a packet passes. [`selector`]: labels and what selects them.
#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null: nothing panics")]

pub mod cluster;
pub mod helm;
pub mod network;
pub mod rendered;
pub mod restricted;
pub mod rights;
pub mod selector;
pub mod tools;
