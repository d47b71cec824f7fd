//! A runtime of v0.1.0 as far as the commands call it: it serves the account, without a trading state, and no later call.

use std::{
    net::{SocketAddr, TcpListener},
    pin::Pin,
};

use intuition_api::v1::{
    AccountRequest, AccountResponse, CloseRequest, CloseResponse, ConfigureRequest, ConfigureResponse, Decision,
    DecisionsRequest, ForgetSourcesRequest, ForgetSourcesResponse, ProcessRequest, ProcessResponse, ResetSourceRequest,
    ResetSourceResponse, SetTradingStateRequest, SetTradingStateResponse, Source, SourcesRequest,
    runtime_server::{Runtime as Service, RuntimeServer},
};
use tokio::runtime::Runtime;
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves until it is dropped.
pub(crate) struct OldRuntime {
    /// For `--runtime`.
    pub(crate) address: String,
    _tokio: Runtime,
}

impl OldRuntime {
    /// On a free port.
    pub(crate) fn start() -> Self {
        let tokio = Runtime::new().unwrap();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        tokio.spawn(async move {
            let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
            Server::builder().add_service(RuntimeServer::new(Old)).serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, _tokio: tokio }
    }
}

struct Old;

fn unknown<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("no such call"))
}

#[tonic::async_trait]
impl Service for Old {
    type ProcessStream = Answers<ProcessResponse>;
    type DecisionsStream = Answers<Decision>;
    type SourcesStream = Answers<Source>;

    async fn process(&self, _: Request<Streaming<ProcessRequest>>) -> Result<Response<Self::ProcessStream>, Status> {
        unknown()
    }

    async fn configure(&self, _: Request<ConfigureRequest>) -> Result<Response<ConfigureResponse>, Status> {
        unknown()
    }

    async fn set_trading_state(
        &self,
        _: Request<SetTradingStateRequest>,
    ) -> Result<Response<SetTradingStateResponse>, Status> {
        unknown()
    }

    async fn close(&self, _: Request<CloseRequest>) -> Result<Response<CloseResponse>, Status> {
        unknown()
    }

    async fn account(&self, request: Request<AccountRequest>) -> Result<Response<AccountResponse>, Status> {
        Ok(Response::new(AccountResponse { account: request.into_inner().account, ..AccountResponse::default() }))
    }

    async fn decisions(&self, _: Request<DecisionsRequest>) -> Result<Response<Self::DecisionsStream>, Status> {
        unknown()
    }

    async fn sources(&self, _: Request<SourcesRequest>) -> Result<Response<Self::SourcesStream>, Status> {
        unknown()
    }

    async fn reset_source(&self, _: Request<ResetSourceRequest>) -> Result<Response<ResetSourceResponse>, Status> {
        unknown()
    }

    async fn forget_sources(
        &self,
        _: Request<ForgetSourcesRequest>,
    ) -> Result<Response<ForgetSourcesResponse>, Status> {
        unknown()
    }
}
