//! How streams begin and end, and the server.

#![expect(clippy::disallowed_methods, reason = "an edge: it waits by the monotonic clock")]

use std::{process::Command, time::Duration};

use intuition_api::v1::{EventBatch, events_request::Message};
use tokio::time::{self, Instant};

use super::{Kit, lives, note};
use crate::conform::{
    client::{CallError, Stream},
    quotes::Feed,
    report::Report,
    row::Row,
    run::{self, Halt},
};

/// Streams open at the same time.
const STREAMS: usize = 16;
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Messages that no runtime sends: the stream ends with an error, and nothing else happens.
pub(super) async fn misuse(kit: &Kit, report: &mut Report) {
    let batch = || Message::Batch(EventBatch { number: 1, events: Feed::new(0).take(3) });
    let what = "a batch before initialize";
    match kit.target.stream(batch()).await {
        Ok(stream) => refuses(Row::FirstMessage, what, stream, report).await,
        // The error may come before the stream is there.
        Err(CallError::Ended { .. }) => report.pass(Row::FirstMessage),
        Err(error) => report.fail(Row::FirstMessage, format!("{what}: {error}")),
    }
    lives(kit, Row::FirstMessage, what, report).await;
    for (row, what) in [(Row::SecondInitialize, "a second initialize"), (Row::EmptyMessage, "an empty message")] {
        match run::open(&kit.target, &kit.account(), &kit.parameters, Vec::new()).await {
            Ok(stream) => {
                stream.send((row == Row::SecondInitialize).then(|| {
                    Message::Initialize(intuition_api::v1::InitializeRequest {
                        account: kit.account(),
                        parameters_json: kit.parameters.clone(),
                        ..Default::default()
                    })
                }));
                refuses(row, what, stream, report).await;
            }
            Err(Halt::Call(error)) => note(report, row, &error),
            Err(halt) => report.fail(row, halt.to_string()),
        }
        lives(kit, row, what, report).await;
    }
}

async fn refuses(row: Row, what: &'static str, mut stream: Stream, report: &mut Report) {
    match stream.next(what).await {
        Err(CallError::Ended { .. }) => report.pass(row),
        Ok(_) => report.fail(row, format!("{what} was answered as if nothing were wrong")),
        Err(error) => report.fail(row, error.to_string()),
    }
}

/// A stream is cancelled with a batch under way.
pub(super) async fn cancel(kit: &Kit, report: &mut Report) {
    let row = Row::Cancel;
    let account = kit.account();
    let outcome = async {
        let mut feed = Feed::new(0);
        let stream = run::open(&kit.target, &account, &kit.parameters, Vec::new()).await?;
        stream.send(Some(Message::Batch(EventBatch { number: 1, events: feed.take(256) })));
        drop(stream);
        let mut again = run::open(&kit.target, &account, &kit.parameters, Vec::new()).await?;
        again.batch(1, Feed::new(0).take(5)).await?;
        Ok::<(), Halt>(())
    };
    match outcome.await {
        Ok(()) => report.pass(row),
        Err(halt) => {
            // One that hangs after it hangs for it.
            let late = matches!(halt, Halt::Call(CallError::Late { .. })) && !report.has_failed(Row::Deadline);
            report.fail(if late { row } else { halt.row(row) }, format!("after a stream was cancelled: {halt}"));
            report.skip(row, "it was not answered as it should be");
        }
    }
}

/// The runtime closes its side.
pub(super) async fn half_close(kit: &Kit, report: &mut Report) {
    let row = Row::HalfClose;
    let mut stream = match run::open(&kit.target, &kit.account(), &kit.parameters, Vec::new()).await {
        Ok(stream) => stream,
        Err(Halt::Call(error)) => return note(report, row, &error),
        Err(halt) => return report.fail(row, halt.to_string()),
    };
    if let Err(error) = stream.batch(1, Feed::new(0).take(5)).await {
        return note(report, row, &error);
    }
    match stream.finish().await {
        Ok(()) => report.pass(row),
        // Who answers twice answers nothing with the second.
        Err(error @ CallError::Odd { .. }) => note(report, row, &error),
        Err(error) => report.fail(row, error.to_string()),
    }
}

/// Describe while streams are open and at work.
pub(super) async fn describe_busy(kit: &Kit, report: &mut Report) {
    let row = Row::DescribeBusy;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        match run::open(&kit.target, &kit.account(), &kit.parameters, Vec::new()).await {
            Ok(stream) => streams.push(stream),
            Err(halt) => {
                let open = streams.len();
                return report.fail(row, format!("with {open} streams open, another account: {halt}"));
            }
        }
    }
    for stream in &streams {
        stream.send(Some(Message::Batch(EventBatch { number: 1, events: Feed::new(0).take(256) })));
    }
    match kit.target.describe().await {
        Ok(_) => report.pass(row),
        Err(error) => report.fail(row, format!("with {STREAMS} streams at work: {error}")),
    }
}

/// SIGTERM, where the process is known.
pub(super) async fn shutdown(kit: &Kit, report: &mut Report) {
    let row = Row::Shutdown;
    let Some(pid) = kit.pid else { return report.skip(row, "give the server's process with --pid to have it ended") };
    let stream = run::open(&kit.target, &kit.account(), &kit.parameters, Vec::new()).await;
    let Ok(mut stream) = stream else { return report.skip(row, "no stream could be opened") };
    if !signal("-TERM", pid) {
        return report.skip(row, "the process of --pid could not be signalled");
    }
    let until = Instant::now() + SHUTDOWN_TIMEOUT;
    // For as long as the shutdown may take, whatever an answer may.
    stream.be_patient(SHUTDOWN_TIMEOUT);
    match time::timeout_at(until, stream.next("SIGTERM")).await {
        Ok(Err(CallError::Late { .. }) | Ok(_)) | Err(_) => {
            return report.fail(row, "the open stream did not end within 10 s of SIGTERM");
        }
        Ok(Err(_)) => {}
    }
    while signal("-0", pid) && !has_ended(pid) {
        if Instant::now() >= until {
            return report.fail(row, "the process is still there 10 s after SIGTERM");
        }
        time::sleep(Duration::from_millis(20)).await;
    }
    report.pass(row);
}

/// Whether nothing is left of a process but its exit code, for its parent to read (proc(5), `stat`).
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}

/// By the command, which every system that has processes has.
fn signal(signal: &str, pid: u32) -> bool {
    let killed = Command::new("kill").args([signal, &pid.to_string()]).stderr(std::process::Stdio::null()).status();
    killed.is_ok_and(|status| status.success())
}
