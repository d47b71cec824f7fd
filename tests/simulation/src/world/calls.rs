//! The operator's calls and the reports of remote algorithms, on their way to the runtime and back.

use std::{collections::BTreeMap, time::Duration};

use super::{Event, SOON, Sleeper, World};
use crate::{
    facts::{Fact, Violation},
    process::runtime::{Answer, Call, CallId},
};

/// Calls under way.
#[derive(Default)]
pub(super) struct Calls {
    made: CallId,
    /// Calls whose answer the operator waits for.
    awaited: BTreeMap<CallId, Call>,
}

impl World<'_> {
    pub(super) fn work_operator(&mut self) {
        if let Some(call) = self.operator.advance(self.now) {
            self.calls.made += 1;
            let id = self.calls.made;
            // An earlier call has been given up.
            self.calls.awaited.clear();
            self.calls.awaited.insert(id, call.clone());
            let at = self.network.call_arrival(self.now);
            if !self.faults.are_over() && self.network.chance(0.1) {
                // A copy that comes late.
                let later = self.network.within(Duration::from_millis(1), Duration::from_secs(90));
                self.queue.plan(at + later, Event::Call(0, Box::new(call.clone())));
            }
            if self.faults.are_over() || !self.network.chance(0.05) {
                self.queue.plan(at, Event::Call(id, Box::new(call)));
            }
        }
        self.wake_operator();
    }

    pub(super) fn wake_operator(&mut self) {
        if let Some(at) = self.operator.wake() {
            self.wake_at(Sleeper::Operator, at);
        }
    }

    pub(super) fn reach_call(&mut self, id: CallId, call: Call) -> Result<(), Violation> {
        if id == 0 {
            self.tell(&Fact::Injected("operator: a call comes late, a second time"))?;
        }
        if let Call::Configure(request) = &call {
            self.tell(&Fact::ConfigureAsked { request: request.clone() })?;
        }
        if let Call::SetTradingState(request) = &call {
            self.tell(&Fact::TradingAsked { request: request.clone() })?;
        }
        match self.runtimes.values_mut().next_back() {
            Some(runtime) => {
                runtime.call(id, call);
                let run = runtime.run;
                self.wake_at(Sleeper::Runtime(run), self.now + SOON);
            }
            None => self.send_answer(id, Answer::Failed),
        }
        Ok(())
    }

    pub(super) fn send_answer(&mut self, id: CallId, answer: Answer) {
        if self.faults.are_over() || !self.network.chance(0.05) {
            let at = self.network.call_arrival(self.now);
            self.queue.plan(at, Event::Answer(id, Box::new(answer)));
        }
    }

    pub(super) fn reach_answer(&mut self, id: CallId, answer: Answer) -> Result<(), Violation> {
        let Some(call) = self.calls.awaited.remove(&id) else { return Ok(()) };
        let fact = match (call, &answer) {
            (Call::SetTradingState(request), Answer::SetTradingState(response)) => {
                Some(Fact::TradingConfirmed { request, response: response.clone() })
            }
            (Call::Close(request), Answer::Close(response)) => {
                Some(Fact::CloseConfirmed { request, response: response.clone() })
            }
            (Call::Configure(request), Answer::Configure(response)) => {
                Some(Fact::ConfigureConfirmed { request, response: response.clone() })
            }
            (Call::ResetSource(request), Answer::ResetSource(response)) => {
                Some(Fact::ResetConfirmed { request, response: response.clone() })
            }
            _ => None,
        };
        if let Some(fact) = fact {
            self.tell(&fact)?;
        }
        self.operator.answered(answer, self.now);
        self.wake_operator();
        Ok(())
    }

    pub(super) fn work_algorithms(&mut self) {
        for ((run, life, link), report) in self.algorithms.advance(self.now) {
            if let Some(runtime) = self.runtimes.get_mut(&run) {
                runtime.report(life, link, report);
                self.wake_at(Sleeper::Runtime(run), self.now + SOON);
            }
        }
        self.wake_algorithms();
    }

    pub(super) fn wake_algorithms(&mut self) {
        if let Some(at) = self.algorithms.wake() {
            self.wake_at(Sleeper::Algorithms, at);
        }
    }
}
