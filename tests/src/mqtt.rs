//! An MQTT client of the tests' own: publishes and waits for every PUBACK, and a subscriber that keeps what it gets.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use rumqttc::v5::{
    AsyncClient, Event, EventLoop, Incoming, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{PubAckReason, Publish, PublishProperties},
    },
};
use tokio::task::JoinSet;

use crate::wait;

/// Far above every payload of the tests.
const LARGEST_PACKET: u32 = 16 * 1024 * 1024;

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// At least once, or at most once as `mosquitto_pub` does unless told otherwise.
    pub acknowledged: bool,
    /// MQTT 5 user properties.
    pub user_properties: Vec<(String, String)>,
}

impl Message {
    /// A message with nothing special about it.
    pub fn new(topic: &str, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.to_owned(),
            payload: payload.into(),
            retain: false,
            acknowledged: true,
            user_properties: Vec::new(),
        }
    }

    /// The same, kept by the broker.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// The same with one more user property.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.user_properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, sent once and not acknowledged.
    #[must_use]
    pub fn at_most_once(mut self) -> Self {
        self.acknowledged = false;
        self
    }
}

/// Who a client is; `None`: nobody named.
pub type Login = Option<(String, String)>;

/// Publishes in order, on a connection of its own, and returns when the broker took each; the last has to be one that is
/// acknowledged. An error says
/// how many it took: a broker that goes away meanwhile is not waited for.
pub async fn publish_all(port: u16, login: &Login, messages: &[Message]) -> anyhow::Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let mut options = options(port, &client_id("publisher"), login);
    options.set_clean_start(true);
    let (client, mut events) = AsyncClient::new(options, messages.len() + 1);
    for message in messages {
        let properties =
            PublishProperties { user_properties: message.user_properties.clone(), ..PublishProperties::default() };
        client
            .try_publish_with_properties(
                &message.topic,
                if message.acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce },
                message.retain,
                message.payload.clone(),
                properties,
            )
            .context("queueing a message")?;
    }
    let wanted = messages.iter().filter(|message| message.acknowledged).count();
    let taken = tokio::time::timeout(wait::PATIENCE, await_acks(&mut events, wanted)).await;
    taken.context("the broker takes what is published")??;
    // Otherwise the broker would see the connection break; nothing is lost if it cannot be sent.
    drop(client.try_disconnect());
    drop(tokio::time::timeout(Duration::from_secs(1), events.poll()).await);
    Ok(())
}

async fn await_acks(events: &mut EventLoop, wanted: usize) -> anyhow::Result<()> {
    let mut taken = 0;
    while taken < wanted {
        match events.poll().await {
            Ok(Event::Incoming(Incoming::PubAck(ack))) => {
                let fine = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
                ensure!(fine, "the broker refused a message: {:?}", ack.reason);
                taken += 1;
            }
            Ok(_) => {}
            Err(error) => bail!("the broker went away after {taken} of {wanted} messages: {error}"),
        }
    }
    Ok(())
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// MQTT 5 user properties.
    pub user_properties: Vec<(String, String)>,
}

/// Subscribed to one filter for as long as it lives, through every loss of the connection, with a session that the broker
/// keeps meanwhile if it can.
pub struct Subscriber {
    seen: Arc<Mutex<Vec<Received>>>,
    subscriptions: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Subscriber {
    /// Returns once the broker has the subscription.
    pub async fn start(port: u16, login: &Login, filter: &str) -> anyhow::Result<Self> {
        Self::start_kept_for(Duration::from_hours(1), port, login, filter).await
    }

    /// One of whom the broker keeps nothing.
    pub async fn start_for_now(port: u16, login: &Login, filter: &str) -> anyhow::Result<Self> {
        Self::start_kept_for(Duration::ZERO, port, login, filter).await
    }

    async fn start_kept_for(session: Duration, port: u16, login: &Login, filter: &str) -> anyhow::Result<Self> {
        let mut options = options(port, &client_id("subscriber"), login);
        options.set_clean_start(false).set_session_expiry_interval(Some(u32::try_from(session.as_secs())?));
        let (client, events) = AsyncClient::new(options, 16);
        let seen = Arc::default();
        let subscriptions = Arc::default();
        let mut task = JoinSet::new();
        task.spawn(collect(client, events, filter.to_owned(), Arc::clone(&seen), Arc::clone(&subscriptions)));
        let subscriber = Self { seen, subscriptions, _task: task };
        subscriber.subscribed(1).await?;
        Ok(subscriber)
    }

    /// Waits until the broker has answered that many SUBSCRIBE packets in all.
    pub async fn subscribed(&self, times: usize) -> anyhow::Result<()> {
        wait::until("the test's subscriber has its SUBACK", async || Ok((self.subscriptions() >= times).then_some(())))
            .await
    }

    /// SUBSCRIBE packets answered so far: one more with each connection.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.load(Ordering::SeqCst)
    }

    /// Everything so far, in order, on topics that end with `/last`.
    pub fn received(&self, last: &str) -> Vec<Received> {
        let ending = format!("/{last}");
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|message| message.topic.ends_with(&ending)).cloned().collect()
    }

    /// How many of [`Self::received`] there are.
    pub fn count(&self, last: &str) -> usize {
        let ending = format!("/{last}");
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|message| message.topic.ends_with(&ending)).count()
    }

    /// The decisions so far, as JSON, repetitions included, as soon as there are `wanted` different ids.
    pub async fn decisions(&self, wanted: usize) -> anyhow::Result<Vec<serde_json::Value>> {
        wait::until(&format!("the consumer has {wanted} decisions"), async || {
            let decisions = self.json("decisions")?;
            let ids: HashSet<_> =
                decisions.iter().map(|decision| decision.get("id").map(ToString::to_string)).collect();
            Ok((ids.len() >= wanted).then_some(decisions))
        })
        .await
    }

    /// [`Self::received`] as JSON.
    pub fn json(&self, last: &str) -> anyhow::Result<Vec<serde_json::Value>> {
        let parse = |message: Received| {
            serde_json::from_slice(&message.payload).with_context(|| format!("on {}", message.topic))
        };
        self.received(last).into_iter().map(parse).collect()
    }
}

async fn collect(
    client: AsyncClient,
    mut events: EventLoop,
    filter: String,
    seen: Arc<Mutex<Vec<Received>>>,
    subscriptions: Arc<AtomicUsize>,
) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                // The queue has room for more requests than there are connections between two polls.
                drop(client.try_subscribe(&filter, QoS::AtLeastOnce));
            }
            Ok(Event::Incoming(Incoming::SubAck(_))) => {
                subscriptions.fetch_add(1, Ordering::SeqCst);
            }
            Ok(Event::Incoming(Incoming::Publish(publish))) => {
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(received(&publish));
            }
            Ok(_) => {}
            // The broker is away; the next poll connects again.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn received(publish: &Publish) -> Received {
    let user_properties = publish.properties.as_ref().map(|properties| properties.user_properties.clone());
    Received {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.to_vec(),
        user_properties: user_properties.unwrap_or_default(),
    }
}

/// Another one each time, whoever else runs tests on the same broker.
fn client_id(role: &str) -> String {
    format!("e2e-{role}-{:016x}", rand::random::<u64>())
}

fn options(port: u16, client_id: &str, login: &Login) -> MqttOptions {
    let mut options = MqttOptions::new(client_id, "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(30)).set_max_packet_size(Some(LARGEST_PACKET));
    if let Some((user, password)) = login {
        options.set_credentials(user, password);
    }
    options
}
