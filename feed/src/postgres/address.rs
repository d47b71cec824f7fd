//! The address of a database: the URL of its Secret. Pure.

use tokio_postgres::config::{Config, Host, SslMode};

/// The options of a URL that count.
const OPTIONS: [&str; 4] = ["sslmode", "application_name", "options", "channel_binding"];
/// The name of the connection at the server, where the URL gives none.
const APPLICATION: &str = "intuition feed";

/// Errors in a URL. None of them shows a part of it, since any part may be one of the password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AddressError {
    #[error("the URL does not begin with postgresql://")]
    Scheme,
    #[error("the URL has more than one @: write those of the password as %40")]
    At,
    #[error("the URL cannot be read: it is postgresql://user:password@host:5432/database, with %XX for other signs")]
    Form,
    #[error("the URL names no host, several hosts or a socket: give one name or IP address")]
    Host,
    #[error("the URL names no user")]
    User,
    #[error(
        "the URL has an option that feeds do not know: they know sslmode, application_name, options and channel_binding"
    )]
    Option,
    #[error("sslmode is none of disable, prefer, require, verify-ca and verify-full")]
    Mode,
    #[error("sslmode=disable contradicts the certificates of authorities: remove one of them")]
    Contradiction,
}

/// The encryption of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    /// None.
    Off,
    /// TLS where the server offers it, and its certificate is not judged: it keeps listeners out, and no forger.
    Offered,
    /// TLS with a server whose certificate names the host and comes from a trusted authority.
    Checked,
}

/// The address of a database, with its login.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
}

impl Address {
    /// Reads a URL. `has_authorities`: certificates of authorities are given.
    pub(super) fn parse(url: &str, has_authorities: bool) -> Result<Self, AddressError> {
        let url = url.trim();
        let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://"));
        let rest = rest.ok_or(AddressError::Scheme)?;
        if rest.matches('@').count() > 1 {
            return Err(AddressError::At);
        }
        let (login, place) = rest.split_once('@').ok_or(AddressError::User)?;
        let (place, query) = place.split_once('?').unwrap_or((place, ""));
        let mut options = Vec::new();
        let mut mode = "prefer";
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=').ok_or(AddressError::Option)? {
                ("sslmode", value) => mode = value,
                (name, _) if OPTIONS.contains(&name) => options.push(option),
                _ => return Err(AddressError::Option),
            }
        }
        let encryption = encryption(mode, has_authorities)?;
        let plain = format!("postgresql://{login}@{place}?{}", options.join("&"));
        let mut config: Config = plain.parse().map_err(|_| AddressError::Form)?;
        if config.get_user().is_none_or(str::is_empty) {
            return Err(AddressError::User);
        }
        let [Host::Tcp(host)] = config.get_hosts() else { return Err(AddressError::Host) };
        let host = Some(host.trim_start_matches('[').trim_end_matches(']').to_owned()).filter(|host| !host.is_empty());
        let host = host.ok_or(AddressError::Host)?;
        let port = config.get_ports().first().copied().unwrap_or(5432);
        config.ssl_mode(match encryption {
            Encryption::Off => SslMode::Disable,
            Encryption::Offered => SslMode::Prefer,
            Encryption::Checked => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION);
        }
        Ok(Self { config, host, port, encryption })
    }

    /// Host and port.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

fn encryption(mode: &str, has_authorities: bool) -> Result<Encryption, AddressError> {
    match (mode, has_authorities) {
        ("disable", true) => Err(AddressError::Contradiction),
        ("disable", false) => Ok(Encryption::Off),
        ("allow" | "prefer", false) => Ok(Encryption::Offered),
        ("allow" | "prefer", true) | ("require" | "verify-ca" | "verify-full", _) => Ok(Encryption::Checked),
        _ => Err(AddressError::Mode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, AddressError> {
        Address::parse(url, false)
    }

    #[test]
    fn url_names_host_login_and_database() {
        let address = parse("postgresql://feed:p%40ss%2F%3F@db.example:5433/market\n").unwrap();
        assert_eq!((address.place().as_str(), address.encryption), ("db.example:5433", Encryption::Offered));
        assert_eq!(address.config.get_user(), Some("feed"));
        assert_eq!(address.config.get_password(), Some(b"p@ss/?".as_slice()));
        assert_eq!(address.config.get_dbname(), Some("market"));
        assert_eq!(address.config.get_application_name(), Some("intuition feed"));
        assert!(!format!("{address:?}").contains("p@ss"), "{address:?}");
        assert_eq!(parse("postgres://feed@[::1]/m").unwrap().place(), "::1:5432");
    }

    #[test]
    fn mode_and_authorities_decide_the_encryption() {
        for (mode, without, with) in [
            ("", Ok(Encryption::Offered), Ok(Encryption::Checked)),
            ("?sslmode=prefer", Ok(Encryption::Offered), Ok(Encryption::Checked)),
            ("?sslmode=require", Ok(Encryption::Checked), Ok(Encryption::Checked)),
            ("?sslmode=verify-full&channel_binding=require", Ok(Encryption::Checked), Ok(Encryption::Checked)),
            ("?sslmode=disable", Ok(Encryption::Off), Err(AddressError::Contradiction)),
            ("?sslmode=none", Err(AddressError::Mode), Err(AddressError::Mode)),
        ] {
            let url = format!("postgresql://u:p@h/d{mode}");
            let found = |has| Address::parse(&url, has).map(|address| address.encryption);
            assert_eq!((found(false), found(true)), (without, with), "{mode}");
        }
    }

    #[test]
    fn errors_show_no_part_of_the_url() {
        for (url, expected) in [
            ("mysql://u:secret@h/d", AddressError::Scheme),
            ("postgresql://u:sec@ret@h/d", AddressError::At),
            ("postgresql://secret/d", AddressError::User),
            ("postgresql://:secret@h/d", AddressError::User),
            ("postgresql://u:secret@/d", AddressError::Host),
            ("postgresql://u:secret@h,i/d", AddressError::Host),
            ("postgresql://u:secret@%2Ftmp/d", AddressError::Host),
            ("postgresql://u:secret@h:port/d", AddressError::Form),
            ("postgresql://u:p@h/d?secret=1", AddressError::Option),
            ("postgresql://u:p@h/d?secret", AddressError::Option),
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
