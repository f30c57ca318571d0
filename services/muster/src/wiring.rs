//! Chooses adapters and starts services on them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use muster_http::{HttpMetrics, Ready, serve};
use muster_ingest::IngestConfig;
use muster_ports::{Counters, CutRules, Publisher, Reports, Store};
use muster_postgres::{PostgresConfig, PostgresStore};
use muster_rabbitmq::{RabbitConfig, RabbitQueue};
use muster_rawstore::ObjectRawStore;
use muster_redis::{RedisConfig, RedisCounters};
use muster_runtime::{Backoff, Shutdown, Tasks};
use muster_telemetry::{Meter, Telemetry};
use tokio::net::{TcpListener, TcpSocket};

use crate::health;
use crate::settings::{
    CountersArgs, DatabaseArgs, HttpArgs, ImportArgs, MetricsArgs, PayloadArgs, ProcessArgs, QueueArgs,
};

/// What every service process has.
#[derive(Clone, Default)]
pub(crate) struct Process {
    pub(crate) tasks: Tasks,
    pub(crate) shutdown: Shutdown,
    telemetry: Telemetry,
    /// Whether the service has begun; before, it is not ready.
    begun: Arc<AtomicBool>,
}

/// How long connections may take to close at the end.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// How long tasks may take to end once they are forced to.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long the last spans may take to be sent.
const FLUSH_DEADLINE: Duration = Duration::from_secs(3);

impl Process {
    /// Begins telemetry, and follows the signals from now on.
    pub(crate) fn start(role: &str, args: &ProcessArgs) -> anyhow::Result<Self> {
        let telemetry = args.log.init(role, &args.metrics)?;
        let process = Self { telemetry, ..Self::default() };
        process.describe();
        let (shutdown, drain) = (process.shutdown.clone(), args.stop.drain());
        #[expect(
            clippy::disallowed_methods,
            reason = "it must outlive the tasks that it stops, so it is not one of them"
        )]
        tokio::spawn(async move {
            if let Err(error) = shutdown.follow_signals(drain).await {
                tracing::error!(%error, "signals cannot be followed");
            }
        });
        Ok(process)
    }

    /// Waits for the stop, and then for the running work.
    pub(crate) async fn run_to_end(&self, store: Option<&PostgresStore>) {
        self.shutdown.begun().await;
        tokio::select! {
            drained = self.tasks.wait(Duration::from_hours(1)) => {
                tracing::info!(drained, "stopped");
            }
            () = self.shutdown.forced() => {
                tracing::warn!(tasks = self.tasks.running(), "stopped before all work was done");
                // They have heard it too: for what they still have to note.
                self.tasks.wait(LAST_WORDS).await;
            }
        }
        if let Some(store) = store {
            store.close(CLOSE_DEADLINE).await;
        }
        let telemetry = self.telemetry.clone();
        let _ = self.tasks.blocking(move || telemetry.end(FLUSH_DEADLINE)).await;
        self.shutdown.force();
    }

    /// Where instruments come from.
    pub(crate) fn meter(&self) -> Meter {
        self.telemetry.meter()
    }

    fn describe(&self) {
        let (meter, tasks) = (self.meter(), self.tasks.clone());
        meter.info("muster_build_info", "1, with the version.", &[("version", env!("CARGO_PKG_VERSION"))]);
        meter.watch("muster_runtime_tasks_running", "Tasks of the process.", move || tasks.running() as u64);
    }

    /// Serves metrics and health on their own port, if there is one: as soon as the process runs, because
    /// that it waits for its servers is worth seeing.
    pub(crate) fn serve_apart(&self, args: &MetricsArgs, ready: Ready) -> anyhow::Result<()> {
        let Some(address) = args.metrics_listen else { return Ok(()) };
        let listener = listen(address)
            .with_context(|| format!("cannot listen on {address} for metrics: is another program using the port?"))?;
        let address = format!("http://{}", listener.local_addr()?);
        let begun = self.begun.clone();
        let ready: Ready = Arc::new(move || {
            let (begun, checking) = (begun.load(Ordering::Relaxed), ready());
            Box::pin(async move { if begun { checking.await } else { checking.await.and(Err("starting".to_owned())) } })
        });
        let routes = health::routes(self.telemetry.clone(), ready, self.shutdown.clone());
        let (tasks, shutdown) = (self.tasks.clone(), self.shutdown.clone());
        self.tasks.spawn("metrics", serve(listener, routes, tasks, shutdown, HttpMetrics::default()));
        tracing::info!(%address, "metrics ready");
        Ok(())
    }

    /// The service has begun.
    pub(crate) fn begun(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Serves until the stop.
    pub(crate) fn serve(&self, http: &HttpArgs, routes: Router, ready: Ready) -> anyhow::Result<String> {
        let listener = listen(http.listen)
            .with_context(|| format!("cannot listen on {}: is another program using the port?", http.listen))?;
        let address = format!("http://{}", listener.local_addr()?);
        let routes = routes.merge(muster_http::health(ready, self.shutdown.clone()));
        let (tasks, shutdown) = (self.tasks.clone(), self.shutdown.clone());
        self.tasks.spawn("http", serve(listener, routes, tasks, shutdown, HttpMetrics::new(&self.meter())));
        tracing::info!(%address, "listening");
        Ok(address)
    }

    pub(crate) fn queue(&self, args: &QueueArgs, name: &str) -> RabbitQueue {
        let config = RabbitConfig {
            url: args.amqp_url.clone(),
            namespace: args.queue_prefix.clone(),
            connection_name: format!("muster {name}"),
            publish_deadline: Duration::from_secs(30),
        };
        RabbitQueue::new(config, self.tasks.clone(), self.shutdown.clone())
    }

    pub(crate) fn store(&self, args: &DatabaseArgs, pool: &Pool) -> anyhow::Result<Arc<PostgresStore>> {
        let config = pool.config(args);
        Ok(Arc::new(PostgresStore::new(&config, self.shutdown.clone()).context("MUSTER_DATABASE_URL cannot be used")?))
    }
}

