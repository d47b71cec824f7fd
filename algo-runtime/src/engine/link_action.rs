//! Actions on links to backends, which the driver of the writer carries out.

use crate::backend::{Address, LinkCommand};

/// Names a link to a backend, for as long as the engine lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// An action on a link.
#[derive(Debug)]
pub enum LinkAction {
    /// Start a link to this address.
    Start(LinkId, Address),
    /// Give the link this command.
    Command(LinkId, LinkCommand),
    /// End the link.
    End(LinkId),
}
