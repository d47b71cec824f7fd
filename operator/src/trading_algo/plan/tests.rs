use intuition_api::v1;
use intuition_resources::{API_VERSION, Ledger, TRADING_ALGO_KIND};
use serde_json::{Value, from_value};

use super::*;
use crate::{account::plan::runtime::configure_as_stored, settings::credentials::Credentials, workload::broker::Login};

/// A plan for the tests of others.
pub(crate) mod support {
    use super::*;

    /// Of resource `n/a` with the default broker.
    pub(crate) fn plan() -> Plan {
        super::plan_of(&algo(&random()), &settings(), None, None).unwrap()
    }

    /// Settings with a default broker and without network policies.
    pub(crate) fn settings() -> Settings {
        super::settings(", broker: {url: 'mqtt://b'}")
    }

    /// The resource with this spec.
    pub(crate) fn algo(spec: &Value) -> TradingAlgo {
        super::algo(spec)
    }

    /// A spec with the algorithm `random`.
    pub(crate) fn random() -> Value {
        super::random()
    }
}

fn plan_of(
    algo: &TradingAlgo,
    settings: &Settings,
    credentials: Option<&Credentials>,
    algorithm: Option<&PartialObject<Algorithm>>,
) -> Result<Plan, Vec<FieldError>> {
    let previous = algo.status.as_ref();
    plan(algo, Inputs { credentials, algorithm, previous, ..Inputs::new(settings) })
}

fn settings(broker: &str) -> Settings {
    Settings::parse(&format!(
        "{{runtimeImage: r, bridgeImage: b, networkPolicy: {{enabled: false}}, topics: {{confine: Off}}{broker}}}"
    ))
    .unwrap()
}

fn algo(spec: &Value) -> TradingAlgo {
    from_value(json!({
        "apiVersion": API_VERSION, "kind": TRADING_ALGO_KIND,
        "metadata": { "name": "a", "namespace": "n", "uid": "0f1e2d3c-0000", "generation": 7 },
        "spec": spec,
    }))
    .unwrap()
}

fn random() -> Value {
    json!({ "algorithm": { "builtin": "random", "parameters": { "seed": 1 } }, "startingCash": "10.50" })
}

#[test]
fn configure_and_the_settings_file_say_the_same() {
    let plan = plan_of(&algo(&random()), &settings(", broker: {url: 'mqtt://b'}"), None, None).unwrap();
    let configure = plan.configure("7.00", false).unwrap();
    assert_eq!((configure.account.as_str(), configure.generation), ("n/a", 7));
    let wire = configure.settings.unwrap();
    assert_eq!((wire.threshold.as_str(), wire.starting_cash.as_str()), ("0.5", "10.50"));
    assert_eq!(wire.parameters_json, r#"{"seed":1}"#);
    let expected = json!({
        "resourceUid": "0f1e2d3c-0000", "generation": 7, "algorithm": "random", "threshold": 0.5,
        "parameters": { "seed": 1 }, "startingCash": "10.50", "suspend": false,
    });
    assert_eq!(plan.settings_file(), Some(expected));
}

#[test]
fn the_default_broker_serves_who_names_none_with_a_secret_of_their_own() {
    let given = settings(", broker: {url: 'mqtt://b:1884'}");
    let credentials = Credentials([("username".to_owned(), b"u".to_vec())].into());
    let broker = plan_of(&algo(&random()), &given, Some(&credentials), None).unwrap().broker;
    assert_eq!(broker.address, Address { host: "b".to_owned(), port: 1884 });
    assert_eq!(broker.login.secret(), Some("a-broker-0f1e2d3c"));
    assert_eq!(plan_of(&algo(&random()), &given, None, None).unwrap().broker.login, Login::Anonymous);

    let mut own = random();
    own["broker"] = json!({ "url": "mqtts://own", "secretRef": { "name": "mine" } });
    let broker = plan_of(&algo(&own), &given, Some(&credentials), None).unwrap().broker;
    assert_eq!((broker.address.port, broker.login), (8883, Login::Named { secret: "mine".to_owned() }));
}

#[test]
fn every_problem_is_told_at_once_the_missing_broker_too() {
    let mut bad = random();
    bad["channels"] = json!({ "subscribe": ["a/#/b"] });
    bad["algorithm"] = json!({ "address": "https://elsewhere:1" });
    let problems = plan_of(&algo(&bad), &settings(""), None, None).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["spec.algorithm.address", "spec.broker", "spec.channels.subscribe[0]"]);
}

