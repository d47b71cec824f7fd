//! Each fault with each market.

use std::time::Duration;

use exchange::Market;

use crate::{
    faults,
    harness::{BTC, Setup},
};

macro_rules! tests {
    ($market:expr; $($name:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                super::faults::$name(super::Setup::new($market)).await;
            }
        )+
    };
}

macro_rules! all {
    ($name:ident, $market:expr) => {
        mod $name {
            tests! {
                $market;
                stream_without_faults, gaps, repetitions, numbers_out_of_order, exponents, old_trades_on_subscribing,
                position_of_an_earlier_run, position_that_is_too_old, slow_taker, symbols_apart, killed_sessions, many_faults,
                cut_connections, trades_during_a_cut_of_a_market_that_is_quiet_afterwards, end_of_the_lifetime,
                pings_without_an_answer, silence, quiet_market, upgrades_that_are_refused, subscriptions_without_an_answer,
                frames_of_4_mib, many_large_messages, fragmented_frames, limit_of_messages, authority_of_a_company,
                authority_that_is_not_trusted, rest_with_an_error, rest_with_html, rest_that_is_cut,
                rest_with_half_an_answer, rest_without_an_answer, rest_with_a_rate_limit, rest_that_fails_for_too_long, rest_that_lacks_numbers,
                rest_that_lags,
            }
        }
    };
}

all!(binance, exchange::Market::Binance);
all!(kraken, exchange::Market::Kraken);
all!(coinbase, exchange::Market::Coinbase);

mod kraken_alone {
    tests! { exchange::Market::Kraken; old_trades_without_a_position }
}

mod coinbase_alone {
    tests! { exchange::Market::Coinbase; old_trades_without_a_position }
}

/// The other symbols are given.
#[tokio::test]
async fn kraken_symbol_that_is_refused_is_shown() {
    let mut setup = Setup::new(Market::Kraken);
    setup.symbols.push("NO/USD");
    let mut harness = setup.start().await;
    harness.make(5);
    harness.check_whole().await;
    let status = harness.until(|status| status.symbols.iter().any(|symbol| symbol.refused.is_some())).await;
    let refused: Vec<_> = status.symbols.iter().filter_map(|symbol| symbol.refused.as_deref()).collect();
    assert_eq!(refused, ["Currency pair not supported NO/USD"]);
}

#[tokio::test]
async fn binance_notice_of_a_shutdown() {
    let mut harness = Setup::new(Market::Binance).start().await;
    harness.make(5);
    harness.server.hub().announce_shutdown();
    harness.until_server(|counts| counts.opened == 2 && counts.connections == 1).await;
    harness.make(5);
    harness.check_whole().await;
    assert_eq!(harness.status.borrow().reconnects, 0);
    assert_eq!(harness.requests(), Vec::<String>::new(), "nothing was missed");
}

#[tokio::test]
async fn binance_refused_subscription_is_tried_again_later() {
    let setup = Setup::new(Market::Binance);
    let mut harness = setup.start_with(|server| server.hub().set(|faults| faults.refuse_subscriptions = true)).await;
    let status = harness.until(|status| status.reconnects >= 2).await;
    assert!(status.last_error.unwrap().contains("refused by a fault"));
    harness.server.hub().set(|faults| faults.refuse_subscriptions = false);
    harness.until(|status| status.is_connected).await;
    harness.make(5);
    harness.check_whole().await;
}

/// A session that sends more messages than the exchange allows is cut: the server's limit is a real one.
#[tokio::test]
async fn binance_limit_of_messages_is_enforced() {
    let mut setup = Setup::new(Market::Binance);
    setup.symbols = vec![BTC, "A/B", "C/D", "E/F", "G/H", "I/J", "K/L", "M/N"];
    setup.server.symbols = setup.symbols.iter().map(|&symbol| symbol.to_owned()).collect();
    (setup.limits.symbols_per_message, setup.limits.message_pause) = (1, Duration::ZERO);
    let harness = setup.start_with(|_| {}).await;
    harness.until_server(|counts| counts.too_many_messages >= 1).await;
}
