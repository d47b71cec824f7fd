//! A real mosquitto on a free port, in a directory of its own, stopped when it is dropped.
//!
//! The environment variable `EXCHANGE_BROKER` names a program to be started instead, with the port and the directory as its
//! arguments; `tests/brokers/run` sets it. Tests that configure mosquitto fail then and are to be skipped.

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub(crate) struct Mosquitto {
    port: u16,
    directory: TempDir,
    process: Option<Child>,
}

impl Mosquitto {
    /// Starts a broker that keeps its state on disk and lets everyone in.
    pub(crate) fn start() -> Self {
        Self::configure(tempfile::tempdir().unwrap(), "allow_anonymous true\n")
    }

    /// Starts a broker with more configuration, in which `DIR` stands for its directory.
    pub(crate) fn start_with(more: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), more)
    }

    /// Starts a broker whose access rules can be changed while it runs.
    pub(crate) fn with_acl(rules: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("acl"), rules).unwrap();
        Self::start_in(directory, "allow_anonymous true\nacl_file DIR/acl\n")
    }

    /// Changes the access rules.
    pub(crate) fn set_acl(&self, rules: &str) {
        fs::write(self.path("acl"), rules).unwrap();
        self.signal("HUP");
    }

    /// Starts a broker that lets in only who knows this password, for the user `me`.
    pub(crate) fn with_password(password: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write_passwords(&directory.path().join("passwords"), password);
        Self::start_in(directory, "allow_anonymous false\npassword_file DIR/passwords\n")
    }

    /// Changes the password of the user `me`, from the next launch on.
    pub(crate) fn set_password(&self, password: &str) {
        write_passwords(&self.path("passwords"), password);
    }

    /// Starts a broker that speaks TLS, as an authority of its own vouches for in its `ca.crt`.
    pub(crate) fn with_tls() -> Self {
        let directory = tempfile::tempdir().unwrap();
        make_certificates(directory.path());
        Self::start_in(directory, "allow_anonymous true\ncertfile DIR/server.crt\nkeyfile DIR/server.key\n")
    }

    fn start_in(directory: TempDir, more: &str) -> Self {
        assert!(other_program().is_none(), "this test configures mosquitto: skip it with another broker");
        Self::configure(directory, more)
    }

    fn configure(directory: TempDir, more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = directory.path().display().to_string();
        // Started by root it would become another user, who may not write here; for others `user` means nothing.
        let config = format!(
            "listener {port} 127.0.0.1\nuser root\npersistence true\npersistence_location {path}/\nmax_queued_messages 0\n{}",
            more.replace("DIR", &path)
        );
        fs::write(directory.path().join("mosquitto.conf"), config).unwrap();
        let mut broker = Self { port, directory, process: None };
        broker.launch();
        broker
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    pub(crate) fn launch(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = if let Some(program) = other_program() {
            let mut command = Command::new(program);
            command.arg(self.port.to_string()).arg(self.directory.path());
            command
        } else {
            // Debian puts it where users do not look.
            let program =
                if PathBuf::from("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
            let mut command = Command::new(program);
            command.arg("-c").arg(self.path("mosquitto.conf")).arg("-v");
            command
        };
        let process = command.stdout(Stdio::null()).stderr(log).spawn().expect("the broker is installed");
        self.process = Some(process);
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < until, "the broker does not listen: {}", self.log());
            std::thread::yield_now();
        }
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// Publishes the same message many times with `QoS` 0, which no limit of the broker holds back.
    pub(crate) fn flood(&self, topic: &str, payload: &str, times: usize) {
        self.publish_lines(topic, 0, &format!("{payload}\n").repeat(times));
    }

    /// Publishes a message for each line, and returns when the broker has them.
    pub(crate) fn publish_lines(&self, topic: &str, qos: u8, lines: &str) {
        fs::write(self.path("lines"), lines).unwrap();
        let input = fs::File::open(self.path("lines")).unwrap();
        let (port, qos) = (self.port.to_string(), qos.to_string());
        let arguments = ["-p", &port, "-V", "5", "-t", topic, "-q", &qos, "-l"];
        assert!(Command::new("mosquitto_pub").args(arguments).stdin(input).status().unwrap().success());
    }

    /// Where it listens.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Ends it without a chance to save anything.
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
        self.process.take().unwrap().wait().unwrap();
    }

    /// Ends it in an orderly way: it saves its state.
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        self.process.take().unwrap().wait().unwrap();
    }
}

/// The broker to test with in place of mosquitto.
#[expect(clippy::disallowed_methods, reason = "tests have no command line of their own")]
fn other_program() -> Option<PathBuf> {
    env::var_os("EXCHANGE_BROKER").map(PathBuf::from)
}

fn write_passwords(path: &Path, password: &str) {
    let arguments = ["-b", "-c", path.to_str().unwrap(), "me", password];
    assert!(Command::new("mosquitto_passwd").args(arguments).output().unwrap().status.success());
}

/// Makes `ca.crt` and, signed by it, `server.crt` for 127.0.0.1.
fn make_certificates(directory: &Path) {
    fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for command in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj /CN=authority -days 2",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=broker",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -days 2 -out server.crt",
    ] {
        let output = Command::new("openssl").args(command.split(' ')).current_dir(directory).output();
        let output = output.expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}
