//! Faults of connections.

use std::time::Duration;

use local_exchange::Settings;

use crate::{
    certificates,
    harness::{BTC, Setup},
};

pub(crate) async fn cut_connections(setup: Setup) {
    let mut harness = setup.start().await;
    harness.make(50);
    harness.server.hub().cut();
    harness.make(30);
    harness.until(|status| status.reconnects == 1).await;
    harness.make(10);
    harness.until(|status| status.is_connected).await;
    harness.make(10);
    harness.check_whole().await;
}

/// No trade after the cut shows that some are missing.
pub(crate) async fn trades_during_a_cut_of_a_market_that_is_quiet_afterwards(setup: Setup) {
    let mut harness = setup.start().await;
    harness.make(5);
    harness.check_whole().await;
    harness.server.hub().set(|faults| faults.refuse = 2);
    harness.server.hub().cut();
    harness.until(|status| !status.is_connected).await;
    harness.make(7);
    harness.check_whole().await;
    assert_eq!(harness.backfilled().len(), 7);
}

/// The exchange ends each connection at its age; the session replaces it before.
pub(crate) async fn end_of_the_lifetime(mut setup: Setup) {
    setup.limits.lifetime = Some(Duration::from_secs(2));
    let heartbeat = Duration::from_millis(50);
    setup.server.times.lifetime = Some(Duration::from_millis(2_400));
    setup.server.times.heartbeat = heartbeat;
    let mut harness = setup.start().await;
    let mut pause = tokio::time::interval(Duration::from_millis(5));
    while harness.server.hub().counts().opened < 3 {
        pause.tick().await;
        harness.make(1);
    }
    harness.until_server(|counts| counts.connections == 1).await;
    harness.make(1);
    harness.check_whole().await;
    assert_eq!(harness.status.borrow().reconnects, 0);
    assert_eq!(harness.requests(), Vec::<String>::new(), "nothing was missed");
    assert_eq!(harness.server.hub().counts().most_connections, 2);
}

pub(crate) async fn pings_without_an_answer(mut setup: Setup) {
    (setup.limits.ping_after, setup.limits.silence) = (Duration::from_millis(200), Duration::from_millis(400));
    // Heartbeats would show that the connection works.
    setup.server.times.heartbeat = Duration::from_mins(1);
    let mut harness = setup.start().await;
    harness.make(5);
    harness.server.hub().set(|faults| faults.no_pong = true);
    harness.until(|status| status.reconnects >= 1).await;
    harness.make(5);
    harness.server.hub().set(|faults| faults.no_pong = false);
    harness.until(|status| status.is_connected).await;
    harness.make(5);
    harness.check_whole().await;
}

pub(crate) async fn silence(mut setup: Setup) {
    (setup.limits.ping_after, setup.limits.silence) = (Duration::from_millis(200), Duration::from_millis(400));
    setup.server.times.heartbeat = Duration::from_millis(100);
    let mut harness = setup.start().await;
    harness.make(5);
    harness.check_whole().await;
    harness.server.hub().set(|faults| faults.mute = true);
    harness.make(20);
    harness.until(|status| status.reconnects >= 1).await;
    harness.server.hub().set(|faults| faults.mute = false);
    harness.until(|status| status.is_connected).await;
    harness.make(5);
    harness.check_whole().await;
}

/// A quiet market with pings that are answered keeps its connection.
pub(crate) async fn quiet_market(mut setup: Setup) {
    (setup.limits.ping_after, setup.limits.silence) = (Duration::from_millis(300), Duration::from_millis(900));
    setup.server.times.heartbeat = Duration::from_mins(1);
    let mut harness = setup.start().await;
    let before = harness.server.hub().counts().received;
    harness.until_server(|counts| counts.received >= before + 3).await;
    harness.make(1);
    harness.check_whole().await;
    assert_eq!(harness.server.hub().counts().opened, 1);
}

pub(crate) async fn upgrades_that_are_refused(setup: Setup) {
    let mut harness = setup.start_with(|server| server.hub().set(|faults| faults.refuse = 3)).await;
    let status = harness.until(|status| status.is_connected).await;
    assert_eq!(status.reconnects, 3);
    assert!(status.last_error.unwrap().contains("503"));
    harness.make(5);
    harness.check_whole().await;
}

