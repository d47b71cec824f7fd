//! The binary, started for one test.

use std::process::{ExitStatus, Stdio};

use intuition_api::v1::algorithm_client::AlgorithmClient;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};
use tonic::transport::{Channel, Endpoint};

/// A running process, killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    /// Kept open, so that it can go on writing.
    log: Lines<BufReader<ChildStderr>>,
    address: String,
}

impl Program {
    /// On a free port.
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    /// Once it says where it listens.
    pub(crate) async fn start_at(address: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_breakout"))
            .args(["--addr", address])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        loop {
            let line = log.next_line().await.unwrap().expect("it ended before it listened");
            if let Some((_, address)) = line.split_once("listens on ") {
                return Self { child, log, address: address.to_owned() };
            }
        }
    }

    pub(crate) async fn channel(&self) -> Channel {
        let url =
            if self.address.starts_with("unix:") { self.address.clone() } else { format!("http://{}", self.address) };
        Endpoint::from_shared(url).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> AlgorithmClient<Channel> {
        AlgorithmClient::new(self.channel().await)
    }

    /// Sends SIGTERM now; the future is its end.
    pub(crate) fn terminate(self) -> impl Future<Output = ExitStatus> {
        let process = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &process]).status().unwrap();
        assert!(sent.success());
        let Self { mut child, log, .. } = self;
        async move {
            let status = child.wait().await.unwrap();
            drop(log);
            status
        }
    }

    /// As a crash would end it.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
