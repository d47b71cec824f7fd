//! The source name of a file, and the rows of it that accounts have decided. Pure.

use quote_files::QuoteFile;

/// Bound on the bytes of a file name in a source; the contract allows 256 bytes in all.
const MAX_NAME_BYTES: usize = 240;
/// Numbers that `--restart` tries.
const MAX_RESTARTS: usize = 10_000;

/// Where an account stands in a source: its name, and the last number; 0 before the first.
pub(crate) type MarkOf<'a> = &'a dyn Fn(&str) -> u64;

/// Errors in names of sources.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// Accounts know the file by different names.
    #[error(
        "{file}: {new_account} knows it as the source {new}, and {old_account} by its name of an earlier release, {old}: run these \
         accounts one after the other, each with --source"
    )]
    Split {
        /// The file.
        file: String,
        /// An account with the new name.
        new_account: String,
        /// The new name.
        new: String,
        /// An account with the old name.
        old_account: String,
        /// The old name.
        old: String,
    },
    /// Two files have one name.
    #[error("{one} and {other} are both the source {name}: --source names each, in their order")]
    Same {
        /// A file.
        one: String,
        /// The other file.
        other: String,
        /// The name.
        name: String,
    },
    /// The number of names does not fit.
    #[error("{option} is given {given} times for {files} files: give it once for each file")]
    Count {
        /// The option.
        option: &'static str,
        /// Its values.
        given: usize,
        /// Files.
        files: usize,
    },
}

/// A file with its name, its hash and an account's position.
#[derive(Debug)]
pub(crate) struct Named<'a> {
    /// Path as given, for people.
    pub(crate) file: &'a str,
    /// Name without folder.
    pub(crate) base_name: &'a str,
    /// First digits of the hash of its first row.
    pub(crate) first_row: Option<&'a str>,
}

impl<'a> From<&'a QuoteFile> for Named<'a> {
    fn from(file: &'a QuoteFile) -> Self {
        Self { file: file.name(), base_name: file.base_name(), first_row: file.first_row_digest() }
    }
}

/// The name of the source of a file. An account that knows it by the name that earlier releases gave it, which ends with a
/// hash of its first row, goes on under that name.
pub(crate) fn name(
    file: &Named<'_>,
    given: Option<&str>,
    restart: bool,
    accounts: &[(&str, MarkOf<'_>)],
) -> Result<String, SourceError> {
    let base = cut(given.unwrap_or(file.base_name));
    let is_known = |name: &str| accounts.iter().any(|(_, mark)| mark(name) > 0);
    if restart {
        let mut names = (2..MAX_RESTARTS).map(|number| format!("{base}#{number}"));
        return Ok(names.find(|name| !is_known(name)).unwrap_or(base));
    }
    let (Some(first_row), None) = (file.first_row, given) else { return Ok(base) };
    let old = format!("{base}-{first_row}");
    let by_new = accounts.iter().find(|(_, mark)| mark(&base) > 0);
    let by_old = accounts.iter().find(|(_, mark)| mark(&old) > 0 && mark(&base) == 0);
    match (by_new, by_old) {
        (Some((new_account, _)), Some((old_account, _))) => Err(SourceError::Split {
            file: file.file.to_owned(),
            new_account: (*new_account).to_owned(),
            new: base,
            old_account: (*old_account).to_owned(),
            old,
        }),
        (None, Some(_)) => Ok(old),
        (_, None) => Ok(base),
    }
}

/// Checks that every file has a name of its own.
pub(crate) fn check_names(files: &[(&str, &str)]) -> Result<(), SourceError> {
    let mut known: Vec<(&str, &str)> = Vec::new();
    for (file, name) in files {
        if let Some((one, _)) = known.iter().find(|(_, known)| known == name) {
            return Err(SourceError::Same {
                one: (*one).to_owned(),
                other: (*file).to_owned(),
                name: (*name).to_owned(),
            });
        }
        known.push((file, name));
    }
    Ok(())
}

/// The value of an option for each file: none, one for all where `is_shared`, or one for each.
pub(crate) fn for_each<'a>(
    option: &'static str,
    values: &'a [String],
    files: usize,
    is_shared: bool,
) -> Result<Vec<Option<&'a str>>, SourceError> {
    match values {
        [] => Ok(vec![None; files]),
        [one] if is_shared => Ok(vec![Some(one.as_str()); files]),
        values if values.len() == files => Ok(values.iter().map(|value| Some(value.as_str())).collect()),
        values => Err(SourceError::Count { option, given: values.len(), files }),
    }
}

fn cut(name: &str) -> String {
    let end = (0..=MAX_NAME_BYTES.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    name.get(..end.unwrap_or_default()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Named<'_> = Named { file: "dir/q.csv", base_name: "q.csv", first_row: Some("0123abcd") };

    fn named(given: Option<&str>, restart: bool, known: &[&[&str]]) -> Result<String, SourceError> {
        let marks: Vec<_> = known.iter().map(|names| move |name: &str| u64::from(names.contains(&name))).collect();
        let accounts: Vec<_> = marks.iter().map(|mark| ("a/b", mark as MarkOf<'_>)).collect();
        name(&FILE, given, restart, &accounts)
    }

    #[test]
    fn a_source_is_named_as_its_file_unless_a_ledger_knows_an_earlier_name() {
        for (given, restart, known, expected) in [
            (None, false, [[].as_slice(), &[]], "q.csv"),
            (None, false, [&["q.csv"], &[]], "q.csv"),
            (None, false, [&["q.csv-0123abcd"], &[]], "q.csv-0123abcd"),
            (None, false, [&["q.csv-ffffffff"], &[]], "q.csv"),
            (None, false, [&["q.csv", "q.csv-0123abcd"], &[]], "q.csv"),
            (Some("desk"), false, [&["q.csv-0123abcd"], &[]], "desk"),
            (None, true, [&["q.csv"], &[]], "q.csv#2"),
            (None, true, [&["q.csv#2"], &["q.csv#3"]], "q.csv#4"),
            (Some("desk"), true, [&["desk"], &[]], "desk#2"),
        ] {
            assert_eq!(named(given, restart, &known).unwrap(), expected, "{given:?} {known:?}");
        }
        let error = named(None, false, &[&["q.csv"], &["q.csv-0123abcd"]]).unwrap_err().to_string();
        assert!(error.starts_with("dir/q.csv: a/b knows it as the source q.csv, and a/b by its name"), "{error}");
    }

    #[test]
    fn names_are_bounded_and_every_file_has_its_own() {
        assert_eq!(cut(&"é".repeat(300)).len(), 240);
        assert!(check_names(&[("a/q.csv", "q.csv"), ("b/r.csv", "r.csv")]).is_ok());
        let error = check_names(&[("a/q.csv", "q.csv"), ("b/q.csv", "q.csv")]).unwrap_err().to_string();
        assert_eq!(error, "a/q.csv and b/q.csv are both the source q.csv: --source names each, in their order");
        let values = ["x".to_owned()];
        assert_eq!(for_each("--sid", &values, 2, true).unwrap(), [Some("x"); 2]);
        assert!(for_each("--source", &values, 2, false).is_err());
        assert_eq!(for_each("--source", &[], 2, false).unwrap(), [None; 2]);
    }
}
