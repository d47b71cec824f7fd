//! Reads the login of the default broker for a resource, and checks that its namespace gets it.

use intuition_resources::{Broker, validate::FieldError};

use crate::{
    kubernetes::namespaces::Namespaces,
    reconcile::{context::OperatorContext, error::ReconcileError},
    settings::{
        Settings,
        credentials::{Credentials, CredentialsDir},
    },
    workload::broker::login_problem,
};

/// The logins of all resources of one kind.
pub(crate) struct BrokerLogins {
    credentials: CredentialsDir,
    namespaces: Namespaces,
}

impl BrokerLogins {
    pub(crate) fn new(operator: &OperatorContext) -> Self {
        Self { credentials: operator.credentials.clone(), namespaces: Namespaces::new(operator.client.clone()) }
    }

    /// The default broker's credentials, for a resource that names no broker; and the problem of a resource that would use them
    /// in a namespace that does not get them.
    pub(crate) async fn of(
        &self,
        broker: Option<&Broker>,
        namespace: &str,
        settings: &Settings,
    ) -> Result<(Option<Credentials>, Option<FieldError>), ReconcileError> {
        if broker.is_some() {
            return Ok((None, None));
        }
        let credentials = self.credentials.read().await.map_err(ReconcileError::ReadCredentials)?;
        let is_limited = settings.broker.as_ref().is_some_and(|broker| broker.login_namespaces.is_limited());
        let has_login = credentials.as_ref().is_some_and(|credentials| !credentials.0.is_empty());
        if !has_login || !is_limited {
            return Ok((credentials, None));
        }
        let labels = self.namespaces.labels(namespace).await.map_err(ReconcileError::ReadNamespace)?;
        Ok((credentials, login_problem(namespace, &labels)))
    }
}
