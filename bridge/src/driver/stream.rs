//! The stream to the runtime, or the attempt to open one.

use std::{future::pending, pin::Pin};

use intuition_api::v1::{Open, process_request};
use tonic::transport::Endpoint;

use crate::{
    machine::StreamEvent,
    runtime::{self, RuntimeError, Stream},
};

type Opening = Pin<Box<dyn Future<Output = Result<Stream, RuntimeError>> + Send>>;

enum State {
    Closed,
    Opening(Opening),
    Open(Box<Stream>),
}

/// See the module.
pub(super) struct StreamConnection {
    endpoint: Endpoint,
    state: State,
}

impl StreamConnection {
    pub(super) const fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, state: State::Closed }
    }

    pub(super) fn open(&mut self, open: Open) {
        self.state = State::Opening(Box::pin(runtime::open(self.endpoint.clone(), open)));
    }

    pub(super) fn send(&self, message: process_request::Message) {
        if let State::Open(stream) = &self.state {
            stream.send(message);
        }
    }

    pub(super) fn close(&mut self) {
        self.state = State::Closed;
    }

    /// The next event. May be abandoned at any time.
    pub(super) async fn next(&mut self) -> StreamEvent {
        match &mut self.state {
            State::Closed => pending().await,
            State::Opening(opening) => match opening.await {
                Ok(stream) => {
                    self.state = State::Open(Box::new(stream));
                    StreamEvent::Connected
                }
                Err(error) => {
                    self.state = State::Closed;
                    StreamEvent::Ended(error)
                }
            },
            State::Open(stream) => match stream.next().await {
                Ok(message) => StreamEvent::Message(message),
                Err(error) => {
                    self.state = State::Closed;
                    StreamEvent::Ended(error)
                }
            },
        }
    }

    /// Ends the stream behind everything that was sent on it, and waits until the runtime has ended its side too.
    pub(super) async fn finish(&mut self) {
        if let State::Open(stream) = std::mem::replace(&mut self.state, State::Closed) {
            stream.finish().await;
        }
    }
}
