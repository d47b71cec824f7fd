//! What may depend on earlier events, and on nothing else: runs over the same quotes are compared. An algorithm that
//! is random by itself cannot be; what is left for it is the shape of its answers.

use intuition_api::v1::{EventRequest, InitializeRequest, InputEvent};
use tokio::task::JoinSet;

use super::Kit;
use crate::conform::{
    client::CallError,
    judge::{Outcome, difference},
    quotes::Feed,
    report::Report,
    row::Row,
    run::{self, Halt, Run},
};

const STREAMS: u32 = 16;
const VARIANTS: u32 = 4;
/// Batches before a stream is left, of those in the plan.
const HALF: usize = 6;
/// Events asked one by one.
const SINGLE: usize = 60;

/// All of them.
pub(super) async fn all(kit: &Kit, first: &Run, report: &mut Report) {
    let alone = alone(kit, report).await;
    let Some(alone) = alone else { return };
    accounts(kit, &alone, report).await;
    let random = "it decides by chance: two runs over the same quotes differ";
    let rows = [Row::StateRestored, Row::StateUnchanged, Row::StateOverMemory];
    match (&alone, report.has_failed(Row::Accounts)) {
        (_, true) => rows.iter().for_each(|row| report.skip(*row, "mend accounts first")),
        (Alone::ByChance, _) => rows.iter().for_each(|row| report.skip(*row, random)),
        (Alone::Runs(runs), _) => {
            if let Some(expected) = runs.first() {
                restored(kit, expected, report).await;
                over_memory(kit, expected, report).await;
            }
        }
    }
    unary(kit, &alone, first, report).await;
}

/// What fresh accounts say, one after another.
enum Alone {
    /// The same quotes are answered differently.
    ByChance,
    /// By variant.
    Runs(Vec<Vec<Outcome>>),
}

async fn alone(kit: &Kit, report: &mut Report) -> Option<Alone> {
    let mut runs = Vec::new();
    for variant in (0..VARIANTS).chain([0]) {
        match run::whole(&kit.target, &kit.account(), &kit.parameters, &Feed::planned(variant)).await {
            Ok(run) => runs.push(run.outcomes),
            Err(halt) => {
                report.fail(halt.row(Row::Accounts), format!("one account after another: {halt}"));
                return None;
            }
        }
    }
    let again = runs.pop();
    if runs.first() == again.as_ref() {
        return Some(Alone::Runs(runs));
    }
    // What an account left behind shows in the next one; chance shows each time anew.
    let once_more = run::whole(&kit.target, &kit.account(), &kit.parameters, &Feed::planned(0)).await.ok()?;
    let twice = run::whole(&kit.target, &kit.account(), &kit.parameters, &Feed::planned(0)).await.ok()?;
    if twice.outcomes == once_more.outcomes {
        let differs = again.and_then(|again| difference(runs.first()?, &again)).unwrap_or_default();
        report.fail(Row::Accounts, format!("an account begins where another one ended: {differs}"));
        return Some(Alone::Runs(runs));
    }
    Some(Alone::ByChance)
}

/// Many at once, a batch of each in turn.
async fn accounts(kit: &Kit, alone: &Alone, report: &mut Report) {
    let mut tasks = JoinSet::new();
    for place in 0..STREAMS {
        let (target, account, parameters) = (kit.target.clone(), kit.account(), kit.parameters.clone());
        let variant = place % VARIANTS;
        tasks
            .spawn(async move { (variant, run::whole(&target, &account, &parameters, &Feed::planned(variant)).await) });
    }
    report.pass(Row::Accounts);
    while let Some(ended) = tasks.join_next().await {
        let Ok((variant, run)) = ended else { continue };
        match run {
            Err(halt) => report.fail(Row::Accounts, format!("with {STREAMS} accounts at once: {halt}")),
            Ok(run) => {
                report.violations(run.violations);
                if let Alone::Runs(runs) = alone
                    && let Some(expected) = runs.get(variant as usize)
                    && let Some(difference) = difference(expected, &run.outcomes)
                {
                    report.fail(Row::Accounts, format!("among {STREAMS} accounts at once, {difference}"));
                }
            }
        }
    }
}

