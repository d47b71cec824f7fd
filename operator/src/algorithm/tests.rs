use serde_json::{Value, from_value, json};

use super::*;

pub(super) fn algo(name: &str, algorithm: &Value, service: Option<&str>) -> PartialObject {
    let address = service.map(|service| format!("http://{service}.n.svc.cluster.local:50051"));
    from_value(json!({
        "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo",
        "metadata": { "name": name, "namespace": "n", "uid": name },
        "spec": { "algorithm": algorithm },
        "status": { "backend": { "algorithm": "x", "version": "1", "address": address } },
    }))
    .unwrap()
}

fn old_image(name: &str) -> OldImage {
    OldImage { name: name.to_owned(), image: "registry/a:1".to_owned(), port: Some(50_051), ready: 1 }
}

#[test]
fn old_image_stays_while_it_is_active_and_until_the_new_one_answers() {
    let named = json!({ "name": "mine" });
    let (old, new) = ("mine-algorithm-00000001", "mine-algorithm-00000002");
    let users = |algos: &[PartialObject]| Users::of("n", "mine", algos);
    let (moved, behind) = (algo("a", &named, Some(new)), algo("b", &named, Some(old)));
    let leaving = algo("c", &json!({ "builtin": "random" }), Some(old));
    assert!(!is_removable(&old_image(old), &users(&[moved.clone(), behind]), true), "one has not moved");
    assert!(!is_removable(&old_image(old), &users(&[moved.clone(), leaving]), true), "one is on its way elsewhere");
    assert!(is_removable(&old_image(old), &users(std::slice::from_ref(&moved)), true));
    assert!(!is_removable(&old_image(old), &users(&[moved]), false), "the running image may be wanted back");
    assert!(is_removable(&old_image(old), &users(&[]), false), "no resource refers to it");
}
