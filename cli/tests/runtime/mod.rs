//! A real runtime for tests: its gRPC server over a ledger on disk, and quotes as a bridge sends them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use algo_runtime::{
    metrics::Metrics,
    portfolio::Policy,
    server::{self, ALGORITHM_DEADLINE, Config, Running},
    settings::{AlgorithmRef, Initial, LiveSettings, Settings, SettingsSource, Topics},
};
use intuition_api::{
    part,
    v1::{
        Batch, Committed, Delivery, Open, ProcessRequest, ProcessResponse, Quote, Tick, process_request,
        process_response::Message, runtime_client::RuntimeClient, tick::Content,
    },
};
use intuition_common::{clock::Clock, readiness::Readiness};
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime as Tokio, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

/// The account that it serves.
pub(crate) const ACCOUNT: &str = "default/goog";
/// 2026-01-02T03:04:05.678Z, the time at its start.
pub(crate) const START_MICROS: i64 = 1_767_323_045_678_000;

/// Stands still until a test moves it.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now_micros(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A quote of a delivery of its own.
pub(crate) struct Numbered {
    pub(crate) source: &'static str,
    pub(crate) seq: i64,
    pub(crate) sid: &'static str,
}

/// A runtime with the algorithm `random`, which buys at each quote that its state allows.
pub(crate) struct Runtime {
    /// For `--runtime`.
    pub(crate) address: String,
    tokio: Tokio,
    shutdown: CancellationToken,
    running: Option<Running>,
    requests: mpsc::Sender<ProcessRequest>,
    responses: Streaming<ProcessResponse>,
    delivered: u64,
    _folder: TempDir,
}

fn settings(uid: Option<&str>) -> Settings {
    let source =
        uid.map_or(SettingsSource::Start, |uid| SettingsSource::Resource { uid: uid.to_owned(), generation: 1 });
    Settings {
        account: ACCOUNT.to_owned(),
        live: LiveSettings {
            algorithm: AlgorithmRef::Builtin("random".to_owned()),
            threshold: 0.0,
            parameters: serde_json::Map::new(),
            starting_cash: "10000".to_owned(),
            suspend: false,
            retention: None,
        },
        source,
        policy: Policy::from_parts("fixed-amount", None, Some("100")).unwrap(),
        topics: Topics::default(),
        subscribe: None,
        inputs: Vec::new(),
        initial: Initial::default(),
    }
}

impl Runtime {
    /// Starts one for a resource with this uid, or by flags, with a bridge's stream.
    pub(crate) fn start(uid: Option<&str>) -> Self {
        let (tokio, folder, shutdown) = (Tokio::new().unwrap(), TempDir::new().unwrap(), CancellationToken::new());
        let clock: Arc<dyn Clock> = Arc::new(Hand(AtomicI64::new(START_MICROS)));
        let config = Config {
            settings: settings(uid),
            data_dir: folder.path().to_owned(),
            readiness: Readiness::new(&[part::runtime::LEDGER], Arc::clone(&clock)),
            clock,
            metrics: Metrics::register(&mut Registry::default()),
            algorithm_deadline: ALGORITHM_DEADLINE,
        };
        let (running, requests, responses) = tokio.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let running = server::start(config, listener, shutdown.clone()).await.unwrap();
            let (requests, receiver) = mpsc::channel(16);
            let open = Open {
                account: ACCOUNT.to_owned(),
                broker_url: "mqtt://127.0.0.1:1883".to_owned(),
                run: 1,
                ..Open::default()
            };
            requests.send(ProcessRequest { message: Some(process_request::Message::Open(open)) }).await.unwrap();
            let mut client = RuntimeClient::connect(format!("http://{}", running.addr)).await.unwrap();
            let responses = client.process(ReceiverStream::new(receiver)).await.unwrap().into_inner();
            (running, requests, responses)
        });
        let address = format!("http://{}", running.addr);
        Self { address, tokio, shutdown, running: Some(running), requests, responses, delivered: 0, _folder: folder }
    }

    /// Has quotes decided, and gives the commits.
    pub(crate) fn decide(&mut self, quotes: &[Numbered]) -> Committed {
        let deliveries: Vec<_> =
            (self.delivered + 1..).zip(quotes).map(|(number, quote)| delivery(number, quote)).collect();
        self.delivered += deliveries.len() as u64;
        self.tokio.block_on(async {
            let batch = process_request::Message::Batch(Batch { deliveries });
            self.requests.send(ProcessRequest { message: Some(batch) }).await.unwrap();
            let mut all = Committed::default();
            while all.outcomes.len() < quotes.len() {
                let response = self.responses.message().await.unwrap().unwrap();
                if let Some(Message::Committed(committed)) = response.message {
                    all.entries.extend(committed.entries);
                    all.outcomes.extend(committed.outcomes);
                }
            }
            all
        })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(running) = self.running.take() {
            drop(self.tokio.block_on(running.stopped()));
        }
    }
}

fn delivery(number: u64, quote: &Numbered) -> Delivery {
    let Numbered { source, seq, sid } = *quote;
    let content = Content::Quote(Quote {
        sid: sid.to_owned(),
        price: "100".to_owned(),
        time_micros: START_MICROS,
        ..Quote::default()
    });
    let tick = Tick { source: source.to_owned(), seq: Some(seq), content: Some(content), ..Tick::default() };
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    Delivery {
        number,
        topic: "quotes".to_owned(),
        packet_id: 1,
        payload_sha256: hash.to_vec().into(),
        arrived_micros: START_MICROS,
        connection: 1,
        ticks: vec![tick],
        ..Delivery::default()
    }
}
