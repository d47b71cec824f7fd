//! Manifests of feeds: valid manifests are read, each invalid manifest is refused for one reason.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use intuition_api::topic::PREFIX;
use intuition_resources::{
    Data, Feed, Model, Speed,
    validate::{FieldError, check_feed, parse_feed},
};
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

fn manifest(spec: &Value) -> Value {
    json!({ "apiVersion": "intuition.dev/v1alpha1", "kind": "Feed", "metadata": { "name": "sample" }, "spec": spec })
}

fn with_source(source: &Value) -> Value {
    manifest(&json!({ "source": source }))
}

fn generator() -> Value {
    json!({ "model": "RandomWalk", "startPrice": 100, "volatility": "0.2", "interval": "1s", "symbols": ["ACME"] })
}

fn exchange() -> Value {
    json!({ "name": "Binance", "symbols": ["BTCUSDT"] })
}

fn postgres() -> Value {
    json!({
        "secretRef": { "name": "db" }, "table": "public.trades", "cursor": { "column": "id" },
        "columns": { "sid": "symbol", "price": "price" },
    })
}

fn file() -> Value {
    json!({ "claim": { "name": "quotes", "path": "2026/goog.csv" } })
}

/// A source with one member changed, or removed by null.
fn changed(mut source: Value, member: &str, value: Value) -> Value {
    let members = source.as_object_mut().unwrap();
    match value {
        Value::Null => drop(members.remove(member)),
        value => drop(members.insert(member.to_owned(), value)),
    }
    source
}

fn parsed(manifest: &Value) -> Feed {
    parse_feed(manifest).unwrap()
}

#[test]
fn feeds_of_every_source_are_read_with_their_defaults() {
    let feed = parsed(&with_source(&json!({ "generator": generator() })));
    assert_eq!(feed.metadata.namespace.as_deref(), Some("default"));
    let read = feed.spec.source.generator.unwrap();
    assert_eq!((read.model, read.seed, read.start_price.as_str()), (Model::RandomWalk, 0, "100"));
    assert_eq!((read.volatility.as_str(), read.interval.micros()), ("0.2", 1_000_000));
    assert!(!feed.spec.publish.backfill && !feed.spec.suspend && feed.spec.stale_after.is_none());

    let read = parsed(&with_source(&json!({ "exchange": exchange() }))).spec.source.exchange.unwrap();
    assert_eq!((read.data, read.interval), (Data::Trades, None));
    let read = parsed(&with_source(&json!({ "postgres": postgres() }))).spec.source.postgres.unwrap();
    assert_eq!((read.cursor.start, read.columns.time, read.allow_bad_rows), (0, None, false));
    let read = parsed(&with_source(&json!({ "file": file() }))).spec.source.file.unwrap();
    assert_eq!((read.speed, read.reverse, read.allow_bad_lines), (Speed::Max, false, false));
}

#[test]
fn feeds_with_all_fields_read_back_as_they_were() {
    let generator = changed(changed(generator(), "seed", json!(7)), "interval", json!("200ms"));
    let bars = json!({
        "name": "Kraken", "symbols": ["BTC/USD", "ETH/USD"], "data": "Bars", "interval": "1m",
        "url": "wss://localhost:8443/v2", "restUrl": "https://localhost:8443", "caSecretRef": { "name": "ca" },
    });
    let table = json!({
        "secretRef": { "name": "db" }, "table": "bars", "cursor": { "column": "id", "start": 1_000_000 },
        "columns": {
            "sid": "s", "price": "close", "time": "t", "size": "z", "open": "o", "high": "h", "low": "l", "volume": "v",
            "bid": "b", "ask": "a",
        },
        "interval": "500s", "settle": "2m", "allowBadRows": true,
    });
    let csv = json!({
        "configMap": { "name": "quotes", "key": "goog.csv.gz" }, "sourceName": "goog#2", "timeColumn": "1",
        "sidColumn": "2", "priceColumn": "Adj Close", "sid": "GOOG", "timeFormat": "%d/%m/%Y", "timeZone": "America/New_York",
        "delimiter": ";", "reverse": true, "allowBadLines": true, "speed": "60x",
    });
    let url = json!({ "url": "https://host/quotes.csv?day=1", "speed": "Max", "delimiter": "tab" });
    for source in [
        json!({ "generator": generator }),
        json!({ "exchange": bars }),
        json!({ "postgres": table }),
        json!({ "file": csv }),
        json!({ "file": url }),
    ] {
        let given = manifest(&json!({
            "source": source, "publish": { "topic": "market/{sid}", "backfill": true }, "staleAfter": "5m", "suspend": true,
            "broker": { "url": "mqtts://broker", "secretRef": { "name": "login" } },
        }));
        let feed = parsed(&given);
        assert_eq!(parse_feed(&json!(feed)), Ok(feed.clone()), "written and read again");
        let written = json!(feed.spec);
        for (name, value) in given["spec"].as_object().unwrap() {
            let contains = |whole: &Value, part: &Value| match (whole, part) {
                (Value::Object(whole), Value::Object(part)) => part
                    .iter()
                    .all(|(name, value)| whole.get(name).is_some_and(|found| found == value || found.is_object())),
                (whole, part) => whole == part,
            };
            assert!(contains(&written[name], value), "{name}: {written}");
        }
    }
}

