//! Topics that a resource uses and its namespace may not, where that does not refuse the resource.

use crate::{
    reconcile::{
        conditions::{EventRecord, shorten_note},
        finding::Finding,
        reason,
    },
    trading_algo::plan::Plan,
};

/// The finding of `Accepted` about a plan.
pub(crate) fn accepted(plan: &Plan) -> Finding {
    match message(plan) {
        Some(message) => Finding::fine(reason::TOPIC_NOT_ALLOWED, message),
        None => Finding::accepted(),
    }
}

/// An Event an hour while there are such topics.
pub(crate) fn notice(plan: &Plan) -> Option<EventRecord> {
    let note = shorten_note(&message(plan)?);
    Some(EventRecord {
        is_warning: true,
        reason: reason::TOPIC_NOT_ALLOWED.to_owned(),
        hourly: Some(note.clone()),
        note,
    })
}

fn message(plan: &Plan) -> Option<String> {
    let told: Vec<_> = plan.warnings.iter().map(ToString::to_string).collect();
    (!told.is_empty())
        .then(|| format!("the spec is used, and will be refused with topics.confine=Enforce: {}", told.join("; ")))
}

#[cfg(test)]
mod tests {
    use intuition_resources::validate::FieldError;

    use super::*;
    use crate::{reconcile::finding::Truth, trading_algo::plan::tests_support};

    #[test]
    fn topic_that_is_not_allowed_is_shown_and_the_resource_goes_on() {
        let mut plan = tests_support::plan();
        assert_eq!((accepted(&plan).reason.as_str(), notice(&plan)), ("Accepted", None));
        plan.warnings = vec![FieldError::new("spec.channels.publish", "\"quotes\" is not a topic of namespace n")];
        let finding = accepted(&plan);
        assert_eq!((finding.truth, finding.reason.as_str()), (Truth::True, reason::TOPIC_NOT_ALLOWED));
        assert!(finding.message.contains("spec.channels.publish: \"quotes\""), "{}", finding.message);
        let notice = notice(&plan).unwrap();
        assert!(notice.is_warning && notice.hourly.is_some() && notice.reason == reason::TOPIC_NOT_ALLOWED);
    }
}
