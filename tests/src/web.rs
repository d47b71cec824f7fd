//! A web server with one file, and its faults. It writes its answers by hand, since no library would break the rules of HTTP.

use std::{
    collections::VecDeque,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::ports;

/// Bytes of a chunk.
const CHUNK: usize = 10_000;

/// How the end of the file is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum End {
    /// By its length.
    #[default]
    Length,
    /// By an empty chunk.
    Chunks,
    /// By the end of the connection, which a cut has too.
    Connection,
}

/// The file, and the faults of the server.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The file.
    pub file: Vec<u8>,
    /// Status of every answer; otherwise 200 or 206.
    pub status: Option<u16>,
    /// `Location` of redirects. With a `status` all requests are redirected, otherwise those for other targets.
    pub location: Option<String>,
    /// `ETag` of the file, with which it serves ranges.
    pub etag: Option<String>,
    /// How the end of the file is known.
    pub end: End,
    /// After so many bytes of the file each of the next connections is cut.
    pub cuts: VecDeque<usize>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its path and query.
    pub target: String,
    /// The first byte of the range that it asks for.
    pub from: Option<usize>,
}

#[derive(Default)]
struct Shared {
    plan: Mutex<Plan>,
    asked: Mutex<Vec<Asked>>,
}

/// A web server on 127.0.0.1. It ends with all its connections when it is dropped.
pub struct Web {
    port: u16,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

impl Web {
    /// Starts a server.
    pub async fn start(plan: Plan) -> anyhow::Result<Self> {
        let port = ports::free()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let shared = Arc::new(Shared { plan: Mutex::new(plan), ..Shared::default() });
        let mut task = JoinSet::new();
        task.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { port, shared, _task: task })
    }

    /// URL of a path with a slash at its beginning. All paths lead to the file.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The plan, to be changed.
    pub fn plan(&self) -> MutexGuard<'_, Plan> {
        locked(&self.shared.plan)
    }

    /// All requests.
    pub fn asked(&self) -> Vec<Asked> {
        locked(&self.shared.asked).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // A client that is gone ends its connection alone.
            drop(serve(stream, &shared).await);
        });
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    // A TLS handshake.
    if stream.fill_buf().await?.first() == Some(&0x16) {
        return Ok(());
    }
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if stream.read_line(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let header = |name: &str| {
        let mut lines = request.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let from = header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let (plan, cut) = {
        let mut plan = locked(&shared.plan);
        let cut = if plan.status.is_none() { plan.cuts.pop_front() } else { None };
        (plan.clone(), cut)
    };
    // A test that sees the request may change the plan: this answer keeps to the former plan.
    locked(&shared.asked).push(Asked { target: target.clone(), from });
    let from = from.filter(|_| plan.etag.is_some() && header("if-range") == plan.etag);
    let location = plan.location.as_ref().filter(|location| plan.status.is_some() || !location.ends_with(&target));
    let status = plan.status.unwrap_or(if location.is_some() {
        302
    } else if from.is_some() {
        206
    } else {
        200
    });
    let file = plan.file.get(from.unwrap_or_default()..).unwrap_or_default();
    let head = head(&plan, status, location, from, file.len());
    stream.write_all(head.as_bytes()).await?;
    let sent = cut.and_then(|cut| file.get(..cut)).unwrap_or(file);
    if plan.end != End::Chunks {
        stream.write_all(sent).await?;
        return stream.shutdown().await;
    }
    for chunk in sent.chunks(CHUNK) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
        stream.write_all(chunk).await?;
        stream.write_all(b"\r\n").await?;
    }
    if cut.is_none() {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    stream.shutdown().await
}

/// The head of an answer whose body begins at the byte `from` of the file and has `length` bytes.
fn head(plan: &Plan, status: u16, location: Option<&String>, from: Option<usize>, length: usize) -> String {
    let end = match plan.end {
        End::Length => Some(format!("content-length: {length}")),
        End::Chunks => Some("transfer-encoding: chunked".to_owned()),
        End::Connection => None,
    };
    let whole = plan.file.len();
    let lines = [
        Some(format!("HTTP/1.1 {status} ")),
        Some("connection: close".to_owned()),
        location.map(|location| format!("location: {location}")),
        plan.etag.as_ref().map(|etag| format!("etag: {etag}")),
        from.map(|from| format!("content-range: bytes {from}-{}/{whole}", whole.saturating_sub(1))),
        end,
    ];
    lines.into_iter().flatten().map(|line| line + "\r\n").collect::<String>() + "\r\n"
}
