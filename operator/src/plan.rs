//! From a resource and the operator's settings to a plan: everything decided, nothing built. Pure.

use intuition_api::{decimal::Money, v1};
use k8s_openapi::{
    api::core::v1::PersistentVolumeClaim,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::ResourceExt as _;
use serde_json::{Map, Value, json};

use crate::{
    address::Address,
    names::{annotation, broker_secret},
    resource::{API_VERSION, Broker, KIND, Ledger, Portfolio, Storage, TradingAlgo},
    settings::Settings,
    validate::{Problem, check},
};

/// What one resource asks for, checked and with all defaults in place.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Namespace of the resource and of everything made for it.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The generation that this is the plan of.
    pub generation: i64,
    /// What may change while the runtime runs.
    pub adjustable: Adjustable,
    /// How buys are sized.
    pub portfolio: Portfolio,
    /// Channels; `None`: what the algorithm asks for.
    pub subscribe: Option<Vec<String>>,
    /// Topic for the decisions, where it is not the usual one.
    pub publish: Option<String>,
    /// The broker.
    pub broker: BrokerPlan,
    /// The ledger's volume.
    pub storage: Storage,
    /// The claim that the resource had, as its status recorded it.
    pub ledger: Option<Ledger>,
    /// uid of a lost claim that may be replaced.
    pub new_ledger: Option<String>,
}

/// Settings that may change while the runtime runs: what `Configure` carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Adjustable {
    /// Name of the built-in algorithm.
    pub algorithm: String,
    /// 0 to 1.
    pub threshold: f64,
    /// The algorithm's parameters.
    pub parameters: Map<String, Value>,
    /// Net deposits.
    pub starting_cash: Money,
    /// Whether every signal is denied.
    pub suspend: bool,
}

/// The broker of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerPlan {
    /// As given.
    pub url: String,
    /// Where it is.
    pub address: Address,
    /// As whom to talk to it.
    pub login: Login,
}

/// As whom to talk to a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// As nobody.
    Anonymous,
    /// As the resource's own Secret says.
    Named {
        /// Name of the Secret.
        secret: String,
    },
    /// As the operator does with its default broker, by a Secret made for the resource.
    Default {
        /// Name of the Secret.
        secret: String,
        /// What it holds.
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

/// Credentials for a broker: file name and content. Never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Credentials(pub std::collections::BTreeMap<String, Vec<u8>>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({:?})", self.0.keys())
    }
}

/// The plan of a resource, or everything that is wrong with it.
pub fn plan(
    algo: &TradingAlgo,
    settings: &Settings,
    default_credentials: Option<&Credentials>,
) -> Result<Plan, Vec<Problem>> {
    let mut problems = check(&json!(algo));
    let (name, uid) = (algo.name_any(), algo.uid().unwrap_or_default());
    let broker = match broker(algo.spec.broker.as_ref(), settings, default_credentials, &name, &uid) {
        Ok(broker) => Some(broker),
        Err(problem) => {
            // A URL that the schema refuses is told once.
            if !problems.iter().any(|known| known.path.starts_with("spec.broker")) {
                problems.push(problem);
            }
            None
        }
    };
    let (Some(broker), Some(algorithm), true) = (broker, algo.spec.algorithm.builtin.clone(), problems.is_empty())
    else {
        problems.sort();
        return Err(problems);
    };
    let channels = algo.spec.channels.clone().unwrap_or_default();
    Ok(Plan {
        namespace: algo.namespace().unwrap_or_default(),
        name,
        uid,
        generation: algo.metadata.generation.unwrap_or_default(),
        adjustable: Adjustable {
            algorithm,
            threshold: algo.spec.threshold,
            parameters: algo.spec.algorithm.parameters.clone(),
            starting_cash: algo.spec.starting_cash.money(),
            suspend: algo.spec.suspend,
        },
        portfolio: algo.spec.portfolio.clone(),
        subscribe: channels.subscribe,
        publish: channels.publish,
        broker,
        storage: algo.spec.storage.clone(),
        ledger: algo.status.as_ref().and_then(|status| status.ledger.clone()),
        new_ledger: algo.annotations().get(annotation::NEW_LEDGER).cloned(),
    })
}

fn broker(
    given: Option<&Broker>,
    settings: &Settings,
    default_credentials: Option<&Credentials>,
    name: &str,
    uid: &str,
) -> Result<BrokerPlan, Problem> {
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
            return Err(Problem::new(
                "spec.broker",
                "is required: the operator was installed without a default broker",
            ));
        }
    };
    let address = Address::of_broker(&url)
        .ok_or_else(|| Problem::new("spec.broker.url", "must be mqtt://host[:port] or mqtts://host[:port]"))?;
    Ok(BrokerPlan { url, address, login })
}

impl Plan {
    /// `<namespace>/<name>`, as runtime and bridge know it.
    pub fn account(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether this is the claim that the resource had, whatever became of its labels.
    pub fn had_claim(&self, claim: &ObjectMeta) -> bool {
        self.ledger.as_ref().is_some_and(|ledger| claim.uid.as_deref() == Some(&ledger.claim_uid))
    }

    /// The claim that the resource had, where it is gone (`found`: it is there) and nobody said that it may be replaced.
    pub fn lost_claim(&self, found: Option<&PersistentVolumeClaim>) -> Option<&Ledger> {
        let had = self.ledger.as_ref().filter(|_| found.is_none())?;
        (self.new_ledger.as_deref() != Some(&had.claim_uid)).then_some(had)
    }

    /// The reference by which the garbage collector takes children along. It blocks no deletion, so that the operator
    /// needs no right to the resource's finalizers.
    pub fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }

    /// The settings as the runtime's file carries them.
    pub fn settings_file(&self) -> Value {
        json!({
            "resourceUid": self.uid,
            "generation": self.generation,
            "algorithm": self.adjustable.algorithm,
            "threshold": self.adjustable.threshold,
            "parameters": self.adjustable.parameters,
            "startingCash": self.adjustable.starting_cash.to_string(),
            "suspend": self.adjustable.suspend,
        })
    }

    /// The settings as `Configure` carries them.
    pub fn configure(&self) -> v1::ConfigureRequest {
        v1::ConfigureRequest {
            account: self.account(),
            resource_uid: self.uid.clone(),
            generation: self.generation,
            settings: Some(v1::Settings {
                algorithm: self.adjustable.algorithm.clone(),
                // The shortest text that reads back as the same number, never with an exponent.
                threshold: self.adjustable.threshold.to_string(),
                parameters_json: Value::Object(self.adjustable.parameters.clone()).to_string(),
                starting_cash: self.adjustable.starting_cash.to_string(),
                suspend: self.adjustable.suspend,
                algorithm_address: String::new(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::support as tests_support;
