//! A ledger of v0.1.0 goes over to this release, which takes up its rows and recognises repetitions. It does not go back.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use intuition_api::{
    capability,
    v1::{
        AccountRequest, Batch, Credit, Delivery, Open, Opened, OutboxEntry, Positions, ProcessRequest, Published,
        Quote, Tick, TickOutcome,
        process_request::Message,
        process_response,
        runtime_client::RuntimeClient,
        tick::Content,
        tick_outcome::{Kind, SeenBy},
    },
};
use tokio_stream::{StreamExt as _, iter};
use tonic::{Status, transport::Channel};

const ACCOUNT: &str = "default/test";
const URL: &str = "mqtt://127.0.0.1:1883";
const PATIENCE: Duration = Duration::from_secs(30);

/// A runtime of one of the two releases.
struct Runtime {
    binary: PathBuf,
    child: Child,
    port: u16,
}

impl Runtime {
    async fn start(binary: &Path, data: &Path) -> Self {
        Self::start_by(binary, data, &["--algorithm", "random", "--threshold", "0"]).await
    }

    async fn start_by(binary: &Path, data: &Path, settings: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(binary);
        command.args(["--account", ACCOUNT]).args(settings);
        command.args(["--addr", &format!("127.0.0.1:{port}"), "--data-dir"]).arg(data);
        let child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut runtime = Self { binary: binary.to_owned(), child, port };
        runtime.client().await;
        runtime
    }

    async fn client(&mut self) -> RuntimeClient<Channel> {
        let until = Instant::now() + PATIENCE;
        loop {
            match RuntimeClient::connect(format!("http://127.0.0.1:{}", self.port)).await {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended");
            tokio::task::yield_now().await;
        }
    }

    /// Opens a stream and sends these messages. Gives the answer to Open and the entries, of which `wanted` come.
    async fn entries(
        &mut self,
        open: Open,
        messages: Vec<Message>,
        wanted: usize,
    ) -> Result<(Opened, Vec<OutboxEntry>), Status> {
        let requests: Vec<_> = std::iter::once(Message::Open(open)).chain(messages).collect();
        let requests = iter(requests).map(|message| ProcessRequest { message: Some(message) });
        let mut client = self.client().await;
        let mut responses = client.process(requests.chain(tokio_stream::pending())).await?.into_inner();
        let (mut opened, mut entries) = (Opened::default(), Vec::new());
        while entries.len() < wanted {
            let next = tokio::time::timeout(PATIENCE, responses.next()).await;
            match next.expect("an entry").unwrap()?.message {
                Some(process_response::Message::Opened(first)) => opened = first,
                Some(process_response::Message::Committed(committed)) => entries.extend(committed.entries),
                _ => {}
            }
        }
        Ok((opened, entries))
    }

    async fn wait_until(&mut self, unpublished: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let request = AccountRequest { account: ACCOUNT.to_owned() };
            let account = self.client().await.account(request).await.unwrap().into_inner();
            if account.unpublished == unpublished {
                return;
            }
            assert!(Instant::now() < until, "{} unpublished", account.unpublished);
        }
    }

    /// Sends deliveries on a stream of its own and gives their outcomes.
    async fn outcomes(&mut self, open: Open, deliveries: &[Delivery]) -> Vec<Vec<TickOutcome>> {
        let wanted = deliveries.len();
        let batch = Message::Batch(Batch { deliveries: deliveries.to_vec() });
        let requests = [Message::Open(open), batch].map(|message| ProcessRequest { message: Some(message) });
        let mut client = self.client().await;
        let open_ended = iter(requests).chain(tokio_stream::pending());
        let mut responses = client.process(open_ended).await.unwrap().into_inner();
        let mut outcomes = Vec::new();
        while outcomes.len() < wanted {
            if let Some(process_response::Message::Committed(committed)) =
                responses.next().await.unwrap().unwrap().message
            {
                outcomes.extend(committed.outcomes.into_iter().map(|outcome| outcome.ticks));
            }
        }
        outcomes
    }

    /// Ends in order and leaves a single file, which it finds sound.
    fn stop(mut self, data: &Path) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        assert!(!data.join("ledger.db-wal").exists());
        verify(&self.binary, data);
    }
}

fn verify(binary: &Path, data: &Path) {
    let verified = Command::new(binary).arg("verify").arg("--data-dir").arg(data).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

fn ours() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_algo-runtime"))
}

