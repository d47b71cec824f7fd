//! The bridge: its machine, and a broker that answers everything at once.

use std::{collections::HashMap, sync::Arc};

use bridge::{
    Config, Limits, Metrics, MqttConfig, PARTS,
    machine::{Action, Input, Machine, Sinks, StreamEvent},
};
use intuition_api::v1::{Open, ProcessRequest, ProcessResponse};
use intuition_common::{
    clock::{Clock, Now},
    readiness::Readiness,
};
use intuition_mqtt::{Capabilities, Code, Event, Incoming, Request};
use prometheus_client::registry::Registry;

use crate::{case::EPOCH, path::ACCOUNT, stage};

const SUCCESS: Code = Code { value: 0, name: "Success" };
/// Names the run, and draws the pauses.
const SEED: u64 = 7;

/// See the module.
pub(crate) struct Bridge {
    machine: Machine,
    /// Messages for the runtime.
    requests: Vec<ProcessRequest>,
    open: Option<Open>,
    /// Answers of the broker.
    answers: Vec<Input>,
    /// The identifier of each subscription, which comes with its messages.
    subscriptions: HashMap<String, u32>,
}

impl Bridge {
    pub(crate) fn start(clock: Arc<dyn Clock>, now: Now) -> anyhow::Result<Self> {
        let sinks = Sinks {
            readiness: Readiness::new(&PARTS, clock),
            metrics: Metrics::register(&mut Registry::default()),
            published: None,
        };
        let config = Config {
            mqtt: MqttConfig::new("mqtt://broker"),
            runtime_url: "http://runtime:50051".to_owned(),
            account: ACCOUNT.to_owned(),
            decisions_topic: None,
            limits: Limits::default(),
        };
        let (machine, _) = Machine::new(&config, sinks, SEED, now)?;
        let mut bridge =
            Self { machine, requests: Vec::new(), open: None, answers: Vec::new(), subscriptions: HashMap::new() };
        let (asked, capabilities) = (now.instant, Capabilities::UNLIMITED);
        let connected = || Event::Connected { epoch: EPOCH, asked, session_present: false, capabilities };
        bridge.answers = vec![Input::Subscribing(connected()), Input::Publishing(connected())];
        bridge.settle(now);
        Ok(bridge)
    }

    /// Takes messages in.
    pub(crate) fn receive(&mut self, mut messages: Vec<Incoming>, now: Now) {
        for message in &mut messages {
            message.subscription_ids.extend(self.subscriptions.get(&message.topic));
        }
        let actions = stage::receive(&mut self.machine, messages, now);
        self.carry_out(actions);
    }

    /// The stream that it asks for.
    pub(crate) fn take_open(&mut self) -> Option<Open> {
        let open = self.open.take();
        if open.is_some() {
            self.answers.push(Input::Runtime(StreamEvent::Connected));
        }
        open
    }

    pub(crate) fn take_requests(&mut self) -> Vec<ProcessRequest> {
        std::mem::take(&mut self.requests)
    }

    /// Takes responses, and works until the broker has nothing more to answer.
    pub(crate) fn take_responses(&mut self, responses: Vec<ProcessResponse>, now: Now) {
        let messages = responses.into_iter().filter_map(|response| response.message);
        self.answers.extend(messages.map(|message| Input::Runtime(StreamEvent::Message(message))));
        self.settle(now);
    }

    fn settle(&mut self, now: Now) {
        while !self.answers.is_empty() {
            let actions = stage::publish(&mut self.machine, std::mem::take(&mut self.answers), now);
            self.carry_out(actions);
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Subscribing(request) => self.answer(request, Input::Subscribing),
                Action::Publishing(request) => self.answer(request, Input::Publishing),
                Action::Open(open) => self.open = Some(open),
                Action::Send(message) => self.requests.push(ProcessRequest { message: Some(message) }),
                Action::Close | Action::Finish => {}
            }
        }
    }

    fn answer(&mut self, request: Request, input: fn(Event) -> Input) {
        match request {
            Request::Publish { token, .. } => self.answers.push(input(Event::Published { token, code: SUCCESS })),
            Request::Subscribe { token, filter, subscription_id, .. } => {
                self.subscriptions.insert(filter, subscription_id);
                self.answers.push(input(Event::Subscribed { token, code: SUCCESS }));
            }
            Request::Acknowledge { epoch, acks } => {
                let through = acks.last().map_or(0, |ack| ack.number);
                self.answers.push(input(Event::AcksWritten { epoch, through }));
                self.answers.push(input(Event::AcksConfirmed { epoch, through }));
            }
            _ => {}
        }
    }
}
