use super::*;

/// `symbol rank` of each tick.
fn ranks(payload: &str, properties: &[(&str, &str)]) -> Vec<String> {
    let rank = |tick: &Tick| {
        let name = match tick.content.as_ref().unwrap() {
            Content::Quote(quote) => quote.sid.clone(),
            Content::Indicator(indicator) => indicator.name.clone(),
            Content::Unusable(unusable) => format!("!{}", unusable.reason),
        };
        format!("{name} {}", tick.ordinal.unwrap())
    };
    read_with(payload.as_bytes(), properties).iter().map(rank).collect()
}

#[test]
fn the_rank_counts_among_ticks_of_one_identity() {
    let batch = [("id", "m"), ("source", "s")];
    for (payload, expected) in [
        // Each has its own identity.
        (
            r#"[{"sid":"A","quote":1,"seq":1},{"sid":"B","quote":1,"seq":2},{"sid":"C","quote":1,"id":"x"}]"#,
            vec!["A 0", "B 0", "C 0"],
        ),
        // One identity covers them.
        (r#"[{"sid":"A","quote":1},{"sid":"B","quote":1},{"sid":"A","quote":1}]"#, vec!["A 0", "B 1", "A 2"]),
        (
            r#"[{"sid":"A","quote":1},{"sid":"B","quote":1,"seq":9},{"sid":"C","quote":-1}]"#,
            vec!["A 0", "B 0", "!BadPrice 1"],
        ),
        (r#"{"sid":"A","quote":1}"#, vec!["A 0"]),
        ("hello", vec!["!NotJson 0"]),
        // Members of a map: by name, in byte order.
        (r#"{"b":1,"a":2,"B":3}"#, vec!["b 2", "a 1", "B 0"]),
        // Maps behind and between quotes of the same identity, each a block of its own.
        (
            r#"[{"z":1,"y":1},{"sid":"M","quote":1},{"b":1,"z":null,"a":1},{"sid":"A","quote":1}]"#,
            vec!["z 1", "y 0", "M 2", "b 4", "a 3", "A 5"],
        ),
    ] {
        assert_eq!(ranks(payload, &batch), expected, "{payload}");
    }
    let event = r#"{"specversion":"1.0","id":"e","source":"s","data":[{"b":1,"a":1},{"d":1,"c":1}]}"#;
    assert_eq!(ranks(event, &[]), ["b 1", "a 0", "d 3", "c 2"]);
}

#[test]
fn ten_thousand_ticks_are_ranked_in_no_time() {
    let payload: Vec<_> = (0..MAX_TICKS).rev().map(|number| format!(r#""s{number:05}":1"#)).collect();
    let ranks = ranks(&format!("{{{}}}", payload.join(",")), &[]);
    assert_eq!((ranks[0].as_str(), ranks[MAX_TICKS - 1].as_str()), ("s09999 9999", "s00000 0"));
}

proptest! {
    #[test]
    fn ranks_and_content_do_not_depend_on_the_order_in_which_maps_are_written(
        maps in proptest::collection::vec(proptest::collection::btree_set("s[a-h]{1,2}", 1..5), 1..5),
        seed: u64,
    ) {
        let write = |seed: u64| {
            let objects: Vec<_> = maps.iter().map(|names| {
                let mut names: Vec<_> = names.iter().collect();
                names.sort_by_key(|name| name.bytes().fold(seed, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
                }));
                let members: Vec<_> = names.iter().map(|name| format!(r#""{name}":{}"#, name.len())).collect();
                format!("{{{}}}", members.join(","))
            }).collect();
            format!("[{}]", objects.join(","))
        };
        let by_rank = |payload: String| -> BTreeMap<u32, Vec<u8>> {
            read(payload.as_bytes()).iter().map(|tick| (tick.ordinal.unwrap(), tick.content_sha256.to_vec())).collect()
        };
        let (one, other) = (by_rank(write(0)), by_rank(write(seed)));
        let count: usize = maps.iter().map(std::collections::BTreeSet::len).sum();
        prop_assert_eq!(one.len(), count, "every rank is given once");
        prop_assert_eq!(one, other);
    }
}
