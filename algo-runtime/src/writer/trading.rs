//! The calls about the trading state and about closing by hand. They are answered after their commit.

use intuition_api::v1::{CloseRequest, CloseResponse, SetTradingStateRequest, SetTradingStateResponse};
use tonic::Status;

use super::{
    Writer,
    reply::{Reply, refuse, respond},
};

/// The calls about the trading state and about closing by hand. Each is answered after the commit.
pub enum Command {
    /// Replaces causes of the trading state: the call `SetTradingState`.
    Set {
        /// Its request.
        request: SetTradingStateRequest,
        /// Its answer.
        reply: Reply<SetTradingStateResponse>,
    },
    /// Sells holdings by hand: the call `Close`.
    Close {
        /// Its request.
        request: CloseRequest,
        /// Its answer.
        reply: Reply<CloseResponse>,
    },
    /// The whole journal was verified beside the writer. Not a call.
    Verified {
        /// The damage; `None`: there is none.
        finding: Option<String>,
        /// Its answer.
        reply: Reply<()>,
    },
}

/// An answer that waits for the commit.
pub(super) enum Answer {
    Set(Reply<SetTradingStateResponse>, SetTradingStateResponse),
    Close(Reply<CloseResponse>, CloseResponse),
    Verified(Reply<()>),
}

impl Answer {
    /// Gives the answer: the commit is durable.
    pub(super) fn give(self) {
        match self {
            Self::Set(reply, response) => respond(reply, Ok(response)),
            Self::Close(reply, response) => respond(reply, Ok(response)),
            Self::Verified(reply) => respond(reply, Ok(())),
        }
    }

    /// Gives an error instead: nothing of the group is kept.
    pub(super) fn fail(self, status: Status) {
        match self {
            Self::Set(reply, _) => respond(reply, Err(status)),
            Self::Close(reply, _) => respond(reply, Err(status)),
            Self::Verified(reply) => respond(reply, Err(status)),
        }
    }
}

impl Writer {
    /// Carries the call out. Returns the answer, unless the call was refused at once.
    pub(super) fn trading(&mut self, command: Command, now_micros: i64) -> Option<Answer> {
        match command {
            Command::Set { request, reply } => {
                let checked = self.engine.check_account(&request.account);
                match checked.and_then(|()| self.engine.set_trading_state(&request, now_micros)) {
                    Ok(response) => Some(Answer::Set(reply, response)),
                    Err(error) => {
                        refuse(reply, &error);
                        None
                    }
                }
            }
            Command::Verified { finding, reply } => {
                self.engine.take_verification(finding.as_deref(), now_micros);
                Some(Answer::Verified(reply))
            }
            Command::Close { request, reply } => {
                let checked = self.engine.check_account(&request.account);
                match checked.and_then(|()| self.engine.close(&request)) {
                    Ok(response) => Some(Answer::Close(reply, response)),
                    Err(error) => {
                        refuse(reply, &error);
                        None
                    }
                }
            }
        }
    }
}