/// Connections that may wait to be accepted; the system's own limit is often lower. With the 128 of
/// most libraries, a burst of a few hundred clients loses some.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // The port of a process that has just ended can be used again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How many connections a role needs, and how patient it is.
pub(crate) struct Pool {
    pub(crate) name: &'static str,
    pub(crate) connections: u32,
    pub(crate) acquire: Duration,
}

impl Pool {
    pub(crate) fn config(&self, args: &DatabaseArgs) -> PostgresConfig {
        PostgresConfig {
            url: args.database_url.clone(),
            max_connections: self.connections,
            application_name: format!("muster {}", self.name),
            acquire_timeout: self.acquire,
        }
    }
}

pub(crate) fn counters(args: &CountersArgs) -> anyhow::Result<Arc<dyn Counters>> {
    let config = RedisConfig { url: args.redis_url.clone(), namespace: args.redis_prefix.clone() };
    Ok(Arc::new(RedisCounters::new(config).context("MUSTER_REDIS_URL cannot be used")?))
}

/// Opens the raw store. The variables of a cloud's own tools are its settings.
pub(crate) fn raw_store(address: &str) -> anyhow::Result<ObjectRawStore> {
    let of_a_cloud = |name: &str| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| name.starts_with(prefix));
    let options = std::env::vars().filter(|(name, _)| of_a_cloud(name));
    let options = options.map(|(name, value)| (name.to_ascii_lowercase(), value));
    ObjectRawStore::open(address, options).context("MUSTER_RAW_STORE cannot be used")
}

pub(crate) fn ingest_config(http: &HttpArgs, import: &ImportArgs, payload: Option<&PayloadArgs>) -> IngestConfig {
    IngestConfig {
        public_url: http.public_url.clone(),
        max_upload_bytes: import.max_upload_bytes,
        max_uploads: usize::from(import.max_uploads),
        max_uploads_per_tenant: usize::from(import.max_uploads_per_tenant),
        cut: CutRules { unpacked_bytes: import.max_unpacked_bytes, ..CutRules::default() },
        retain_uploads: import.retain_uploads_days.0,
        retain_reports: import.retain_reports_days.0,
        payload_key: payload.and_then(|payload| payload.payload_key.as_ref()).map(|key| key.0),
        ..IngestConfig::default()
    }
}

/// Waits until the database answers and has the right schema. A wrong schema is an error at once.
pub(crate) async fn wait_for_store(store: &dyn Reports, shutdown: &Shutdown) -> anyhow::Result<()> {
    let mut backoff = Backoff::reconnect();
    loop {
        match store.check_ready().await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_transient() && !shutdown.has_begun() => {
                tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "waiting for the database");
                shutdown.unless_begun(backoff.wait()).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until the queue can be reached, or a stop is asked for.
pub(crate) async fn wait_for_queue(queue: &dyn Publisher, shutdown: &Shutdown) {
    let mut backoff = Backoff::reconnect();
    while !shutdown.has_begun() {
        let Err(error) = queue.check_ready().await else { return };
        tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "waiting for the queue");
        shutdown.unless_begun(backoff.wait()).await;
    }
}

/// Ready when the database answers, and the queue where there is one.
pub(crate) fn ready(store: Arc<dyn Store>, queue: Option<Arc<dyn Publisher>>) -> Ready {
    Arc::new(move || {
        let (store, queue) = (store.clone(), queue.clone());
        Box::pin(async move {
            store.check_ready().await.map_err(|error| error.to_string())?;
            match queue {
                Some(queue) => queue.check_ready().await.map_err(|error| error.to_string()),
                None => Ok(()),
            }
        })
    })
}