#[expect(clippy::disallowed_methods, reason = "a test that is run by hand has no other arguments")]
fn path_in(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

/// As the bridge of v0.1.0 opens a stream.
fn old_bridge(run: u64, session_present: bool) -> Open {
    Open { account: ACCOUNT.to_owned(), broker_url: URL.to_owned(), session_present, run, ..Open::default() }
}

fn new_bridge(run: u64) -> Open {
    let capabilities = capability::OF_BRIDGE.map(str::to_owned).to_vec();
    Open { client_id: "intuition-default-test".to_owned(), capabilities, ..old_bridge(run, true) }
}

fn quote(price: u8) -> Tick {
    let quote = Quote { sid: "GOOG".to_owned(), price: price.to_string(), time_micros: 5, ..Quote::default() };
    Tick { content: Some(Content::Quote(quote)), ..Tick::default() }
}

fn named(id: &str, price: u8) -> Tick {
    Tick { id: id.to_owned(), ..quote(price) }
}

fn numbered(seq: i64, price: u8) -> Tick {
    Tick { source: "feed".to_owned(), seq: Some(seq), ..quote(price) }
}

/// As the bridge of v0.1.0 sends it.
fn delivery(number: u64, packet_id: u32, payload: u8, ticks: Vec<Tick>) -> Delivery {
    Delivery {
        number,
        topic: "quotes".to_owned(),
        packet_id,
        payload_sha256: vec![payload; 32].into(),
        payload: "payload".into(),
        payload_size: 7,
        connection: 1,
        ticks,
        ..Delivery::default()
    }
}

/// As the bridge of this release sends it.
fn hashed(mut delivery: Delivery) -> Delivery {
    delivery.envelope_sha256 = delivery.payload_sha256.clone();
    for tick in &mut delivery.ticks {
        let Some(Content::Quote(quote)) = &tick.content else { continue };
        tick.content_sha256 = vec![quote.price.parse().unwrap(); 32].into();
        tick.ordinal = Some(0);
    }
    delivery
}

fn again(number: u64, delivery: Delivery) -> Delivery {
    Delivery { number, duplicate: true, ..delivery }
}

fn seen(outcomes: &[Vec<TickOutcome>]) -> Vec<Vec<SeenBy>> {
    outcomes.iter().map(|ticks| ticks.iter().map(TickOutcome::seen_by).collect()).collect()
}

/// The first deliveries to v0.1.0: one of each kind, batches, several ticks of one identity.
fn first_course() -> Vec<Delivery> {
    vec![
        delivery(1, 1, 1, vec![named("a", 1)]),
        delivery(2, 2, 2, vec![numbered(1, 2)]),
        delivery(3, 3, 3, vec![quote(3)]),
        delivery(4, 4, 4, vec![named("b", 4), named("b", 5), named("b", 6)]),
        delivery(5, 5, 5, vec![numbered(2, 7), numbered(3, 8)]),
        delivery(6, 6, 6, vec![quote(9), quote(9), quote(9)]),
        delivery(7, 7, 7, vec![named("c", 10), named("d", 11)]),
    ]
}

/// This release takes the ledger of v0.1.0 up.
async fn take_up(data: &Path) {
    let mut runtime = Runtime::start(ours(), data).await;
    let [_, _, bare, several, _, batch, _] = <[Delivery; 7]>::try_from(first_course()).unwrap();
    let deliveries = [
        again(1, bare),
        hashed(again(2, batch)),
        again(3, several),
        hashed(delivery(4, 11, 11, vec![named("b", 4)])),
        hashed(delivery(5, 12, 12, vec![numbered(3, 8), numbered(4, 9)])),
        hashed(delivery(6, 13, 13, vec![named("d", 11), named("e", 12)])),
        hashed(delivery(7, 14, 14, vec![quote(13)])),
        hashed(delivery(8, 15, 15, vec![Tick { seq: Some(5), ..quote(14) }])),
    ];
    let outcomes = runtime.outcomes(new_bridge(8), &deliveries).await;
    let (new, packet) = (SeenBy::Unspecified, SeenBy::Packet);
    assert_eq!(
        seen(&outcomes),
        [
            vec![packet],
            vec![packet; 3],
            vec![packet; 3],
            vec![SeenBy::Id],
            vec![SeenBy::Sequence, new],
            vec![SeenBy::Id, new],
            vec![new],
            vec![new],
        ]
    );
    let decided = [Kind::Decided, Kind::NoSignal, Kind::Denied];
    assert!(outcomes.iter().flatten().all(|outcome| decided.contains(&outcome.kind())), "{outcomes:?}");
    // The first of three under one id is the one that comes alone.
    assert_eq!(outcomes[3][0].seqs, outcomes[2][0].seqs);
    runtime.stop(data);
}

/// A bridge with send queues of its own, and all the credit there is.
fn queues(run: u64, ledger_id: &str, published: Published) -> (Open, Vec<Message>) {
    let mut open = new_bridge(run);
    open.capabilities.push(capability::OUTBOX_QUEUES.to_owned());
    let open = Open { pages: true, ledger_id: ledger_id.to_owned(), published: Some(published), ..open };
    (open, vec![Message::Credit(Credit { bytes: u64::MAX })])
}

fn positions(entries: &[OutboxEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.position).collect()
}

/// `first` to `last` are published, and nothing in front of them.
fn some(first: u64, last: u64) -> Published {
    Published { done: vec![Positions { first, last }], ..Published::default() }
}

/// The ledger of v0.1.0 has this many entries in its outbox, all unpublished. This release publishes all but the first.
async fn publish_out_of_order(data: &Path) -> Vec<OutboxEntry> {
    let mut runtime = Runtime::start(ours(), data).await;
    let (open, credit) = queues(8, "", Published::default());
    let account = AccountRequest { account: ACCOUNT.to_owned() };
    let unpublished = runtime.client().await.account(account).await.unwrap().into_inner().unpublished;
    assert!(unpublished > 2, "the fixture has a few");
    let count = usize::try_from(unpublished).unwrap();
    let (opened, entries) = runtime.entries(open, credit, count).await.unwrap();
    assert_eq!((opened.done, opened.published_through), (vec![], 0));
    let (open, mut messages) = queues(8, &opened.ledger_id, some(2, unpublished - 1));
    messages.push(Message::Published(some(2, unpublished - 1)));
    let (opened, left) = runtime.entries(open, messages, 2).await.unwrap();
    assert_eq!(opened.done, some(2, unpublished - 1).done);
    assert_eq!(positions(&left), [1, unpublished]);
    runtime.wait_until(unpublished).await;
    runtime.stop(data);
    entries
}

#[tokio::test]
async fn outbox_of_the_release_before_is_published_out_of_order() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledgers/v0.1.0.db");
    fs::copy(fixture, dir.path().join("ledger.db")).unwrap();
    let entries = publish_out_of_order(dir.path()).await;
    let mut runtime = Runtime::start(ours(), dir.path()).await;
    let (open, credit) = queues(9, "", Published::default());
    let (_, left) = runtime.entries(open, credit, 2).await.unwrap();
    assert_eq!(left, [entries[0].clone(), entries[entries.len() - 1].clone()], "the rest is known to be done");
    runtime.stop(dir.path());
}

