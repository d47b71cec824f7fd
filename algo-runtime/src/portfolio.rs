//! The portfolio: sizes signals by a policy, and books what they become. Pure arithmetic; design rules:
//!
//! - cash is never negative; deposits + realised = cash + cost of what is held, after every booking;
//! - a buy's amount leaves the cash, its quantity is amount / price rounded down to 8 places;
//! - a sale brings quantity x price rounded down to 0.01 and takes its share of the cost, rounded down.

mod policy;

use std::collections::BTreeMap;

use intuition_api::decimal::{Money, Price, Quantity};
use intuition_common::planted::{self, Mistake};

pub use policy::{Policy, PolicyError};

use crate::ledger::Holding;

/// Why a signal was not traded. Counted, never an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The amount is below 0.01, or the quantity rounds down to nothing.
    TooSmall,
    /// The policy asks for more than there is.
    InsufficientCash,
    /// A sale of what is not held.
    NothingHeld,
    /// A buy while the trading state is Reducing.
    Reducing,
    /// The trading state is Halted.
    Halted,
    /// The publisher marked the quote as one of the past.
    Backfilled,
    /// The quote is older than the `maxQuoteAge` of its input.
    StaleQuote,
    /// A result would leave the range that is kept exactly.
    OutOfRange,
}

impl Denial {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TooSmall,
        Self::InsufficientCash,
        Self::NothingHeld,
        Self::Reducing,
        Self::Halted,
        Self::Backfilled,
        Self::StaleQuote,
        Self::OutOfRange,
    ];

    /// As counted and published.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooSmall => "TooSmall",
            Self::InsufficientCash => "InsufficientCash",
            Self::NothingHeld => "NothingHeld",
            Self::Reducing => "Reducing",
            Self::Halted => "Halted",
            Self::Backfilled => "Backfilled",
            Self::StaleQuote => "StaleQuote",
            Self::OutOfRange => "OutOfRange",
        }
    }
}

/// What was booked for a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Booked {
    /// Units moved.
    pub quantity: Quantity,
    /// Cash moved.
    pub amount: Money,
    /// Cost that joined or left what is held.
    pub cost: Money,
}

/// Cash, and what is held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    /// Never negative.
    pub cash: Money,
    /// Cost of what is held.
    pub invested: Money,
    /// Result of the sales.
    pub realised: Money,
    /// Deposits less withdrawals.
    pub deposits: Money,
    /// By symbol; nothing that is empty.
    pub holdings: BTreeMap<String, Holding>,
}

impl Book {
    /// Puts `amount` into the cash and books the quantity that it buys.
    pub fn buy(&mut self, sid: &str, price: Price, amount: Money) -> Result<Booked, Denial> {
        if amount > self.cash {
            return Err(Denial::InsufficientCash);
        }
        if amount <= Money::ZERO {
            return Err(Denial::TooSmall);
        }
        let quantity = Quantity::bought(amount, price).ok_or(Denial::OutOfRange)?;
        if quantity.is_zero() {
            return Err(Denial::TooSmall);
        }
        let held = self.holdings.get(sid).copied().unwrap_or_default();
        let holding = (|| {
            Some(Holding { quantity: held.quantity.checked_add(quantity)?, cost: held.cost.checked_add(amount)? })
        })()
        .ok_or(Denial::OutOfRange)?;
        let cash = self.cash.checked_sub(amount).ok_or(Denial::OutOfRange)?;
        let invested = self.invested.checked_add(amount).ok_or(Denial::OutOfRange)?;
        (self.cash, self.invested) = (cash, invested);
        self.holdings.insert(sid.to_owned(), holding);
        Ok(Booked { quantity, amount, cost: amount })
    }

    /// Sells `wanted` units, all of them where that is `None` or more than is held.
    pub fn sell(&mut self, sid: &str, price: Price, wanted: Option<Quantity>) -> Result<Booked, Denial> {
        let held = self.holdings.get(sid).copied().ok_or(Denial::NothingHeld)?;
        let quantity = wanted.map_or(held.quantity, |wanted| wanted.min(held.quantity));
        let mut amount = Money::proceeds(quantity, price).ok_or(Denial::OutOfRange)?;
        if planted::is(Mistake::ProceedsRoundedUp) {
            amount = amount.checked_add(Money::from_cents(1)).ok_or(Denial::OutOfRange)?;
        }
        if quantity.is_zero() || amount <= Money::ZERO {
            return Err(Denial::TooSmall);
        }
        let cost = held.cost.cost_share(quantity, held.quantity).ok_or(Denial::OutOfRange)?;
        let next = (|| {
            let left = Holding { quantity: held.quantity.checked_sub(quantity)?, cost: held.cost.checked_sub(cost)? };
            let gain = amount.checked_sub(cost)?;
            Some((
                left,
                self.cash.checked_add(amount)?,
                self.invested.checked_sub(cost)?,
                self.realised.checked_add(gain)?,
            ))
        })();
        let (left, cash, invested, realised) = next.ok_or(Denial::OutOfRange)?;
        (self.cash, self.invested, self.realised) = (cash, invested, realised);
        if left.quantity.is_zero() {
            self.holdings.remove(sid);
        } else {
            self.holdings.insert(sid.to_owned(), left);
        }
        Ok(Booked { quantity, amount, cost })
    }

    /// Moves the net deposits to `target`: a positive result was deposited, a negative one withdrawn, `None` nothing.
    pub fn settle_deposits(&mut self, target: Money) -> Result<Option<Money>, Denial> {
        let difference = target.checked_sub(self.deposits).ok_or(Denial::OutOfRange)?;
        let cash = self.cash.checked_add(difference).ok_or(Denial::OutOfRange)?;
        if cash.is_negative() {
            return Err(Denial::InsufficientCash);
        }
        (self.cash, self.deposits) = (cash, target);
        Ok((difference != Money::ZERO).then_some(difference))
    }

