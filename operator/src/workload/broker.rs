//! The broker of a resource, and the login for it. Pure.

use std::collections::BTreeMap;

use intuition_resources::{Broker, address::Address, validate::FieldError};

use crate::{
    names::{DEFAULT_BROKER, broker_secret, label},
    settings::{Settings, credentials::Credentials},
};

/// Reason of a resource whose namespace does not get the login of the default broker.
const BROKER_NOT_ALLOWED: &str = "BrokerNotAllowed";

/// The broker of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerPlan {
    /// The URL from the resource or the settings.
    pub url: String,
    /// Host and port of the URL.
    pub address: Address,
    /// The login.
    pub login: Login,
}

/// The login at a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Without credentials.
    Anonymous,
    /// With the resource's own Secret.
    Named {
        /// Name of the Secret.
        secret: String,
    },
    /// With the default broker's credentials, in a Secret made for the resource.
    Default {
        /// Name of the Secret.
        secret: String,
        /// The content of the Secret.
        credentials: Credentials,
    },
}

impl Login {
    /// Name of the Secret to be mounted.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::Named { secret } | Self::Default { secret, .. } => Some(secret),
        }
    }
}

/// The broker that a resource names, or the default one. `resource`: its name and uid.
pub(crate) fn plan(
    given: Option<&Broker>,
    settings: &Settings,
    default_credentials: Option<&Credentials>,
    (name, uid): (&str, &str),
) -> Result<BrokerPlan, FieldError> {
    let (url, login) = match (given, &settings.broker) {
        (Some(broker), _) => {
            let login = broker
                .secret_ref
                .as_ref()
                .map_or(Login::Anonymous, |secret| Login::Named { secret: secret.name.clone() });
            (broker.url.clone(), login)
        }
        (None, Some(default)) => {
            let login = default_credentials.filter(|credentials| !credentials.0.is_empty()).map_or(
                Login::Anonymous,
                |credentials| Login::Default { secret: broker_secret(name, uid), credentials: credentials.clone() },
            );
            (default.url.clone(), login)
        }
        (None, None) => {
            return Err(FieldError::new(
                "spec.broker",
                "is required: the operator was installed without a default broker",
            ));
        }
    };
    let address = Address::of_broker(&url)
        .ok_or_else(|| FieldError::new("spec.broker.url", "must be mqtt://host[:port] or mqtts://host[:port]"))?;
    Ok(BrokerPlan { url, address, login })
}

/// The problem of a resource that uses the default broker by its login, in a namespace with these labels.
pub(crate) fn login_problem(namespace: &str, labels: &BTreeMap<String, String>) -> Option<FieldError> {
    let is_labelled = labels.get(label::BROKER).is_some_and(|value| value == DEFAULT_BROKER);
    (!is_labelled).then(|| {
        let message = format!(
            "namespace {namespace} does not get the login of the default broker: name a broker here, or have the namespace \
             labelled by: kubectl label namespace {namespace} {}={DEFAULT_BROKER}",
            label::BROKER
        );
        FieldError::of(BROKER_NOT_ALLOWED, "spec.broker", message)
    })
}

/// A plan with one problem more: refused.
pub(crate) fn with_problem<T>(
    planned: Result<T, Vec<FieldError>>,
    problem: Option<FieldError>,
) -> Result<T, Vec<FieldError>> {
    let Some(problem) = problem else { return planned };
    let mut problems = planned.err().unwrap_or_default();
    problems.push(problem);
    problems.sort();
    Err(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_of_the_default_broker_needs_the_label() {
        let labels = |value: &str| [(label::BROKER.to_owned(), value.to_owned())].into();
        assert_eq!(login_problem("desk", &labels("default")), None);
        for other in [BTreeMap::new(), labels("other")] {
            let problem = login_problem("desk", &other).unwrap();
            assert_eq!((problem.reason, problem.path.as_str()), ("BrokerNotAllowed", "spec.broker"));
            assert!(problem.message.contains("kubectl label namespace desk intuition.dev/broker=default"), "{problem}");
        }
    }
}
