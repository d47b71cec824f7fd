//! The way of ticks through all parts, and back to their acknowledgement.

use std::sync::Arc;

use anyhow::ensure;
use intuition_api::v1::process_response::Message;
use intuition_common::clock::{Clock, Now, SystemClock};
use intuition_mqtt::Incoming;
use tempfile::TempDir;

use crate::{
    bridge::Bridge,
    case::{Case, GROUP},
    runtime::{Runtime, WINDOW},
    stage,
};

pub(crate) const ACCOUNT: &str = "default/counted";
/// Groups that are counted.
pub const GROUPS: u64 = 4;
/// Groups before them: the window is full, and rows leave it.
const WARM_UP: u64 = WINDOW / GROUP + 4;

/// Numbers of each source before the counted groups: rows with their last numbers leave the ledger.
const ROUNDS: u64 = 5;

/// See the module.
struct Path {
    case: Case,
    bridge: Bridge,
    runtime: Runtime,
    now: Now,
    next: u64,
    /// Ticks that have their outcome.
    settled: usize,
    _folder: TempDir,
}

/// Runs a case. The counted groups are in the function `counted`.
pub fn run(case: Case) -> anyhow::Result<()> {
    let mut path = Path::start(case)?;
    let holdings = case.holdings();
    for message in holdings {
        path.group(vec![message])?;
    }
    for _ in 0..WARM_UP.max(case.rounds(ROUNDS) / GROUP) {
        let messages = path.messages();
        path.group(messages)?;
    }
    let messages: Vec<_> = (0..GROUPS).map(|_| path.messages()).collect();
    let before = path.settled;
    counted(&mut path, messages)?;
    let settled = (path.settled - before) as u64;
    ensure!(settled == GROUPS * GROUP, "{settled} ticks have an outcome, of {}", GROUPS * GROUP);
    Ok(())
}

#[inline(never)]
fn counted(path: &mut Path, messages: Vec<Vec<Incoming>>) -> anyhow::Result<()> {
    messages.into_iter().try_for_each(|messages| path.group(messages))
}

impl Path {
    fn start(case: Case) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let now = Now::read(clock.as_ref());
        let folder = tempfile::tempdir()?;
        let mut bridge = Bridge::start(Arc::clone(&clock), now)?;
        let runtime = Runtime::start(&case, folder.path(), clock, now)?;
        let open = bridge.take_open();
        let mut path = Self { case, bridge, runtime, now, next: 0, settled: 0, _folder: folder };
        path.runtime.open(open.ok_or_else(|| anyhow::anyhow!("the bridge asks for no stream"))?);
        // The runtime names the channels, and the bridge subscribes to one after the other.
        for _ in 0..3 {
            path.group(Vec::new())?;
        }
        Ok(path)
    }

    fn messages(&mut self) -> Vec<Incoming> {
        let first = self.next;
        self.next += GROUP;
        (first..self.next).map(|number| self.case.message(number)).collect()
    }

    /// One group, from its messages to their acknowledgement.
    fn group(&mut self, messages: Vec<Incoming>) -> anyhow::Result<()> {
        self.bridge.receive(messages, self.now);
        let requests = stage::request(self.bridge.take_requests())?;
        let responses = self.runtime.take(requests, self.now)?;
        let responses = stage::response(responses)?;
        for response in &responses {
            if let Some(Message::Committed(committed)) = &response.message {
                self.settled += committed.outcomes.iter().map(|outcome| outcome.ticks.len()).sum::<usize>();
            }
        }
        self.bridge.take_responses(responses, self.now);
        Ok(())
    }
}