    /// Invariant 1: deposits + realised = cash + invested, and cash is not negative.
    pub fn balances(&self) -> bool {
        let owned = self.cash.checked_add(self.invested);
        !self.cash.is_negative() && owned.is_some() && owned == self.deposits.checked_add(self.realised)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    fn book(cash: &str) -> Book {
        let mut book = Book::default();
        book.settle_deposits(money(cash)).unwrap();
        book
    }

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    #[test]
    fn a_buy_takes_the_amount_and_rounds_the_quantity_down() {
        let mut book = book("10000");
        let booked = book.buy("GOOG", price("345"), money("1234.56")).unwrap();
        assert_eq!(booked.quantity.to_string(), "3.57843478");
        assert_eq!(book.cash, money("8765.44"));
        assert_eq!(book.invested, money("1234.56"));
    }

    #[test]
    fn a_sale_brings_its_proceeds_and_takes_its_share_of_the_cost() {
        let mut book = book("100");
        book.buy("GOOG", price("3"), money("10")).unwrap();
        let half = book.sell("GOOG", price("4"), Some("1.5".parse().unwrap())).unwrap();
        // 10.00 x 1.5 / 3.33333333 = 4.500000004 of cost; 1.5 x 4 of cash.
        assert_eq!((half.amount, half.cost), (money("6.00"), money("4.50")));
        assert_eq!(book.realised, money("1.50"));
        let rest = book.sell("GOOG", price("1"), Some("99".parse().unwrap())).unwrap();
        assert_eq!(
            (rest.quantity.to_string().as_str(), rest.amount, rest.cost),
            ("1.83333333", money("1.83"), money("5.50"))
        );
        assert!(book.holdings.is_empty());
        assert_eq!((book.cash, book.realised), (money("97.83"), money("-2.17")));
    }

    #[test]
    fn what_cannot_be_traded_is_denied_and_changes_nothing() {
        let mut book = book("100");
        let before = book.clone();
        assert_eq!(book.buy("GOOG", price("1"), money("100.01")), Err(Denial::InsufficientCash));
        assert_eq!(book.buy("GOOG", price("1"), Money::ZERO), Err(Denial::TooSmall));
        assert_eq!(book.buy("GOOG", price("999999999999"), money("0.01")), Err(Denial::TooSmall));
        assert_eq!(book.sell("GOOG", price("1"), None), Err(Denial::NothingHeld));
        assert_eq!(book.settle_deposits(money("-0.01")), Err(Denial::InsufficientCash));
        assert_eq!(book, before);
        book.buy("PENNY", price("0.0000000001"), money("0.01")).unwrap();
        assert_eq!(book.sell("PENNY", price("0.0000000001"), Some("1".parse().unwrap())), Err(Denial::TooSmall));
        assert_eq!(book.sell("PENNY", price("1"), Some(Quantity::ZERO)), Err(Denial::TooSmall));
    }

    #[test]
    fn starting_cash_deposits_and_withdraws_the_difference() {
        let mut book = book("10000");
        assert_eq!(book.settle_deposits(money("10000")), Ok(None));
        assert_eq!(book.settle_deposits(money("12000.50")), Ok(Some(money("2000.50"))));
        assert_eq!(book.settle_deposits(money("0")), Ok(Some(money("-12000.50"))));
        assert!(book.balances());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Buy(u8, u128, i128),
        Sell(u8, u128, Option<u128>),
        Deposits(i128),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let units = prop_oneof![1_u128..10_u128.pow(22), 1_u128..1000, 10_u128.pow(10)..10_u128.pow(13)];
        let quantity = prop::option::of(prop_oneof![0_u128..10_u128.pow(20), 0_u128..100]);
        prop::collection::vec(
            prop_oneof![
                (0_u8..3, units.clone(), 0_i128..10_i128.pow(7))
                    .prop_map(|(sid, price, cents)| Step::Buy(sid, price, cents)),
                (0_u8..3, units, quantity).prop_map(|(sid, price, quantity)| Step::Sell(sid, price, quantity)),
                (0_i128..10_i128.pow(7)).prop_map(Step::Deposits),
            ],
            0..60,
        )
    }

    fn decimal<T: std::str::FromStr>(units: u128, places: usize) -> T
    where
        T::Err: std::fmt::Debug,
    {
        let digits = format!("{units:0width$}", width = places + 1);
        let (whole, part) = digits.split_at(digits.len() - places);
        format!("{whole}.{part}").parse().unwrap()
    }

    proptest! {
        #[test]
        fn every_sequence_keeps_the_money(steps in steps()) {
            let mut book = book("10000");
            for step in steps {
                let before = book.clone();
                let denied = match step {
                    Step::Buy(sid, units, cents) => {
                        book.buy(&sid.to_string(), decimal(units, 10), Money::from_cents(cents)).is_err()
                    }
                    Step::Sell(sid, units, quantity) => {
                        book.sell(&sid.to_string(), decimal(units, 10), quantity.map(|units| decimal(units, 8))).is_err()
                    }
                    Step::Deposits(cents) => book.settle_deposits(Money::from_cents(cents)).is_err(),
                };
                prop_assert!(book.balances());
                prop_assert!(!denied || book == before);
                let cost = book.holdings.values().try_fold(Money::ZERO, |sum, held| sum.checked_add(held.cost));
                prop_assert_eq!(cost, Some(book.invested));
                prop_assert!(book.holdings.values().all(|held| !held.quantity.is_zero() && !held.cost.is_negative()));
            }
        }
    }
}
