//! The trading state of a resource, from its JSON. Its spec may be invalid or of a later release. Pure.

use intuition_api::{trading::cause, v1::TradingState};
use serde_json::Value;

use super::{
    report::{Cause, EffectiveTrading},
    verb::Verb,
};

/// The trading state in the status of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    /// The confirmed state; `None` while the operator has not confirmed one.
    pub(super) in_force: Option<EffectiveTrading>,
    /// `in_force.causes` is from `status.trading`, not from the condition.
    has_causes: bool,
    /// Cause `User`, from the spec.
    user: Option<Cause>,
    /// Condition `Trading` for a person; `None`: the resource has none.
    pub(super) condition: Option<String>,
}

impl Observed {
    /// Reads everything of a resource but its metadata.
    pub(super) fn of(data: &Value) -> Self {
        let conditions = data.pointer("/status/conditions").and_then(Value::as_array);
        let condition = conditions.into_iter().flatten().find(|condition| condition["type"] == "Trading");
        let causes = status_causes(data);
        let has_causes = causes.is_some();
        let state = condition.and_then(|condition| state(condition, data));
        let in_force = state.map(|state| {
            let read = causes.unwrap_or_else(|| condition_cause(condition, state));
            EffectiveTrading { state, causes: if state == TradingState::Active { Vec::new() } else { read } }
        });
        Self { in_force, has_causes, user: user_cause(data), condition: condition.map(for_person) }
    }

    /// Whether the operator confirms all of a change.
    pub(super) fn confirms(&self, verb: &Verb) -> bool {
        self.in_force.as_ref().is_some_and(|in_force| {
            let codes: Vec<_> = in_force.causes.iter().map(|cause| cause.code.as_str()).collect();
            verb.is_reached(in_force.state, self.has_causes.then_some(&codes)) || self.remains_by_spec(verb)
        })
    }

    /// Whether the spec alone explains the state, so that waiting for another state is useless.
    fn remains_by_spec(&self, verb: &Verb) -> bool {
        let asked = self.user.as_ref().and_then(|user| user.state.as_deref());
        let held = self.in_force.as_ref().map(|in_force| in_force.state.name());
        *verb == Verb::Resume && !self.has_causes && asked.is_some() && asked == held
    }
}

/// State of a condition: `True` is Active, `False` is `status.trading.state` or else the reason, `Unknown` is none.
fn state(condition: &Value, data: &Value) -> Option<TradingState> {
    let parse = |value: &Value| value.as_str()?.parse().ok();
    match condition["status"].as_str()? {
        "True" => Some(TradingState::Active),
        "False" => data.pointer("/status/trading/state").and_then(parse).or_else(|| parse(&condition["reason"])),
        _ => None,
    }
}

fn status_causes(data: &Value) -> Option<Vec<Cause>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let trading = data.pointer("/status/trading")?;
    let causes = trading.get("causes").and_then(Value::as_array);
    let causes = causes.into_iter().flatten().filter_map(|cause| {
        let code = text(&cause["cause"])?;
        Some(Cause { code, state: text(&cause["state"]), message: text(&cause["message"]).unwrap_or_default() })
    });
    Some(causes.collect())
}

/// The condition names the causes in its message alone.
fn condition_cause(condition: Option<&Value>, state: TradingState) -> Vec<Cause> {
    let text = |name: &str| condition.and_then(|condition| condition[name].as_str()).unwrap_or_default().to_owned();
    vec![Cause { code: text("reason"), state: Some(state.name().to_owned()), message: text("message") }]
}

fn for_person(condition: &Value) -> String {
    let text = |name: &str| condition[name].as_str().unwrap_or_default();
    format!("Trading is {}, {}: {}", text("status"), text("reason"), text("message"))
}

