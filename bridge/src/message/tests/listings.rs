use super::*;

fn listed(payload: &str, inputs: &[&[&str]]) -> Vec<String> {
    show(&parse(payload.as_bytes(), &[], inputs).ticks)
}

#[test]
fn a_listed_name_is_a_symbol_even_if_it_is_reserved() {
    assert_eq!(listed(r#"{"ts":3.45,"Last":2}"#, &[&["ts", "Last"]]), ["ts 3.45", "Last 2"]);
    assert_eq!(listed(r#"{"ts":3.45}"#, &[&["ts"], &["goog"]]), ["ts 3.45"], "the first input counts");
    assert_eq!(listed(r#"{"price":3.45,"symbol":2}"#, &[&["goog"]]), ["!BadSymbol"], "a quote all the same");
    assert_eq!(listed(r#"{"price":3.45}"#, &[&["price"]]), ["price 3.45"]);
    assert_eq!(listed(r#"{"price":3.45}"#, &[&["goog"]]), ["!MissingField"]);
}

#[test]
fn beside_listed_symbols_other_members_are_passed_over() {
    for (payload, expected) in [
        (r#"{"goog":3.45,"ts":1700000000}"#, vec!["goog 3.45"]),
        (
            r#"{"goog":3.45,"ts":1700000000,"venue":"NMS","ok":true,"x":[1],"y":-1,"z":1e400,"n":null}"#,
            vec!["goog 3.45"],
        ),
        // Certainly a price, so that the runtime answers that its symbol is not listed.
        (r#"{"goog":3.45,"aapl":7,"ts":1}"#, vec!["goog 3.45", "aapl 7"]),
        (r#"{"aapl":7}"#, vec!["aapl 7"]),
        (r#"{"quote":"USD","goog":3.45}"#, vec!["goog 3.45"]),
        (r#"{"sid":"aapl","quote":3.45}"#, vec!["aapl 3.45"]),
        (r#"{"goog":"n/a","aapl":7}"#, vec!["!BadPrice"]),
        (r#"{"goog":-1}"#, vec!["!BadPrice"]),
        (r#"{"temperature":21.5,"ok":true}"#, vec!["!NotAQuote"]),
        (r#"{"n":null}"#, vec!["!NotAQuote"]),
    ] {
        assert_eq!(listed(payload, &[&["goog", "msft"]]), expected, "{payload}");
    }
    let parsed = parse(br#"{"goog":null,"n":null,"ts":1}"#, &[], &[&["goog"]]);
    assert_eq!((parsed.ticks, parsed.notes.no_price), (vec![], 1));
}

#[test]
fn an_input_without_a_list_takes_every_symbol_whatever_a_later_one_lists() {
    let inputs: &[&[&str]] = &[&[], &["ts"]];
    assert_eq!(listed(r#"{"goog":3.45,"aapl":17}"#, inputs), ["goog 3.45", "aapl 17"]);
    assert_eq!(listed(r#"{"goog":3.45,"ts":17}"#, inputs), ["!NotAQuote"]);
}
