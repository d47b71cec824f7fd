//! Memory and processor time of a process, read from `/proc`.

use std::time::Duration;

use anyhow::Context as _;

/// Reads the use of one process. It is an error once the process has ended.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    pid: u32,
}

impl Meter {
    /// Of the process with this id.
    pub const fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Memory that it holds (resident set size), bytes.
    pub fn memory(self) -> anyhow::Result<u64> {
        self.status("VmRSS:")
    }

    /// The part of its memory that no file backs, bytes.
    pub fn anonymous_memory(self) -> anyhow::Result<u64> {
        self.status("RssAnon:")
    }

    /// Processor time that it has used, in user and kernel mode.
    pub fn processor_time(self) -> anyhow::Result<Duration> {
        let path = format!("/proc/{}/stat", self.pid);
        let stat = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        // Behind the name, which may hold anything, fields 3 and on (proc_pid_stat(5)): utime is 14, stime 15.
        let (_, fields) = stat.rsplit_once(") ").with_context(|| path.clone())?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        // `sysconf(_SC_CLK_TCK)` is 100 on every Linux that runs these.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// A field of `/proc/PID/status` in bytes.
    fn status(self, field: &str) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.pid);
        let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).with_context(|| path.clone())?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().with_context(|| line.to_owned())?;
        Ok(kilobytes * 1024)
    }
}
