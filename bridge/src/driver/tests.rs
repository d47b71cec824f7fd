use intuition_common::{clock::SystemClock, readiness::Readiness};

use super::*;
use crate::{Config, MqttConfig};

/// A driver that reaches neither a broker nor a runtime.
fn driver(heartbeat: &Heartbeat, tasks: &TaskTracker) -> Driver {
    let config = Config {
        mqtt: MqttConfig::new("mqtt://127.0.0.1:1"),
        runtime_url: "http://127.0.0.1:1".to_owned(),
        account: "default/test".to_owned(),
        decisions_topic: None,
        limits: Limits::default(),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let parts = Parts {
        readiness: Readiness::new(&board::PARTS, Arc::clone(&clock)),
        metrics: Metrics::default(),
        clock,
        heartbeat: heartbeat.clone(),
        published: None,
    };
    Driver::new(config.check().unwrap(), crate::runtime::endpoint(&config.runtime_url).unwrap(), parts, tasks).unwrap()
}

#[tokio::test]
async fn connection_whose_task_panics_ends_the_bridge_with_an_error() {
    let tasks = TaskTracker::new();
    for lost in [SUBSCRIBING, PUBLISHING] {
        let mut driver = driver(&Heartbeat::new(), &tasks);
        let (link, events) = Link::panicking(&tasks);
        if lost == SUBSCRIBING {
            driver.quotes = Quotes::new(link, events, Vec::new(), driver.limits.unacknowledged);
        } else {
            let topics = intuition_api::topic::OwnTopics::new("intuition", "default/test", None);
            let (account, limits) = ("default/test".to_owned(), driver.limits);
            driver.publisher = Publisher::new(link, events, topics, account, String::new(), &limits, None);
        }
        let error = driver.run(CancellationToken::new()).await.unwrap_err();
        assert!(error.to_string().contains(lost) && !error.is_usage(), "{error}");
    }
}

#[tokio::test]
async fn driver_beats_at_every_turn_and_turns_in_time_with_nothing_to_do() {
    let heartbeat = Heartbeat::new();
    let mut driver = driver(&heartbeat, &TaskTracker::new());
    let before = loop {
        let age = heartbeat.age();
        if age >= Duration::from_millis(50) {
            break age;
        }
        tokio::task::yield_now().await;
    };
    driver.advance(Instant::now());
    assert!(heartbeat.age() < before);
    driver.publisher.connected(1, crate::mqtt::Capabilities::UNLIMITED, Instant::now());
    driver.advance(Instant::now());
    // The next refresh of the state is a minute away.
    assert!(driver.publisher.wake(Instant::now()).unwrap() > Instant::now() + IDLE);
    assert!(driver.wake() <= Instant::now() + IDLE);
}
