//! The findings about an account, and the parts of a status that follow from them. Pure: the time is an argument, and there is
//! no I/O.

mod capabilities;
pub(crate) mod configured;
mod health;
pub(crate) mod inputs;
pub(crate) mod ledger;
pub(crate) mod observation;
pub(crate) mod parts;
pub(crate) mod processes;
pub(crate) mod warnings;
