//! The calls of one look, against a server that answers as a runtime does and notes what it was asked.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex},
};

use intuition_api::{
    capability,
    v1::{
        self, Backend, CloseRequest, CloseResponse, ConfigureRequest, Decision, DecisionsRequest, ForgetSourcesRequest,
        ForgetSourcesResponse, ProcessRequest, ProcessResponse, ResetSourceRequest, ResetSourceResponse,
        SetTradingStateRequest, SetTradingStateResponse, Source, SourcesRequest, Trading, TradingState,
        runtime_server::{Runtime, RuntimeServer},
    },
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use super::*;
use crate::{
    account::{
        ask::{
            call::{Questions, connect},
            trading::{Suspension, TradingReport},
        },
        plan::AlgorithmRef,
        trading_state::RequestedState,
    },
    kubernetes::owner::Owner,
    names::annotation,
    trading_algo::plan::tests_support,
};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A runtime's account and its answers.
#[derive(Default)]
struct Scripted {
    account: AccountResponse,
    /// Whether the account cannot be read.
    is_unread: bool,
    /// Whether `SetTradingState` is not served.
    is_unserved: bool,
    /// Refusal of `SetTradingState`, which then changes nothing.
    refusal: Option<Refusal>,
    /// Refusals of `Configure`.
    refusals: Vec<Refusal>,
    states: Vec<SetTradingStateRequest>,
    configures: Vec<ConfigureRequest>,
    /// The calls that change something, in order.
    calls: Vec<&'static str>,
}

#[derive(Clone, Default)]
struct Served(Arc<Mutex<Scripted>>);

#[tonic::async_trait]
impl Runtime for Served {
    type ProcessStream = Answers<ProcessResponse>;
    type DecisionsStream = Answers<Decision>;
    type SourcesStream = Answers<Source>;

    async fn process(&self, _: Request<Streaming<ProcessRequest>>) -> Result<Response<Self::ProcessStream>, Status> {
        Err(Status::unimplemented("not asked for by an operator"))
    }

    async fn configure(&self, request: Request<ConfigureRequest>) -> Result<Response<ConfigureResponse>, Status> {
        let mut script = self.0.lock().unwrap();
        script.calls.push("Configure");
        script.configures.push(request.into_inner());
        Ok(Response::new(ConfigureResponse { refusals: script.refusals.clone(), ..ConfigureResponse::default() }))
    }

    async fn set_trading_state(
        &self,
        request: Request<SetTradingStateRequest>,
    ) -> Result<Response<SetTradingStateResponse>, Status> {
        let mut script = self.0.lock().unwrap();
        script.calls.push("SetTradingState");
        let request = request.into_inner();
        script.states.push(request.clone());
        let (refusal, is_unserved) = (script.refusal.clone(), script.is_unserved);
        let Some(trading) = script.account.trading.as_mut().filter(|_| !is_unserved) else {
            return Err(Status::unimplemented("of v0.1.0"));
        };
        if refusal.is_none() {
            let SetTradingStateRequest { causes, generation, .. } = request;
            let state = TradingState::strictest(&causes).into();
            *trading = Trading { state, number: trading.number + 1, generation, causes, closing: Vec::new() };
        }
        Ok(Response::new(SetTradingStateResponse { trading: Some(trading.clone()), refusal }))
    }

    async fn close(&self, _: Request<CloseRequest>) -> Result<Response<CloseResponse>, Status> {
        Err(Status::unimplemented("not asked for by an operator"))
    }

    async fn account(&self, _: Request<AccountRequest>) -> Result<Response<AccountResponse>, Status> {
        let script = self.0.lock().unwrap();
        if script.is_unread { Err(Status::internal("busy")) } else { Ok(Response::new(script.account.clone())) }
    }

    async fn decisions(&self, _: Request<DecisionsRequest>) -> Result<Response<Self::DecisionsStream>, Status> {
        Err(Status::unimplemented("not asked for by an operator"))
    }

    async fn sources(&self, _: Request<SourcesRequest>) -> Result<Response<Self::SourcesStream>, Status> {
        Err(Status::unimplemented("not asked for by an operator"))
    }

    async fn reset_source(&self, _: Request<ResetSourceRequest>) -> Result<Response<ResetSourceResponse>, Status> {
        self.0.lock().unwrap().calls.push("ResetSource");
        Ok(Response::new(ResetSourceResponse::default()))
    }

    async fn forget_sources(
        &self,
        _: Request<ForgetSourcesRequest>,
    ) -> Result<Response<ForgetSourcesResponse>, Status> {
        Err(Status::unimplemented("not asked for by an operator"))
    }
}

/// A runtime that trades by the settings of generation 7; `knows`: trading states.
fn serving(knows: bool) -> Scripted {
    let trading = Trading { state: TradingState::Active.into(), generation: 7, ..Trading::default() };
    let account = AccountResponse {
        deposits: "500.00".to_owned(),
        algorithm: "random".to_owned(),
        effective_generation: 7,
        capabilities: if knows { vec![capability::TRADING_STATE.to_owned()] } else { Vec::new() },
        trading: knows.then_some(trading),
        ..AccountResponse::default()
    };
    Scripted { account, ..Scripted::default() }
}

struct Bench {
    served: Served,
    client: RuntimeClient<Channel>,
    owner: Owner,
    /// Ends with the bench.
    _serving: JoinSet<Result<(), tonic::transport::Error>>,
}

impl Bench {
    async fn start(script: Scripted) -> Self {
        let served = Served(Arc::new(Mutex::new(script)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Server::builder().add_service(RuntimeServer::new(served.clone()));
        let mut serving = JoinSet::new();
        serving.spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        let client = connect("127.0.0.1", i32::from(port)).await.unwrap();
        Self { served, client, owner: tests_support::plan().owner(), _serving: serving }
    }

    /// One look. Without a plan the spec is not accepted, at generation 8.
    async fn look(&mut self, trading: &RequestedState, plan: Option<&Plan>, stored: Option<&str>) -> super::Answers {
        let generation = plan.map_or(8, |plan| plan.generation);
        let questions = Questions { owner: &self.owner, account: "n/a", generation, trading, plan, stored };
        ask(&mut self.client, &questions).await
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Scripted> {
        self.served.0.lock().unwrap()
    }

    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.script().calls)
    }
}

fn halted() -> RequestedState {
    RequestedState::read(None, Some(&json!(true)), None)
}

fn reducing() -> RequestedState {
    let annotations = BTreeMap::from([(annotation::REDUCE.to_owned(), "jo".to_owned())]);
    RequestedState::read(None, None, Some(&annotations))
}

fn refusal(reason: &str) -> Refusal {
    Refusal { reason: reason.to_owned(), field: String::new(), message: "no".to_owned() }
}

fn state(answers: &super::Answers) -> TradingState {
    answers.account.as_ref().unwrap().trading.as_ref().unwrap().state()
}

#[tokio::test]
async fn a_stop_is_sent_without_an_accepted_spec_and_once() {
    let mut bench = Bench::start(serving(true)).await;
    let answers = bench.look(&halted(), None, None).await;
    assert_eq!(state(&answers), TradingState::Halted, "the account is read after the call");
    assert!(matches!(answers.trading, TradingReport::Answered { refusal: None, .. }), "{:?}", answers.trading);
    assert_eq!(bench.calls(), ["SetTradingState"]);
    let sent = bench.script().states[0].clone();
    assert_eq!((sent.account.as_str(), sent.resource_uid.as_str()), ("n/a", "0f1e2d3c-0000"));
    assert_eq!((sent.generation, sent.from, sent.causes.as_slice()), (8, Some(0), halted().causes()));

    let again = bench.look(&halted(), None, None).await;
    assert!(matches!(again.trading, TradingReport::InForce));
    assert_eq!(bench.calls(), Vec::<&str>::new(), "at rest nothing is sent");
    let resumed = bench.look(&RequestedState::default(), None, None).await;
    assert_eq!(state(&resumed), TradingState::Active);
    assert_eq!(bench.script().states[1].from, Some(1));
}

#[tokio::test]
async fn a_stop_goes_first_and_waits_for_no_algorithm_parameter_or_swap() {
    let mut plan = tests_support::plan();
    plan.resets = crate::account::reset::parse(Some(r#"{"channel":"q","source":"s","era":0,"last":1}"#));
    plan.trading = halted();
    let mut bench = Bench::start(serving(true)).await;
    bench.script().account.candidate = Some(Backend::default());
    bench.script().refusals = vec![refusal("InvalidSettings")];
    let answers = bench.look(&halted(), Some(&plan), None).await;
    assert_eq!(state(&answers), TradingState::Halted);
    assert_eq!(bench.calls(), ["SetTradingState", "ResetSource", "Configure"]);
    let sent = bench.script().configures[0].settings.clone().unwrap();
    assert!(sent.suspend, "the same cause, in the words of v0.1.0");

    plan.live_settings.algorithm = AlgorithmRef::Missing("there is no Algorithm mine".to_owned());
    plan.resets = Ok(Vec::new());
    let answers = bench.look(&reducing(), Some(&plan), None).await;
    assert_eq!((state(&answers), bench.calls()), (TradingState::Reducing, vec!["SetTradingState"]));
}

#[tokio::test]
async fn retention_that_differs_is_sent_to_a_runtime_that_knows_it() {
    let mut plan = tests_support::plan();
    plan.storage = serde_json::from_value(json!({ "retain": { "decisions": 50_000, "for": "90d" } })).unwrap();
    let wanted = Some(v1::Retention { decisions: Some(50_000), age_seconds: Some(90 * 86_400) });
    let mut bench = Bench::start(serving(true)).await;
    bench.look(&RequestedState::default(), Some(&plan), None).await;
    assert_eq!(bench.calls(), Vec::<&str>::new(), "an older runtime keeps everything, and the status shows it");

    bench.script().account.capabilities.push(capability::RETENTION.to_owned());
    bench.look(&RequestedState::default(), Some(&plan), None).await;
    assert_eq!(bench.calls(), ["Configure"]);
    assert_eq!(bench.script().configures.pop().unwrap().retention, wanted);
    bench.script().account.retention = wanted;
    bench.look(&RequestedState::default(), Some(&plan), None).await;
    assert_eq!(bench.calls(), Vec::<&str>::new(), "at rest nothing is sent");

    plan.storage.retain = None;
    bench.look(&RequestedState::default(), Some(&plan), None).await;
    assert_eq!(bench.calls(), ["Configure"], "the limits end with the field");
    assert_eq!(bench.script().configures.pop().unwrap().retention, None);
}

#[tokio::test]
async fn a_state_of_an_older_generation_is_sent_and_its_refusal_reported() {
    let mut bench = Bench::start(serving(true)).await;
    bench.script().account.trading.as_mut().unwrap().causes = halted().causes().to_vec();
    bench.script().account.trading.as_mut().unwrap().generation = 40;
    bench.script().refusal = Some(refusal("OlderGeneration"));
    let answers = bench.look(&RequestedState::default(), None, None).await;
    let TradingReport::Answered { refusal: Some(refusal), .. } = &answers.trading else { panic!("{answers:?}") };
    assert_eq!(refusal.reason, "OlderGeneration");
    // Equal causes are in force, whichever generation they came from.
    assert!(matches!(bench.look(&halted(), None, None).await.trading, TradingReport::InForce));
}

#[tokio::test]
async fn a_stop_is_sent_where_the_account_cannot_be_read_and_can_lift_nothing() {
    let mut bench = Bench::start(serving(true)).await;
    bench.script().is_unread = true;
    let answers = bench.look(&halted(), None, None).await;
    assert!(answers.account.is_err() && matches!(answers.trading, TradingReport::Answered { .. }), "{answers:?}");
    assert_eq!(bench.script().states[0].from, None);
    bench.calls();
    let answers = bench.look(&RequestedState::default(), None, None).await;
    assert!(matches!(answers.trading, TradingReport::Unasked));
    assert_eq!(bench.calls(), Vec::<&str>::new());
}

#[tokio::test]
async fn old_runtime_is_halted_by_its_settings_in_each_pass() {
    let plan = tests_support::plan();
    let mut bench = Bench::start(serving(false)).await;
    for (trading, suspend) in [(halted(), true), (reducing(), true), (RequestedState::default(), false)] {
        let answers = bench.look(&trading, Some(&plan), None).await;
        let TradingReport::BySuspend(answer) = answers.trading else { panic!("{answers:?}") };
        assert_eq!(answer, Suspension::Taken { suspend });
        assert_eq!(bench.calls(), ["Configure"]);
        let sent = bench.script().configures.pop().unwrap();
        assert_eq!((sent.generation, sent.settings.unwrap().suspend), (7, suspend));
    }
    // It applies them during a swap, and nothing of settings that it cannot use.
    for (reason, expected) in [
        ("Swapping", Suspension::Taken { suspend: true }),
        ("BackendUnreachable", Suspension::Taken { suspend: true }),
        ("InsufficientCash", Suspension::Taken { suspend: true }),
        ("InvalidSettings", Suspension::Refused("InvalidSettings: no".to_owned())),
        ("OlderGeneration", Suspension::Refused("OlderGeneration: no".to_owned())),
        ("OtherUid", Suspension::Refused("OtherUid: no".to_owned())),
    ] {
        bench.script().refusals = vec![refusal(reason)];
        let answers = bench.look(&halted(), Some(&plan), None).await;
        assert!(matches!(&answers.trading, TradingReport::BySuspend(answer) if *answer == expected), "{answers:?}");
    }
}

#[tokio::test]
async fn old_runtime_is_halted_by_stored_settings_without_a_plan() {
    let mut plan = tests_support::plan();
    let stored = plan.settings_file().unwrap().to_string();
    plan.generation = 8;
    plan.live_settings.algorithm = AlgorithmRef::Missing("there is no Algorithm mine".to_owned());
    let mut bench = Bench::start(serving(false)).await;
    for plan in [None, Some(&plan)] {
        let answers = bench.look(&halted(), plan, Some(&stored)).await;
        assert!(answers.configured.is_none(), "no answer to the settings of this generation");
        assert!(matches!(answers.trading, TradingReport::BySuspend(Suspension::Taken { suspend: true })));
        let sent = bench.script().configures.pop().unwrap();
        let settings = sent.settings.unwrap();
        assert_eq!((sent.generation, settings.suspend, settings.algorithm.as_str()), (7, true, "random"));
        assert_eq!(settings.starting_cash, "500.00", "a stop moves no money");
    }
    let answers = bench.look(&halted(), None, None).await;
    assert!(matches!(answers.trading, TradingReport::BySuspend(Suspension::NoSettings)));
}

#[tokio::test]
async fn a_call_that_is_not_served_in_spite_of_the_capability_is_replaced_too() {
    let plan = tests_support::plan();
    let mut bench = Bench::start(serving(true)).await;
    bench.script().is_unserved = true;
    let answers = bench.look(&halted(), Some(&plan), None).await;
    assert!(matches!(answers.trading, TradingReport::BySuspend(Suspension::Taken { suspend: true })), "{answers:?}");
}

#[test]
fn warnings_of_a_page_are_read_and_a_page_of_v0_1_0_has_none() {
    let page: Readiness = serde_json::from_value(json!({"ready": true, "missing": []})).unwrap();
    assert_eq!(page, Readiness::default());
    let warning =
        json!({"part": "publishing", "reason": "Undeliverable", "message": "why", "since": "2026-01-02T03:04:05Z"});
    let page = json!({"ready": true, "missing": [], "warnings": [warning], "of a later release": 1});
    let page: Readiness = serde_json::from_value(page).unwrap();
    assert_eq!((page.missing.len(), page.warnings[0].reason.as_str()), (0, "Undeliverable"));
}
