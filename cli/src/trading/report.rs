//! Results of a change by account, as lines of text or as one JSON object. Pure.

use intuition_api::v1::{Trading, TradingCause, TradingState};
use serde::Serialize;
use serde_json::json;

use super::verb::Verb;
use crate::output::AnswerFormat;

/// A cause that keeps an account from Active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Cause {
    /// CamelCase code.
    #[serde(rename = "cause")]
    pub(super) code: String,
    /// The requested state; `None` if the source does not name it.
    pub(super) state: Option<String>,
    /// Text for a person; may be empty.
    pub(super) message: String,
}

impl From<&TradingCause> for Cause {
    fn from(cause: &TradingCause) -> Self {
        Self {
            code: cause.cause.clone(),
            state: Some(cause.strictness().name().to_owned()),
            message: cause.message.clone(),
        }
    }
}

/// The trading state of an account as its resource or its runtime shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EffectiveTrading {
    /// The strictest state of all causes.
    pub(super) state: TradingState,
    /// The causes; empty for an Active account.
    pub(super) causes: Vec<Cause>,
}

impl From<&Trading> for EffectiveTrading {
    fn from(trading: &Trading) -> Self {
        let state = match TradingState::try_from(trading.state) {
            Ok(TradingState::Unspecified) | Err(_) => TradingState::strictest(&trading.causes),
            Ok(state) => state,
        };
        Self { state, causes: trading.causes.iter().map(Cause::from).collect() }
    }
}

/// Result of a change of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    /// `<namespace>/<name>`.
    pub(super) account: String,
    /// The state in force, if it is known.
    pub(super) in_force: Option<EffectiveTrading>,
    /// Whether `in_force` holds all of the change.
    pub(super) confirmed: bool,
    /// The unconfirmed part of the change; empty if all is confirmed.
    pub(super) note: String,
    /// Error, if the change failed.
    pub(super) error: Option<String>,
}

impl Report {
    /// A change that failed.
    pub(super) fn failed(account: &str, error: String) -> Self {
        Self { account: account.to_owned(), in_force: None, confirmed: false, note: String::new(), error: Some(error) }
    }

    /// A change that is in force.
    pub(super) fn confirmed(account: &str, in_force: EffectiveTrading) -> Self {
        let note = String::new();
        Self { account: account.to_owned(), in_force: Some(in_force), confirmed: true, note, error: None }
    }

    /// Whether the change succeeded; with `--no-wait`, whether the API server took it.
    pub(super) fn is_success(&self, verb: &Verb, no_wait: bool) -> bool {
        let is_state = self.in_force.as_ref().is_some_and(|in_force| verb.is_success(in_force.state));
        self.error.is_none() && (no_wait || self.confirmed && is_state)
    }

    /// One line.
    fn line(&self) -> String {
        let state = self.in_force.as_ref().map(|in_force| {
            let causes: Vec<_> = in_force.causes.iter().map(cause).collect();
            let by = if causes.is_empty() { String::new() } else { format!(" by {}", causes.join(", ")) };
            format!("{}{by}", in_force.state)
        });
        let note = (!self.note.is_empty()).then(|| self.note.clone());
        let parts: Vec<_> = state.into_iter().chain(note).collect();
        one_line(&format!("{}: {}", self.account, parts.join("; ")))
    }
}

fn cause(cause: &Cause) -> String {
    let Cause { code, message, .. } = cause;
    if message.is_empty() { code.clone() } else { format!("{code} ({message})") }
}

/// The text for standard output: as text the accounts with a known state, as JSON all accounts.
pub(super) fn output(reports: &[Report], format: AnswerFormat) -> String {
    match format {
        AnswerFormat::Text => {
            let told = reports.iter().filter(|report| report.in_force.is_some() || !report.note.is_empty());
            told.flat_map(|report| [report.line(), "\n".to_owned()]).collect()
        }
        AnswerFormat::Json => {
            let accounts: Vec<_> = reports.iter().map(object).collect();
            format!("{}\n", json!({ "accounts": accounts }))
        }
    }
}

