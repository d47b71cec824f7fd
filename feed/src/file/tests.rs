use std::{collections::BTreeMap, fmt::Write as _, fs};

use serde_json::{json, value::RawValue};
use tempfile::TempDir;

use super::*;
use crate::{quote::Quote, source::State};

const HEADER: &str = "time,sid,price\n";

/// Rows of a day each.
fn rows(count: usize) -> String {
    let mut text = HEADER.to_owned();
    for row in 1..=count {
        writeln!(text, "{},ACME,{row}.5", 951_868_800 + row).unwrap();
    }
    text
}

fn source(folder: &TempDir, text: &str, more: &serde_json::Value) -> FileSource {
    fs::write(folder.path().join("q.csv"), text).unwrap();
    let mut fields = json!({ "claim": { "name": "quotes", "path": "q.csv" } });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let file: File = serde_json::from_value(fields).unwrap();
    FileSource::new(&file, folder.path(), TaskTracker::new()).unwrap()
}

struct Read {
    quotes: Vec<Quote>,
    state: Option<Box<RawValue>>,
    last: Option<Condition>,
}

impl Read {
    fn numbers(&self) -> Vec<u64> {
        self.quotes.iter().map(|quote| quote.seq).collect()
    }

    fn failure(&self) -> (&'static str, &str) {
        match &self.last {
            Some(Condition::Failed { reason, message }) => (reason, message),
            other => panic!("{other:?}"),
        }
    }
}

async fn read(source: &FileSource, published: u64, state: Option<Box<RawValue>>) -> Read {
    let numbers = if published == 0 { BTreeMap::new() } else { BTreeMap::from([("q.csv".into(), published)]) };
    let mut events = source.start(Position { numbers, state }, CancellationToken::new());
    let mut read = Read { quotes: Vec::new(), state: None, last: None };
    while let Some(event) = events.recv().await {
        match event {
            SourceEvent::Quotes { quotes, state } => {
                read.quotes.extend(quotes);
                read.state = state.map(|state: Arc<dyn State>| state.to_json().unwrap()).or(read.state);
            }
            SourceEvent::Condition(condition) => read.last = Some(condition),
            SourceEvent::Gap { .. } | SourceEvent::Late { .. } | SourceEvent::Disconnected { .. } => {
                panic!("a file has none of them: {event:?}")
            }
        }
    }
    read
}

#[tokio::test]
async fn rows_behind_the_position_are_read_from_the_same_file() {
    let folder = TempDir::new().unwrap();
    let first = read(&source(&folder, &rows(700), &json!({})), 0, None).await;
    assert_eq!((first.numbers(), first.last.clone()), ((1..=700).collect(), Some(Condition::Ended)));
    assert_eq!(
        first.quotes[0].payload().unwrap(),
        r#"{"sid":"ACME","quote":"1.5","time":"2000-03-01T00:00:01Z","source":"q.csv","seq":1,"line":2}"#
    );
    let later = read(&source(&folder, &rows(720), &json!({})), 690, first.state).await;
    assert_eq!((later.numbers(), later.last), ((691..=720).collect(), Some(Condition::Ended)));
}

#[tokio::test]
async fn changed_file_is_refused_before_anything_is_published() {
    let folder = TempDir::new().unwrap();
    let state = read(&source(&folder, &rows(700), &json!({})), 0, None).await.state;
    for (text, complaint) in [
        (rows(700).replace(",650.5", ",650.6"), "data row 650 has changed"),
        (rows(100), "has fewer data rows than it had: 100, and before at least 690"),
    ] {
        let refused = read(&source(&folder, &text, &json!({})), 690, state.clone()).await;
        assert_eq!(refused.numbers(), Vec::<u64>::new());
        let (reason, message) = refused.failure();
        assert!(reason == "SourceChanged" && message.contains(complaint), "{message}");
    }
    let behind = rows(700).replace(",695.5", ",695.6");
    let taken = read(&source(&folder, &behind, &json!({})), 690, state.clone()).await;
    assert_eq!(taken.numbers(), (691..=700).collect::<Vec<_>>(), "the row was not published");
    let renamed = source(&folder, &rows(100), &json!({ "sourceName": "q.csv#2" }));
    assert_eq!(read(&renamed, 690, state).await.numbers(), (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn unusable_rows_end_the_source_unless_they_are_allowed() {
    let folder = TempDir::new().unwrap();
    // Behind the rows that are checked before the first one is read.
    let text = rows(10_500).replace(",10400.5", ",none");
    let ended = read(&source(&folder, &text, &json!({})), 0, None).await;
    assert_eq!(ended.numbers(), (1..10_400).collect::<Vec<_>>());
    let (reason, message) = ended.failure();
    assert!(reason == "FileUnusable" && message.contains("line 10401"), "{message}");
    let passed = read(&source(&folder, &text, &json!({ "allowBadLines": true })), 0, None).await;
    assert_eq!(passed.quotes.len(), 10_499);
    let sparse: Vec<_> = passed.quotes.iter().filter(|quote| quote.is_sparse).map(|quote| quote.seq).collect();
    assert_eq!(sparse, [10_401]);
}

#[tokio::test]
async fn missing_file_is_a_failure_with_its_path() {
    let folder = TempDir::new().unwrap();
    let source = source(&folder, "", &json!({ "claim": { "name": "quotes", "path": "other.csv" } }));
    let (reason, message) = {
        let read = read(&source, 0, None).await;
        let (reason, message) = read.failure();
        (reason, message.to_owned())
    };
    assert!(reason == "FileUnusable" && message.contains("other.csv"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn rows_come_at_the_distances_of_their_times() {
    let folder = TempDir::new().unwrap();
    let source =
        source(&folder, "time,sid,price\n951868800,A,1\n951868860,A,2\n951872400,A,3\n", &json!({ "speed": "60x" }));
    let mut events = source.start(Position::default(), CancellationToken::new());
    let start = Instant::now();
    let mut times = Vec::new();
    while let Some(event) = events.recv().await {
        if let SourceEvent::Quotes { quotes, .. } = event {
            times.extend(quotes.iter().map(|quote| (quote.seq, start.elapsed().as_secs())));
        }
    }
    assert_eq!(times, [(1, 0), (2, 1), (3, 60)]);
}
