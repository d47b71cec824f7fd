//! The gRPC service `intuition.v1.Runtime`: hands every call to the writer.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use intuition_api::v1::{
    AccountRequest, AccountResponse, CloseRequest, CloseResponse, ConfigureRequest, ConfigureResponse, Decision,
    DecisionsRequest, ForgetSourcesRequest, ForgetSourcesResponse, ProcessRequest, ProcessResponse, ResetSourceRequest,
    ResetSourceResponse, SetTradingStateRequest, SetTradingStateResponse, Source, SourcesRequest,
    process_request::Message, runtime_server::Runtime,
};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream, wrappers::UnboundedReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};

use crate::writer::{Command, SourcesCommand, TradingCommand};

/// Decisions or sources that wait for a slow reader.
const ROWS_AHEAD: usize = 256;

type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// See the module.
#[derive(Clone)]
pub(crate) struct Service {
    writer: mpsc::Sender<Command>,
    streams: Arc<AtomicU64>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Service {
    pub(crate) fn new(writer: mpsc::Sender<Command>, tasks: TaskTracker, shutdown: CancellationToken) -> Self {
        Self { writer, streams: Arc::default(), tasks, shutdown }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T, Status>>) -> Command) -> Result<T, Status> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(command(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

#[tonic::async_trait]
impl Runtime for Service {
    type ProcessStream = ResponseStream<ProcessResponse>;
    type DecisionsStream = ResponseStream<Decision>;
    type SourcesStream = ResponseStream<Source>;

    async fn process(
        &self,
        request: Request<Streaming<ProcessRequest>>,
    ) -> Result<Response<Self::ProcessStream>, Status> {
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|request| request.message);
        let Some(Message::Open(open)) = first else {
            return Err(Status::invalid_argument("the first message of Process must be Open"));
        };
        let stream = self.streams.fetch_add(1, Ordering::Relaxed);
        let (responses, receiver) = mpsc::unbounded_channel();
        let ended = CancellationToken::new();
        let opening = Command::Open { stream, open, responses, ended: ended.clone() };
        self.writer.send(opening).await.map_err(|_| stopped())?;
        let (writer, shutdown) = (self.writer.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            // The stream's own end, a broken connection, the writer and the end of the process all end it the same way.
            let forwarding = ended.run_until_cancelled(forward(requests, stream, &writer));
            shutdown.run_until_cancelled(forwarding).await;
            drop(writer.send(Command::Close { stream }).await);
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(receiver))))
    }

    async fn configure(&self, request: Request<ConfigureRequest>) -> Result<Response<ConfigureResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.ask(|reply| Command::Configure { request, reply }).await?))
    }

    async fn set_trading_state(
        &self,
        request: Request<SetTradingStateRequest>,
    ) -> Result<Response<SetTradingStateResponse>, Status> {
        let request = request.into_inner();
        let set = |reply| Command::Trading(TradingCommand::Set { request, reply });
        Ok(Response::new(self.ask(set).await?))
    }

    async fn close(&self, request: Request<CloseRequest>) -> Result<Response<CloseResponse>, Status> {
        let request = request.into_inner();
        let close = |reply| Command::Trading(TradingCommand::Close { request, reply });
        Ok(Response::new(self.ask(close).await?))
    }

    async fn account(&self, request: Request<AccountRequest>) -> Result<Response<AccountResponse>, Status> {
        let AccountRequest { account } = request.into_inner();
        Ok(Response::new(self.ask(|reply| Command::Account { account, reply }).await?))
    }

    async fn decisions(&self, request: Request<DecisionsRequest>) -> Result<Response<Self::DecisionsStream>, Status> {
        let DecisionsRequest { account, from_seq } = request.into_inner();
        let through = self.ask(|reply| Command::Account { account: account.clone(), reply }).await?.decisions;
        let (sender, receiver) = mpsc::channel(ROWS_AHEAD);
        let (service, shutdown) = (self.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            let sending = service.send_decisions(account, from_seq.max(1), through, &sender);
            if let Some(Err(status)) = shutdown.run_until_cancelled(sending).await {
                drop(sender.send(Err(status)).await);
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn sources(&self, request: Request<SourcesRequest>) -> Result<Response<Self::SourcesStream>, Status> {
        let SourcesRequest { account } = request.into_inner();
        let first = self.sources_behind(&account, None).await?;
        let (sender, receiver) = mpsc::channel(ROWS_AHEAD);
        let (service, shutdown) = (self.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            let sending = service.send_sources(account, first, &sender);
            if let Some(Err(status)) = shutdown.run_until_cancelled(sending).await {
                drop(sender.send(Err(status)).await);
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn reset_source(
        &self,
        request: Request<ResetSourceRequest>,
    ) -> Result<Response<ResetSourceResponse>, Status> {
        let request = request.into_inner();
        let reset = |reply| Command::Sources(SourcesCommand::Reset { request, reply });
        Ok(Response::new(self.ask(reset).await?))
    }

    async fn forget_sources(
        &self,
        request: Request<ForgetSourcesRequest>,
    ) -> Result<Response<ForgetSourcesResponse>, Status> {
        let request = request.into_inner();
        let forget = |reply| Command::Sources(SourcesCommand::Forget { request, reply });
        Ok(Response::new(self.ask(forget).await?))
    }
}

impl Service {
    async fn sources_behind(&self, account: &str, after: Option<(String, String)>) -> Result<Vec<Source>, Status> {
        let account = account.to_owned();
        self.ask(|reply| Command::Sources(SourcesCommand::List { account, after, reply })).await
    }

    async fn send_sources(
        &self,
        account: String,
        mut page: Vec<Source>,
        sender: &mpsc::Sender<Result<Source, Status>>,
    ) -> Result<(), Status> {
        while let Some(last) = page.last() {
            let after = (last.channel.clone(), last.name.clone());
            for source in page {
                if sender.send(Ok(source)).await.is_err() {
                    // The caller has gone.
                    return Ok(());
                }
            }
            page = self.sources_behind(&account, Some(after)).await?;
        }
        Ok(())
    }

    async fn send_decisions(
        &self,
        account: String,
        mut from: u64,
        through: u64,
        sender: &mpsc::Sender<Result<Decision, Status>>,
    ) -> Result<(), Status> {
        while from <= through {
            let page = self.ask(|reply| Command::Decisions { account: account.clone(), from, reply }).await?;
            let Some(last) = page.last() else { break };
            from = last.seq + 1;
            for decision in page.into_iter().filter(|decision| decision.seq <= through) {
                if sender.send(Ok(decision)).await.is_err() {
                    // The caller has gone.
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

async fn forward(mut requests: Streaming<ProcessRequest>, stream: u64, writer: &mpsc::Sender<Command>) {
    while let Some(Ok(request)) = requests.next().await {
        let Some(message) = request.message else { continue };
        if writer.send(Command::Request { stream, message }).await.is_err() {
            return;
        }
    }
}

fn stopped() -> Status {
    Status::unavailable("the runtime is shutting down")
}
