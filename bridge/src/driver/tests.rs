use std::time::Duration;

use intuition_common::{clock::SystemClock, readiness::Readiness};
use tokio::sync::mpsc;

use super::*;
use crate::{Config, Limits, Metrics, MqttConfig, PARTS, machine::Sinks, runtime};

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
    let readiness = Readiness::new(&PARTS, Arc::clone(&clock));
    let sinks = Sinks { readiness, metrics: Metrics::default(), published: None };
    let (machine, connections) = Machine::new(&config, sinks, 1, Now::read(clock.as_ref())).unwrap();
    let endpoint = runtime::endpoint(&config.runtime_url).unwrap();
    Driver::new(machine, connections, endpoint, clock, heartbeat.clone(), tasks).unwrap()
}

/// A link with a task that panics.
fn panicking(tasks: &TaskTracker) -> (Link, Events) {
    let (requests, receiver) = mpsc::unbounded_channel();
    let (lanes, events) = intuition_mqtt::lanes(1, &intuition_mqtt::Sizes::default());
    tasks.spawn(async move {
        let _ends = (receiver, lanes);
        panic!("as the test asks for");
    });
    (Link::new(requests), events)
}

#[tokio::test]
async fn connection_whose_task_panics_ends_the_bridge_with_an_error() {
    let tasks = TaskTracker::new();
    for lost in [SUBSCRIBING, PUBLISHING] {
        let mut driver = driver(&Heartbeat::new(), &tasks);
        let (link, events) = panicking(&tasks);
        let connection = if lost == SUBSCRIBING { &mut driver.subscribing } else { &mut driver.publishing };
        *connection = Connection { link, events };
        let error = driver.run(CancellationToken::new()).await.unwrap_err();
        assert!(error.to_string().contains(lost) && !error.is_usage(), "{error}");
    }
}

#[tokio::test]
async fn driver_beats_at_every_turn() {
    let heartbeat = Heartbeat::new();
    let mut driver = driver(&heartbeat, &TaskTracker::new());
    let before = loop {
        let age = heartbeat.age();
        if age >= Duration::from_millis(50) {
            break age;
        }
        tokio::task::yield_now().await;
    };
    driver.advance();
    assert!(heartbeat.age() < before);
}