pub(crate) async fn subscriptions_without_an_answer(mut setup: Setup) {
    setup.limits.open_timeout = Duration::from_millis(500);
    let mut harness = setup.start_with(|server| server.hub().set(|faults| faults.ignore_subscriptions = true)).await;
    harness.until(|status| status.reconnects >= 1).await;
    harness.server.hub().set(|faults| faults.ignore_subscriptions = false);
    harness.until(|status| status.is_connected).await;
    harness.make(5);
    harness.check_whole().await;
}

/// Frames of 4 MiB are read, and larger ones end the connection.
pub(crate) async fn frames_of_4_mib(setup: Setup) {
    let mut harness = setup.start().await;
    harness.make(3);
    harness.server.hub().send_filler(4 << 20);
    harness.make(3);
    harness.check_whole().await;
    assert_eq!(harness.server.hub().counts().opened, 1);
    harness.server.hub().send_filler((4 << 20) + 1);
    harness.make(3);
    let status = harness.until(|status| status.reconnects == 1).await;
    assert!(status.last_error.unwrap().contains("too long"));
    harness.check_whole().await;
}

pub(crate) async fn fragmented_frames(setup: Setup) {
    let mut harness = setup.start_with(|server| server.hub().set(|faults| faults.fragment = 7)).await;
    harness.until(|status| status.is_connected).await;
    harness.make(50);
    harness.server.hub().send_filler(100_000);
    harness.make(1);
    harness.check_whole().await;
    assert_eq!(harness.server.hub().counts().opened, 1);
}

/// The exchange cuts a connection with more than 5 messages in a second.
pub(crate) async fn limit_of_messages(mut setup: Setup) {
    setup.symbols = vec![BTC, "A/B", "C/D", "E/F", "G/H", "I/J", "K/L", "M/N"];
    setup.server.symbols = setup.symbols.iter().map(|&symbol| symbol.to_owned()).collect();
    setup.limits.symbols_per_message = 1;
    let mut harness = setup.start().await;
    harness.make(5);
    harness.check_whole().await;
    let counts = harness.server.hub().counts();
    assert_eq!((counts.too_many_messages, counts.opened, counts.subscriptions), (0, 1, 8));
}

pub(crate) async fn authority_of_a_company(mut setup: Setup) {
    let directory = tempfile::tempdir().unwrap();
    certificates::make(directory.path());
    let file = |name: &str| directory.path().join(name);
    setup.server = Settings { tls: Some((file("server.crt"), file("server.key"))), ..setup.server };
    setup.ca_file = Some(file("ca.crt"));
    setup.position = Some(1_004);
    let mut harness = setup.start_with(|server| server.hub().make(BTC, 10)).await;
    // A fetch that is still under way would answer with later trades too.
    harness.take_all(&[BTC]).await;
    harness.until(|status| status.is_connected).await;
    harness.make(5);
    harness.check_whole().await;
    assert_eq!(harness.backfilled(), (1_005..=1_009).collect::<Vec<_>>());
}

pub(crate) async fn authority_that_is_not_trusted(mut setup: Setup) {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificates::make(directory.path());
    certificates::make(other.path());
    let file = |name: &str| directory.path().join(name);
    setup.server = Settings { tls: Some((file("server.crt"), file("server.key"))), ..setup.server };
    setup.ca_file = Some(other.path().join("ca.crt"));
    let mut harness = setup.start_with(|_| {}).await;
    let status = harness.until(|status| status.reconnects >= 2).await;
    assert!(status.last_error.unwrap().contains("TLS with 127.0.0.1"));
    assert_eq!(harness.server.hub().counts().opened, 0);
}

/// Many large messages in a row do not wait for each other.
pub(crate) async fn many_large_messages(setup: Setup) {
    let mut harness = setup.start().await;
    for _ in 0..10 {
        harness.make(1);
        harness.server.hub().send_filler(4 << 20);
    }
    harness.make(1);
    harness.check_whole().await;
    assert_eq!(harness.server.hub().counts().opened, 1);
}
