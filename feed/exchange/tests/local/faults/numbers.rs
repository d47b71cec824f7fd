//! Faults of numbers on the stream.

use std::time::Duration;

use exchange::GapReason;
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

use crate::harness::{BTC, Harness, Setup};

pub(crate) async fn stream_without_faults(setup: Setup) {
    let mut harness = setup.start_with(|server| server.hub().make(BTC, 20)).await;
    harness.until(|status| status.is_connected).await;
    harness.make(2_000);
    harness.check_whole().await;
    assert_eq!(harness.taken.len(), 2_000, "trades before the start are not given");
    assert_eq!(harness.requests(), Vec::<String>::new(), "nothing is fetched without a position");
}

pub(crate) async fn gaps(setup: Setup) {
    let mut harness = setup.start().await;
    harness.make(5);
    for lost in [1, 7, 1_500] {
        harness.server.hub().set(|faults| faults.drop = lost);
        harness.make(lost + 3);
        harness.check_whole().await;
    }
    assert_eq!(harness.backfilled().len(), 1_508);
}

pub(crate) async fn repetitions(setup: Setup) {
    let mut harness = setup.start().await;
    harness.server.hub().set(|faults| faults.repeat = 100);
    harness.make(120);
    harness.check_whole().await;
    harness.until(|status| status.counters.repetitions == 100).await;
}

pub(crate) async fn numbers_out_of_order(mut setup: Setup) {
    setup.limits.reorder_grace = Duration::from_secs(20);
    let mut harness = setup.start().await;
    harness.make(1);
    harness.server.hub().set(|faults| faults.reverse = 50);
    harness.make(60);
    harness.check_whole().await;
    assert_eq!(harness.requests(), Vec::<String>::new(), "they came in time");
}

pub(crate) async fn exponents(mut setup: Setup) {
    setup.position = Some(999);
    let started = setup.start_with(|server| {
        server.hub().set(|faults| faults.exponents = true);
        server.hub().make(BTC, 20);
    });
    let mut harness = started.await;
    harness.until(|status| status.is_connected).await;
    harness.make(50);
    harness.check_whole().await;
    assert_eq!(harness.taken.len(), 70);
}

/// A session with an exchange that has made 30 trades, and sends 10 of them on subscribing.
async fn with_old_trades(setup: Setup) -> Harness {
    let started = setup.start_with(|server| {
        server.hub().make(BTC, 30);
        server.hub().set(|faults| faults.old_trades = 10);
    });
    let mut harness = started.await;
    harness.until(|status| status.is_connected).await;
    harness.make(5);
    harness.check_whole().await;
    harness
}

/// Old trades on subscribing fill the gap behind the position, and are not given twice.
pub(crate) async fn old_trades_on_subscribing(mut setup: Setup) {
    setup.position = Some(1_009);
    let mut harness = with_old_trades(setup).await;
    harness.server.hub().cut();
    harness.until(|status| status.reconnects == 1).await;
    harness.until(|status| status.is_connected).await;
    harness.make(5);
    harness.check_whole().await;
    assert_eq!(harness.taken.len(), 30);
}

/// Without a position they begin nothing.
pub(crate) async fn old_trades_without_a_position(setup: Setup) {
    let harness = with_old_trades(setup).await;
    assert_eq!(harness.taken.len(), 5);
    assert_eq!(harness.requests(), Vec::<String>::new());
}

pub(crate) async fn position_of_an_earlier_run(mut setup: Setup) {
    setup.position = Some(1_099);
    let mut harness = setup.start_with(|server| server.hub().make(BTC, 3_000)).await;
    harness.take_all(&[BTC]).await;
    harness.make(10);
    harness.check_whole().await;
    assert_eq!(harness.backfilled(), (1_100..=3_999).collect::<Vec<_>>());
    assert_eq!(harness.taken.len(), 2_910);
}

pub(crate) async fn position_that_is_too_old(mut setup: Setup) {
    setup.position = Some(999);
    setup.limits.recovery_trades = 1_200;
    let mut harness = setup.start_with(|server| server.hub().make(BTC, 3_000)).await;
    harness.take_all(&[BTC]).await;
    let gaps = harness.check(BTC);
    // The latest trades, which show how much is missing, come on top.
    let [(1_000, last, GapReason::TooMany)] = gaps[..] else { panic!("{gaps:?}") };
    assert!((1_700..2_800).contains(&last), "{last}");
    harness.make(10);
    harness.take_all(&[BTC]).await;
    assert_eq!(harness.check(BTC).len(), 1);
}

