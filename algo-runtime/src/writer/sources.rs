//! The calls about sources. Changes are answered after their commit, like everything else.

use intuition_api::v1::{ForgetSourcesRequest, ForgetSourcesResponse, ResetSourceRequest, ResetSourceResponse, Source};
use tonic::Status;

use super::{
    Writer,
    reply::{Reply, refuse, respond},
};

/// The calls about sources. Each is answered after the commit.
pub enum Command {
    /// A page of the sources, in order of channel and name.
    List {
        /// `<namespace>/<name>`.
        account: String,
        /// The last channel and name of the page before; `None`: the first page.
        after: Option<(String, String)>,
        /// At most [`Sizes::page`](super::Sizes::page) sources; empty behind the last one.
        reply: Reply<Vec<Source>>,
    },
    /// Lets a source begin again: the call `ResetSource`.
    Reset {
        /// Its request.
        request: ResetSourceRequest,
        /// Its answer.
        reply: Reply<ResetSourceResponse>,
    },
    /// Forgets sources: the call `ForgetSources`.
    Forget {
        /// Its request.
        request: ForgetSourcesRequest,
        /// Its answer.
        reply: Reply<ForgetSourcesResponse>,
    },
}

/// An answer that waits for the commit.
pub(super) enum Answer {
    List(Reply<Vec<Source>>, Vec<Source>),
    Reset(Reply<ResetSourceResponse>, ResetSourceResponse),
    Forget(Reply<ForgetSourcesResponse>, ForgetSourcesResponse),
}

impl Answer {
    /// Gives the answer: the commit is durable.
    pub(super) fn give(self) {
        match self {
            Self::List(reply, page) => respond(reply, Ok(page)),
            Self::Reset(reply, response) => respond(reply, Ok(response)),
            Self::Forget(reply, response) => respond(reply, Ok(response)),
        }
    }

    /// Gives an error instead: nothing of the group is kept.
    pub(super) fn fail(self, status: Status) {
        match self {
            Self::List(reply, _) => respond(reply, Err(status)),
            Self::Reset(reply, _) => respond(reply, Err(status)),
            Self::Forget(reply, _) => respond(reply, Err(status)),
        }
    }
}

impl Writer {
    /// Carries the call out. Returns the answer, unless the call was refused at once.
    pub(super) fn sources(&mut self, command: Command, now_micros: i64) -> Option<Answer> {
        match command {
            Command::List { account, after, reply } => match self.engine.check_account(&account) {
                Ok(()) => {
                    let after = after.as_ref().map(|(channel, source)| (channel.as_str(), source.as_str()));
                    Some(Answer::List(reply, self.engine.sources(after, self.sizes.page)))
                }
                Err(error) => {
                    refuse(reply, &error);
                    None
                }
            },
            Command::Reset { request, reply } => {
                let checked = self.engine.check_account(&request.account);
                match checked.and_then(|()| self.engine.reset_source(&request, now_micros)) {
                    Ok(response) => Some(Answer::Reset(reply, response)),
                    Err(error) => {
                        refuse(reply, &error);
                        None
                    }
                }
            }
            Command::Forget { request, reply } => {
                let checked = self.engine.check_account(&request.account);
                match checked.and_then(|()| self.engine.forget_sources(&request, now_micros)) {
                    Ok(response) => Some(Answer::Forget(reply, response)),
                    Err(error) => {
                        refuse(reply, &error);
                        None
                    }
                }
            }
        }
    }
}
