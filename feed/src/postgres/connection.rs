//! A connection to a database: the login is read anew for each, and every request has a deadline.

use std::{
    error::Error as _,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use intuition_common::{exit::with_causes, secret::Secret, text::printable};
use rustls::{CertificateError, ClientConfig};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};
use tokio_postgres::{
    Client, Error, Row,
    error::{DbError, SqlState},
    tls::MakeTlsConnect,
    types::{ToSql, Type},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use web_client::TlsError;

use super::{
    address::{Address, AddressError, Encryption},
    login::DatabaseFiles,
    tls,
};

/// Longest time until the server has accepted the login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for one request, longer than the server's own bound on a statement.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);
/// Longest time for the end of a connection.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// Every statement is a transaction of its own, which writes nothing and sees one state of the database. Digits of binary
/// numbers are exact.
const SETTINGS: &str = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
                        SET statement_timeout = '30s'; SET lock_timeout = '10s'; SET extra_float_digits = 1";

/// A parameter of a query with its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Errors that keep a connection from being made, or end one.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("cannot read the file {} with the URL of the database: {source}", path.display())]
    ReadUrl { path: PathBuf, source: io::Error },
    #[error("{0}")]
    ParseUrl(AddressError),
    #[error("{0}")]
    SetUpTls(TlsError),
    #[error("cannot set TLS up: {0}")]
    SetUpUnjudged(rustls::Error),
    #[error("cannot connect to {place}: {source}")]
    Reach { place: String, source: io::Error },
    #[error("{place} does not answer within {} seconds", after.as_secs())]
    TimeOut { place: String, after: Duration },
    #[error("TLS with {place} fails: {cause}")]
    Secure { place: String, cause: String },
    #[error("{place} refuses the login: {cause}")]
    LogIn { place: String, cause: String },
    #[error("{place} refuses the connection: {cause}")]
    Refuse { place: String, cause: String },
    #[error("the connection to {place} has ended: {cause}")]
    Lose { place: String, cause: String },
    #[error("the database refuses a query: {cause} (SQLSTATE {code})")]
    Query { cause: String, code: String },
    #[error("the database answers a query in another form than PostgreSQL 13 and later do")]
    Answer,
}

impl ConnectionError {
    /// The code for `/readyz`.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::ReadUrl { .. } | Self::ParseUrl(_) | Self::SetUpTls(_) | Self::SetUpUnjudged(_) => {
                "ConnectionUnusable"
            }
            Self::Reach { .. } | Self::TimeOut { .. } | Self::Refuse { .. } | Self::Lose { .. } => {
                "DatabaseUnreachable"
            }
            Self::Secure { .. } => "TlsRefused",
            Self::LogIn { .. } => "LoginRefused",
            Self::Query { .. } | Self::Answer => "QueryRefused",
        }
    }
}

/// A connection.
pub(super) struct Connection {
    client: Client,
    place: String,
    task: JoinSet<()>,
}

impl Connection {
    /// Connects with the login that the files have now.
    pub(super) async fn open(login: &DatabaseFiles) -> Result<Self, ConnectionError> {
        let (path, authorities) = (login.url(), login.authorities());
        let url = Secret::from_file(&path).map_err(|source| ConnectionError::ReadUrl { path, source })?;
        let address = Address::parse(url.reveal(), authorities.is_some()).map_err(ConnectionError::ParseUrl)?;
        let tls = client_config(&address, authorities.as_deref())?;
        let place = address.place();
        let connecting = timeout(CONNECT_TIMEOUT, Self::connect(&address, tls)).await;
        connecting.unwrap_or(Err(ConnectionError::TimeOut { place, after: CONNECT_TIMEOUT }))
    }

