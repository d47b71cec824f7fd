use super::*;

fn identity(payload: &str, properties: &[(&str, &str)]) -> (Vec<String>, String, Option<i64>, u64) {
    let parsed = parse(payload.as_bytes(), properties, &[]);
    let (id, seq) = (parsed.ticks[0].id.clone(), parsed.ticks[0].seq);
    (show(&parsed.ticks), id, seq, parsed.notes.seq_ignored)
}

#[test]
fn a_sequence_number_is_an_integer_in_any_notation() {
    for (seq, number) in [
        ("7", 7),
        ("2.0", 2),
        ("2e0", 2),
        ("0", 0),
        ("-0", 0),
        ("\"7\"", 7),
        ("\"+7\"", 7),
        ("\"007\"", 7),
        ("\"2.0\"", 2),
        ("9223372036854775807", i64::MAX),
    ] {
        let payload = format!(r#"{{"sid":"A","quote":1,"source":"x","seq":{seq}}}"#);
        assert_eq!(identity(&payload, &[]), (vec!["A 1".to_owned()], String::new(), Some(number), 0), "{seq}");
        let text = seq.trim_matches('"');
        let (_, _, read, _) = identity(r#"{"a":1}"#, &[("source", "x"), ("seq", text)]);
        assert_eq!(read, Some(number), "user property {text}");
    }
}

const BAD: [&str; 10] =
    ["1.5", "-1", "9223372036854775808", "1e400", "true", "[1]", "{}", "\"seven\"", "\"\"", "\"1.5\""];

#[test]
fn any_other_sequence_number_is_a_bad_identity() {
    for seq in BAD {
        for around in [r#""source":"x","#, ""] {
            let payload = format!(r#"{{"sid":"A","quote":1,{around}"seq":{seq}}}"#);
            let ticks = read(payload.as_bytes());
            assert_eq!(show(&ticks), ["!BadIdentity"], "{payload}");
            assert_eq!(ticks[0].seq, None);
            let (_, message) = complaint(&payload);
            assert!(message.starts_with(&format!("seq: {seq} is no integer from 0 to")), "{message}");
        }
    }
    for seq in ["1.5", "-1", "true", ""] {
        assert_eq!(identity(r#"{"a":1,"b":2}"#, &[("seq", seq)]).0, ["!BadIdentity"], "user property {seq:?}");
    }
    let event = r#"{"specversion":"1.0","sequence":"x","data":[{"a":1},{"sid":"B","quote":2,"seq":3}]}"#;
    assert_eq!(show(&read(event.as_bytes())), ["!BadIdentity", "B 2"], "an inner number replaces a bad outer one");
}

#[test]
fn a_bad_sequence_number_beside_an_id_is_left_out_and_counted() {
    for seq in BAD {
        let payload = format!(r#"{{"sid":"A","quote":1,"source":"x","id":"i","seq":{seq}}}"#);
        assert_eq!(identity(&payload, &[]), (vec!["A 1".to_owned()], "i".to_owned(), None, 1), "{seq}");
    }
    let inherited = identity(r#"{"sid":"A","quote":1,"seq":-1}"#, &[("id", "i")]);
    assert_eq!(inherited, (vec!["A 1".to_owned()], "i".to_owned(), None, 1));
    let replaced = identity(r#"[{"sid":"A","quote":1,"id":"i"},{"a":1,"b":2}]"#, &[("seq", "x"), ("id", "o")]);
    assert_eq!(replaced, (vec!["A 1".to_owned(), "a 1".to_owned(), "b 2".to_owned()], "i".to_owned(), None, 3));
    let event = r#"{"specversion":"1.0","id":"e","sequence":"x","data":{"a":1}}"#;
    assert_eq!(identity(event, &[]), (vec!["a 1".to_owned()], "e".to_owned(), None, 1));
}

#[test]
fn a_name_of_more_than_256_bytes_is_refused_and_not_cut() {
    let (fits, long) = ("x".repeat(256), "x".repeat(257));
    for member in ["id", "source"] {
        let payload = |text: &str| format!(r#"{{"sid":"A","quote":1,"{member}":"{text}"}}"#);
        assert_eq!(show(&read(payload(&fits).as_bytes())), ["A 1"]);
        assert_eq!(complaint(&payload(&long)).0, "IdentityTooLong");
        assert_eq!(identity(r#"{"a":1}"#, &[(member, &fits)]).0, ["a 1"]);
        assert_eq!(identity(r#"{"a":1,"b":2}"#, &[(member, &long)]).0, ["!IdentityTooLong"]);
        let event = format!(r#"{{"specversion":"1.0","{member}":"{long}","data":{{"a":1,"b":2}}}}"#);
        assert_eq!(complaint(&event).0, "IdentityTooLong");
    }
}

fn hash(payload: &str) -> Vec<u8> {
    read(payload.as_bytes())[0].content_sha256.to_vec()
}

#[test]
fn the_content_hash_is_of_symbol_and_price_however_they_are_written() {
    let expected = hash(r#"{"GOOG":3.45}"#);
    assert_eq!(expected.len(), 32);
    for payload in [
        r#"{"sid":"GOOG","quote":"3.450","time":"2026-01-02","id":"x"}"#,
        r#"{"symbol":"GOOG","price":345e-2,"source":"x","seq":7,"volume":12}"#,
        r#"{"symbol":"GOOG","price":"3.45","quote":"USD"}"#,
        r#"{"specversion":"1.0","id":"e","data":{"GOOG":3.45000000000000000001}}"#,
    ] {
        assert_eq!(hash(payload), expected, "{payload}");
    }
    for payload in [r#"{"GOOG":3.46}"#, r#"{"goog":3.45}"#, r#"{"GOOG":"x"}"#] {
        assert_ne!(hash(payload), expected, "{payload}");
    }
}

#[test]
fn the_content_hash_of_what_is_no_quote_is_of_its_own_text() {
    let ticks = read(br#"[{"sid":"A","quote":-1},{"sid":"A","quote":-2},{"sid":"A","quote":-1},7]"#);
    let hashes: Vec<_> = ticks.iter().map(|tick| tick.content_sha256.to_vec()).collect();
    assert!(hashes.iter().all(|hash| hash.len() == 32));
    assert_eq!(hashes[0], hashes[2]);
    assert_eq!(hashes[0], hash(r#"{"sid":"A","quote":-1}"#));
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[3]);
    let of_payload = |payload: &[u8]| read(payload)[0].content_sha256.to_vec();
    assert_ne!(of_payload(b"hello"), of_payload(b"hallo"));
    assert_eq!(of_payload(b"\xff").len(), 32);
}

proptest! {
    #[test]
    fn equal_prices_have_one_hash_and_others_another(units in 1_u64..10_000_000, zeros in 0_usize..6, quoted: bool) {
        let text = format!("{}.{:03}", units / 1_000, units % 1_000);
        let padded = text.clone() + &"0".repeat(zeros);
        let padded = if quoted { format!("{padded:?}") } else { padded };
        let exponent = format!("{units}e-3");
        let expected = hash(&format!(r#"{{"GOOG":{text}}}"#));
        prop_assert_eq!(&hash(&format!(r#"{{"sid":"GOOG","quote":{padded}}}"#)), &expected);
        prop_assert_eq!(&hash(&format!(r#"{{"symbol":"GOOG","price":{exponent}}}"#)), &expected);
        prop_assert_ne!(&hash(&format!(r#"{{"GOOG":"{}e-3"}}"#, units + 1)), &expected);
    }
}
