//! A run over a feed: what an algorithm says about it, judged on the way.

use intuition_api::v1::InputEvent;

use super::{
    client::{CallError, Stream, Target},
    judge::{self, Outcome, Violation},
    row::Row,
};

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) outcomes: Vec<Outcome>,
    /// The last state that came with an answer.
    pub(crate) state: Option<Vec<u8>>,
    /// Rules that its answers broke.
    pub(crate) violations: Vec<Violation>,
    /// Habits of its answers that the contract allows and that make results depend on the size of batches.
    pub(crate) notes: Vec<Violation>,
    /// Messages of its own.
    pub(crate) published: usize,
}

/// Why a run came to no end.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The server did not answer as it should.
    Call(CallError),
    /// It refuses the parameters.
    Refused(String),
}

impl From<CallError> for Halt {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl std::fmt::Display for Halt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Refused(refusal) => write!(f, "initialize was answered by the refusal {}", judge::shown(refusal)),
        }
    }
}

impl Halt {
    /// The row that it belongs to, where it is met in the check of `row`.
    pub(crate) const fn row(&self, row: Row) -> Row {
        match self {
            Self::Call(error) => error.row(row),
            Self::Refused(_) => row,
        }
    }
}

/// Opens a stream of an account.
pub(crate) async fn open(target: &Target, account: &str, parameters: &str, state: Vec<u8>) -> Result<Stream, Halt> {
    let (stream, answer) = target.open(account, parameters, state).await?;
    if answer.refusal.is_empty() { Ok(stream) } else { Err(Halt::Refused(answer.refusal)) }
}

/// Sends batches on a stream, numbered from `first`.
pub(crate) async fn batches(stream: &mut Stream, first: u64, batches: &[Vec<InputEvent>]) -> Result<Run, Halt> {
    let mut run = Run::default();
    for (number, events) in (first..).zip(batches) {
        let result = stream.batch(number, events.clone()).await?;
        run.violations.extend(judge::result(number, events, &result));
        run.notes.extend(judge::notes(&result));
        run.published += result.publications.len();
        run.outcomes.extend(result.results.iter().map(Outcome::from));
        if let Some(state) = result.state {
            run.state = Some(state.to_vec());
        }
    }
    Ok(run)
}

/// A whole run of a fresh account, to the end of its stream.
pub(crate) async fn whole(
    target: &Target,
    account: &str,
    parameters: &str,
    plan: &[Vec<InputEvent>],
) -> Result<Run, Halt> {
    let mut stream = open(target, account, parameters, Vec::new()).await?;
    batches(&mut stream, 1, plan).await
}
