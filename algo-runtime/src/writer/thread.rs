//! The thread of the writer: waits for commands, groups them, and lets the writer settle the group. Clocks, the heartbeat, the
//! queue of commands and links to backends are here, since the writer must not have them.

#![expect(clippy::disallowed_methods, reason = "an edge: it hands the time to the writer")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use intuition_common::{
    clock::{Clock, Now},
    heartbeat::Heartbeat,
};
use tokio::{
    sync::{mpsc, watch},
    time::{error::Elapsed, timeout_at},
};

use super::{Command, Writer, WriterError};
use crate::{
    backend::link::{Link, Links},
    engine::{LinkAction, LinkId, Tally},
};

/// Time between two looks at the ledger's files. A tick comes every 10 s.
const FILES_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Time between two looks at the space of the ledger's volume.
const SPACE_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct WriterThread {
    writer: Writer,
    clock: Arc<dyn Clock>,
    heartbeat: Heartbeat,
    files_checked: Instant,
    space_checked: Instant,
    /// Waits for commands with a deadline.
    timer: tokio::runtime::Runtime,
    links: OpenLinks,
}

impl WriterThread {
    /// Starts the links that the writer asks for already. `commands`: the far end of [`WriterThread::run`]'s commands, for
    /// the events of links.
    pub(crate) fn new(
        writer: Writer,
        clock: Arc<dyn Clock>,
        links: Links,
        commands: mpsc::Sender<Command>,
    ) -> Result<Self, WriterError> {
        let timer = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let mut thread = Self {
            writer,
            clock,
            heartbeat: Heartbeat::new(),
            files_checked: Instant::now(),
            space_checked: Instant::now(),
            timer: timer.map_err(WriterError::KeepTime)?,
            links: OpenLinks { links, open: BTreeMap::new(), commands },
        };
        thread.links.run(thread.writer.take_link_actions());
        Ok(thread)
    }

    /// The account after each commit. See [`Writer::tally`].
    pub(crate) fn tally(&self) -> watch::Sender<Arc<Tally>> {
        self.writer.tally()
    }

    /// Beats with each group of [`WriterThread::run`].
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Serves commands until [`Command::Stop`], or until all senders of commands have gone.
    pub(crate) fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Result<(), WriterError> {
        self.writer.look_at_space(Now::read(self.clock.as_ref()).instant);
        let mut is_running = true;
        while is_running {
            self.heartbeat.beat();
            let mut next = match self.next(&mut commands) {
                Ok(None) => break,
                Ok(command) => command,
                Err(Elapsed { .. }) => None,
            };
            let mut ticks = 0;
            while let Some(command) = next {
                ticks += command.ticks();
                if matches!(command, Command::Stop) {
                    is_running = false;
                    break;
                }
                self.writer.handle(command, Now::read(self.clock.as_ref()));
                next = if ticks < self.writer.sizes().group_ticks { commands.try_recv().ok() } else { None };
            }
            self.writer = self.writer.settle(Now::read(self.clock.as_ref()))?;
            self.links.run(self.writer.take_link_actions());
            if self.files_checked.elapsed() >= FILES_CHECK_INTERVAL {
                self.files_checked = Instant::now();
                self.writer.check_files()?;
            }
            if self.space_checked.elapsed() >= SPACE_CHECK_INTERVAL {
                self.space_checked = Instant::now();
                self.writer.look_at_space(Now::read(self.clock.as_ref()).instant);
            }
        }
        self.writer.stop()
    }

    /// Waits for a command, and no longer than reports may wait. `None`: no command can come any more.
    fn next(&self, commands: &mut mpsc::Receiver<Command>) -> Result<Option<Command>, Elapsed> {
        let Some(deadline) = self.writer.deadline() else { return Ok(commands.blocking_recv()) };
        self.timer.block_on(async { timeout_at(deadline, commands.recv()).await })
    }
}

/// The links that the writer asked for and has not ended.
struct OpenLinks {
    links: Links,
    /// By life and link.
    open: BTreeMap<(u64, LinkId), Link>,
    /// The queue for their events.
    commands: mpsc::Sender<Command>,
}

impl OpenLinks {
    fn run(&mut self, actions: Vec<(u64, LinkAction)>) {
        for (life, action) in actions {
            match action {
                LinkAction::Start(link, address) => {
                    let commands = self.commands.clone();
                    let tell = move |event| {
                        let commands = commands.clone();
                        async move { commands.send(Command::LinkEvent { life, link, event }).await.is_ok() }
                    };
                    self.open.insert((life, link), self.links.start(address, tell));
                }
                LinkAction::Command(link, command) => {
                    if let Some(link) = self.open.get(&(life, link)) {
                        link.send(command);
                    }
                }
                LinkAction::End(link) => drop(self.open.remove(&(life, link))),
            }
        }
    }
}
