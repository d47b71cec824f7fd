//! Connections to web servers, for every source of quotes that is reached over HTTP or `WebSocket`.
//!
//! - `dial`: a byte stream to the host of a URL, with TLS where the scheme asks for it. `tls`: the trusted certificates.
//! - `get`: one HTTP request on one connection.

mod dial;
mod get;
mod tls;

pub use rustls::ClientConfig;

pub use self::{
    dial::{ReachError, Stream, dial},
    get::{Body, GetError, Response, get},
    tls::{TlsError, client_config},
};
