//! A story in which every promise holds, and one for each way in which a promise can be broken.

mod broken;
mod story;

use self::story::{Story, good};
use super::*;

/// The first promise that the facts break, with the text.
fn judged(facts: &[Fact]) -> Result<(), Violation> {
    let mut checker = Checker::new(Bounds { window: 8, least_trial: Time::from_secs(5) });
    for (fact, second) in facts.iter().zip(1..) {
        checker.take(Time::from_secs(second), fact)?;
    }
    checker.finish()
}

#[test]
fn a_story_in_which_every_promise_holds_passes() {
    assert_eq!(judged(&good().facts), Ok(()));
}

#[test]
fn a_story_with_crashes_and_an_older_ledger_passes() {
    assert_eq!(judged(&story::with_an_older_ledger().facts), Ok(()));
}

#[test]
fn a_violation_says_when_and_about_what() {
    let mut story = Story::begin();
    story.quote(1, 1, "100.000001");
    story.facts.push(Fact::Acknowledged { message: 1, connection: 1 });
    let violation = judged(&story.facts).unwrap_err();
    assert_eq!(violation.promise, promise::ACKNOWLEDGED);
    let expected = "message 1 on \"quotes\" (1 places: quote 1 GOOG at 100.000001) is acknowledged on connection 1";
    assert!(violation.text.starts_with("at ") && violation.text.contains(expected), "{}", violation.text);
}
