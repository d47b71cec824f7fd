//! Prints docs/input.md with the list of reserved names as the code has it: `make generate` and `make check-generated`.

use std::{
    env, fs,
    io::{self, Write as _},
};

fn main() -> io::Result<()> {
    let path = env::args().nth(1).unwrap_or_else(|| "docs/input.md".to_owned());
    let page = bridge::message::with_reserved_names(&fs::read_to_string(path)?);
    let page = page.ok_or_else(|| io::Error::other("the page has no place for the reserved names"))?;
    io::stdout().write_all(page.as_bytes())
}