#[test]
fn wrong_feeds_are_refused_for_one_reason() {
    let topic =
        |topic: &str| manifest(&json!({ "source": { "generator": generator() }, "publish": { "topic": topic } }));
    let generated =
        |member: &str, value: Value| with_source(&json!({ "generator": changed(generator(), member, value) }));
    let of_exchange =
        |member: &str, value: Value| with_source(&json!({ "exchange": changed(exchange(), member, value) }));
    let of_file = |member: &str, value: Value| with_source(&json!({ "file": changed(file(), member, value) }));
    let of_table = |member: &str, value: Value| with_source(&json!({ "postgres": changed(postgres(), member, value) }));
    let sine = changed(changed(generator(), "model", json!("Sine")), "volatility", json!(1));
    let known = "a whole number, or a decimal in quotes such as \"0.25\", with at most 12 digits before the point and 10 after it";
    for (manifest, expected) in [
        (manifest(&json!({})), "spec.source: is required"),
        (with_source(&json!({})), "spec.source: must have exactly one of exchange, postgres, file and generator"),
        (
            with_source(&json!({ "generator": generator(), "file": file() })),
            "spec.source: must have exactly one of exchange, postgres, file and generator",
        ),
        (generated("startPrice", json!("0.00")), "spec.source.generator.startPrice: must be more than 0"),
        (generated("startPrice", json!(0.5)), &*format!("spec.source.generator.startPrice: must be {known}, is 0.5")),
        (
            generated("interval", json!("0s")),
            r#"spec.source.generator.interval: must match ^[1-9]\d{0,5}(ms|s|m|h|d)$, is "0s""#,
        ),
        (generated("seed", json!(-1)), "spec.source.generator.seed: must be at least 0, is -1"),
        (generated("symbols", json!(["A", "B", "A"])), r#"spec.source.generator.symbols[2]: is there twice: "A""#),
        (generated("symbols", json!([])), "spec.source.generator.symbols: must have 1 to 1000 items, has 0"),
        (
            generated("model", json!("Jump")),
            r#"spec.source.generator.model: must be one of RandomWalk, GeometricBrownian, Sine, is "Jump""#,
        ),
        (generated("volatility", Value::Null), "spec.source.generator.volatility: is required"),
        (
            with_source(&json!({ "generator": sine })),
            "spec.source.generator.volatility: must be less than 1 with the model Sine, whose prices would not be positive",
        ),
        (of_exchange("interval", json!("1m")), "spec.source.exchange: must have interval with data: Bars alone"),
        (
            of_exchange("url", json!("http://host")),
            r#"spec.source.exchange.url: must match ^wss?://[^\s/?#@]+(/[^\s?#]*)?$, is "http://host""#,
        ),
        (of_exchange("symbols", json!(["A", "A"])), r#"spec.source.exchange.symbols[1]: is there twice: "A""#),
        (
            of_file("url", json!("https://host/a.csv")),
            "spec.source.file: must have exactly one of claim, configMap and url",
        ),
        (of_file("claim", Value::Null), "spec.source.file: must have exactly one of claim, configMap and url"),
        (of_file("speed", json!("0x")), r#"spec.source.file.speed: must match ^(Max|[1-9]\d{0,5}x)$, is "0x""#),
        (
            of_file("claim", json!({ "name": "quotes", "path": "a/../../b" })),
            "spec.source.file.claim.path: must not lead out of the volume by `..`",
        ),
        (
            of_file("timeZone", json!("Mars")),
            r#"spec.source.file.timeZone: must be a time zone such as America/New_York, is "Mars""#,
        ),
        (
            of_table("cursor", json!({ "column": "id", "start": -1 })),
            "spec.source.postgres.cursor.start: must be at least 0, is -1",
        ),
        (of_table("settle", json!("0s")), r#"spec.source.postgres.settle: must match ^[1-9]\d{0,5}[smhd]$, is "0s""#),
        (topic("market/+"), "spec.publish.topic: must be a topic without wildcards that does not begin with $"),
        (topic("market/{symbol}"), "spec.publish.topic: must have no other braces than those of {sid}"),
        (
            topic("intuition/default/feed.sample/position"),
            "spec.publish.topic: is the topic of the feed's own position",
        ),
    ] {
        let found: Vec<_> = check_feed(&manifest, PREFIX).iter().map(ToString::to_string).collect();
        assert_eq!(found, [expected], "{manifest}");
    }
}

#[test]
fn documents_of_other_kinds_are_refused_by_their_kind_alone() {
    let mut other = with_source(&json!({}));
    other["kind"] = json!("TradingAlgo");
    let found: Vec<String> = check_feed(&other, PREFIX).iter().map(FieldError::to_string).collect();
    assert_eq!(found, [r#"kind: must be Feed, is "TradingAlgo""#]);
}

#[test]
fn every_field_of_the_schema_is_described() {
    fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if property["description"].as_str().is_none_or(|text| text.len() < 10) {
                found.push(path.clone());
            }
            undescribed(property, &path, found);
        }
    }
    let schema = Feed::crd().spec.versions.remove(0).schema.unwrap().open_api_v3_schema.unwrap();
    let schema = json!(schema.properties.unwrap()["spec"]);
    let mut found = Vec::new();
    undescribed(&schema, "spec", &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert!(schema["properties"]["source"]["properties"]["generator"]["properties"]["seed"]["minimum"] == json!(0.0));
}
