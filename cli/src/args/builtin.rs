//! A built-in algorithm as a flag names it.

use std::{fmt, str::FromStr};

use algo_runtime::algorithm::{BUILTINS, Builtin};

/// A built-in algorithm that a flag names.
#[derive(Clone, Copy)]
pub(crate) struct Choice(pub(crate) &'static Builtin);

impl fmt::Debug for Choice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.name)
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || BUILTINS.iter().map(|builtin| builtin.name).collect::<Vec<_>>().join(", ");
        Builtin::find(name).map(Self).ok_or_else(|| format!("must be one of {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_the_name_of_a_builtin() {
        assert_eq!("random".parse::<Choice>().unwrap().0.name, "random");
        assert!("momentum".parse::<Choice>().unwrap_err().starts_with("must be one of random, "));
    }
}
