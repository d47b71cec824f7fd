//! Meaning of `halt`, `reduce` and `resume`: annotations of a resource, causes of a runtime. Pure.

use intuition_api::{
    trading::{LONGEST_MESSAGE, cause},
    v1::{TradingCause, TradingState},
};
use serde_json::{Value, json};

/// Annotation that halts a `TradingAlgo`; its text names the person and the reason. The operator reads it.
pub(crate) const HALT_ANNOTATION: &str = "intuition.dev/halt";
/// Annotation that sets a `TradingAlgo` to Reducing.
pub(crate) const REDUCE_ANNOTATION: &str = "intuition.dev/reduce";

/// A change of the trading state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verb {
    /// Adds the cause `Halt` with this text.
    Halt(String),
    /// Adds the cause `Reduce` with this text.
    Reduce(String),
    /// Removes both causes.
    Resume,
}

impl Verb {
    /// The merge patch of a resource.
    pub(super) fn patch(&self) -> Value {
        let annotations = match self {
            Self::Halt(text) => json!({ HALT_ANNOTATION: text }),
            Self::Reduce(text) => json!({ REDUCE_ANNOTATION: text }),
            Self::Resume => json!({ HALT_ANNOTATION: null, REDUCE_ANNOTATION: null }),
        };
        json!({ "metadata": { "annotations": annotations } })
    }

    /// The causes to send to a runtime, from all causes that are in force there.
    pub(super) fn causes(&self, in_force: &[TradingCause]) -> Vec<TradingCause> {
        let is_kept = |code: &str| match self {
            Self::Halt(_) => code != cause::HALT,
            Self::Reduce(_) => code != cause::REDUCE,
            Self::Resume => code == cause::USER,
        };
        let settable = in_force.iter().filter(|held| cause::SETTABLE.contains(&held.cause.as_str()));
        let kept = settable.filter(|held| is_kept(&held.cause)).map(|held| TradingCause {
            // A state of a later release goes back as it came.
            since_micros: 0,
            ..held.clone()
        });
        kept.chain(self.own_cause()).collect()
    }

    fn own_cause(&self) -> Option<TradingCause> {
        let (code, state, message) = match self {
            Self::Halt(text) => (cause::HALT, TradingState::Halted, text),
            Self::Reduce(text) => (cause::REDUCE, TradingState::Reducing, text),
            Self::Resume => return None,
        };
        Some(TradingCause {
            cause: code.to_owned(),
            state: state.into(),
            message: message.clone(),
            ..TradingCause::default()
        })
    }

    /// Whether state and causes of an account contain the whole change. Unknown causes (`None`) are not checked.
    pub(super) fn is_reached(&self, state: TradingState, causes: Option<&[&str]>) -> bool {
        let has = |code| causes.is_none_or(|causes| causes.contains(&code));
        match self {
            Self::Halt(_) => state == TradingState::Halted && has(cause::HALT),
            Self::Reduce(_) => state >= TradingState::Reducing && has(cause::REDUCE),
            Self::Resume => match causes {
                Some(causes) => !causes.contains(&cause::HALT) && !causes.contains(&cause::REDUCE),
                None => state == TradingState::Active,
            },
        }
    }

    /// Whether a confirmed state is a success: a resume wants Active.
    pub(super) fn is_success(&self, state: TradingState) -> bool {
        !matches!(self, Self::Resume) || state == TradingState::Active
    }

    /// The command.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Halt(_) => "halt",
            Self::Reduce(_) => "reduce",
            Self::Resume => "resume",
        }
    }

    /// The change of the annotations, in words.
    pub(super) const fn done(&self) -> &'static str {
        match self {
            Self::Halt(_) => "the annotation intuition.dev/halt is set",
            Self::Reduce(_) => "the annotation intuition.dev/reduce is set",
            Self::Resume => "the annotations intuition.dev/halt and intuition.dev/reduce are removed",
        }
    }
}

