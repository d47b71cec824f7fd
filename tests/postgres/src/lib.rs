//! A PostgreSQL server for tests, on a free port of 127.0.0.1, in a folder of its own.
//!
//! PostgreSQL refuses to run as root: a server that root starts runs as the user `postgres`. The superuser
//! `postgres` logs in without a password, and every other user with one.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

/// Ports below those of outgoing connections, so that none of these takes the port of a server that is stopped.
const PORTS: std::ops::Range<u16> = 12_000..20_000;
/// The number of the last-resort user on Debian.
const LAST_RESORT: u32 = 65_534;
/// The longest time until a server answers or has ended, in tenths of a second.
const PATIENCE: u32 = 600;

/// The end of a server.
#[derive(Debug, Clone, Copy)]
pub enum Stop {
    /// It ends its connections and writes a checkpoint.
    Fast,
    /// It ends at once, and recovers at the next start.
    Immediate,
}

/// A server.
#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    user: Option<u32>,
    child: Option<Child>,
}

impl Server {
    /// Makes a server in `folder` and starts it. `settings`: lines of its configuration.
    pub fn start(folder: &Path, settings: &str) -> anyhow::Result<Self> {
        let folder = folder.join("postgres");
        fs::create_dir_all(&folder)?;
        let is_root = fs::metadata("/proc/self")?.uid() == 0;
        let user = if is_root { Some(server_user()?) } else { None };
        let mut server = Self { programs: programs()?, folder, port: free_port()?, user, child: None };
        server.own(&server.folder)?;
        server.open_parents()?;
        let mut init = server.command("initdb");
        init.args(["--no-sync", "--no-locale", "--encoding=UTF8", "--username=postgres", "--auth=trust", "--pgdata"]);
        let output = init.arg(server.data()).output()?;
        ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let port = server.port;
        let general = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nfsync = off\nmax_connections = 50\n"
        );
        server.write("postgresql.conf", &format!("{general}{settings}"))?;
        server
            .write("pg_hba.conf", "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")?;
        server.start_again()?;
        Ok(server)
    }

    /// Writes a file beside the configuration, which the server alone may read.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.data().join(name);
        fs::write(&path, text)?;
        self.own(&path)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        Ok(fs::set_permissions(&path, mode)?)
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database for the superuser, without encryption.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Runs statements as the superuser. Returns the lines of their results.
    pub fn sql(&self, database: &str, statements: &str) -> anyhow::Result<String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        let output = psql.args(["--dbname", &self.url(database), "--command", statements]).output()?;
        ensure!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Stops it.
    pub fn stop(&mut self, stop: Stop) -> anyhow::Result<()> {
        let signal = match stop {
            Stop::Fast => "-INT",
            Stop::Immediate => "-QUIT",
        };
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let status = Command::new("kill").arg(signal).arg(child.id().to_string()).status()?;
        ensure!(status.success(), "kill {signal}: {status}");
        for _ in 0..PATIENCE {
            if child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        child.kill()?;
        bail!("the server does not stop by {signal}")
    }

    /// Starts it again with its data, and waits until it answers.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log"))?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn().context("starting postgres")?;
        let url = self.url("postgres");
        for _ in 0..PATIENCE {
            if let Some(status) = child.try_wait()? {
                bail!("postgres ended ({status}): {}", self.log());
            }
            let mut ready = Command::new(self.programs.join("pg_isready"));
            if ready.args(["--quiet", "--dbname", &url]).status()?.success() {
                self.child = Some(child);
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        child.kill()?;
        bail!("postgres does not answer: {}", self.log())
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read(self.folder.join("log")).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn own(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(user) = self.user {
            chown(path, Some(user), Some(user)).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// Lets the server's user go through the temporary folder above its own.
    fn open_parents(&self) -> anyhow::Result<()> {
        if let (Some(_), Some(parent)) = (self.user, self.folder.parent()) {
            let mode = fs::metadata(parent)?.mode() | 0o111;
            fs::set_permissions(parent, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        // A folder that the user of the server may enter.
        command.current_dir("/");
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop(Stop::Immediate));
    }
}

/// The folder with the programs of the newest server.
fn programs() -> anyhow::Result<PathBuf> {
    // Debian puts them where no PATH looks.
    let versions = fs::read_dir("/usr/lib/postgresql").map(|entries| entries.flatten().collect::<Vec<_>>());
    let mut found: Vec<(u32, PathBuf)> = versions
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").exists())
        .collect();
    found.sort();
    if let Some((_, folder)) = found.pop() {
        return Ok(folder);
    }
    let output = Command::new("pg_config").arg("--bindir").output();
    let output = output.context("these tests need PostgreSQL: `make deps` installs it")?;
    Ok(String::from_utf8(output.stdout)?.trim().into())
}

fn server_user() -> anyhow::Result<u32> {
    let output = Command::new("id").args(["-u", "postgres"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse().unwrap_or(LAST_RESORT))
}

/// A port that no process listens on, never the same twice in a process.
fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    // Test executables that run at the same time begin at different places.
    let start = u16::try_from(std::process::id().wrapping_mul(31) % u32::from(count))?;
    for _ in 0..count {
        let port = PORTS.start + (start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {} on", PORTS.start)
}
