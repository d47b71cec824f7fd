//! A scripted broker: it answers each packet by a script and records the packets that it received.
//!
//! Packets are read and written here as bytes, by the MQTT 5 specification alone: nothing is shared with the bridge.

pub(crate) mod wire;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinHandle,
};

pub(crate) use self::wire::Packet;

/// A packet that the broker received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// Which connection, counted from 1.
    pub(crate) connection: usize,
    /// Of its CONNECT.
    pub(crate) client_id: String,
    pub(crate) packet: Packet,
}

/// What the broker does on a connection.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Writes bytes at once.
    Send(Vec<u8>),
    /// Writes bytes one by one, each in a segment of its own.
    Trickle(Vec<u8>),
    /// Writes bytes later; what comes meanwhile is answered meanwhile.
    SendAfter(Duration, Vec<u8>),
    /// Closes the connection behind everything written so far.
    Close,
}

type Script = Box<dyn FnMut(&Received) -> Vec<Action> + Send>;

/// The scripted broker. It ends when it is dropped.
pub(crate) struct Broker {
    pub(crate) url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    script: Mutex<Script>,
    received: Mutex<Vec<Received>>,
    /// The way to each connection that is open, with its client id.
    open: Mutex<BTreeMap<usize, (String, mpsc::UnboundedSender<Action>)>>,
    /// Connections so far.
    accepted: AtomicUsize,
    is_reading: watch::Sender<bool>,
}

impl Broker {
    /// Starts a broker with a script.
    pub(crate) async fn start(script: impl FnMut(&Received) -> Vec<Action> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("mqtt://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            script: Mutex::new(Box::new(script)),
            received: Mutex::default(),
            open: Mutex::default(),
            accepted: AtomicUsize::new(0),
            is_reading: watch::Sender::new(true),
        });
        let serving = Arc::clone(&shared);
        #[expect(clippy::disallowed_methods, reason = "it ends when the broker is dropped")]
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = serving.accepted.fetch_add(1, Ordering::SeqCst) + 1;
                #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
                tokio::spawn(serve(Arc::clone(&serving), number, socket));
            }
        });
        Self { url, shared, accepting }
    }

    /// Answers by another script from now on.
    pub(crate) fn follow(&self, script: impl FnMut(&Received) -> Vec<Action> + Send + 'static) {
        *self.shared.script.lock().unwrap() = Box::new(script);
    }

    /// Everything received so far, in order.
    pub(crate) fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.shared.received.lock().unwrap()
    }

    /// How many packets it received that fit.
    pub(crate) fn count(&self, fits: impl Fn(&Received) -> bool) -> usize {
        self.received().iter().filter(|received| fits(received)).count()
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// The newest connection of a client that is open.
    pub(crate) fn connection_of(&self, client_id: &str) -> Option<usize> {
        let open = self.shared.open.lock().unwrap();
        open.iter().rev().find(|(_, (known, _))| known == client_id).map(|(number, _)| *number)
    }

    /// Does something on the newest connection of a client. False: the client has none.
    pub(crate) fn act(&self, client_id: &str, action: Action) -> bool {
        let Some(number) = self.connection_of(client_id) else { return false };
        let open = self.shared.open.lock().unwrap();
        open.get(&number).is_some_and(|(_, actions)| actions.send(action).is_ok())
    }

    /// Reads nothing more, on any connection.
    pub(crate) fn stop_reading(&self) {
        self.shared.is_reading.send_replace(false);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection.
async fn serve(shared: Arc<Shared>, connection: usize, socket: TcpStream) {
    socket.set_nodelay(true).unwrap();
    let (mut reader, writer) = socket.into_split();
    let (actions, queue) = mpsc::unbounded_channel();
    let mut is_reading = shared.is_reading.subscribe();
    // Writing has a task of its own: a client that does not read must not stop the reading here.
    #[expect(clippy::disallowed_methods, reason = "it ends with the connection")]
    let mut writing = tokio::spawn(write(writer, queue, actions.clone()));
    let (mut input, mut client_id) = (Vec::new(), String::new());
    'reading: loop {
        while let Some(packet) = wire::take(&mut input) {
            if let Packet::Connect(connect) = &packet {
                client_id.clone_from(&connect.client_id);
                shared.open.lock().unwrap().insert(connection, (client_id.clone(), actions.clone()));
            }
            let received = Received { connection, client_id: client_id.clone(), packet };
            let answers = (shared.script.lock().unwrap())(&received);
            shared.received.lock().unwrap().push(received);
            for answer in answers {
                drop(actions.send(answer));
            }
        }
        tokio::select! {
            ended = &mut writing => {
                ended.unwrap();
                break 'reading;
            }
            read = async {
                is_reading.wait_for(|is_reading| *is_reading).await.unwrap();
                reader.read_buf(&mut input).await
            } => if !matches!(read, Ok(1..)) {
                break 'reading;
            },
        }
    }
    shared.open.lock().unwrap().remove(&connection);
    writing.abort();
}

/// Does what is queued, in order, until the connection is to be closed.
async fn write(
    mut writer: tokio::net::tcp::OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<Action>,
    actions: mpsc::UnboundedSender<Action>,
) {
    while let Some(action) = queue.recv().await {
        let written = match action {
            Action::Send(bytes) => writer.write_all(&bytes).await,
            Action::Trickle(bytes) => {
                for byte in bytes {
                    if writer.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            Action::SendAfter(delay, bytes) => {
                let actions = actions.clone();
                #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    drop(actions.send(Action::Send(bytes)));
                });
                Ok(())
            }
            Action::Close => return,
        };
        if written.is_err() {
            return;
        }
    }
}

/// The answer of a broker that does everything that it is asked to: a script for all packets that a test does not care
/// about.
pub(crate) fn polite(received: &Received) -> Vec<Action> {
    match &received.packet {
        Packet::Connect(_) => vec![Action::Send(wire::connack(false, 0, &[]))],
        Packet::Publish(publish) if publish.qos == 1 => vec![Action::Send(wire::puback(publish.packet_id, 0))],
        Packet::Subscribe(subscribe) => vec![Action::Send(wire::suback(subscribe.packet_id, 1))],
        Packet::Unsubscribe { packet_id, .. } => vec![Action::Send(wire::unsuback(*packet_id, 0))],
        Packet::Pingreq => vec![Action::Send(vec![0xd0, 0])],
        Packet::Disconnect { .. } => vec![Action::Close],
        Packet::Publish(_) | Packet::Puback { .. } | Packet::Other(_) => vec![],
    }
}
