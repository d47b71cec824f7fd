//! A reference to an algorithm: a built-in one, or one at an address.

use std::fmt;

use intuition_api::indicator;

use crate::{
    algorithm::{BUILTINS, Builtin, FieldError},
    backend::Address,
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlgorithmRef {
    /// By its name in the registry.
    Builtin(String),
    /// Served at an address.
    Backend(Address),
}

impl AlgorithmRef {
    /// Reads the two fields, of which exactly one must be given.
    pub fn from_fields(algorithm: &str, address: &str) -> Result<Self, FieldError> {
        match (algorithm, address) {
            ("", "") => {
                Err(FieldError::new("algorithm", "is required: the name of a built-in algorithm, or algorithmAddress"))
            }
            (name, "") => Ok(Self::Builtin(name.to_owned())),
            ("", address) => address
                .parse()
                .map(Self::Backend)
                .map_err(|error: crate::backend::AddressError| FieldError::new("algorithmAddress", error.to_string())),
            _ => Err(FieldError::new("algorithm", "excludes algorithmAddress: one algorithm decides")),
        }
    }

    /// Its values for the fields `algorithm` and `algorithmAddress`; one of them is empty.
    pub fn fields(&self) -> (&str, &str) {
        match self {
            Self::Builtin(name) => (name, ""),
            Self::Backend(address) => ("", address.as_str()),
        }
    }

    /// The field that holds it.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Builtin(_) => "algorithm",
            Self::Backend(_) => "algorithmAddress",
        }
    }

    /// Whether it is the built-in algorithm of an indicator's account.
    pub fn is_for_indicators(&self) -> bool {
        matches!(self, Self::Builtin(name) if name == indicator::ALGORITHM)
    }

    /// The registry's entry of a built-in one.
    pub fn builtin(&self) -> Result<&'static Builtin, FieldError> {
        let (name, _) = self.fields();
        Builtin::find_any(name).ok_or_else(|| {
            let names: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
            FieldError::new("algorithm", format!("{name:?} is unknown; there are {}", names.join(", ")))
        })
    }
}

impl fmt::Display for AlgorithmRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(name) => f.write_str(name),
            Self::Backend(address) => write!(f, "the algorithm at {address}"),
        }
    }
}
