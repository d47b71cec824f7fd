//! `kubectl port-forward`, started again whenever it ends.

use std::{process::Stdio, time::Duration};

use tokio::{process::Command, task::JoinSet};

use crate::ports;

/// Between two attempts, while there is nothing to forward to.
const PAUSE: Duration = Duration::from_millis(200);

/// A port of 127.0.0.1 that leads to one in the cluster for as long as this lives, through restarts of what is there.
pub struct Forward {
    port: u16,
    _task: JoinSet<()>,
}

impl Forward {
    /// To `target`, for example `service/broker`.
    pub fn start(namespace: &str, target: &str, remote: u16) -> anyhow::Result<Self> {
        let port = ports::free()?;
        let mut task = JoinSet::new();
        task.spawn(keep(namespace.to_owned(), target.to_owned(), format!("{port}:{remote}")));
        Ok(Self { port, _task: task })
    }

    /// The port here.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

async fn keep(namespace: String, target: String, ports: String) {
    loop {
        let mut command = Command::new("kubectl");
        command.args(["--namespace", &namespace, "port-forward", &target, &ports]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        if let Ok(mut child) = command.spawn() {
            drop(child.wait().await);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
