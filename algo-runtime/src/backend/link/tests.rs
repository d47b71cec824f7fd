use std::pin::Pin;

use intuition_api::v1::{
    DescribeResponse, EventBatch, EventRequest, EventResponse, InitializeRequest, InitializeResponse,
    algorithm_server::{Algorithm, AlgorithmServer},
};
use tokio::net::TcpListener;
use tokio_stream::{
    Stream, StreamExt as _,
    wrappers::{TcpListenerStream, UnboundedReceiverStream},
};
use tonic::{Request, Response, transport::Server};

use super::*;

const DEADLINE: Duration = Duration::from_secs(8);

/// Answers Describe and Initialize, and no batch.
struct Silent;

#[tonic::async_trait]
impl Algorithm for Silent {
    type EventsStream = Pin<Box<dyn Stream<Item = Result<EventsResponse, Status>> + Send>>;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse {
            name: "silent".to_owned(),
            contract: "intuition.v1".to_owned(),
            ..DescribeResponse::default()
        }))
    }

    async fn events(&self, request: Request<Streaming<EventsRequest>>) -> Result<Response<Self::EventsStream>, Status> {
        let answers = request.into_inner().filter_map(|request| match request.ok()?.message? {
            events_request::Message::Initialize(_) => {
                let channels = vec!["quotes".to_owned()];
                let initialized = InitializeResponse { channels, ..InitializeResponse::default() };
                Some(Ok(EventsResponse { message: Some(events_response::Message::Initialized(initialized)) }))
            }
            _ => None,
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn initialize(&self, _: Request<InitializeRequest>) -> Result<Response<InitializeResponse>, Status> {
        Err(Status::unimplemented("the link uses the stream"))
    }

    async fn event(&self, _: Request<EventRequest>) -> Result<Response<EventResponse>, Status> {
        Err(Status::unimplemented("the link uses the stream"))
    }
}

/// A link with an initialized stream, and its reports. Time stands still from then on, and goes on by itself to the next
/// deadline when no task has work left.
async fn initialized() -> (Link, UnboundedReceiverStream<LinkEvent>, TaskTracker) {
    let (listener, tasks) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TaskTracker::new());
    let address: Address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let server = Server::builder().add_service(AlgorithmServer::new(Silent));
    tasks.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let links = Links::new(tokio::runtime::Handle::current(), tasks.clone(), CancellationToken::new(), DEADLINE);
    let (sender, reports) = mpsc::unbounded_channel();
    let link = links.start(address, move |report| {
        let sender = sender.clone();
        async move { sender.send(report).is_ok() }
    });
    let mut reports = UnboundedReceiverStream::new(reports);
    link.send(LinkCommand::Call { attempt: 1, pause: Duration::ZERO });
    let described = reports.next().await.unwrap().reply;
    assert!(matches!(described, Ok(BackendReply::Described(_))), "{described:?}");
    link.send(LinkCommand::Initialize(InitializeRequest::default()));
    let initialized = reports.next().await.unwrap().reply;
    assert!(matches!(initialized, Ok(BackendReply::Initialized(_))), "{initialized:?}");
    time::pause();
    (link, reports, tasks)
}

#[tokio::test]
async fn a_stream_that_stays_open_is_reported_once() {
    let (link, mut reports, _tasks) = initialized().await;
    let begun = Instant::now();
    let steady = reports.next().await.unwrap().reply;
    assert!(matches!(steady, Ok(BackendReply::Steady)), "{steady:?}");
    let passed = begun.elapsed();
    assert!(
        passed + Duration::from_secs(5) > STEADY_AFTER && passed <= STEADY_AFTER + Duration::from_secs(1),
        "{passed:?}"
    );
    let again = time::timeout(10 * STEADY_AFTER, reports.next()).await;
    assert!(again.is_err(), "{again:?}");
    drop(link);
}

#[tokio::test]
async fn search_batch_has_a_quarter_of_the_deadline_and_others_all_of_it() {
    for (is_search, expected) in [(true, Duration::from_secs(2)), (false, DEADLINE)] {
        let (link, mut reports, _tasks) = initialized().await;
        let begun = Instant::now();
        link.send(LinkCommand::Batch { batch: EventBatch { number: 1, events: Vec::new() }, is_search });
        let late = reports.next().await.unwrap().reply.unwrap_err();
        assert_eq!(
            (late.reason, begun.elapsed().as_secs()),
            (ConditionReason::Timeout, expected.as_secs()),
            "{late:?}"
        );
        time::resume();
    }
}
