//! The rules of an answer to `Describe`.

use crate::{
    limits::{MAX_NAME_CHARS, MAX_SCHEMA_BYTES},
    v1::DescribeResponse,
};

/// The contract of this release.
pub const CONTRACT: &str = "intuition.v1";

/// A rule that an answer to `Describe` breaks. The caller has the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Another contract than [`CONTRACT`].
    Contract,
    /// The name is not 1 to [`MAX_NAME_CHARS`] letters, digits, `.`, `_` and `-`.
    Name,
    /// The version has more than [`MAX_NAME_CHARS`] characters, or a control character.
    Version,
    /// The schema has more than [`MAX_SCHEMA_BYTES`].
    SchemaSize,
}

/// Checks everything but the content of the schema. The error is the first rule that is broken.
pub fn check(response: &DescribeResponse) -> Result<(), Violation> {
    if response.contract != CONTRACT {
        return Err(Violation::Contract);
    }
    if !is_name(&response.name) {
        return Err(Violation::Name);
    }
    if !is_version(&response.version) {
        return Err(Violation::Version);
    }
    if response.parameters_schema_json.len() > MAX_SCHEMA_BYTES {
        return Err(Violation::SchemaSize);
    }
    Ok(())
}

/// Whether it is 1 to [`MAX_NAME_CHARS`] letters, digits, `.`, `_` and `-`.
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_CHARS).contains(&name.len())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-'))
}

/// Whether it has at most [`MAX_NAME_CHARS`] characters, none of them a control character. It may be empty.
pub fn is_version(version: &str) -> bool {
    version.chars().count() <= MAX_NAME_CHARS && !version.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response() -> DescribeResponse {
        let (name, version, contract) = ("momentum".to_owned(), "1.2.0".to_owned(), CONTRACT.to_owned());
        DescribeResponse { name, version, contract, parameters_schema_json: "{}".to_owned() }
    }

    #[test]
    fn each_rule_has_its_violation() {
        assert_eq!(check(&response()), Ok(()));
        let longest = DescribeResponse { name: "a".repeat(64), version: "ü".repeat(64), ..response() };
        assert_eq!(check(&longest), Ok(()));
        for contract in ["", "intuition.v2", "Intuition.v1"] {
            let other = DescribeResponse { contract: contract.to_owned(), ..response() };
            assert_eq!(check(&other), Err(Violation::Contract), "{contract:?}");
        }
        for name in ["", "a/b", "é", &"a".repeat(65)] {
            assert_eq!(
                check(&DescribeResponse { name: name.to_owned(), ..response() }),
                Err(Violation::Name),
                "{name:?}"
            );
        }
        for version in ["1\n", &"1".repeat(65)] {
            let other = DescribeResponse { version: version.to_owned(), ..response() };
            assert_eq!(check(&other), Err(Violation::Version), "{version:?}");
        }
        let large = DescribeResponse { parameters_schema_json: " ".repeat(MAX_SCHEMA_BYTES + 1), ..response() };
        assert_eq!(check(&large), Err(Violation::SchemaSize));
    }
}
