//! How much of the cash a buy takes.

use intuition_api::decimal::{Fraction, Money};

use crate::generator::{DRAW_BITS, Generator};

/// A sizing policy, composed with any algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// A random fraction of the cash there is.
    RandomFraction,
    /// Always this fraction of the cash there is.
    FixedFraction(Fraction),
    /// Always this much.
    FixedAmount(Money),
}

/// Why a policy cannot be made of what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct PolicyError {
    /// Path, for example `portfolio.fraction`.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Policy {
    /// Makes the policy that the names and numbers of a manifest or of flags ask for.
    pub fn from_parts(name: &str, fraction: Option<f64>, amount: Option<&str>) -> Result<Self, PolicyError> {
        let error = |field, message: String| Err(PolicyError { field, message });
        if fraction.is_some() && name != "fixed-fraction" {
            return error("portfolio.fraction", format!("belongs to fixed-fraction, the policy is {name}"));
        }
        if amount.is_some() && name != "fixed-amount" {
            return error("portfolio.amount", format!("belongs to fixed-amount, the policy is {name}"));
        }
        match (name, fraction, amount) {
            ("random-fraction", ..) => Ok(Self::RandomFraction),
            ("fixed-fraction", Some(value), _) => match Fraction::from_f64(value) {
                Some(fraction) if !fraction.is_zero() => Ok(Self::FixedFraction(fraction)),
                _ => error("portfolio.fraction", format!("must be more than 0 and at most 1, is {value}")),
            },
            ("fixed-fraction", None, _) => {
                error("portfolio.fraction", "is missing: fixed-fraction needs it".to_owned())
            }
            ("fixed-amount", _, Some(text)) => match text.parse::<Money>() {
                Ok(amount) if amount > Money::ZERO => Ok(Self::FixedAmount(amount)),
                Ok(_) => error("portfolio.amount", format!("must be more than 0, is {text}")),
                Err(cause) => error("portfolio.amount", format!("{text:?} {cause}")),
            },
            ("fixed-amount", _, None) => error("portfolio.amount", "is missing: fixed-amount needs it".to_owned()),
            _ => error(
                "portfolio.policy",
                format!("{name:?} is unknown; there are random-fraction, fixed-fraction, fixed-amount"),
            ),
        }
    }

    /// What a buy shall take of `cash`; 0 where nothing is left to take. Draws from the generator only where the policy
    /// is random.
    pub fn size(&self, cash: Money, generator: &mut Generator) -> Money {
        match self {
            Self::RandomFraction => cash.binary_fraction(generator.draw(), DRAW_BITS).unwrap_or_default(),
            Self::FixedFraction(fraction) => cash.fraction(*fraction).unwrap_or_default(),
            Self::FixedAmount(amount) => *amount,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::POLICY_STREAM;

    #[test]
    fn each_policy_takes_its_share_rounded_down() {
        let mut generator = Generator::resume(Some(1), POLICY_STREAM, None, 0);
        let cash = Money::from_cents(1_000_001);
        let half = Policy::from_parts("fixed-fraction", Some(0.5), None).unwrap();
        assert_eq!(half.size(cash, &mut generator), Money::from_cents(500_000));
        let fixed = Policy::from_parts("fixed-amount", None, Some("250.50")).unwrap();
        assert_eq!(fixed.size(cash, &mut generator), Money::from_cents(25_050));
        let random = Policy::from_parts("random-fraction", None, None).unwrap();
        let draw = Generator::resume(Some(1), POLICY_STREAM, Some(&generator.save()), 0).draw();
        let share = i128::from(draw) * 1_000_001 / (1_i128 << 53);
        assert_eq!(random.size(cash, &mut generator), Money::from_cents(share));
    }

    #[test]
    fn what_makes_no_policy_is_refused_by_its_path() {
        for (name, fraction, amount, field) in [
            ("all-in", None, None, "portfolio.policy"),
            ("fixed-fraction", None, None, "portfolio.fraction"),
            ("fixed-fraction", Some(0.0), None, "portfolio.fraction"),
            ("fixed-fraction", Some(1.5), None, "portfolio.fraction"),
            ("random-fraction", Some(0.5), None, "portfolio.fraction"),
            ("fixed-amount", None, None, "portfolio.amount"),
            ("fixed-amount", None, Some("0"), "portfolio.amount"),
            ("fixed-amount", None, Some("1.005"), "portfolio.amount"),
            ("fixed-fraction", Some(0.5), Some("1"), "portfolio.amount"),
        ] {
            assert_eq!(Policy::from_parts(name, fraction, amount).unwrap_err().field, field, "{name}");
        }
    }
}
