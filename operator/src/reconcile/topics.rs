//! Topics that a resource uses and its namespace may not, where that does not refuse the resource. Pure.

use intuition_resources::validate::FieldError;

use crate::reconcile::{
    conditions::{EventRecord, shorten_note},
    finding::Finding,
    reason,
};

/// The finding of `Accepted` about a plan with these problems.
pub(crate) fn accepted(problems: &[FieldError]) -> Finding {
    match message(problems) {
        Some(message) => Finding::fine(reason::TOPIC_NOT_ALLOWED, message),
        None => Finding::accepted(),
    }
}

/// An Event an hour while there are such topics.
pub(crate) fn notice(problems: &[FieldError]) -> Option<EventRecord> {
    let note = shorten_note(&message(problems)?);
    Some(EventRecord {
        is_warning: true,
        reason: reason::TOPIC_NOT_ALLOWED.to_owned(),
        hourly: Some(note.clone()),
        note,
    })
}

fn message(problems: &[FieldError]) -> Option<String> {
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    (!told.is_empty())
        .then(|| format!("the spec is used, and will be refused with topics.confine=Enforce: {}", told.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::finding::Truth;

    #[test]
    fn topic_that_is_not_allowed_is_shown_and_the_resource_goes_on() {
        assert_eq!((accepted(&[]).reason.as_str(), notice(&[])), ("Accepted", None));
        let problems = [FieldError::new("spec.channels.publish", "\"quotes\" is not a topic of namespace n")];
        let finding = accepted(&problems);
        assert_eq!((finding.truth, finding.reason.as_str()), (Truth::True, reason::TOPIC_NOT_ALLOWED));
        assert!(finding.message.contains("spec.channels.publish: \"quotes\""), "{}", finding.message);
        let notice = notice(&problems).unwrap();
        assert!(notice.is_warning && notice.hourly.is_some() && notice.reason == reason::TOPIC_NOT_ALLOWED);
    }
}