#[test]
fn credentials_are_not_printed() {
    let credentials = Credentials([("password".to_owned(), b"hunter2".to_vec())].into());
    assert!(!format!("{credentials:?}").contains("hunter2"));
}

fn named(spec: &Value, status: &Value) -> PartialObject<Algorithm> {
    from_value(json!({
        "apiVersion": API_VERSION, "kind": "Algorithm",
        "metadata": { "name": "mine", "namespace": "n", "uid": "u-2", "generation": 3 },
        "spec": spec, "status": status,
    }))
    .unwrap()
}

/// The plan of a resource that names `mine`.
fn naming(found: Option<&PartialObject<Algorithm>>) -> Plan {
    let spec = json!({ "algorithm": { "name": "mine" } });
    plan_of(&algo(&spec), &settings(", broker: {url: 'mqtt://b'}"), None, found).unwrap()
}

#[test]
fn an_algorithm_is_found_at_its_address_or_at_the_service_of_its_image() {
    let url = |found: &PartialObject<Algorithm>| match naming(Some(found)).live_settings.algorithm {
        AlgorithmRef::Served { url, is_coming, .. } => (url, is_coming),
        other => panic!("{other:?}"),
    };
    let elsewhere = named(&json!({ "address": "http://elsewhere:7/" }), &Value::Null);
    assert_eq!(url(&elsewhere), ("http://elsewhere:7".to_owned(), true), "nobody has seen it answer yet");
    let seen = json!({ "healthy": true, "observedGeneration": 3, "address": "http://elsewhere:7" });
    assert_eq!(
        url(&named(&json!({ "address": "http://elsewhere:7" }), &seen)),
        ("http://elsewhere:7".to_owned(), false)
    );
    // The hash is that of `printf registry/a:1 | sha256sum`.
    let image = named(&json!({ "image": "registry/a:1", "port": 9000 }), &seen);
    assert_eq!(url(&image), ("http://mine-algorithm-496add20.n.svc.cluster.local:9000".to_owned(), true));
    let plan = naming(Some(&image));
    let file = plan.settings_file().unwrap();
    assert_eq!(file["algorithmAddress"], "http://mine-algorithm-496add20.n.svc.cluster.local:9000");
    assert_eq!(file.get("algorithm"), None);
    let wire = plan.configure("7.00", false).unwrap().settings.unwrap();
    assert_eq!((wire.algorithm.as_str(), json!(wire.algorithm_address)), ("", file["algorithmAddress"].clone()));
}

#[test]
fn configure_keeps_the_deposits_if_the_resource_names_none() {
    let open = json!({ "algorithm": { "builtin": "random" } });
    let plan = plan_of(&algo(&open), &settings(", broker: {url: 'mqtt://b'}"), None, None).unwrap();
    let request = plan.configure("500.00", false).unwrap();
    assert_eq!((request.settings.unwrap().starting_cash.as_str(), request.starting_cash_unchanged), ("500.00", true));
    let named = support::plan().configure("500.00", true).unwrap();
    let wire = named.settings.unwrap();
    assert_eq!((wire.starting_cash.as_str(), wire.suspend), ("10.50", true));
    assert!(!named.starting_cash_unchanged);
}

