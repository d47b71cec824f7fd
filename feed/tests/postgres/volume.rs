//! A table of ten million rows: `make nightly` runs it.

use std::{fs, time::Instant};

use feed::source::SourceEvent;

use crate::harness::{Database, table};

const ROWS: u64 = 10_000_000;
/// Bound on the memory of this process. A source that keeps all rows holds more.
const MOST_KIB: u64 = 256 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make nightly"]
async fn ten_million_rows_are_read_in_order_and_in_bounded_memory() {
    let database = Database::with_table();
    database.sql(&format!("INSERT INTO trades SELECT n, 'ACME', n + 0.25 FROM generate_series(1, {ROWS}) AS n"));
    let start = Instant::now();
    let mut reading = database.read(&table(), None);
    let mut last = 0;
    while last < ROWS {
        match reading.next().await {
            SourceEvent::Quotes { quotes, .. } => {
                for quote in quotes {
                    assert_eq!(quote.seq, last + 1);
                    last = quote.seq;
                }
            }
            SourceEvent::Condition(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let seconds = start.elapsed().as_secs().max(1);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{ROWS} rows in {seconds} s: {} rows a second, peak memory {} MiB", ROWS / seconds, peak >> 10);
    assert!(peak < MOST_KIB, "{peak} KiB");
}
