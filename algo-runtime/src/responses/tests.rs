use std::sync::atomic::{AtomicUsize, Ordering};

use intuition_api::v1::{OutboxEntry, Publication, outbox_entry::Content};
use tokio_stream::StreamExt as _;
use tonic::Code;

use super::*;

/// A response of about so many bytes.
fn entry(bytes: usize) -> ProcessResponse {
    let publication = Publication { channel: "c".to_owned(), payload: vec![0; bytes].into() };
    let entries = vec![OutboxEntry { position: 1, content: Some(Content::Publication(publication)) }];
    ProcessResponse { message: Some(Message::Committed(Committed { entries, outcomes: Vec::new() })) }
}

fn outcomes(ticks: u64) -> ProcessResponse {
    let outcome =
        |number| DeliveryOutcome { number, ticks: vec![TickOutcome { positions: vec![1], ..TickOutcome::default() }] };
    let outcomes = (0..ticks).map(outcome).collect();
    ProcessResponse { message: Some(Message::Committed(Committed { entries: Vec::new(), outcomes })) }
}

fn status_behind(mut queue: Queue) -> (usize, Status) {
    let mut responses = 0;
    loop {
        match queue.pop(Instant::now()).unwrap() {
            Ok(_) => responses += 1,
            Err(status) => return (responses, status),
        }
    }
}

#[test]
fn a_client_that_does_not_read_ends_its_stream_and_costs_no_memory() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let mut most = 0;
    while queue.push(entry(100_000), now) {
        most = most.max(queue.bytes);
    }
    assert!(most > queue.sizes.full_bytes && most <= queue.sizes.most_bytes, "{most}");
    assert!(queue.bytes == 0 && queue.is_stuck(now) && !queue.push(entry(1), now));
    let (responses, status) = status_behind(queue);
    assert_eq!((responses, status.code()), (0, Code::ResourceExhausted), "{status}");
    assert!(status.message().contains("the bridge does not read"));
}

#[test]
fn full_queue_ends_its_stream_after_20_s_without_a_read() {
    let (mut queue, start) = (Queue::default(), Instant::now());
    while queue.has_room() {
        assert!(queue.push(entry(1_000_000), start));
    }
    assert!(!queue.is_stuck(start + READ_TIMEOUT / 2));
    queue.pop(start + READ_TIMEOUT / 2).unwrap().unwrap();
    assert!(queue.push(entry(1_000_000), start + READ_TIMEOUT / 2));
    assert!(!queue.is_stuck(start + READ_TIMEOUT), "one was read");
    assert!(queue.is_stuck(start + READ_TIMEOUT * 2));
    assert_eq!(status_behind(queue).1.code(), Code::ResourceExhausted);
}

#[test]
fn a_queue_with_room_waits_for_ever() {
    let (mut queue, start) = (Queue::default(), Instant::now());
    assert!(queue.push(entry(1_000_000), start));
    assert!(!queue.is_stuck(start + READ_TIMEOUT * 1_000));
}

#[test]
fn all_that_a_bridge_may_have_without_an_outcome_has_room() {
    let mut queue = Queue::default();
    for _ in 0..32_768 / 64 {
        assert!(queue.push(outcomes(64), Instant::now()));
    }
    assert!(queue.bytes < queue.sizes.full_bytes, "{}", queue.bytes);
}

#[test]
fn a_status_comes_behind_the_first_responses() {
    let mut queue = Queue::default();
    for _ in 0..10 {
        assert!(queue.push(entry(20_000), Instant::now()));
    }
    let last = queue.sizes.last_bytes;
    queue.end(Status::aborted("newer"), last);
    queue.end(Status::internal("later"), last);
    assert!(queue.bytes <= last);
    let (responses, status) = status_behind(queue);
    assert_eq!((responses, status.code()), (3, Code::Aborted));
}

#[tokio::test]
async fn a_writer_that_found_no_room_is_woken_once_half_of_the_queue_is_free() {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&wakes);
    let (responses, mut reader) = super::responses(Sizes::default(), move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    while responses.has_room() {
        assert!(responses.send(entry(1_000_000), Instant::now()));
    }
    let mut read = 0;
    while wakes.load(Ordering::SeqCst) == 0 {
        reader.next().await.unwrap().unwrap();
        read += 1;
    }
    assert!((4..=6).contains(&read), "{read}");
    drop(responses);
    while reader.next().await.is_some() {}
    assert_eq!(wakes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stream_whose_client_has_gone_takes_nothing() {
    let (responses, reader) = super::responses(Sizes::default(), || {});
    assert!(responses.send(entry(1), Instant::now()));
    drop(reader);
    assert!(!responses.send(entry(1), Instant::now()) && !responses.is_stuck(Instant::now()));
}