/// `V010`: the binary of v0.1.0. `FIXTURE`: where to leave the ledger that it wrote first.
#[tokio::test]
#[ignore = "needs the binary of v0.1.0: V010=/path/to/algo-runtime"]
async fn a_ledger_goes_from_the_release_before_to_this_one_alone() {
    let older = path_in("V010").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let mut runtime = Runtime::start(&older, data).await;
    let outcomes = runtime.outcomes(old_bridge(7, false), &first_course()).await;
    assert!(seen(&outcomes).iter().flatten().all(|by| *by == SeenBy::Unspecified));
    runtime.stop(data);
    if let Some(fixture) = path_in("FIXTURE") {
        fs::copy(data.join("ledger.db"), fixture).unwrap();
    }

    take_up(data).await;
    verify(ours(), data);
    // v0.1.0 refuses it, and changes nothing.
    let before = fs::read(data.join("ledger.db")).unwrap();
    let mut refused = Command::new(&older);
    let refused = refused.args(["verify", "--data-dir"]).arg(data).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("needs a reader of version 6"), "{told}");
    assert!(fs::read(data.join("ledger.db")).unwrap() == before);
    // The kept copy is the ledger from before, on which v0.1.0 goes on.
    let copy = tempfile::tempdir().unwrap();
    fs::copy(data.join("ledger.db.format-1"), copy.path().join("ledger.db")).unwrap();
    verify(&older, copy.path());
}

#[tokio::test]
async fn a_ledger_of_the_release_before_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledgers/v0.1.0.db");
    fs::copy(fixture, dir.path().join("ledger.db")).unwrap();
    take_up(dir.path()).await;
}
