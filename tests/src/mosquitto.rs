//! A real mosquitto on a free port, with a configuration of its own.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{meter::Meter, ports, process::Daemon, wait};

/// What the configuration says beside port and queue lengths.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Sessions and queues survive a stop by SIGTERM.
    pub persistence: bool,
    /// User and password; `None`: everybody may come.
    pub login: Option<(String, String)>,
    /// Lines of the ACL file; `None`: everybody may do everything.
    pub acl: Option<String>,
    /// Logs no single packets, of which a long backlog has too many.
    pub quiet: bool,
    /// Further lines of the configuration.
    pub further: &'static str,
}

impl Config {
    /// For many messages.
    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }
}

/// A mosquitto.
pub struct Mosquitto {
    port: u16,
    folder: PathBuf,
    daemon: Daemon,
}

impl Mosquitto {
    /// Starts one with its files in `folder` and waits until it answers.
    pub async fn start(folder: &Path, config: &Config) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let port = ports::free()?;
        let mut text = format!(
            "listener {port} 127.0.0.1\nmax_queued_messages 0\nallow_anonymous {}\nlog_dest stderr\n",
            config.login.is_none()
        );
        text.push_str(if config.quiet { "log_type error\nlog_type warning\n" } else { "log_type all\n" });
        text.push_str(config.further);
        if config.persistence {
            writeln!(text, "persistence true\npersistence_location {}/", folder.display())?;
        }
        if let Some((user, password)) = &config.login {
            let file = folder.join("passwords");
            write_passwords(&file, user, password)?;
            writeln!(text, "password_file {}", file.display())?;
        }
        if let Some(acl) = &config.acl {
            fs::write(acl_file(folder), acl)?;
            writeln!(text, "acl_file {}", acl_file(folder).display())?;
        }
        // Started as root it would become another user, who cannot write into the test's folder.
        let user = String::from_utf8(Command::new("id").arg("-un").output()?.stdout)?;
        writeln!(text, "user {}", user.trim())?;
        fs::write(folder.join("mosquitto.conf"), text)?;
        let daemon = launch(folder)?;
        let mut broker = Self { port, folder: folder.to_owned(), daemon };
        broker.ready().await?;
        Ok(broker)
    }

    /// Where it listens, on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// As the bridge takes it.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Reads its memory and processor time.
    pub fn meter(&self) -> Meter {
        self.daemon.meter()
    }

    /// SIGTERM: with persistence it saves everything.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.daemon.terminate().await.map(drop)
    }

    /// Saves sessions and queues to its file now, as it does every half hour by itself.
    pub async fn save(&self) -> anyhow::Result<()> {
        let file = self.folder.join("mosquitto.db");
        let saved = || fs::metadata(&file).and_then(|data| data.modified()).ok();
        let before = saved();
        self.daemon.signal("USR1")?;
        wait::until("mosquitto saves its file", async || Ok((saved() != before).then_some(()))).await
    }

    /// kill -9: what it held is lost.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.daemon.kill()
    }

    /// Starts it again on the same port with the same files.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.daemon = launch(&self.folder)?;
        self.ready().await
    }

    /// Puts another ACL in force without a restart.
    pub fn change_acl(&self, acl: &str) -> anyhow::Result<()> {
        fs::write(acl_file(&self.folder), acl)?;
        self.daemon.signal("HUP")
    }

    /// How many PUBLISH packets it took from clients on `topic`, by its own log.
    pub fn received_on(&self, topic: &str) -> usize {
        let topic = format!("'{topic}'");
        self.daemon.log().lines().filter(|line| line.contains("Received PUBLISH from") && line.contains(&topic)).count()
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let port = self.port;
        wait::until("mosquitto answers", async || {
            self.daemon.check_alive()?;
            Ok(ports::answers(port).await.then_some(()))
        })
        .await
    }
}

fn acl_file(folder: &Path) -> PathBuf {
    folder.join("acl")
}

fn launch(folder: &Path) -> anyhow::Result<Daemon> {
    // Debian puts it where only root's PATH looks.
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("mosquitto");
    let mut command = Command::new(program);
    command.arg("-c").arg(folder.join("mosquitto.conf"));
    Daemon::start("mosquitto", command, folder.join("mosquitto.log"))
        .context("these tests need mosquitto: `make deps` installs it")
}

fn write_passwords(file: &Path, user: &str, password: &str) -> anyhow::Result<()> {
    let output = Command::new("mosquitto_passwd").args(["-c", "-b"]).arg(file).args([user, password]).output()?;
    ensure!(output.status.success(), "mosquitto_passwd: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
