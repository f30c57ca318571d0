//! The life of a service process: telemetry, listeners, signals and the stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use muster_http::{HttpMetrics, Ready, ServeOptions, TrustedProxies, serve};
use muster_postgres::PostgresStore;
use muster_runtime::{Shutdown, Tasks};
use muster_telemetry::{Meter, Telemetry};
use tokio::net::{TcpListener, TcpSocket};

use crate::health;
use crate::settings::{HttpArgs, MetricsArgs, ProcessArgs};

/// What every service process has.
#[derive(Clone, Default)]
pub(crate) struct Process {
    pub(crate) tasks: Tasks,
    pub(crate) shutdown: Shutdown,
    telemetry: Telemetry,
    /// Whether the service has started. Until then it is not ready.
    started: Arc<AtomicBool>,
}

/// The longest drain time that the settings allow. The shutdown forces the tasks to end by then.
const TASKS_DEADLINE: Duration = Duration::from_hours(1);
/// How long tasks may still run once they are forced to end.
const FORCED_EXIT_GRACE: Duration = Duration::from_secs(2);
/// The maximum number of open connections to the API. Uploads, waiting calls and the draining of refused bodies have
/// limits of their own, which add up to less.
const MAX_CONNECTIONS: usize = 1024;
/// The maximum number of open connections to the API from one address.
const MAX_CONNECTIONS_PER_ADDRESS: usize = 512;
/// The maximum number of open connections to the admin port.
const MAX_ADMIN_CONNECTIONS: usize = 64;
/// How long database connections may take to close.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// How long sending the last spans may take.
const FLUSH_DEADLINE: Duration = Duration::from_secs(3);

impl Process {
    /// Starts telemetry and the handling of signals.
    pub(crate) fn start(role: &str, args: &ProcessArgs) -> anyhow::Result<Self> {
        let telemetry = args.log.init(role, &args.metrics)?;
        let process = Self { telemetry, ..Self::default() };
        process.register_metrics();
        let (shutdown, drain) = (process.shutdown.clone(), args.stop.drain());
        #[expect(
            clippy::disallowed_methods,
            reason = "it must outlive the tasks that it stops, so it is not one of them"
        )]
        tokio::spawn(async move {
            if let Err(error) = shutdown.handle_signals(drain).await {
                tracing::error!(%error, "cannot listen for signals");
            }
        });
        Ok(process)
    }

    /// Waits for the stop, then for running work, then closes the database connections and flushes telemetry.
    pub(crate) async fn run_until_stopped(&self, store: Option<&PostgresStore>) {
        self.shutdown.requested().await;
        tokio::select! {
            drained = self.tasks.wait(TASKS_DEADLINE) => {
                tracing::info!(drained, "stopped");
            }
            () = self.shutdown.forced() => {
                tracing::warn!(tasks = self.tasks.running(), "stopped before all work was done");
                // The tasks end too, and may have something left to record.
                self.tasks.wait(FORCED_EXIT_GRACE).await;
            }
        }
        if let Some(store) = store {
            store.close(CLOSE_DEADLINE).await;
        }
        let telemetry = self.telemetry.clone();
        let _ = self.tasks.blocking(move || telemetry.end(FLUSH_DEADLINE)).await;
        self.shutdown.force();
    }

    /// Creates the metrics of the services.
    pub(crate) fn meter(&self) -> Meter {
        self.telemetry.meter()
    }

    fn register_metrics(&self) {
        let (meter, tasks) = (self.meter(), self.tasks.clone());
        meter.info(
            "muster_build_info",
            "Always 1; the label is the version.",
            &[("version", env!("CARGO_PKG_VERSION"))],
        );
        meter.watch("muster_runtime_tasks_running", "Running tasks of the process.", move || tasks.running() as u64);
    }

    /// Serves metrics and health on their own port, if one is set. Called before the process waits for its servers, so
    /// that an operator can see it wait.
    pub(crate) fn serve_admin(&self, args: &MetricsArgs, ready: Ready) -> anyhow::Result<()> {
        let Some(address) = args.metrics_listen else { return Ok(()) };
        let listener = listen(address)
            .with_context(|| format!("cannot listen on {address} for metrics: is another program using the port?"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let started = self.started.clone();
        let ready: Ready = Arc::new(move || {
            let (started, check) = (started.load(Ordering::Relaxed), ready());
            Box::pin(async move { if started { check.await } else { check.await.and(Err("starting".to_owned())) } })
        });
        let routes = health::routes(self.telemetry.clone(), ready, self.shutdown.clone());
        let options = ServeOptions {
            max_connections: MAX_ADMIN_CONNECTIONS,
            max_connections_per_address: MAX_ADMIN_CONNECTIONS,
            proxies: TrustedProxies::default(),
            metrics: HttpMetrics::default(),
        };
        let (tasks, shutdown) = (self.tasks.clone(), self.shutdown.clone());
        self.tasks.spawn("metrics", serve(listener, routes, tasks, shutdown, options));
        tracing::info!(address = %url, "metrics ready");
        Ok(())
    }

    /// Lets the admin port report the service as ready.
    pub(crate) fn mark_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Starts to serve the API, until the stop. Returns its base URL.
    pub(crate) fn serve(&self, http: &HttpArgs, routes: Router, ready: Ready) -> anyhow::Result<String> {
        let listener = listen(http.listen)
            .with_context(|| format!("cannot listen on {}: is another program using the port?", http.listen))?;
        let url = format!("http://{}", listener.local_addr()?);
        let routes = routes.merge(muster_http::health(ready, self.shutdown.clone()));
        let options = ServeOptions {
            max_connections: MAX_CONNECTIONS,
            max_connections_per_address: MAX_CONNECTIONS_PER_ADDRESS,
            proxies: TrustedProxies::new(http.trusted_proxies.iter().copied()),
            metrics: HttpMetrics::new(&self.meter()),
        };
        let (tasks, shutdown) = (self.tasks.clone(), self.shutdown.clone());
        self.tasks.spawn("http", serve(listener, routes, tasks, shutdown, options));
        tracing::info!(address = %url, "listening");
        Ok(url)
    }
}

/// Connections that may wait to be accepted; the limit of the system is often lower. With the 128 of most libraries, a
/// burst of a few hundred clients loses some.
const LISTEN_BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // The port of a process that has just ended can be used again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}
