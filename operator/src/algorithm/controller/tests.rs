use serde_json::json;

use super::*;
use crate::algorithm::tests::algo;

#[test]
fn algorithm_is_reconciled_when_a_reference_to_it_changes() {
    let known = ChangeFilter::default();
    let woken =
        |algo: &PartialObject| referred_to(&known, algo).into_iter().map(|found| found.name).collect::<Vec<_>>();
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