    async fn connect(address: &Address, tls: Arc<ClientConfig>) -> Result<Self, ConnectionError> {
        let place = address.place();
        let reach = |source| ConnectionError::Reach { place: place.clone(), source };
        let tcp = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(reach)?;
        tcp.set_nodelay(true).map_err(reach)?;
        let mut maker = MakeRustlsConnect::new(ClientConfig::clone(&tls));
        let Ok(secured) = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut maker, &address.host);
        let connected = address.config.connect_raw(tcp, secured).await;
        let (client, connection) = connected.map_err(|error| refused(&place, &error))?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Its error reaches the request that waits for an answer.
            drop(connection.await);
        });
        let connection = Self { client, place, task };
        let set = connection.client.batch_execute(SETTINGS).await;
        set.map_err(|error| connection.failed(&error))?;
        Ok(connection)
    }

    /// The rows of a query.
    pub(super) async fn query(&self, query: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, ConnectionError> {
        match timeout(REQUEST_TIMEOUT, self.client.query_typed(query, parameters)).await {
            Ok(answer) => answer.map_err(|error| self.failed(&error)),
            Err(_) => Err(ConnectionError::TimeOut { place: self.place.clone(), after: REQUEST_TIMEOUT }),
        }
    }

    /// The error of a request: the server's answer, or the end of the connection.
    pub(super) fn failed(&self, error: &Error) -> ConnectionError {
        let place = self.place.clone();
        match error.as_db_error() {
            Some(answer) if is_shutdown(answer.code()) => ConnectionError::Lose { place, cause: shown(answer) },
            Some(answer) => ConnectionError::Query { cause: shown(answer), code: answer.code().code().to_owned() },
            None => ConnectionError::Lose { place, cause: with_causes(error) },
        }
    }

    /// Ends the connection in order.
    pub(super) async fn close(self) {
        let Self { client, mut task, .. } = self;
        drop(client);
        drop(timeout(END_TIMEOUT, task.join_next()).await);
    }
}

/// A connection that was not made: the server's answer, or the place where the handshake ended.
fn refused(place: &str, error: &Error) -> ConnectionError {
    let place = place.to_owned();
    if let Some(answer) = error.as_db_error() {
        let cause = shown(answer);
        return if is_login(answer.code()) {
            ConnectionError::LogIn { place, cause }
        } else {
            ConnectionError::Refuse { place, cause }
        };
    }
    let cause = with_causes(error);
    // The library has no test for these kinds of errors but their first words.
    match error.to_string().split(':').next() {
        Some("error performing TLS handshake") => ConnectionError::Secure { place, cause: tls_cause(error, cause) },
        Some("invalid configuration" | "authentication error") => ConnectionError::LogIn { place, cause },
        _ => ConnectionError::Lose { place, cause },
    }
}

/// Whether a person has to change the login, its rights or the database.
fn is_login(code: &SqlState) -> bool {
    let code = code.code();
    code.starts_with("28")
        || code == SqlState::INVALID_CATALOG_NAME.code()
        || code == SqlState::INSUFFICIENT_PRIVILEGE.code()
}

/// Whether the server ends its connections: class 57P, but for a statement that took too long.
fn is_shutdown(code: &SqlState) -> bool {
    code.code().starts_with("57P")
}

/// The message of the server, on one line. It never has a password.
fn shown(answer: &DbError) -> String {
    printable(answer.message()).into_owned()
}

/// The cause, with advice where the authority is unknown.
fn tls_cause(error: &Error, cause: String) -> String {
    let mut source = error.source();
    while let Some(inner) = source {
        let io = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let rustls = io.map_or_else(|| inner.downcast_ref::<rustls::Error>(), |io| io.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) = rustls {
            return format!("{cause}: the certificate of its authority belongs in postgres-ca.crt (--postgres-ca)");
        }
        source = inner.source();
    }
    cause
}

/// The settings of TLS. The library does not use them where nothing is encrypted.
fn client_config(address: &Address, trusted: Option<&Path>) -> Result<Arc<ClientConfig>, ConnectionError> {
    match address.encryption {
        Encryption::Off | Encryption::Offered => tls::unjudged().map_err(ConnectionError::SetUpUnjudged),
        Encryption::Checked => web_client::client_config(trusted).map_err(ConnectionError::SetUpTls),
    }
}
