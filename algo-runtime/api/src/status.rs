//! How a call of the service `Algorithm` ended.

use std::error::Error as _;

use tonic::{Code, Status};

/// The end of a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// No server answered: the connection broke, or the other end speaks no gRPC. The status has the cause as its source.
    Broken,
    /// The server went away.
    Unavailable,
    /// The server does not serve `intuition.v1.Algorithm`.
    Unserved,
    /// A message is larger than the receiver takes.
    TooLarge,
    /// The deadline passed.
    Late,
    /// The server ended the call with this code.
    Failed(Code),
}

impl CallEnd {
    /// Classifies the status of a call.
    pub fn of(status: &Status) -> Self {
        // tonic makes a status with a source itself.
        if status.source().is_some() {
            return Self::Broken;
        }
        match status.code() {
            Code::Unavailable => Self::Unavailable,
            Code::Unimplemented => Self::Unserved,
            // tonic's code for a message above the limit.
            Code::OutOfRange => Self::TooLarge,
            Code::DeadlineExceeded => Self::Late,
            code => Self::Failed(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use super::*;

    #[test]
    fn a_status_is_classified_by_its_source_and_then_by_its_code() {
        let mut broken = Status::unavailable("transport error");
        broken.set_source(Arc::new(io::Error::other("connection reset")));
        assert_eq!(CallEnd::of(&broken), CallEnd::Broken);
        for (code, end) in [
            (Code::Unavailable, CallEnd::Unavailable),
            (Code::Unimplemented, CallEnd::Unserved),
            (Code::OutOfRange, CallEnd::TooLarge),
            (Code::DeadlineExceeded, CallEnd::Late),
            (Code::Internal, CallEnd::Failed(Code::Internal)),
        ] {
            assert_eq!(CallEnd::of(&Status::new(code, "")), end);
        }
    }
}
