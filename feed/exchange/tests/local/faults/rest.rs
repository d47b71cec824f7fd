//! Faults of REST.

use std::time::Duration;

use exchange::GapReason;
use local_exchange::RestFault;

use crate::harness::{BTC, Setup};

async fn failing(setup: Setup, fault: RestFault) {
    let mut harness = setup.start().await;
    harness.make(1);
    harness.server.hub().set(|faults| (faults.drop, faults.rest, faults.rest_count) = (5, fault, 2));
    harness.make(8);
    harness.check_whole().await;
    assert!(harness.requests().len() >= 3, "{:?}", harness.requests());
    harness.until(|status| status.counters.failed_requests == 2 && status.recovering == 0).await;
}

pub(crate) async fn rest_with_an_error(setup: Setup) {
    failing(setup, RestFault::Error).await;
}

pub(crate) async fn rest_with_html(setup: Setup) {
    failing(setup, RestFault::Html).await;
}

pub(crate) async fn rest_that_is_cut(setup: Setup) {
    failing(setup, RestFault::Cut).await;
}

pub(crate) async fn rest_with_half_an_answer(setup: Setup) {
    failing(setup, RestFault::Half).await;
}

pub(crate) async fn rest_without_an_answer(mut setup: Setup) {
    setup.limits.request_timeout = Duration::from_millis(300);
    failing(setup, RestFault::Hang).await;
}

/// The server asks for one second.
pub(crate) async fn rest_with_a_rate_limit(setup: Setup) {
    let begin = tokio::time::Instant::now();
    failing(setup, RestFault::RateLimit).await;
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
}

/// The recovery ends with a gap of exactly the missing numbers.
pub(crate) async fn rest_that_fails_for_too_long(mut setup: Setup) {
    setup.limits.recovery_time = Duration::from_secs(1);
    let mut harness = setup.start().await;
    harness.make(1);
    harness.server.hub().set(|faults| (faults.drop, faults.rest_count) = (5, u64::MAX));
    harness.make(8);
    harness.take_all(&[BTC]).await;
    assert_eq!(harness.check(BTC), [(1_001, 1_005, GapReason::TooLate)]);
    harness.make(3);
    harness.take_all(&[BTC]).await;
    let status = harness.until(|status| status.counters.missing_by(GapReason::TooLate) == 5).await;
    assert_eq!(status.symbols.len(), 1);
}

/// The exchange does not have some of the numbers.
pub(crate) async fn rest_that_lacks_numbers(setup: Setup) {
    let mut harness = setup.start().await;
    harness.make(1);
    harness.server.hub().set(|faults| (faults.drop, faults.rest_lacks) = (9, Some((1_004, 1_006))));
    harness.make(12);
    harness.take_all(&[BTC]).await;
    assert_eq!(harness.check(BTC), [(1_004, 1_006, GapReason::NotAtExchange)]);
    assert_eq!(harness.backfilled(), [1_001, 1_002, 1_003, 1_007, 1_008, 1_009]);
}

/// The latest trades come late to REST.
pub(crate) async fn rest_that_lags(setup: Setup) {
    let mut harness = setup.start().await;
    harness.make(1);
    harness.server.hub().set(|faults| (faults.drop, faults.rest_lag) = (5, 6));
    harness.make(8);
    harness.until_server(|counts| counts.rest.len() >= 3).await;
    harness.server.hub().set(|faults| faults.rest_lag = 0);
    harness.check_whole().await;
}
