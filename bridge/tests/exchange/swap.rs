//! Channels during a swap: those of the active algorithm stay subscribed to while those of a candidate come and go.

use super::{
    client::Client,
    mosquitto::Mosquitto,
    running::{self, Running, eventually},
    runtime::Scripted,
};

#[tokio::test(flavor = "multi_thread")]
async fn unnumbered_quotes_are_complete_while_candidate_channels_change() {
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    let mut feed = Client::connect(&broker.url(), "feed").await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    let mut published = Vec::new();
    for round in 0..6_u64 {
        // As the runtime announces a candidate, and gives it up.
        let channels: &[&str] = if round.is_multiple_of(2) { &["quotes", "news"] } else { &["quotes"] };
        runtime.want(channels);
        let version = runtime.memory().version;
        while runtime.memory().marked < version {
            let price = published.len() + 1;
            feed.publish("quotes", &format!(r#"{{"goog":{price}}}"#)).await;
            published.push(price.to_string());
        }
        eventually("the session holds these channels alone", || runtime.memory().held.len() == channels.len()).await;
    }
    let count = published.len() as u64;
    eventually("every quote is decided", || runtime.memory().published_through == count).await;
    let prices: Vec<String> = runtime.memory().deliveries.iter().map(running::price).collect();
    assert_eq!(prices, published);
    bridge.stop().await;
}
