//! The runtime's files and its `Configure` request, from a plan.

use intuition_api::{
    topic::PREFIX,
    v1::{self, TradingState},
};
use intuition_resources::{DEFAULT_STARTING_CASH, Duration, Retain};
use serde_json::{Map, Value, json};

use super::{AlgorithmRef, Plan};

impl Plan {
    /// The settings as the runtime's file carries them. `None`: the algorithm's address or the account's
    /// deposits are not known; the settings in the cluster stay then.
    pub fn settings_file(&self) -> Option<Value> {
        let (member, algorithm) = match &self.live_settings.algorithm {
            AlgorithmRef::Builtin(name) => ("algorithm", name),
            AlgorithmRef::Served { url, .. } => ("algorithmAddress", url),
            AlgorithmRef::Missing(_) => return None,
        };
        let cash = self.starting_cash(self.recorded.deposits.as_deref())?;
        let state = self.trading.state();
        Some(json!({
            "resourceUid": self.uid,
            "generation": self.generation,
            member: algorithm,
            "threshold": self.live_settings.threshold,
            "parameters": self.live_settings.parameters,
            "startingCash": cash,
            // A runtime that knows trading states has them from a file of their own.
            "suspend": state == TradingState::Halted || (state > TradingState::Active && self.recorded.halts_to_reduce),
        }))
    }

    /// The settings that v0.1.0 does not know, for the runtime's second file; `None`: the resource uses none of them.
    pub fn second_settings_file(&self) -> Option<Value> {
        let mut members = Map::new();
        if !self.inputs.is_empty() {
            members.insert("channels".to_owned(), json!({ "inputs": self.inputs }));
        }
        if let Some(rule) = &self.channel_rule {
            let mut topics = Map::new();
            topics.insert("confine".to_owned(), json!(rule.confine.name()));
            topics.insert("subscribe".to_owned(), json!(rule.subscribe));
            // The usual prefix is left out, so that an upgrade changes no file and replaces no pod for its sake.
            if rule.prefix != PREFIX {
                topics.insert("prefix".to_owned(), json!(rule.prefix));
            }
            members.insert("topics".to_owned(), Value::Object(topics));
        }
        (!members.is_empty()).then_some(Value::Object(members))
    }

    /// The runtime's file `cash.json`.
    pub fn cash_file(&self) -> Value {
        cash_file(&self.uid, self.generation, self.live_settings.starting_cash.is_none())
    }

    /// The settings as `Configure` carries them; `None`: the address of the algorithm is not known. `deposits`: those of the
    /// account, which stay where the resource names none. `suspend`: see `Settings.suspend`.
    pub fn configure(&self, deposits: &str, suspend: bool) -> Option<v1::ConfigureRequest> {
        let (algorithm, algorithm_address) = match &self.live_settings.algorithm {
            AlgorithmRef::Builtin(name) => (name.clone(), String::new()),
            AlgorithmRef::Served { url, .. } => (String::new(), url.clone()),
            AlgorithmRef::Missing(_) => return None,
        };
        Some(v1::ConfigureRequest {
            account: self.account(),
            resource_uid: self.uid.clone(),
            generation: self.generation,
            settings: Some(v1::Settings {
                algorithm,
                // The shortest text that reads back as the same number, never with an exponent.
                threshold: self.live_settings.threshold.to_string(),
                parameters_json: Value::Object(self.live_settings.parameters.clone()).to_string(),
                starting_cash: self.starting_cash(Some(deposits))?,
                suspend,
                algorithm_address,
            }),
            starting_cash_unchanged: self.live_settings.starting_cash.is_none(),
            retention: self.retention(),
        })
    }

    /// When entries of the journal may be dropped, as `Configure` carries it; `None`: never.
    pub fn retention(&self) -> Option<v1::Retention> {
        let Retain { decisions, age } = self.storage.retain.as_ref()?;
        let age_seconds = age.as_ref().map(Duration::seconds);
        Some(v1::Retention { decisions: decisions.map(i64::cast_unsigned), age_seconds })
    }

    /// Net deposits as text: those that the resource names, else those of the account. The default is for an account that
    /// has not been there; one whose deposits are not known has none that could be named.
    fn starting_cash(&self, deposits: Option<&str>) -> Option<String> {
        match (self.live_settings.starting_cash, deposits) {
            (Some(cash), _) => Some(cash.to_string()),
            (None, Some(deposits)) => Some(deposits.to_owned()),
            (None, None) => (!self.recorded.has_account).then(|| DEFAULT_STARTING_CASH.to_string()),
        }
    }
}

/// See [`Plan::cash_file`].
pub(crate) fn cash_file(uid: &str, generation: i64, is_unchanged: bool) -> Value {
    json!({ "resourceUid": uid, "generation": generation, "startingCashUnchanged": is_unchanged })
}

/// `Configure` from the settings file that the cluster holds, with another `suspend`, and with the account's deposits, so
/// that it moves no money. `None`: the text is not the settings of the resource with this uid.
pub(crate) fn configure_as_stored(
    text: &str,
    account: String,
    uid: &str,
    deposits: &str,
    suspend: bool,
) -> Option<v1::ConfigureRequest> {
    let stored: Value = serde_json::from_str(text).ok()?;
    let text_of = |name: &str| stored.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if text_of("resourceUid") != uid {
        return None;
    }
    Some(v1::ConfigureRequest {
        account,
        resource_uid: uid.to_owned(),
        generation: stored.get("generation")?.as_i64()?,
        settings: Some(v1::Settings {
            algorithm: text_of("algorithm"),
            threshold: stored.get("threshold")?.as_f64()?.to_string(),
            parameters_json: stored.get("parameters")?.to_string(),
            starting_cash: deposits.to_owned(),
            suspend,
            algorithm_address: text_of("algorithmAddress"),
        }),
        starting_cash_unchanged: false,
        // A runtime that is halted so does not know it.
        retention: None,
    })
}
