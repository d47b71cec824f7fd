//! The marks that a publisher sets on a message by user properties.

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// `replay`: numbers that go back are repetitions, and the quotes have no age.
    pub replay: bool,
    /// `numbering` is `sparse`: sequence numbers are left out on purpose.
    pub sparse: bool,
    /// `backfill`: the quotes are of the past, and nothing is to be traded on them.
    pub backfill: bool,
}

impl Marks {
    /// Reads them. `replay` and `backfill` hold with every value but `false`.
    pub(super) fn read(user_properties: &[(String, String)]) -> Self {
        let has = |name: &str, is_it: fn(&str) -> bool| {
            user_properties.iter().any(|(key, value)| key == name && is_it(value.as_str()))
        };
        let is_set = |value: &str| value != "false";
        Self {
            replay: has("replay", is_set),
            sparse: has("numbering", |value| value == "sparse"),
            backfill: has("backfill", is_set),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_hold_only_where_they_are_written() {
        let marks = |key: &str, value: &str| Marks::read(&[(key.to_owned(), value.to_owned())]);
        let none = Marks::default();
        assert_eq!(marks("numbering", "sparse"), Marks { sparse: true, ..none });
        assert_eq!(marks("numbering", "dense"), none);
        assert_eq!(marks("replay", "true"), Marks { replay: true, ..none });
        assert_eq!(marks("replay", "false"), none);
        assert_eq!(marks("backfill", ""), Marks { backfill: true, ..none });
        assert_eq!(marks("backfill", "false"), none);
        assert_eq!(marks("Backfill", "true"), none, "names are case-sensitive");
    }
}
