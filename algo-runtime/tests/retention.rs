//! The process `algo-runtime` drops old entries of its journal while it serves.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use algo_runtime::ledger::{
    Account, Changes, EntryKind, Holding, JournalEntry, Ledger as _, OutboxContent, OutboxRow, Trade,
    sqlite::SqliteLedger, verify::verify,
};
use intuition_api::{
    decimal::{Money, Quantity},
    v1::{AccountRequest, ConfigureRequest, DecisionsRequest, Retention, Settings, runtime_client::RuntimeClient},
};
use tokio_stream::StreamExt as _;
use tonic::{Code, Status, transport::Channel};

const ACCOUNT: &str = "default/test";
const PATIENCE: Duration = Duration::from_mins(2);
const SETTINGS: &str = r#"{"resourceUid":"u-1","generation":1,"algorithm":"random","startingCash":"100000"}"#;
/// Decisions of each of four commits, and so of each checkpoint: more than the design's distance of two checkpoints.
const COMMIT: u64 = 12_000;

/// Writes a ledger with a deposit and published decisions, each about one unit at the price 1.
fn write(dir: &Path) {
    let mut ledger = SqliteLedger::open(dir, ACCOUNT).unwrap();
    let mut account = ledger.snapshot().unwrap().account;
    let money = |units: u64| Money::from_cents(i128::from(units) * 100);
    let entry = |account: &mut Account, kind, amount, trade| {
        account.entries += 1;
        let (number, cash) = (account.entries, account.cash);
        JournalEntry { number, kind, amount, cash, committed_micros: 1_700_000_000_000_000, trade }
    };
    (account.cash, account.deposits) = (money(100_000), money(100_000));
    let mut changes = Changes::default();
    changes.journal.push(entry(&mut account, EntryKind::Deposit, money(100_000), None));
    for commit in 1..=4 {
        for seq in (commit - 1) * COMMIT + 1..=commit * COMMIT {
            (account.cash, account.invested) = (money(100_000 - seq), money(seq));
            (account.decisions, account.position) = (seq, seq);
            let trade = Trade {
                seq,
                event: seq.to_string(),
                sid: "GOOG".to_owned(),
                quantity: "1".parse().unwrap(),
                price: "1".parse().unwrap(),
                cost: money(1),
                time_micros: 0,
                manual: false,
            };
            let bought = entry(&mut account, EntryKind::Buy, money(1), Some(trade));
            changes.journal.push(bought.clone());
            changes.outbox.push(OutboxRow { position: seq, content: OutboxContent::Decision(bought) });
        }
        account.published_through = account.position;
        let quantity: Quantity = account.decisions.to_string().parse().unwrap();
        let holding = Holding { quantity, cost: account.invested };
        changes.holdings.insert("GOOG".to_owned(), Some(holding));
        changes.sources.symbols.extend((commit == 1).then(|| "GOOG".to_owned()));
        changes.account = Some(account.clone());
        ledger.commit(&std::mem::take(&mut changes)).unwrap();
    }
    Box::new(ledger).close().unwrap();
}

struct Process {
    child: Option<Child>,
    grpc: u16,
    http: u16,
}

impl Process {
    fn start(data: &Path, settings: &Path) -> Self {
        let [grpc, http] = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_algo-runtime"));
        command.args(["--account", ACCOUNT, "--addr", &format!("127.0.0.1:{grpc}")]);
        command.args(["--http-addr", &format!("127.0.0.1:{http}")]);
        command.arg("--data-dir").arg(data).arg("--settings").arg(settings).stderr(Stdio::piped());
        Self { child: Some(command.spawn().unwrap()), grpc, http }
    }

    /// Waits until a page has this text.
    fn page_with(&mut self, path: &str, text: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let page = self.page(path);
            if page.as_ref().is_some_and(|page| page.contains(text)) {
                return;
            }
            assert!(Instant::now() < until, "{path} lacks {text}: {page:?}");
            assert!(self.child.as_mut().unwrap().try_wait().unwrap().is_none(), "it ended");
            thread::yield_now();
        }
    }

    fn page(&self, path: &str) -> Option<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.http)).ok()?;
        write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        connection.read_to_string(&mut text).ok().map(|_| text)
    }

    async fn client(&mut self) -> RuntimeClient<Channel> {
        self.page_with("/readyz", "200 OK");
        RuntimeClient::connect(format!("http://127.0.0.1:{}", self.grpc)).await.unwrap()
    }

    fn terminate(mut self) -> Output {
        let child = self.child.take().unwrap();
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        child.wait_with_output().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            child.kill().unwrap_or_default();
            child.wait().unwrap();
        }
    }
}

