//! The process `algo-runtime` on a volume that becomes full: a small tmpfs in a mount namespace of its own. Where the system refuses to
//! mount one, the test is skipped. And with files that cannot grow.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use algo_runtime::ledger::{Ledger as _, sqlite::SqliteLedger};
use intuition_api::v1::{
    AccountRequest, SetTradingStateRequest, TradingCause, TradingState, runtime_client::RuntimeClient,
};
use tonic::{Code, Status, transport::Channel};

const ACCOUNT: &str = "default/test";
const PATIENCE: Duration = Duration::from_mins(1);
const RESERVE_BYTES: u64 = 1 << 20;

/// A mount namespace with a tmpfs of 24 MiB. It lasts as long as its process.
struct Volume {
    holder: Child,
    /// The volume as this process sees it.
    path: PathBuf,
    /// The volume within its namespace.
    within: PathBuf,
}

impl Volume {
    /// `None`: the system refuses it, for the reason on standard error.
    fn mount(at: &Path) -> Option<Self> {
        let script = "mount -t tmpfs -o size=24m ledger-test \"$0\" && echo mounted && exec cat";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]).arg(at).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut line).ok()?;
        if line != "mounted\n" {
            holder.wait().ok()?;
            return None;
        }
        let path = PathBuf::from(format!("/proc/{}/root{}", holder.id(), at.display()));
        Some(Self { holder, path, within: at.to_owned() })
    }

    /// Writes into a file until nothing more fits.
    fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.path.join("filler")).unwrap();
        for bytes in [64 << 10, 1] {
            let block = vec![1; bytes];
            loop {
                match filler.write_all(&block) {
                    Ok(()) => {}
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::StorageFull);
                        break;
                    }
                }
            }
        }
    }

    fn reserve(&self) -> Option<u64> {
        fs::metadata(self.path.join("data/ledger.reserve")).map(|found| found.len()).ok()
    }

    fn start(&self) -> Process {
        let (grpc, http) = (free_port(), free_port());
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()));
        command.arg(env!("CARGO_BIN_EXE_algo-runtime"));
        command.args(["--account", ACCOUNT, "--algorithm", "random", "--addr", &format!("127.0.0.1:{grpc}")]);
        command.args(["--http-addr", &format!("127.0.0.1:{http}"), "--data-dir"]).arg(self.within.join("data"));
        Process { child: command.spawn().unwrap(), grpc, http }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        self.holder.kill().unwrap();
        self.holder.wait().unwrap();
    }
}

struct Process {
    child: Child,
    grpc: u16,
    http: u16,
}