#[test]
fn stored_settings_are_sent_at_their_generation_and_move_no_money() {
    let plan = support::plan();
    let text = plan.settings_file().unwrap().to_string();
    let stored = |text: &str, uid: &str| configure_as_stored(text, "n/a".to_owned(), uid, "500.00", true);
    let mut expected = plan.configure("", true).unwrap();
    expected.settings.as_mut().unwrap().starting_cash = "500.00".to_owned();
    assert_eq!(stored(&text, &plan.uid), Some(expected));
    assert_eq!(stored(&text, "other"), None);
    assert_eq!(stored("{", &plan.uid), None);
    assert_eq!(stored(r#"{"resourceUid":"u"}"#, "u"), None);
}

#[test]
fn the_trading_state_of_a_plan_is_that_of_fields_and_annotations() {
    let mut spec = random();
    spec["tradingState"] = json!("Reducing");
    let mut algo = algo(&spec);
    algo.metadata.annotations = Some([(annotation::HALT.to_owned(), "jo".to_owned())].into());
    let plan = plan_of(&algo, &settings(", broker: {url: 'mqtt://b'}"), None, None).unwrap();
    let codes: Vec<_> = plan.trading.causes().iter().map(|held| held.cause.as_str()).collect();
    assert_eq!((codes, plan.trading.is_halted_by_spec()), (vec!["Halt", "User"], false));
}

#[test]
fn missing_algorithm_gives_no_settings_for_a_runtime() {
    let mut going = named(&json!({ "address": "http://elsewhere:7" }), &Value::Null);
    going.meta_mut().deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time("2026-01-02T03:04:05Z".parse().unwrap()));
    let beyond = named(&json!({ "ofTheNextRelease": true }), &Value::Null);
    for (found, why) in
        [(None, "there is no Algorithm mine"), (Some(&going), "being deleted"), (Some(&beyond), "cannot be used")]
    {
        let mut plan = naming(found);
        let AlgorithmRef::Missing(message) = &plan.live_settings.algorithm else { panic!("{:?}", plan.live_settings) };
        assert!(message.contains(why), "{message}");
        assert_eq!((plan.settings_file(), plan.configure("7.00", true)), (None, None));
        assert!(plan.has_nothing_to_start());
        plan.ledger = Some(Ledger { claim_name: String::new(), claim_uid: String::new() });
        assert!(!plan.has_nothing_to_start(), "what has run goes on");
    }
}

#[test]
fn who_decides_is_known_by_address_and_by_name() {
    let account = |name: &str, address: &str| v1::AccountResponse {
        backend: Some(v1::Backend { name: name.to_owned(), address: address.to_owned(), ..v1::Backend::default() }),
        ..v1::AccountResponse::default()
    };
    let builtin = plan_of(&algo(&random()), &settings(", broker: {url: 'mqtt://b'}"), None, None).unwrap();
    assert!(builtin.is_decided_by(&account("random", "")));
    assert!(!builtin.is_decided_by(&account("random", "http://elsewhere:7")), "another's by the same name");
    assert!(!builtin.is_decided_by(&account("sma-crossover", "")));
    let served = naming(Some(&named(&json!({ "address": "http://elsewhere:7" }), &Value::Null)));
    assert!(served.is_decided_by(&account("any", "http://elsewhere:7")));
    assert!(!served.is_decided_by(&account("any", "http://elsewhere:8")));
}

#[test]
fn topic_of_another_namespace_refuses_the_resource_or_warns() {
    let mut spec = random();
    spec["channels"] = json!({ "publish": "trades", "subscribe": ["quotes", "intuition/m/#"] });
    let planned = |confine: &str| {
        let text = format!(
            "{{runtimeImage: r, bridgeImage: b, networkPolicy: {{enabled: false}}, broker: {{url: 'mqtt://b'}}, \
             topics: {{confine: {confine}}}}}"
        );
        plan_of(&algo(&spec), &Settings::parse(&text).unwrap(), None, None)
    };
    let paths = |problems: Vec<FieldError>| problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>();
    let expected = ["spec.channels.publish", "spec.channels.subscribe[1]"];
    assert_eq!(paths(planned("Enforce").unwrap_err()), expected);
    assert_eq!(paths(planned("Warn").unwrap().warnings), expected);
    assert_eq!(planned("Off").unwrap().warnings, []);
}

#[test]
fn resource_and_settings_of_v0_1_0_go_on_with_a_warning() {
    // As the chart of v0.1.0 writes it, without the members of later releases.
    let settings = Settings::parse(
        "{runtimeImage: r, bridgeImage: b, imagePullPolicy: IfNotPresent, imagePullSecrets: [], broker: {url: 'mqtt://b'}, \
         clientIdPrefix: intuition, clusterDomain: cluster.local, logFormat: json, log: info, runtimeResources: {}, \
         bridgeResources: {}, nodeSelector: {}, tolerations: [], priorityClassName: '', networkPolicy: {enabled: true, \
         operatorNamespace: s, operatorPodLabels: {a: b}, metricsFrom: []}}",
    )
    .unwrap();
    let mut spec = random();
    spec["channels"] = json!({ "publish": "trades", "subscribe": ["intuition/m/#"] });
    let credentials = Credentials([("username".to_owned(), b"u".to_vec())].into());
    let plan = plan_of(&algo(&spec), &settings, Some(&credentials), None).unwrap();
    assert_eq!(plan.warnings.len(), 2);
    assert_eq!((plan.publish.as_deref(), plan.broker.login.secret()), (Some("trades"), Some("a-broker-0f1e2d3c")));
    assert_eq!((plan.second_settings_file(), plan.owner().installation), (None, None));
}

#[test]
fn runtime_is_told_the_rule_for_the_channels_of_its_algorithm() {
    let settings = |confine: &str| {
        let topics = format!("{{confine: {confine}, subscribe: [{{namespace: n, topics: ['intuition/market/#']}}]}}");
        let text = format!(
            "{{runtimeImage: r, bridgeImage: b, networkPolicy: {{enabled: false}}, broker: {{url: 'mqtt://b'}}, topics: {topics}}}"
        );
        Settings::parse(&text).unwrap()
    };
    let file = |spec: &Value, confine: &str| {
        plan_of(&algo(spec), &settings(confine), None, None).unwrap().second_settings_file()
    };
    let expected =
        |confine: &str| Some(json!({ "topics": { "confine": confine, "subscribe": ["intuition/market/#"] } }));
    assert_eq!(file(&random(), "Enforce"), expected("Enforce"));
    assert_eq!(file(&random(), "Warn"), expected("Warn"));
    assert_eq!(file(&random(), "Off"), None);
    let staging = file(&random(), "Warn, prefix: staging").unwrap();
    assert_eq!(staging["topics"]["prefix"], "staging");
    let mut named = random();
    named["channels"] = json!({ "subscribe": ["quotes"] });
    assert_eq!(file(&named, "Enforce"), None, "the operator has checked the resource's own channels");
}

#[test]
fn feeds_stand_before_inputs_and_may_be_the_only_channels() {
    let planned = |channels: Value, confine: &str| {
        let mut spec = random();
        spec["channels"] = channels;
        let text = format!(
            "{{runtimeImage: r, bridgeImage: b, networkPolicy: {{enabled: false}}, broker: {{url: 'mqtt://b'}}, \
             topics: {{confine: {confine}}}}}"
        );
        plan_of(&algo(&spec), &Settings::parse(&text).unwrap(), None, None)
    };
    let own = "intuition/n/feed.x/quotes";
    let plan = planned(json!({ "inputs": [{ "topic": "quotes" }], "from": [{ "feed": "x" }] }), "Enforce").unwrap();
    let topics: Vec<_> = plan.inputs.iter().map(|input| input.topic.as_str()).collect();
    assert_eq!(
        (topics, plan.subscribe.clone().unwrap()),
        (vec![own, "quotes"], vec!["quotes".to_owned(), own.to_owned()])
    );
    let reasons: Vec<_> = plan.source_problems.iter().map(|problem| problem.reason).collect();
    assert_eq!((reasons, plan.channel_rule), (vec!["SourceMissing"], None));

    let foreign = || json!([{ "feed": "x", "namespace": "m" }]);
    let beside = planned(json!({ "subscribe": ["quotes"], "from": foreign() }), "Enforce").unwrap();
    assert_eq!(beside.subscribe.unwrap(), ["quotes"], "the other channels go on");
    assert_eq!((beside.source_problems.len(), beside.warnings.len()), (1, 0));
    let alone = planned(json!({ "from": foreign() }), "Enforce").unwrap_err();
    let [problem] = alone.as_slice() else { panic!("{alone:?}") };
    assert_eq!((problem.reason, problem.path.as_str()), ("TopicNotAllowed", "spec.channels.from[0]"));
    let warned = planned(json!({ "from": foreign() }), "Warn").unwrap();
    assert_eq!(warned.subscribe.unwrap(), ["intuition/m/feed.x/quotes"]);
    assert!(!warned.source_problems[0].is_fault && warned.warnings.is_empty());
}
