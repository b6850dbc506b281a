//! The options of `/metrics`.

use std::net::SocketAddr;

use clap::Args;
use tokio::task::JoinSet;

use super::Failed;
use crate::handle::Handle;
use crate::metrics::{Metrics, MetricsConfig, MetricsError};

/// What monitoring sees.
#[derive(Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub(super) struct MetricsArgs {
    /// Serve /metrics for Prometheus here, as 127.0.0.1:9464. An address that other machines can
    /// come to needs --metrics-plain.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Although other machines can come: something before it says who may.
    #[arg(long, requires = "metrics")]
    metrics_plain: bool,
}

/// Serves them, if they are wanted, for as long as the value lives.
pub(super) async fn serve(args: MetricsArgs, handle: &Handle) -> Result<JoinSet<()>, Failed> {
    let mut tasks = JoinSet::new();
    let Some(address) = args.metrics else { return Ok(tasks) };
    let config = MetricsConfig { address, plain: args.metrics_plain };
    let metrics = Metrics::open(config, handle.gauges()).await.map_err(|error| {
        let code = if matches!(error, MetricsError::Plain(_)) { 64 } else { 77 };
        Failed::new(code, error)
    })?;
    tracing::info!(url = format!("http://{}/metrics", metrics.address()), "the metrics are open");
    tasks.spawn(async move {
        if let Err(error) = metrics.serve().await {
            tracing::error!(%error, "the metrics are closed");
        }
    });
    Ok(tasks)
}