impl Process {
    fn page(&self, path: &str) -> Option<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.http)).ok()?;
        write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        connection.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Waits until a page has this text.
    fn shows(&mut self, path: &str, text: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.page(path) {
                Some(page) if page.contains(text) => return,
                page => assert!(Instant::now() < until, "{path} without {text}: {page:?}"),
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended");
            thread::yield_now();
        }
    }

    async fn client(&mut self) -> RuntimeClient<Channel> {
        self.shows("/readyz", "HTTP/1.1 200 OK");
        RuntimeClient::connect(format!("http://127.0.0.1:{}", self.grpc)).await.unwrap()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Halts the account, from the number of the state in force. Returns the number after it.
async fn halt(client: &mut RuntimeClient<Channel>, from: u64, message: &str) -> Result<u64, Status> {
    let (cause, message, state) = ("Halt".to_owned(), message.to_owned(), TradingState::Halted.into());
    let cause = TradingCause { cause, state, message, ..TradingCause::default() };
    let account = ACCOUNT.to_owned();
    let request =
        SetTradingStateRequest { account, from: Some(from), causes: vec![cause], ..SetTradingStateRequest::default() };
    let response = client.set_trading_state(request).await?.into_inner();
    Ok(response.trading.unwrap().number)
}

/// Halts for another reason each time, until a commit fails. Returns the number in force, and the error.
async fn fail_a_commit(client: &mut RuntimeClient<Channel>) -> (u64, Status) {
    let mut number = 0;
    for attempt in 0..10_000 {
        match halt(client, number, &format!("attempt {attempt}")).await {
            Ok(next) => number = next,
            Err(status) => return (number, status),
        }
    }
    panic!("no commit fails");
}

#[tokio::test(flavor = "multi_thread")]
async fn account_on_a_full_disk_can_be_halted_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let Some(volume) = Volume::mount(dir.path()) else {
        eprintln!("SKIPPED: the system refuses to mount a tmpfs, which takes root");
        return;
    };
    let mut process = volume.start();
    process.shows("/metrics", "\ntradingalgo_runtime_ledger_free_bytes{} ");
    assert_eq!(volume.reserve(), Some(RESERVE_BYTES));
    assert!(!process.page("/readyz").unwrap().contains("NearlyFull"));

    volume.fill();
    process.shows("/readyz", "\"reason\":\"NearlyFull\"");
    process.shows("/metrics", "\ntradingalgo_runtime_ledger_free_bytes{} 0\n");
    assert_eq!(volume.reserve(), Some(RESERVE_BYTES), "no commit has failed");

    // Not earlier: the server closes a connection that is silent for ten seconds, and the volume is looked at every ten.
    let mut client = process.client().await;
    let (number, status) = fail_a_commit(&mut client).await;
    assert_eq!(status.code(), Code::Internal, "{status:?}");
    assert_eq!(volume.reserve(), None);
    halt(&mut client, number, "the reserve has room").await.unwrap();

    fs::remove_file(volume.path.join("filler")).unwrap();
    process.shows("/metrics", "\ntradingalgo_runtime_ledger_free_bytes{} 2");
    assert!(!process.page("/readyz").unwrap().contains("NearlyFull"));
    assert_eq!(volume.reserve(), Some(RESERVE_BYTES));

    // An opening makes the index of the log, for which there is no room.
    volume.fill();
    process.kill();
    fs::remove_file(volume.path.join("data/ledger.db-shm")).unwrap();
    volume.fill();
    assert_eq!(volume.reserve(), Some(RESERVE_BYTES));
    let mut process = volume.start();
    let mut client = process.client().await;
    assert_eq!(volume.reserve(), None);
    let account = client.account(AccountRequest { account: ACCOUNT.to_owned() }).await.unwrap().into_inner();
    let causes = account.trading.unwrap().causes;
    assert_eq!(causes[0].message, "the reserve has room");
    process.kill();
}

/// Names of the files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Files cannot grow beyond a limit, which stops SQLite in the middle of a write: with another error than a full disk,
/// at the same places, and without any privilege. It is not among the tests of the ledger: a child has the locks of all threads of its
/// parent until it becomes another program.
#[test]
fn failed_write_during_creation_leaves_no_ledger_or_a_whole_one() {
    let (mut without, mut whole) = (0, 0);
    for blocks in (0..=480).step_by(8) {
        let dir = tempfile::tempdir().unwrap();
        let mut runtime = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f $0; exec \"$@\"", &blocks.to_string()])
            .arg(env!("CARGO_BIN_EXE_algo-runtime"))
            .args(["--account", ACCOUNT, "--algorithm", "random", "--addr", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It serves, or it ends.
        let mut error = String::new();
        let mut serves = false;
        for line in BufReader::new(runtime.stderr.take().unwrap()).lines() {
            error += &line.unwrap();
            serves = error.contains("serving");
            if serves {
                break;
            }
        }
        runtime.kill().unwrap();
        runtime.wait().unwrap();
        let left = names(dir.path());
        if left.iter().any(|name| name == "ledger.db") {
            whole += 1;
        } else {
            without += 1;
            assert_eq!(left, [""; 0], "{blocks} blocks: {error}");
        }
        assert!(serves || error.contains("ledger.db"), "{blocks} blocks: {error}");
        Box::new(SqliteLedger::open(dir.path(), ACCOUNT).unwrap()).close().unwrap();
        assert_eq!(names(dir.path()), ["ledger.db"]);
    }
    assert!(without > 10 && whole > 2, "{without} {whole}");
}
