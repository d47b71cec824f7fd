//! Quotes that are too old to trade on. Pure.

use std::time::Duration;

use intuition_api::v1::Delivery;
use intuition_common::planted::{self, Mistake};

use crate::{algorithm::Quote, portfolio::Denial};

/// The denial of every signal about a quote at this time, because of the quote's age; `None`: it is fresh enough.
///
/// The age is the time of the quote until now. Where the publisher marked the delivery as a replay, its quotes have the
/// clock of the replay and no age.
pub(super) fn denial(
    delivery: &Delivery,
    quote: &Quote,
    max_age_micros: Option<i64>,
    now_micros: i64,
) -> Option<Denial> {
    if delivery.backfill && !planted::is(Mistake::BackfillTraded) {
        return Some(Denial::Backfilled);
    }
    let max_age = max_age_micros.filter(|_| !delivery.replay)?;
    (now_micros.saturating_sub(quote.time_micros) > max_age).then_some(Denial::StaleQuote)
}

/// A duration in microseconds, at most `i64::MAX`.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(time_micros: i64) -> Quote {
        Quote { sid: "GOOG".to_owned(), price: "3.45".parse().unwrap(), time_micros, details: None }
    }

    #[test]
    fn quote_may_be_exactly_as_old_as_its_input_allows() {
        let plain = Delivery::default();
        for (time_micros, max_age, expected) in [
            (900, Some(100), None),
            (899, Some(100), Some(Denial::StaleQuote)),
            (5_000, Some(100), None),
            (i64::MIN, Some(100), Some(Denial::StaleQuote)),
            (0, None, None),
        ] {
            assert_eq!(denial(&plain, &quote(time_micros), max_age, 1_000), expected, "{time_micros} {max_age:?}");
        }
    }

    #[test]
    fn quote_of_a_replay_has_no_age_and_one_of_a_backfill_is_never_traded() {
        let replay = Delivery { replay: true, ..Delivery::default() };
        assert_eq!(denial(&replay, &quote(0), Some(1), 1_000), None);
        for delivery in [Delivery { backfill: true, ..replay }, Delivery { backfill: true, ..Delivery::default() }] {
            assert_eq!(denial(&delivery, &quote(1_000), None, 1_000), Some(Denial::Backfilled));
        }
    }
}
