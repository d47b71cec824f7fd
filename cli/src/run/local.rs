//! One manifest at work: its runtime and its bridge, in this process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use algo_runtime::{
    engine::Tally,
    metrics::Metrics as RuntimeMetrics,
    portfolio::PolicyError,
    server::{self, ALGORITHM_DEADLINE, Running, RuntimeError},
};
use bridge::{BridgeDeps, MqttConfig, Published};
use intuition_api::{
    part,
    topic::{self, OwnTopics},
    v1::Backend,
};
use intuition_common::{
    clock::{Clock, SystemClock},
    heartbeat::Heartbeat,
    readiness::Readiness,
};
use prometheus_client::registry::Registry;
use tokio::{
    net::TcpListener,
    sync::{mpsc::UnboundedSender, watch},
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;

use super::{account::Account, names, watchdog::MissingPart};

/// Parts of a bridge and a feed that are connections to the broker.
const CONNECTIONS: [&str; 4] =
    [part::bridge::BROKER, part::bridge::PUBLISHER, crate::feed::publisher::READY_PART, ::feed::BROKER];

/// Longest time for the shutdown of a bridge, and of a feed. A bridge ends within 5 seconds.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);

/// Errors that keep a manifest from starting, or end it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    /// The portfolio cannot be used.
    #[error("spec.{0}")]
    UsePortfolio(#[source] PolicyError),
    /// The runtime cannot listen.
    #[error("the runtime cannot listen on {addr} (--runtime-addr)")]
    Listen { addr: SocketAddr, source: std::io::Error },
    /// The runtime did not start, or ended.
    #[error("the runtime failed")]
    Runtime(#[source] RuntimeError),
    /// The bridge ended.
    #[error("the bridge failed")]
    Bridge(#[source] bridge::BridgeError),
    /// A task panicked.
    #[error("the {0} ended unexpectedly")]
    Lose(&'static str),
}

impl LocalError {
    /// Whether the manifest is the cause.
    pub(super) const fn is_usage(&self) -> bool {
        match self {
            Self::UsePortfolio(_) => true,
            Self::Runtime(error) => error.is_usage(),
            _ => false,
        }
    }
}

/// A runtime and its account.
pub(super) struct Local {
    /// `<namespace>/<name>`.
    pub(super) account: String,
    /// The topic of an indicator's quotes with their values; `None`: the account trades.
    pub(super) joined_topic: Option<String>,
    /// The sources and numbers on that topic are those of the quotes.
    pub(super) keeps_numbers: bool,
    /// The account as it was before this run.
    pub(super) start: Arc<Tally>,
    /// The account after each commit.
    pub(super) tally: watch::Receiver<Arc<Tally>>,
    decisions_topic: Option<String>,
    /// Of the runtime.
    readiness: Readiness,
    runtime: Running,
    runtime_stop: CancellationToken,
    bridge: Option<Bridge>,
}

struct Bridge {
    readiness: Readiness,
    stop: CancellationToken,
    task: JoinHandle<Result<(), bridge::BridgeError>>,
}

impl Local {
    /// Starts the runtime on `addr`, with its ledger in `<data_dir>/<namespace>/<name>`. An algorithm out of process may
    /// still be unreachable.
    pub(super) async fn start(
        Account { settings, decisions_topic, joined_topic }: Account,
        data_dir: &Path,
        addr: SocketAddr,
    ) -> Result<Self, LocalError> {
        let account = settings.account.clone();
        let joins_topics = settings.subscribe.iter().flatten().any(|filter| filter.contains(['+', '#']));
        let keeps_numbers = !joins_topics && !settings.live.parameters.contains_key("bars");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let readiness = Readiness::new(&[part::runtime::LEDGER], Arc::clone(&clock));
        let config = server::Config {
            settings,
            data_dir: data_dir.join(&account),
            metrics: RuntimeMetrics::register(&mut Registry::default()),
            readiness: readiness.clone(),
            clock,
            algorithm_deadline: ALGORITHM_DEADLINE,
        };
        let listener = TcpListener::bind(addr).await.map_err(|source| LocalError::Listen { addr, source })?;
        let runtime_stop = CancellationToken::new();
        let runtime = server::start(config, listener, runtime_stop.clone()).await.map_err(LocalError::Runtime)?;
        let tally = runtime.tally();
        let start = Arc::clone(&tally.borrow());
        Ok(Self {
            account,
            joined_topic,
            keeps_numbers,
            start,
            tally,
            decisions_topic,
            readiness,
            runtime,
            runtime_stop,
            bridge: None,
        })
    }

    /// The command that halts the account, as a line of output; `None`: it does not trade.
    pub(super) fn halt_line(&self) -> Option<String> {
        let (account, addr) = (&self.account, self.runtime.addr);
        let line =
            || format!("{account}: `intuition halt --runtime http://{addr} --account {account}` stops its trading");
        self.joined_topic.is_none().then(line)
    }

    /// The topic of its output under a prefix, as a line of output.
    pub(super) fn output_line(&self, topic_prefix: &str) -> String {
        let account = &self.account;
        match &self.joined_topic {
            Some(topic) => format!("{account}: quotes with their values go to {topic}"),
            None => format!("{account}: decisions go to {}", self.decisions_topic(topic_prefix)),
        }
    }

    /// The topic of its decisions under a prefix.
    pub(super) fn decisions_topic(&self, topic_prefix: &str) -> String {
        let named = self.decisions_topic.as_deref().map(|named| names::own_topic(named, topic_prefix));
        OwnTopics::new(topic_prefix, &self.account, named.as_deref()).decisions().to_owned()
    }

    /// Starts the bridge.
    pub(super) fn connect(&mut self, mqtt: &MqttConfig, published: &UnboundedSender<Published>) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let readiness = Readiness::new(&bridge::PARTS, Arc::clone(&clock));
        let stop = CancellationToken::new();
        let config = bridge::Config {
            mqtt: mqtt.clone(),
            runtime_url: format!("http://{}", self.runtime.addr),
            account: self.account.clone(),
            decisions_topic: Some(self.decisions_topic(&mqtt.topic_prefix)),
            limits: bridge::Limits::default(),
        };
        let deps = BridgeDeps {
            readiness: readiness.clone(),
            metrics: bridge::Metrics::default(),
            clock,
            heartbeat: Heartbeat::new(),
            published: Some(published.clone()),
        };
        #[expect(clippy::disallowed_methods, reason = "`stop` awaits its handle")]
        let task = tokio::spawn(bridge::run(config, deps, stop.clone()));
        self.bridge = Some(Bridge { readiness, stop, task });
    }

    /// The channels of its algorithm, which may change during the run; empty before the first answer.
    pub(super) fn channels(&self) -> Vec<String> {
        self.tally.borrow().account.channels.as_ref().map(|channels| channels.filters.clone()).unwrap_or_default()
    }

    /// Whether its algorithm wants the topic `name`.
    pub(super) fn takes(&self, name: &str) -> bool {
        let tally = self.tally.borrow();
        tally.account.channels.iter().flat_map(|channels| &channels.filters).any(|filter| topic::matches(filter, name))
    }

    /// Whether its algorithm wants a topic that `filter` selects.
    pub(super) fn takes_some(&self, filter: &str) -> bool {
        self.channels().iter().any(|channel| topic::overlap(channel, filter))
    }

    /// The state of its algorithm.
    pub(super) fn backend(&self) -> Backend {
        self.tally.borrow().account.backend.clone().unwrap_or_default()
    }

    /// The last quote of a source on a topic that it decided; 0 before the first.
    pub(super) fn mark(&self, topic: &str, source: &str) -> u64 {
        mark(&self.tally.borrow(), topic, source)
    }

    /// The last quote of a source on a topic that an earlier run decided; 0 for none.
    pub(super) fn mark_at_start(&self, topic: &str, source: &str) -> u64 {
        mark(&self.start, topic, source)
    }

    /// Messages that the broker has not taken.
    pub(super) fn unpublished(&self) -> u64 {
        let tally = self.tally.borrow();
        tally.position.saturating_sub(tally.published_through)
    }

    /// Missing parts of its algorithm and its bridge.
    pub(super) fn missing_parts(&self) -> Vec<MissingPart> {
        // The rest of what a runtime may lack shows in the bridge, which then has none.
        let algorithm = missing_parts(&self.account, &self.readiness, |part| part == part::runtime::ALGORITHM);
        let bridge = self.bridge.iter().flat_map(|bridge| missing_parts(&self.account, &bridge.readiness, |_| true));
        algorithm.into_iter().chain(bridge).collect()
    }

    /// The part that has ended by itself, which is an error. [`Local::stop`] returns the reason.
    pub(super) fn ended(&self) -> Option<&'static str> {
        if self.runtime.has_ended() {
            return Some("runtime");
        }
        self.bridge.as_ref().filter(|bridge| bridge.task.is_finished()).map(|_| "bridge")
    }

    /// Stops the bridge, which disconnects from the broker, then the runtime, which closes the ledger. Gives the account
    /// at the end.
    pub(super) async fn stop(self) -> (Arc<Tally>, Result<(), LocalError>) {
        let bridged = match self.bridge {
            Some(Bridge { stop, mut task, .. }) => {
                stop.cancel();
                if let Ok(ended) = tokio::time::timeout(SHUTDOWN_TIMEOUT, &mut task).await {
                    bridge_result(ended)
                } else {
                    task.abort();
                    tracing::warn!(algo = self.account, "the bridge did not end in time");
                    Ok(())
                }
            }
            None => Ok(()),
        };
        self.runtime_stop.cancel();
        let stopped = self.runtime.stopped().await.map_err(LocalError::Runtime);
        let end = Arc::clone(&self.tally.borrow());
        (end, stopped.and(bridged))
    }
}

/// The result of the bridge's task. Only a panic leaves it without one: `stop` alone aborts it.
fn bridge_result(ended: Result<Result<(), bridge::BridgeError>, JoinError>) -> Result<(), LocalError> {
    ended.map_or(Err(LocalError::Lose("bridge")), |result| result.map_err(LocalError::Bridge))
}

fn mark(tally: &Tally, topic: &str, source: &str) -> u64 {
    tally.mark(topic, source).and_then(|seq| u64::try_from(seq).ok()).unwrap_or_default()
}

/// Address of the runtime of the manifest at `place`: successive ports from a given one, or a free port.
pub(super) fn runtime_addr(given: Option<SocketAddr>, place: usize) -> SocketAddr {
    let Some(first) = given else { return SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) };
    let step = if first.port() == 0 { 0 } else { u16::try_from(place).unwrap_or(u16::MAX) };
    // Beyond the last port binding fails, because the last one is taken.
    SocketAddr::new(first.ip(), first.port().saturating_add(step))
}

/// The missing parts in `readiness` that count, each with the name of its owner.
pub(super) fn missing_parts(owner: &str, readiness: &Readiness, counts: impl Fn(&str) -> bool) -> Vec<MissingPart> {
    let missing = readiness.missing().into_iter().filter(|missing| counts(missing.part));
    let parts = missing.map(|missing| MissingPart {
        part: format!("{owner}: {}", missing.part),
        is_connection: CONNECTIONS.contains(&missing.part),
        reason: missing.reason,
        message: missing.message,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_of_the_bridge_is_an_error() {
        #[expect(clippy::disallowed_methods, reason = "the test awaits it")]
        let task = tokio::spawn(async { panic!("as the test asks for") });
        assert!(matches!(bridge_result(task.await), Err(LocalError::Lose("bridge"))));
        assert!(bridge_result(Ok(Ok(()))).is_ok());
    }

    #[test]
    fn runtimes_listen_on_successive_ports_or_on_free_ones() {
        let addrs = |given: Option<&str>| {
            let given = given.map(|given| given.parse().unwrap());
            [0, 1].map(|place| runtime_addr(given, place).to_string())
        };
        assert_eq!(addrs(None), ["127.0.0.1:0", "127.0.0.1:0"]);
        assert_eq!(addrs(Some("127.0.0.1:0")), ["127.0.0.1:0", "127.0.0.1:0"]);
        assert_eq!(addrs(Some("0.0.0.0:50051")), ["0.0.0.0:50051", "0.0.0.0:50052"]);
        assert_eq!(addrs(Some("[::1]:65535")), ["[::1]:65535", "[::1]:65535"]);
    }
}
