//! The gRPC service `intuition.v1.Runtime`: hands every call to the writer, but for lists of decisions, which have a
//! connection to the ledger of their own.

use std::{
    path::PathBuf,
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
use intuition_common::{exit::with_causes, grpc::Admission};
use prost::Message as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::spawn_blocking,
};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    ledger::sqlite::{DecisionReader, ReadDecisionsError},
    responses::{self, responses},
    writer::{Command, SourcesCommand, TradingCommand},
};

/// Decisions or sources that wait for a slow reader.
const ROWS_AHEAD: usize = 256;
/// Decisions read at once.
const PAGE_ROWS: usize = 1_000;
/// Lists at a time.
const MAX_LISTS: usize = 4;
/// Bytes of messages on streams that wait for the writer.
const WAITING_BYTES: usize = 32 << 20;

type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// See the module.
#[derive(Clone)]
pub(crate) struct Service {
    writer: mpsc::Sender<Command>,
    /// Folder of the ledger.
    data_dir: PathBuf,
    streams: Arc<AtomicU64>,
    lists: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Service {
    pub(crate) fn new(
        writer: mpsc::Sender<Command>,
        data_dir: PathBuf,
        tasks: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let permits = |most| Arc::new(Semaphore::new(most));
        let (lists, waiting) = (permits(MAX_LISTS), permits(WAITING_BYTES));
        Self { writer, data_dir, streams: Arc::default(), lists, waiting, tasks, shutdown }
    }

    /// Takes a list into the number of those that may be read at a time, until its answer was read to its end.
    fn admit_list<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let permit = Arc::clone(&self.lists).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{MAX_LISTS} lists are being read here already: try again"))
        })?;
        if let Some(admission) = request.extensions().get::<Admission>() {
            admission.keep((permit, admission.lasts()));
        }
        Ok(())
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
        let admission = request.extensions().get::<Admission>().cloned();
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|request| request.message);
        let Some(Message::Open(open)) = first else {
            return Err(Status::invalid_argument("the first message of Process must be Open"));
        };
        let stream = self.streams.fetch_add(1, Ordering::Relaxed);
        let writer = self.writer.downgrade();
        let (responses, reader) = responses(responses::Sizes::default(), move || {
            // A queue of commands that is full wakes the writer too.
            writer.upgrade().into_iter().for_each(|writer| drop(writer.try_send(Command::Room)));
        });
        let ended = CancellationToken::new();
        let open = Command::Open { stream, open, responses, ended: ended.clone() };
        self.writer.send(open).await.map_err(|_| stopped())?;
        let place = admission.and_then(|admission| admission.lasts());
        let (service, shutdown) = (self.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            // The stream's own end, a broken connection and the writer all end it the same way.
            let forwarding = ended.run_until_cancelled(service.forward(requests, stream));
            let is_over = shutdown.run_until_cancelled(forwarding).await.is_none();
            // Once a stream has ended, a client that does not read holds no place of the listener.
            drop(place);
            // At the end of the process the writer ends the stream with the reason. A close that came before would end it without one.
            if !is_over {
                drop(service.writer.send(Command::Close { stream }).await);
            }
        });
        Ok(Response::new(Box::pin(reader)))
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
        self.admit_list(&request)?;
        let DecisionsRequest { account, from_seq } = request.into_inner();
        let through = self.ask(|reply| Command::Account { account, reply }).await?.decisions;
        let (sender, receiver) = mpsc::channel(ROWS_AHEAD);
        let (service, shutdown) = (self.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            let sending = service.send_decisions(from_seq, through, &sender);
            if let Some(Err(status)) = shutdown.run_until_cancelled(sending).await {
                drop(sender.send(Err(status)).await);
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn sources(&self, request: Request<SourcesRequest>) -> Result<Response<Self::SourcesStream>, Status> {
        self.admit_list(&request)?;
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

    /// Hands the messages of a stream to the writer, no more of them at a time than may wait for it.
    async fn forward(&self, mut requests: Streaming<ProcessRequest>, stream: u64) {
        while let Some(Ok(request)) = requests.next().await {
            let Some(room) = self.room(request.encoded_len()).await else { return };
            let Some(message) = request.message else { continue };
            if self.writer.send(Command::Request { stream, message, room: Some(room) }).await.is_err() {
                return;
            }
        }
    }

    async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes.min(WAITING_BYTES)).ok()?;
        Arc::clone(&self.waiting).acquire_many_owned(bytes).await.ok()
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
        mut from: u64,
        through: u64,
        sender: &mpsc::Sender<Result<Decision, Status>>,
    ) -> Result<(), Status> {
        let dir = self.data_dir.clone();
        let mut reader = blocking(move || Ok(DecisionReader::open(&dir)?)).await?;
        while from <= through {
            let page;
            (reader, page) = blocking(move || {
                let page = reader.page(from, PAGE_ROWS)?;
                Ok((reader, page))
            })
            .await?;
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

/// Reads the ledger on a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ReadDecisionsError> + Send + 'static,
) -> Result<T, Status> {
    let read = spawn_blocking(read).await.map_err(|_| Status::internal("the reader of decisions has failed"))?;
    read.map_err(|error| match error {
        ReadDecisionsError::Dropped { .. } => Status::out_of_range(error.to_string()),
        ReadDecisionsError::Read(error) => Status::internal(format!("{}: {}", error.reason(), with_causes(&error))),
    })
}

fn stopped() -> Status {
    Status::unavailable("the runtime is shutting down")
}
