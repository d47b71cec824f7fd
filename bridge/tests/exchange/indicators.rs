//! The bridge of an indicator's account.

use intuition_api::capability;
use serde_json::Value;

use crate::{
    client::Client,
    mosquitto::Mosquitto,
    running::{Running, eventually},
    runtime::Scripted,
};

const ACCOUNT: &str = "desk/indicator.trend";
const JOINED: &str = "intuition/desk/indicator.trend/joined";
const VALUES: &str = "intuition/desk/indicator.trend/values/BTC%2FUSD/position";

#[tokio::test(flavor = "multi_thread")]
async fn quotes_go_out_with_their_indicators_in_order_and_the_last_value_stays() {
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    runtime.memory().with_queues();
    let mut consumer = Client::connect(&broker.url(), "consumer").await;
    consumer.subscribe(JOINED).await;
    let bridge = Running::start_with(&broker.url(), &runtime.url, |config| ACCOUNT.clone_into(&mut config.account));
    bridge.ready().await;
    for price in 1..=50 {
        consumer.publish("quotes", &format!(r#"{{"sid":"BTC/USD","quote":"{price}.5"}}"#)).await;
    }
    let messages = consumer.until(|messages| messages.len() == 50).await;
    let read = |payload: &[u8]| -> (String, String) {
        let array: Value = serde_json::from_slice(payload).unwrap();
        let member = |place: usize, name: &str| array[place][name].as_str().unwrap().to_owned();
        (member(0, "value"), member(1, "quote"))
    };
    let found: Vec<_> = messages.iter().map(|(_, payload)| read(payload)).collect();
    let expected: Vec<_> = (1..=50).map(|number| (number.to_string(), format!("{number}.5"))).collect();
    assert_eq!(found, expected);
    eventually("all are confirmed", || runtime.memory().published_through == 50).await;
    assert_eq!(bridge.metric(&["joined_messages_total"]), 50);
    assert!(runtime.memory().opens[0].capabilities.iter().any(|name| name == capability::JOINED));
    bridge.stop().await;

    let mut late = Client::connect(&broker.url(), "late").await;
    late.look_up("intuition/desk/indicator.trend/values/#").await;
    let messages = late.until(|messages| !messages.is_empty()).await;
    let [(topic, payload)] = messages.as_slice() else { panic!("{messages:?}") };
    let value: Value = serde_json::from_slice(payload).unwrap();
    assert_eq!((topic.as_str(), &value["value"], &value["seq"]), (VALUES, &Value::from("50"), &Value::from(50)));
}