/// Text of an annotation or a cause: the author, then the reason. Control characters become spaces; a long text is cut,
/// because a stop must not fail for its text.
pub(super) fn text(who: &str, why: Option<&str>) -> String {
    let why = why.filter(|why| !why.trim().is_empty());
    let text = why.map_or_else(|| who.to_owned(), |why| format!("{who}: {why}"));
    let mut text = text.replace(|letter: char| letter.is_control(), " ");
    text.truncate(text.floor_char_boundary(LONGEST_MESSAGE));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(code: &str, state: TradingState) -> TradingCause {
        TradingCause { cause: code.to_owned(), state: state.into(), message: "old".to_owned(), since_micros: 7 }
    }

    fn sent(verb: &Verb, in_force: &[TradingCause]) -> Vec<(String, i32, String)> {
        let causes = verb.causes(in_force);
        assert!(causes.iter().all(|cause| cause.since_micros == 0));
        causes.into_iter().map(|cause| (cause.cause, cause.state, cause.message)).collect()
    }

    #[test]
    fn verb_changes_its_own_cause_and_keeps_other_settable_causes() {
        let in_force = [
            held("Halt", TradingState::Halted),
            held("MaxDrawdown", TradingState::Halted),
            held("User", TradingState::Reducing),
        ];
        let owned = |code: &str, state: i32, text: &str| (code.to_owned(), state, text.to_owned());
        let halt = Verb::Halt("new".to_owned());
        assert_eq!(sent(&halt, &in_force), [owned("User", 2, "old"), owned("Halt", 3, "new")]);
        let reduce = Verb::Reduce("new".to_owned());
        let expected = [owned("Halt", 3, "old"), owned("User", 2, "old"), owned("Reduce", 2, "new")];
        assert_eq!(sent(&reduce, &in_force), expected);
        assert_eq!(sent(&Verb::Resume, &in_force), [owned("User", 2, "old")]);
        assert_eq!(sent(&Verb::Resume, &[]), []);
    }

    #[test]
    fn a_patch_names_the_annotations_and_nothing_else() {
        let halt = Verb::Halt("alice: why".to_owned()).patch();
        assert_eq!(halt, json!({ "metadata": { "annotations": { "intuition.dev/halt": "alice: why" } } }));
        let expected = json!({ "intuition.dev/halt": null, "intuition.dev/reduce": null });
        assert_eq!(Verb::Resume.patch()["metadata"]["annotations"], expected);
    }

    #[test]
    fn a_verb_is_reached_by_its_state_and_by_its_cause() {
        use TradingState::{Active, Halted, Reducing};
        let (halt, reduce) = (Verb::Halt(String::new()), Verb::Reduce(String::new()));
        for (verb, state, causes, is_reached) in [
            (&halt, Halted, None, true),
            (&halt, Halted, Some(&["Halt"][..]), true),
            (&halt, Halted, Some(&["User"]), false),
            (&halt, Reducing, Some(&["Halt"]), false),
            (&halt, Active, None, false),
            (&reduce, Reducing, Some(&["Reduce"]), true),
            (&reduce, Halted, Some(&["Halt", "Reduce"]), true),
            (&reduce, Halted, Some(&["Halt"]), false),
            (&reduce, Active, None, false),
            (&Verb::Resume, Active, Some(&[]), true),
            (&Verb::Resume, Halted, Some(&["User"]), true),
            (&Verb::Resume, Halted, Some(&["Halt", "User"]), false),
            (&Verb::Resume, Active, None, true),
            (&Verb::Resume, Halted, None, false),
        ] {
            assert_eq!(verb.is_reached(state, causes), is_reached, "{verb:?} {state} {causes:?}");
        }
        assert!(halt.is_success(Halted) && Verb::Resume.is_success(Active) && !Verb::Resume.is_success(Reducing));
    }

    #[test]
    fn a_text_names_who_and_why_on_one_line_and_is_never_too_long() {
        assert_eq!(text("alice", Some("broker is wrong")), "alice: broker is wrong");
        assert_eq!((text("alice", None), text("alice", Some(" "))), ("alice".to_owned(), "alice".to_owned()));
        assert_eq!(text("a\u{1b}b", Some("x\ny")), "a b: x y");
        let long = text("alice", Some(&"é".repeat(1_000)));
        assert!((LONGEST_MESSAGE - 1..=LONGEST_MESSAGE).contains(&long.len()), "{}", long.len());
    }
}
