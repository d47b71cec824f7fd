//! The status of a resource that could not be looked at because the operator lacks a right.

use intuition_resources::validate::Problem;
use kube::Resource as _;

use super::{ReconcileError, context::Common};
use crate::{
    cluster::{OPERATOR_LACKS_RIGHTS, Writer},
    guarded::{Guarded, Watched},
    status::Derived,
};

impl<K: Watched> Common<K> {
    /// Shows in the status that a look failed for want of a right. `derive` makes a status of the problem.
    pub(crate) async fn tell_lacking_rights(
        &self,
        writer: &Writer,
        seen: &Guarded<K>,
        error: &ReconcileError,
        derive: impl FnOnce(Option<&K::Status>, &[Problem]) -> Derived<K::Status>,
    ) {
        let namespace = seen.meta().namespace.as_deref();
        let Some(message) = lacking(error, || self.rights.lacking(namespace)).filter(|_| self.leads()) else { return };
        let previous = self.recent.status_of(seen);
        let problem = Problem::of(OPERATOR_LACKS_RIGHTS, "", message);
        let derived = derive(previous.as_ref(), &[problem]);
        // The look has failed and is repeated, and so is this.
        if let Err(error) = self.tell(writer, seen, previous.as_ref(), &derived).await {
            tracing::warn!(name = seen.full_name(), reason = error.reason(), "cannot show which right is missing");
        }
    }
}

/// The rights for want of which a look failed, for a person.
fn lacking(error: &ReconcileError, watches: impl FnOnce() -> Vec<String>) -> Option<String> {
    let told = match error {
        ReconcileError::FillCaches(_) => watches(),
        ReconcileError::FindClaim(error) | ReconcileError::ReadNamespace(error) => {
            error.missing_right().into_iter().map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    (!told.is_empty()).then(|| {
        format!(
            "the operator lacks a right of its role, and nothing is done for this resource until it has it: {}",
            told.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;
    use crate::cluster::CallError;

    #[test]
    fn look_that_failed_for_want_of_a_right_names_verb_and_resource() {
        let told = |error| lacking(&error, || vec!["cannot list resource \"pods\"".to_owned()]);
        let message = told(ReconcileError::FillCaches(CallError::TimeOut)).unwrap();
        assert!(message.contains("cannot list resource \"pods\""), "{message}");
        let refused = |message: &str| CallError::Refuse(Status::failure(message, "Forbidden").with_code(403).boxed());
        let right =
            "User \"o\" cannot get resource \"persistentvolumeclaims\" in API group \"\" in the namespace \"n\"";
        let message = told(ReconcileError::FindClaim(refused(right))).unwrap();
        assert!(message.contains("persistentvolumeclaims"), "{message}");
        assert_eq!(told(ReconcileError::FindClaim(refused("exceeded quota"))), None);
        assert_eq!(told(ReconcileError::LoseLead), None);
        assert_eq!(lacking(&ReconcileError::FillCaches(CallError::TimeOut), Vec::new), None, "the API server is slow");
    }
}
