//! The status of a resource that could not be reconciled because the operator lacks a right.

use intuition_resources::validate::FieldError;
use kube::Resource as _;

use crate::{
    kubernetes::{
        object::{PartialObject, WatchedKind},
        rights::OPERATOR_LACKS_RIGHTS,
        writer::Writer,
    },
    reconcile::{context::Context, derived::Derived, error::ReconcileError},
};

impl<K: WatchedKind> Context<K> {
    /// Publishes a status that names the missing right, if the pass failed because of one. `derive` derives a status from
    /// the problem.
    pub(crate) async fn publish_missing_right(
        &self,
        writer: &Writer,
        object: &PartialObject<K>,
        error: &ReconcileError,
        derive: impl FnOnce(Option<&K::Status>, &[FieldError]) -> Derived<K::Status>,
    ) {
        let namespace = object.meta().namespace.as_deref();
        let message = missing_right(error, || self.rights.lacking(namespace)).filter(|_| self.leads());
        let Some(message) = message else { return };
        let previous = self.statuses.status_of(object);
        let problem = FieldError::of(OPERATOR_LACKS_RIGHTS, "", message);
        let derived = derive(previous.as_ref(), &[problem]);
        // The pass has failed and is repeated, and with it this write.
        if let Err(error) = self.publish_status(writer, object, previous.as_ref(), &derived).await {
            tracing::warn!(name = object.full_name(), reason = error.reason(), "cannot show which right is missing");
        }
    }
}

/// A message about the missing rights that made a pass fail. `watches`: the refusals of the watches.
fn missing_right(error: &ReconcileError, watches: impl FnOnce() -> Vec<String>) -> Option<String> {
    let missing = match error {
        ReconcileError::FillCaches(_) => watches(),
        ReconcileError::FindClaim(error) | ReconcileError::ReadNamespace(error) => {
            error.missing_right().into_iter().map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    (!missing.is_empty()).then(|| {
        format!(
            "the operator lacks a right of its role, and nothing is done for this resource until it has it: {}",
            missing.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;
    use crate::kubernetes::call::CallError;

    #[test]
    fn error_of_a_missing_right_names_verb_and_resource() {
        let told = |error| missing_right(&error, || vec!["cannot list resource \"pods\"".to_owned()]);
        let message = told(ReconcileError::FillCaches(CallError::TimeOut)).unwrap();
        assert!(message.contains("cannot list resource \"pods\""), "{message}");
        let refused = |message: &str| CallError::Refuse(Status::failure(message, "Forbidden").with_code(403).boxed());
        let right =
            "User \"o\" cannot get resource \"persistentvolumeclaims\" in API group \"\" in the namespace \"n\"";
        let message = told(ReconcileError::FindClaim(refused(right))).unwrap();
        assert!(message.contains("persistentvolumeclaims"), "{message}");
        assert_eq!(told(ReconcileError::FindClaim(refused("exceeded quota"))), None);
        assert_eq!(told(ReconcileError::LoseLead), None);
        assert_eq!(
            missing_right(&ReconcileError::FillCaches(CallError::TimeOut), Vec::new),
            None,
            "the API server is slow"
        );
    }
}
