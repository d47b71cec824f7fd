//! What goes over one stream.

use intuition_api::v1::{EventBatchResult, InputEvent};
use tonic::Code;

use super::{Kit, json, lives, note};
use crate::conform::{
    client::CallError,
    indicators::joined,
    judge,
    quotes::{Feed, detailed, largest},
    report::Report,
    row::Row,
    run::{self, Halt, Run},
};

/// Initialize, then every batch of the plan: what a runtime does all day.
pub(super) async fn exchange(kit: &Kit, report: &mut Report) -> Option<Run> {
    let (mut stream, answer) = match kit.target.open(&kit.account(), &kit.parameters, Vec::new()).await {
        Ok(opened) => opened,
        Err(error) => {
            report.fail(Row::Initialize, error.to_string());
            return None;
        }
    };
    if !answer.refusal.is_empty() {
        let refusal = judge::shown(&answer.refusal);
        let came = format!("parameters {} are refused: {refusal}; give others with --parameters", kit.parameters);
        report.fail(Row::Initialize, came);
        return None;
    }
    report.pass(Row::Initialize);
    if answer.channels.is_empty() {
        report.fail(Row::Initialize, "InitializeResponse has neither channels nor a refusal");
    }
    report.violations(judge::channels(Row::Initialize, "InitializeResponse", &answer.channels));
    let run = match run::batches(&mut stream, 1, &Feed::planned(0)).await {
        Ok(run) => run,
        Err(halt) if ended_by_an_error(&halt) && answers_one_by_one(kit).await => {
            report.fail(Row::MessageSize, format!("{halt}; the same quotes are answered one by one"));
            return None;
        }
        Err(halt) => {
            report.fail(halt.row(Row::Order), halt.to_string());
            return None;
        }
    };
    report.pass(Row::Order);
    report.pass(Row::Batches);
    if run.outcomes.iter().any(judge::Outcome::signals_something) {
        report.pass(Row::Signals);
    } else {
        report.skip(Row::Signals, "it gave no signal; try another --threshold or other --parameters");
    }
    if run.published > 0 {
        report.pass(Row::Publications);
    } else {
        report.skip(Row::Publications, "it published nothing");
    }
    report.violations(run.violations.iter().cloned());
    report.notes(run.notes.iter().cloned());
    Some(run)
}

const fn ended_by_an_error(halt: &Halt) -> bool {
    matches!(halt, Halt::Call(CallError::Ended { .. }))
}

/// Whether the quotes of the plan are answered in batches of one.
async fn answers_one_by_one(kit: &Kit) -> bool {
    let single: Vec<Vec<InputEvent>> = Feed::planned(0).into_iter().flatten().map(|event| vec![event]).collect();
    run::whole(&kit.target, &kit.account(), &kit.parameters, &single).await.is_ok()
}

/// Parameters that cannot be used.
pub(super) async fn parameters(kit: &Kit, report: &mut Report) {
    let wrong = kit.schema.wrong(&kit.given);
    if wrong.is_empty() {
        report.skip(Row::ParametersRefused, "the schema forbids nothing that could be tried");
    }
    for parameters in wrong {
        let parameters = json(&parameters, kit.threshold);
        match kit.target.open(&kit.account(), &parameters, Vec::new()).await {
            // What does not fit the schema does not come from a runtime, so that an acceptance or an error harms nobody.
            Ok(_) | Err(CallError::Ended { .. }) => report.pass(Row::ParametersRefused),
            Err(error) => {
                report.fail(Row::ParametersRefused, format!("with parameters {parameters}: {error}"));
                break;
            }
        }
    }
    lives(kit, Row::ParametersRefused, "wrong parameters", report).await;
    for malformed in ["{", "[]", "1", "\"text\""] {
        match kit.target.open(&kit.account(), malformed, Vec::new()).await {
            Ok((_, answer)) if answer.refusal.is_empty() => {
                report.fail(Row::ParametersMalformed, format!("parameters_json {malformed:?} is accepted"));
            }
            Err(CallError::Ended { status, .. }) if status.code() != Code::InvalidArgument => {
                let came = format!("parameters_json {malformed:?} is answered by {:?}", status.code());
                report.fail(Row::ParametersMalformed, came);
            }
            Err(error @ CallError::Late { .. }) => {
                report.fail(Row::ParametersMalformed, format!("parameters_json {malformed:?}: {error}"));
            }
            _ => report.pass(Row::ParametersMalformed),
        }
    }
    lives(kit, Row::ParametersMalformed, "parameters that are no object", report).await;
}

