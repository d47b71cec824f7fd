use serde_json::from_value;

use super::*;

/// A plan for the tests of others.
pub(crate) mod support {
    use super::*;

    /// Of resource `n/a` with the default broker.
    pub(crate) fn plan() -> Plan {
        super::plan(&algo(&random()), &settings(), None).unwrap()
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

fn settings(broker: &str) -> Settings {
    Settings::parse(&format!("{{runtimeImage: r, bridgeImage: b, networkPolicy: {{enabled: false}}{broker}}}")).unwrap()
}

fn algo(spec: &Value) -> TradingAlgo {
    from_value(json!({
        "apiVersion": API_VERSION, "kind": KIND,
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
    let plan = plan(&algo(&random()), &settings(", broker: {url: 'mqtt://b'}"), None).unwrap();
    let configure = plan.configure();
    assert_eq!((configure.account.as_str(), configure.generation), ("n/a", 7));
    let wire = configure.settings.unwrap();
    assert_eq!((wire.threshold.as_str(), wire.starting_cash.as_str()), ("0.5", "10.50"));
    assert_eq!(wire.parameters_json, r#"{"seed":1}"#);
    let expected = json!({
        "resourceUid": "0f1e2d3c-0000", "generation": 7, "algorithm": "random", "threshold": 0.5,
        "parameters": { "seed": 1 }, "startingCash": "10.50", "suspend": false,
    });
    assert_eq!(plan.settings_file(), expected);
}

#[test]
fn the_default_broker_serves_who_names_none_with_a_secret_of_their_own() {
    let given = settings(", broker: {url: 'mqtt://b:1884'}");
    let credentials = Credentials([("username".to_owned(), b"u".to_vec())].into());
    let broker = plan(&algo(&random()), &given, Some(&credentials)).unwrap().broker;
    assert_eq!(broker.address, Address { host: "b".to_owned(), port: 1884 });
    assert_eq!(broker.login.secret(), Some("a-broker-0f1e2d3c"));
    assert_eq!(plan(&algo(&random()), &given, None).unwrap().broker.login, Login::Anonymous);

    let mut own = random();
    own["broker"] = json!({ "url": "mqtts://own", "secretRef": { "name": "mine" } });
    let broker = plan(&algo(&own), &given, Some(&credentials)).unwrap().broker;
    assert_eq!((broker.address.port, broker.login), (8883, Login::Named { secret: "mine".to_owned() }));
}

#[test]
fn every_problem_is_told_at_once_the_missing_broker_too() {
    let mut bad = random();
    bad["channels"] = json!({ "subscribe": ["a/#/b"] });
    bad["algorithm"] = json!({ "address": "https://elsewhere:1" });
    let problems = plan(&algo(&bad), &settings(""), None).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["spec.algorithm.address", "spec.broker", "spec.channels.subscribe[0]"]);
}

#[test]
fn credentials_are_not_printed() {
    let credentials = Credentials([("password".to_owned(), b"hunter2".to_vec())].into());
    assert!(!format!("{credentials:?}").contains("hunter2"));
}
