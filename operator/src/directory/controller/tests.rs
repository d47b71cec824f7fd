use serde_json::{Value, from_value, json};

use super::*;

fn algo(name: &str, algorithm: &Value, service: Option<&str>) -> Guarded {
    let address = service.map(|service| format!("http://{service}.n.svc.cluster.local:50051"));
    from_value(json!({
        "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo",
        "metadata": { "name": name, "namespace": "n", "uid": name },
        "spec": { "algorithm": algorithm },
        "status": { "backend": { "algorithm": "x", "version": "1", "address": address } },
    }))
    .unwrap()
}

fn former(name: &str) -> Former {
    Former { name: name.to_owned(), image: "registry/a:1".to_owned(), port: Some(50_051), ready: 1 }
}

#[test]
fn a_former_image_stays_while_somebody_decides_by_it_and_until_the_new_one_answers() {
    let named = json!({ "name": "mine" });
    let (old, new) = ("mine-algorithm-00000001", "mine-algorithm-00000002");
    let users = |algos: &[Guarded]| Users::of("n", "mine", algos);
    let (moved, behind) = (algo("a", &named, Some(new)), algo("b", &named, Some(old)));
    let leaving = algo("c", &json!({ "builtin": "random" }), Some(old));
    assert!(!may_go(&former(old), &users(&[moved.clone(), behind]), true), "one has not moved");
    assert!(!may_go(&former(old), &users(&[moved.clone(), leaving]), true), "one is on its way elsewhere");
    assert!(may_go(&former(old), &users(std::slice::from_ref(&moved)), true));
    assert!(!may_go(&former(old), &users(&[moved]), false), "what runs may be wanted back");
    assert!(may_go(&former(old), &users(&[]), false), "nobody refers to it");
}

#[test]
fn an_algorithm_is_woken_by_who_comes_who_goes_and_who_moves_and_by_nobody_else() {
    let known = Known::default();
    let woken = |algo: &Guarded| mentioned(&known, algo).into_iter().map(|found| found.name).collect::<Vec<_>>();
    let (one, other) = (json!({ "name": "one" }), json!({ "name": "other" }));
    assert_eq!(woken(&algo("a", &one, None)), ["one"]);
    assert_eq!(woken(&algo("a", &one, None)), Vec::<String>::new(), "its account changed, for all we know");
    assert_eq!(woken(&algo("a", &one, Some("one-algorithm-00000001"))), ["one"], "it decides by it");
    assert_eq!(woken(&algo("a", &other, Some("one-algorithm-00000001"))), ["one", "other"]);
    assert_eq!(woken(&algo("a", &other, Some("other-algorithm-00000002"))), ["one", "other"]);
    let mut gone = algo("a", &other, Some("other-algorithm-00000002"));
    gone.meta_mut().deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time("2026-01-02T03:04:05Z".parse().unwrap()));
    assert_eq!(woken(&gone), ["other"]);
    assert_eq!(woken(&algo("b", &json!({ "builtin": "random" }), None)), Vec::<String>::new());
}