/// The cause that the spec of a resource asks for: the stricter of `tradingState` and `suspend`.
fn user_cause(data: &Value) -> Option<Cause> {
    let given = data.pointer("/spec/tradingState").and_then(Value::as_str);
    // A text that names no state counts as Halted, as the operator reads it.
    let by_state = given.map(|text| (text.parse().unwrap_or(TradingState::Halted), "spec.tradingState"));
    let is_suspended = data.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or_default();
    let by_suspend = is_suspended.then_some((TradingState::Halted, "spec.suspend"));
    let (state, field) = by_suspend.into_iter().chain(by_state).max_by_key(|(state, _)| *state)?;
    (state > TradingState::Active).then(|| Cause {
        code: cause::USER.to_owned(),
        state: Some(state.name().to_owned()),
        message: field.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(status: &str, reason: &str, trading: Option<Value>) -> Value {
        let conditions = json!([
            { "type": "Ready", "status": "True", "reason": "Ready", "message": "" },
            { "type": "Trading", "status": status, "reason": reason, "message": "by spec.suspend" },
        ]);
        let mut data = json!({ "spec": "of a later release", "status": { "conditions": conditions } });
        if let Some(trading) = trading {
            data["status"]["trading"] = trading;
        }
        data
    }

    fn state_of(data: &Value) -> Option<TradingState> {
        Observed::of(data).in_force.map(|in_force| in_force.state)
    }

    #[test]
    fn the_condition_confirms_a_state_and_the_status_names_its_causes() {
        let trading = json!({ "state": "Halted", "causes": [
            { "cause": "Halt", "state": "Halted", "message": "alice" },
            { "cause": "User", "state": "Reducing", "message": "spec.tradingState" },
        ] });
        let seen = Observed::of(&with("False", "MaxDrawdown", Some(trading)));
        let codes: Vec<_> = seen.in_force.iter().flat_map(|seen| &seen.causes).map(|cause| &cause.code).collect();
        assert_eq!(codes, ["Halt", "User"]);
        assert!(seen.confirms(&Verb::Halt(String::new())));
        assert!(!seen.confirms(&Verb::Reduce(String::new())) && !seen.confirms(&Verb::Resume));
    }

    #[test]
    fn without_causes_in_the_status_the_condition_alone_is_read() {
        let halted = with("False", "Halted", None);
        let seen = Observed::of(&halted);
        assert!(seen.confirms(&Verb::Halt(String::new())) && !seen.confirms(&Verb::Resume));
        assert_eq!(seen.condition.as_deref(), Some("Trading is False, Halted: by spec.suspend"));
        assert_eq!(state_of(&with("False", "Reducing", None)), Some(TradingState::Reducing));
        assert!(Observed::of(&with("True", "Active", None)).confirms(&Verb::Resume));
        let mut by_spec = halted;
        by_spec["spec"] = json!({ "suspend": true });
        assert!(Observed::of(&by_spec).confirms(&Verb::Resume), "the spec keeps it halted");
    }

    #[test]
    fn a_condition_that_confirms_nothing_is_no_state() {
        for data in [
            with("Unknown", "NotConfirmed", Some(json!({ "state": "Halted", "causes": [] }))),
            with("False", "MaxDrawdown", None),
            json!({ "spec": {} }),
            json!({ "status": { "conditions": "none" } }),
            json!(null),
        ] {
            let seen = Observed::of(&data);
            assert_eq!(seen.in_force, None, "{data}");
            assert!(!seen.confirms(&Verb::Resume) && !seen.confirms(&Verb::Halt(String::new())), "{data}");
        }
    }

    #[test]
    fn of_two_fields_of_the_spec_the_stricter_is_the_users_cause() {
        let cause = |spec: Value| {
            user_cause(&json!({ "spec": spec })).map(|cause| (cause.state.unwrap_or_default(), cause.message))
        };
        let owned = |state: &str, field: &str| Some((state.to_owned(), field.to_owned()));
        assert_eq!(cause(json!({})), None);
        assert_eq!(cause(json!({ "suspend": false, "tradingState": "Active" })), None);
        assert_eq!(cause(json!({ "suspend": true, "tradingState": "Reducing" })), owned("Halted", "spec.suspend"));
        assert_eq!(cause(json!({ "suspend": true, "tradingState": "Halted" })), owned("Halted", "spec.tradingState"));
        assert_eq!(
            cause(json!({ "suspend": false, "tradingState": "Reducing" })),
            owned("Reducing", "spec.tradingState")
        );
        assert_eq!(cause(json!({ "tradingState": "Paused" })), owned("Halted", "spec.tradingState"));
    }
}