/// An event of a kind that a later contract may have.
pub(super) async fn unknown_kinds(kit: &Kit, report: &mut Report) {
    let row = Row::UnknownKinds;
    let mut feed = Feed::new(0);
    let mut events = feed.take(3);
    let unknown = events.get(1).map_or(0, |event| event.event);
    if let Some(event) = events.get_mut(1) {
        event.kind = None;
    }
    match once(kit, &events).await {
        Ok(result) => {
            report.pass(row);
            let of_unknown = result.results.iter().find(|result| result.event == unknown);
            report.violations(of_unknown.and_then(judge::passed_over));
            if result.results.len() != events.len() && !report.has_failed(Row::Batches) {
                let came = format!("{} results for 3 events, one of them of an unknown kind", result.results.len());
                report.fail(row, came);
            }
        }
        Err(Halt::Call(error)) => note(report, row, &error),
        Err(halt) => report.fail(row, halt.to_string()),
    }
}

/// As many events as a batch may have, with the longest symbols.
pub(super) async fn message_size(kit: &Kit, report: &mut Report) {
    taken(kit, Row::MessageSize, &largest(), report).await;
}

/// Quotes with each value beside the price alone, with all of them at their bounds, and without any.
pub(super) async fn details(kit: &Kit, report: &mut Report) {
    taken(kit, Row::Details, &detailed(), report).await;
}

/// Values of indicators in front of quotes.
pub(super) async fn indicators(kit: &Kit, report: &mut Report) {
    taken(kit, Row::Indicators, &joined(), report).await;
}

/// A batch that is answered as any other.
async fn taken(kit: &Kit, row: Row, events: &[InputEvent], report: &mut Report) {
    match once(kit, events).await {
        Ok(result) => {
            report.pass(row);
            if report.first_failed(&[Row::Batches, Row::Order, Row::Signals]).is_none() {
                report.violations(judge::result(1, events, &result).into_iter().map(|broken| broken.within(row)));
            }
        }
        Err(Halt::Call(error)) => note(report, row, &error),
        Err(halt) => report.fail(row, halt.to_string()),
    }
}

async fn once(kit: &Kit, events: &[InputEvent]) -> Result<EventBatchResult, Halt> {
    let mut stream = run::open(&kit.target, &kit.account(), &kit.parameters, Vec::new()).await?;
    Ok(stream.batch(1, events.to_vec()).await?)
}

/// Other parameters on an open stream, good ones and bad ones.
pub(super) async fn reconfigure(kit: &Kit, report: &mut Report) {
    let row = Row::Reconfigure;
    if let Err(halt) = try_reconfigure(kit, report).await {
        match halt {
            Halt::Call(error) => note(report, row, &error),
            Halt::Refused(_) => report.fail(row, halt.to_string()),
        }
    }
}

async fn try_reconfigure(kit: &Kit, report: &mut Report) -> Result<(), Halt> {
    let row = Row::Reconfigure;
    let mut stream = run::open(&kit.target, &kit.account(), &kit.parameters, Vec::new()).await?;
    let mut feed = Feed::new(0);
    stream.batch(1, feed.take(5)).await?;
    let other = json(&kit.given, if kit.threshold > 0.25 { 0.25 } else { 0.75 });
    let answer = stream.reconfigure(&other).await?;
    report.pass(row);
    if answer.refusal.is_empty() {
        report.violations(judge::channels(row, "ReconfigureResponse", &answer.channels));
    }
    stream.batch(2, feed.take(5)).await?;
    let wrong = kit.schema.wrong(&kit.given).into_iter().map(|wrong| json(&wrong, kit.threshold));
    for bad in wrong.take(2).chain(["{".to_owned()]) {
        let answer = match stream.reconfigure(&bad).await {
            // No runtime sends what does not fit the schema: to end the stream over it is as good.
            Err(CallError::Ended { .. }) => return Ok(()),
            answer => answer?,
        };
        if bad == "{" && answer.refusal.is_empty() {
            report.fail(row, "Reconfigure.parameters_json \"{\" is accepted");
        }
        let number = 3;
        let result = stream.batch(number, feed.take(3)).await?;
        if result.number != number && !report.has_failed(Row::Order) {
            report.fail(row, format!("after a Reconfigure, batch {number} is answered by number {}", result.number));
        }
    }
    Ok(())
}
