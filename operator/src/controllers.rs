//! The controllers of all kinds. A new kind has a line in `run` and in `check`.

use intuition_resources::{Algorithm, Feed, Indicator, TradingAlgo};
use kube::{Client, api::ListParams};
use tokio_util::sync::CancellationToken;

use crate::{
    algorithm, feed, indicator,
    kubernetes::{
        caches::api,
        call::{CallError, call},
        object::{PartialObject, WatchedKind},
    },
    reconcile::context::OperatorContext,
    trading_algo,
};

/// Reconciles the objects of all kinds in one namespace, or in all, until `shutdown` is cancelled.
pub async fn run(operator: OperatorContext, namespace: Option<String>, shutdown: CancellationToken) {
    let namespace = namespace.as_deref();
    tokio::join!(
        trading_algo::controller::run(&operator, namespace, shutdown.clone()),
        algorithm::controller::run(&operator, namespace, shutdown.clone()),
        feed::controller::run(&operator, namespace, shutdown.clone()),
        indicator::controller::run(&operator, namespace, shutdown)
    );
}

/// Lists one object of each kind, to check that the API server answers, knows the kinds and grants the right.
pub(crate) async fn check(client: &Client, namespace: Option<&str>) -> Result<(), CallError> {
    list_one::<TradingAlgo>(client, namespace).await?;
    list_one::<Algorithm>(client, namespace).await?;
    list_one::<Feed>(client, namespace).await?;
    list_one::<Indicator>(client, namespace).await
}

async fn list_one<K: WatchedKind>(client: &Client, namespace: Option<&str>) -> Result<(), CallError> {
    call(api::<PartialObject<K>>(client, namespace).list(&ListParams::default().limit(1))).await.map(drop)
}