/// Numbers of the first and the last decision of a list.
async fn listed(client: &mut RuntimeClient<Channel>, from_seq: u64) -> Result<(u64, u64), Status> {
    let request = DecisionsRequest { account: ACCOUNT.to_owned(), from_seq };
    let mut decisions = client.decisions(request).await?.into_inner();
    let mut found = (0, 0);
    while let Some(decision) = decisions.next().await {
        let seq = decision?.seq;
        found = if found.0 == 0 { (seq, seq) } else { (found.0, seq) };
    }
    Ok(found)
}

#[tokio::test]
async fn retention_of_configure_bounds_the_journal_and_outlasts_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (data, settings) = (dir.path().join("data"), dir.path().join("settings.json"));
    write(&data);
    fs::write(&settings, SETTINGS).unwrap();
    let all = 4 * COMMIT;
    let mut process = Process::start(&data, &settings);
    process.page_with("/metrics", "tradingalgo_runtime_ledger_first_entry{} 1\n");
    let mut client = process.client().await;
    assert_eq!(listed(&mut client, 1).await.unwrap(), (1, all));
    let before = verify(&data).unwrap();

    let retention = Some(Retention { decisions: Some(20_000), age_seconds: None });
    let wire = Settings {
        algorithm: "random".to_owned(),
        threshold: "0.5".to_owned(),
        starting_cash: "100000".to_owned(),
        ..Settings::default()
    };
    let request = ConfigureRequest {
        account: ACCOUNT.to_owned(),
        resource_uid: "u-1".to_owned(),
        generation: 1,
        settings: Some(wire),
        retention,
        ..ConfigureRequest::default()
    };
    assert_eq!(client.configure(request).await.unwrap().into_inner().refusals, []);
    // Two of four checkpoints have 20,000 decisions behind them. The first entry is the deposit.
    process.page_with("/metrics", &format!("tradingalgo_runtime_ledger_first_entry{{}} {}\n", 2 * COMMIT + 2));
    let dropped = format!("tradingalgo_runtime_ledger_dropped_entries_total {}\n", 2 * COMMIT + 1);
    process.page_with("/metrics", &dropped);
    assert!(process.terminate().status.success());

    let mut process = Process::start(&data, &settings);
    process.page_with("/metrics", &format!("tradingalgo_runtime_ledger_first_entry{{}} {}\n", 2 * COMMIT + 2));
    let mut client = process.client().await;
    let request = AccountRequest { account: ACCOUNT.to_owned() };
    let account = client.account(request).await.unwrap().into_inner();
    assert_eq!((account.retention, account.decisions), (retention, all));
    assert_eq!(listed(&mut client, 0).await.unwrap(), (2 * COMMIT + 1, all), "from the first kept one");
    assert_eq!(listed(&mut client, 3 * COMMIT).await.unwrap(), (3 * COMMIT, all));
    let refused = listed(&mut client, 2 * COMMIT).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    let first = format!("the first kept decision is {}:", 2 * COMMIT + 1);
    assert!(refused.message().contains(&first) && refused.message().contains("algo-runtime archive"), "{refused}");
    assert!(process.terminate().status.success());

    let after = verify(&data).unwrap();
    assert_eq!(after.first_entry, 2 * COMMIT + 2);
    assert_eq!((after.head, after.holdings), (before.head, before.holdings));
    let output = archive(&data, &["--from", "1"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("Use `--from 24002`"), "{error}");
    let output = archive(&data, &[]);
    let note = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && note.contains("the journal begins at entry 24002"), "{note}");
}

fn archive(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_algo-runtime"));
    command.args(["archive", "--to", "-", "--data-dir"]).arg(data).args(arguments).output().unwrap()
}
