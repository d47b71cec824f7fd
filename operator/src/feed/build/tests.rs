use serde_json::{Value, json};

use super::*;
use crate::{
    feed::plan::{
        plan,
        tests::{feed as given, settings},
    },
    settings::credentials::Credentials,
};

fn built(more: &Value, credentials: Option<&Credentials>) -> Desired {
    let settings = settings();
    desired(&plan(&given(more), &settings, credentials).unwrap(), &settings)
}

fn mounts(desired: &Desired) -> String {
    let template = &desired.deployment.spec.as_ref().unwrap().template;
    template.metadata.as_ref().unwrap().annotations.as_ref().unwrap()["intuition.dev/mounts"].clone()
}

#[test]
fn pod_is_replaced_for_another_spec_and_another_login_alone() {
    let usual = mounts(&built(&json!({}), None));
    assert_eq!(mounts(&built(&json!({ "suspend": true }), None)), usual);
    assert_ne!(mounts(&built(&json!({ "staleAfter": "1m" }), None)), usual);
    let credentials = |password: &str| Credentials([("password".to_owned(), password.into())].into());
    let first = mounts(&built(&json!({}), Some(&credentials("a"))));
    assert_ne!(first, usual);
    assert_ne!(mounts(&built(&json!({}), Some(&credentials("b")))), first);
}

#[test]
fn suspended_feed_has_no_pod() {
    let replicas = |more: Value| built(&more, None).deployment.spec.unwrap().replicas;
    assert_eq!((replicas(json!({})), replicas(json!({ "suspend": true }))), (Some(1), Some(0)));
}

#[test]
fn source_says_which_servers_are_reached() {
    let ports = |source: Value| {
        let policy = built(&json!({ "source": source }), None).policy.unwrap();
        let rules = policy.spec.unwrap().egress.unwrap();
        // The first rule is for DNS, the second one for the broker.
        let rules = rules.into_iter().skip(2).map(|rule| {
            let peer = rule.to.map(|peers| peers[0].ip_block.clone().unwrap().cidr);
            (json!(rule.ports.unwrap()[0].port), peer)
        });
        rules.collect::<Vec<_>>()
    };
    let exchange = |name: &str, more: Value| {
        let mut exchange = json!({ "name": name, "symbols": ["A"] });
        exchange.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "exchange": exchange })
    };
    assert_eq!(ports(exchange("Binance", json!({}))), [(json!(9443), None), (json!(443), None)]);
    assert_eq!(ports(exchange("Kraken", json!({}))), [(json!(443), None)]);
    let local = json!({ "url": "ws://10.0.0.7:8080/v2", "restUrl": "http://market:8081" });
    let expected = [(json!(8080), Some("10.0.0.7/32".to_owned())), (json!(8081), None)];
    assert_eq!(ports(exchange("Kraken", local)), expected);
    assert_eq!(ports(json!({ "file": { "url": "https://files.example.com/a.csv" } })), [(json!(443), None)]);
    assert_eq!(ports(json!({ "file": { "claim": { "name": "a", "path": "b" } } })), []);
    let table = json!({
        "secretRef": { "name": "db" }, "table": "t", "cursor": { "column": "id" }, "columns": { "sid": "s", "price": "p" },
    });
    assert_eq!(ports(json!({ "postgres": table })), [(json!(5432), None)]);
}
