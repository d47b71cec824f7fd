//! JSON Pointers (RFC 6901), as text.

/// The reference tokens of a pointer, without their escapes. None: the pointer stands for the whole value.
pub fn parse(text: &str) -> Result<Vec<String>, &'static str> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let below = text.strip_prefix('/').ok_or("must be empty or begin with /, as in /data/price")?;
    below.split('/').map(token).collect()
}

fn token(text: &str) -> Result<String, &'static str> {
    let mut token = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        token.push(match next {
            '~' => match rest.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err("has a ~ that is neither ~0, which stands for ~, nor ~1, which stands for /"),
            },
            other => other,
        });
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_read_as_the_rfc_has_them() {
        for (text, tokens) in [
            ("", Ok(vec![])),
            ("/", Ok(vec![""])),
            ("/foo/0", Ok(vec!["foo", "0"])),
            ("/a~1b/m~0n", Ok(vec!["a/b", "m~n"])),
            ("/~01", Ok(vec!["~1"])),
            ("/ ", Ok(vec![" "])),
            ("foo", Err(())),
            ("#/foo", Err(())),
            ("/a~", Err(())),
            ("/a~2", Err(())),
        ] {
            let expected = tokens.map(|tokens| tokens.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(parse(text).map_err(drop), expected, "{text}");
        }
    }
}