fn object(report: &Report) -> serde_json::Value {
    let Report { account, in_force, confirmed, note, error } = report;
    json!({
        "account": account,
        "state": in_force.as_ref().map(|in_force| in_force.state.name()),
        "causes": in_force.as_ref().map(|in_force| &in_force.causes),
        "confirmed": confirmed,
        "note": note,
        "error": error,
    })
}

/// The lines for standard error.
pub(super) fn errors(reports: &[Report]) -> Vec<String> {
    let failed = reports.iter().filter_map(|report| Some((&report.account, report.error.as_ref()?)));
    failed.map(|(account, error)| one_line(&format!("error: {account}: {error}"))).collect()
}

/// Text from a cluster must not break the lines, nor steer the terminal.
pub(super) fn one_line(text: &str) -> String {
    text.replace(|letter: char| letter.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halted() -> Report {
        let cause = |code: &str, state: TradingState, message: &str| TradingCause {
            cause: code.to_owned(),
            state: state.into(),
            message: message.to_owned(),
            ..TradingCause::default()
        };
        let trading = Trading {
            state: TradingState::Halted.into(),
            causes: vec![
                cause("Halt", TradingState::Halted, "alice: broker\nis wrong"),
                cause("User", TradingState::Reducing, ""),
            ],
            ..Trading::default()
        };
        Report::confirmed("default/goog", EffectiveTrading::from(&trading))
    }

    fn active() -> Report {
        Report::confirmed("default/msft", EffectiveTrading { state: TradingState::Active, causes: Vec::new() })
    }

    #[test]
    fn each_account_is_a_line_and_errors_are_lines_of_their_own() {
        let open = Report { note: "annotated; not confirmed yet".to_owned(), confirmed: false, ..active() };
        let reports = [halted(), active(), Report::failed("default/x", "not\tfound".to_owned()), open];
        let expected = "\
default/goog: Halted by Halt (alice: broker is wrong), User
default/msft: Active
default/msft: Active; annotated; not confirmed yet
";
        assert_eq!(output(&reports, AnswerFormat::Text), expected);
        assert_eq!(errors(&reports), ["error: default/x: not found"]);
    }

    #[test]
    fn stop_succeeds_once_confirmed_and_resume_once_active() {
        let halt = Verb::Halt(String::new());
        assert!(halted().is_success(&halt, false) && !halted().is_success(&Verb::Resume, false));
        assert!(active().is_success(&Verb::Resume, false));
        let open = Report { confirmed: false, ..halted() };
        assert!(!open.is_success(&halt, false) && open.is_success(&halt, true) && open.is_success(&Verb::Resume, true));
        let failed = Report::failed("default/x", String::new());
        assert!(!failed.is_success(&halt, false) && !failed.is_success(&halt, true));
    }

    #[test]
    fn programs_get_every_account_with_its_causes_and_its_error() {
        let reports = [halted(), Report::failed("default/x", "not found".to_owned())];
        let listing: serde_json::Value = serde_json::from_str(&output(&reports, AnswerFormat::Json)).unwrap();
        let expected = json!({ "accounts": [
            {
                "account": "default/goog", "state": "Halted", "confirmed": true, "note": "", "error": null,
                "causes": [
                    { "cause": "Halt", "state": "Halted", "message": "alice: broker\nis wrong" },
                    { "cause": "User", "state": "Reducing", "message": "" },
                ],
            },
            {
                "account": "default/x", "state": null, "causes": null, "confirmed": false, "note": "",
                "error": "not found",
            },
        ] });
        assert_eq!(listing, expected);
    }

    #[test]
    fn a_state_of_a_later_release_is_the_strictest_of_its_causes() {
        let cause = TradingCause { cause: "New".to_owned(), state: 9, ..TradingCause::default() };
        let trading = Trading { state: 9, causes: vec![cause], ..Trading::default() };
        assert_eq!(EffectiveTrading::from(&trading).state, TradingState::Halted);
    }
}