/// A taker with room for one output holds the exchange back, and loses nothing.
pub(crate) async fn slow_taker(mut setup: Setup) {
    setup.room = 1;
    let mut harness = setup.start().await;
    for _ in 0..10 {
        harness.make(500);
        tokio::task::yield_now().await;
    }
    harness.until(|status| status.counters.quotes >= 500).await;
    harness.check_whole().await;
    assert_eq!(harness.taken.len(), 5_000);
}

/// Missing numbers of one symbol do not hold another one.
pub(crate) async fn symbols_apart(mut setup: Setup) {
    setup.symbols.push("ETH/USD");
    let mut harness = setup.start().await;
    harness.make(1);
    harness.server.hub().make("ETH/USD", 1);
    harness.server.hub().set(|faults| {
        faults.rest_count = u64::MAX;
        faults.drop = 3;
    });
    harness.make(10);
    harness.server.hub().make("ETH/USD", 10);
    harness.take_all(&["ETH/USD"]).await;
    assert_eq!(harness.check("ETH/USD"), []);
    harness.server.hub().set(|faults| faults.rest_count = 0);
    harness.check_whole().await;
}

/// Sessions that are killed at any time go on from a position that may be old.
pub(crate) async fn killed_sessions(setup: Setup) {
    let mut harness = setup.start().await;
    let mut random = ChaCha8Rng::seed_from_u64(23);
    harness.make(3);
    harness.check_whole().await;
    for _ in 0..12 {
        let [made, lost, away, behind] = [40, 5, 60, 30].map(|most| random.random_range(0..most));
        harness.server.hub().set(|faults| faults.drop = lost);
        harness.make(made);
        for _ in 0..random.random_range(0..200) {
            tokio::task::yield_now().await;
        }
        harness.take_waiting();
        harness.kill(usize::try_from(behind).unwrap());
        harness.make(away);
        if random.random_bool(0.5) {
            harness.until(|status| status.is_connected).await;
        }
    }
    harness.until(|status| status.is_connected).await;
    harness.make(1);
    harness.check_whole().await;
    assert_eq!(harness.taken.len(), harness.record(BTC).len(), "seed 23");
}

/// Faults by a seed, one after the other and at once.
pub(crate) async fn many_faults(mut setup: Setup) {
    setup.symbols.push("ETH/USD");
    (setup.limits.ping_after, setup.limits.silence) = (Duration::from_millis(100), Duration::from_millis(300));
    let mut harness = setup.start().await;
    let mut random = ChaCha8Rng::seed_from_u64(17);
    let both = [BTC, "ETH/USD"];
    for instrument in both {
        harness.server.hub().make(instrument, 1);
    }
    for _ in 0..60 {
        let (fault, count) = (random.random_range(0..10), random.random_range(1..30));
        harness.server.hub().set(|faults| match fault {
            0 => faults.drop = count,
            1 => faults.repeat = count,
            2 => faults.reverse = count,
            3 => faults.refuse = count % 4,
            4 => (faults.rest, faults.rest_count) = (local_exchange::RestFault::Html, count % 5),
            5 => (faults.rest, faults.rest_count) = (local_exchange::RestFault::Cut, count % 5),
            6 => faults.mute = !faults.mute,
            7 => faults.fragment = 20,
            8 => faults.old_trades = 20,
            _ => {}
        });
        if fault == 9 {
            harness.server.hub().cut();
        }
        for instrument in both {
            let made = random.random_range(0..40);
            harness.server.hub().make(instrument, made);
        }
        harness.take_waiting();
        tokio::task::yield_now().await;
    }
    harness.server.hub().set(|faults| *faults = local_exchange::Faults::default());
    harness.until(|status| status.is_connected).await;
    for instrument in both {
        harness.server.hub().make(instrument, 1);
    }
    harness.take_all(&both).await;
    for instrument in both {
        assert_eq!(harness.check(instrument), [], "seed 17");
    }
}