/// A stream is left in the middle and opened again with the state that it gave.
async fn restored(kit: &Kit, expected: &[Outcome], report: &mut Report) {
    let plan = Feed::planned(0);
    let (before, behind) = plan.split_at(HALF);
    let account = kit.account();
    let outcome = async {
        let mut stream = run::open(&kit.target, &account, &kit.parameters, Vec::new()).await?;
        let mut run = run::batches(&mut stream, 1, before).await?;
        drop(stream);
        let state = run.state.clone();
        let mut stream = run::open(&kit.target, &account, &kit.parameters, state.clone().unwrap_or_default()).await?;
        run.outcomes.extend(run::batches(&mut stream, 1, behind).await?.outcomes);
        Ok::<_, Halt>((run.outcomes, state))
    };
    let row = Row::StateRestored;
    match outcome.await {
        Err(halt) => report.fail(halt.row(row), format!("on a stream opened with the state of the one before: {halt}")),
        Ok((found, state)) => {
            report.pass(row);
            report.pass(Row::StateUnchanged);
            match (difference(expected, &found), state) {
                (None, _) => {}
                (Some(difference), Some(state)) => {
                    let size = state.len();
                    report.fail(row, format!("with the {size} bytes of state given back, {difference}"));
                }
                (Some(difference), None) => {
                    let came =
                        format!("no answer had a state, and on the next stream, which began without: {difference}");
                    report.fail(Row::StateUnchanged, came);
                }
            }
        }
    }
}

/// An account begins anew, with no state: nothing is left of what it was.
async fn over_memory(kit: &Kit, expected: &[Outcome], report: &mut Report) {
    let plan = Feed::planned(0);
    let account = kit.account();
    let outcome = async {
        let mut stream = run::open(&kit.target, &account, &kit.parameters, Vec::new()).await?;
        run::batches(&mut stream, 1, plan.get(..HALF).unwrap_or_default()).await?;
        drop(stream);
        run::whole(&kit.target, &account, &kit.parameters, &plan).await
    };
    let row = Row::StateOverMemory;
    match outcome.await {
        Err(halt) => report.fail(halt.row(row), format!("on a second stream of an account: {halt}")),
        Ok(run) => {
            report.pass(row);
            if let Some(difference) = difference(expected, &run.outcomes) {
                report.fail(row, format!("on a second stream of an account that began without state, {difference}"));
            }
        }
    }
}

/// One call at a time.
async fn unary(kit: &Kit, alone: &Alone, first: &Run, report: &mut Report) {
    let row = Row::Unary;
    let found = match try_unary(kit).await {
        Ok(found) => found,
        Err(error) => return report.fail(row, error.to_string()),
    };
    report.pass(row);
    let expected = match alone {
        Alone::Runs(runs) if !report.has_failed(Row::Accounts) => runs.first().map_or(&first.outcomes, |run| run),
        _ => return,
    };
    let expected = expected.get(..found.len()).unwrap_or_default();
    if let Some(difference) = difference(expected, &found) {
        report.fail(row, format!("Event does not answer what the stream answers: {difference}"));
    }
}

async fn try_unary(kit: &Kit) -> Result<Vec<Outcome>, CallError> {
    let account = kit.account();
    let mut client = kit.target.connect().await?;
    let initialize = InitializeRequest {
        account: account.clone(),
        parameters_json: kit.parameters.clone(),
        ..InitializeRequest::default()
    };
    let (_, stream) = kit.target.open(&account, &kit.parameters, Vec::new()).await?;
    let single = kit.target.call("the unary Initialize", client.initialize(initialize)).await?;
    if single.channels != stream.channels {
        return Err(CallError::Odd { what: "the unary Initialize", came: "other channels than on the stream" });
    }
    let events: Vec<InputEvent> = Feed::planned(0).concat().into_iter().take(SINGLE).collect();
    let mut state = Vec::new();
    let mut outcomes = Vec::new();
    for event in events {
        let request = EventRequest {
            account: account.clone(),
            parameters_json: kit.parameters.clone(),
            state: state.clone().into(),
            event: Some(event),
        };
        let answer = kit.target.call("the unary Event", client.event(request)).await?;
        let result = answer.result.as_ref();
        let missing = || CallError::Odd { what: "the unary Event", came: "an EventResponse without a result" };
        outcomes.push(Outcome::from(result.ok_or_else(missing)?));
        if let Some(next) = answer.state {
            state = next.to_vec();
        }
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_of_the_plan_are_both_worth_something() {
        let plan = Feed::planned(0);
        let (before, behind) = plan.split_at(HALF);
        assert!(before.concat().len() > 100 && behind.concat().len() > 100);
    }
}
