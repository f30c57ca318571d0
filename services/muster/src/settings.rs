//! Groups of settings that commands share.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use muster_telemetry::{LogFormat, Options, Telemetry};
use secrecy::SecretString;

#[derive(Debug, Args)]
pub(crate) struct HttpArgs {
    /// Address to listen on.
    #[arg(long, env = "MUSTER_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// URL at which clients reach Muster, for links in replies (default: from the Host header).
    #[arg(long, env = "MUSTER_PUBLIC_URL", value_parser = parse_public_url)]
    pub(crate) public_url: Option<String>,
    /// Addresses or networks of proxies in front of Muster, separated by commas. From these, the header X-Real-IP names
    /// the address of the client, and the limit on connections per address does not apply.
    #[arg(long, env = "MUSTER_TRUSTED_PROXIES", value_name = "NETWORKS", value_delimiter = ',', value_parser = parse_network)]
    pub(crate) trusted_proxies: Vec<IpNet>,
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "expected an address such as 10.0.0.7 or a network such as 10.0.0.0/8".to_owned())
}

fn parse_public_url(text: &str) -> Result<String, String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("expected a URL such as https://users.example.com".to_owned())
    }
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Maximum upload size in bytes.
    #[arg(long, env = "MUSTER_MAX_UPLOAD_BYTES", default_value_t = 2 << 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_upload_bytes: u64,
    /// Maximum number of concurrent uploads.
    #[arg(long, env = "MUSTER_MAX_UPLOADS", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) max_uploads: u16,
    /// Maximum number of concurrent uploads of one tenant.
    #[arg(long, env = "MUSTER_MAX_UPLOADS_PER_TENANT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) max_uploads_per_tenant: u16,
    /// Maximum size of a decompressed file in bytes.
    #[arg(long, env = "MUSTER_MAX_UNPACKED_BYTES", default_value_t = 64 << 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_unpacked_bytes: u64,
    /// Maximum number of failed rows in a file. If more rows fail, the rest of the file is not read.
    #[arg(long, env = "MUSTER_MAX_FAILED_ROWS", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_failed_rows: u64,
    /// Days to keep the upload of a job after the job has ended. 0 removes it immediately, `never` keeps it forever.
    #[arg(long, env = "MUSTER_RETAIN_UPLOADS_DAYS", default_value = "7", value_parser = parse_retention)]
    pub(crate) retain_uploads_days: Retention,
    /// Days to keep the error report of a job after the job has ended. 0 removes it immediately, `never` keeps it
    /// forever.
    #[arg(long, env = "MUSTER_RETAIN_REPORTS_DAYS", default_value = "30", value_parser = parse_retention)]
    pub(crate) retain_reports_days: Retention,
}

#[derive(Debug, Args)]
pub(crate) struct WindowArgs {
    /// Maximum number of batches of one job on the queue, counted until they are applied. Should be large enough to
    /// keep all slots of all workers busy.
    #[arg(long, env = "MUSTER_JOB_WINDOW", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) job_window: u16,
    /// Maximum number of batches of all jobs of this process on the queue.
    #[arg(long, env = "MUSTER_TOTAL_WINDOW", default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..=32_768))]
    pub(crate) total_window: u16,
}

/// How long to keep something. `None` means forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention(pub(crate) Option<Duration>);

/// About a hundred years.
const MAX_RETENTION_DAYS: u64 = 36_500;

fn parse_retention(text: &str) -> Result<Retention, String> {
    if text == "never" {
        return Ok(Retention(None));
    }
    let days = text.parse().ok().filter(|days| *days <= MAX_RETENTION_DAYS);
    let days: u64 =
        days.ok_or_else(|| format!("expected a number of days from 0 to {MAX_RETENTION_DAYS}, or never"))?;
    Ok(Retention(Some(Duration::from_hours(days * 24))))
}

#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// Postgres, as postgres://user:password@host:port/database.
    #[arg(long, env = "MUSTER_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: SecretString,
}

#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    /// RabbitMQ, as amqp://user:password@host:port/vhost (or amqps).
    #[arg(long, env = "MUSTER_AMQP_URL", hide_env_values = true)]
    pub(crate) amqp_url: SecretString,
    /// Prefix of queue names.
    #[arg(long, env = "MUSTER_QUEUE_PREFIX", default_value = "muster", value_parser = parse_prefix)]
    pub(crate) queue_prefix: String,
}

#[derive(Debug, Args)]
pub(crate) struct CountersArgs {
    /// Redis, as redis://user:password@host:port/0 (or rediss).
    #[arg(long, env = "MUSTER_REDIS_URL", hide_env_values = true)]
    pub(crate) redis_url: SecretString,
    /// Prefix of Redis keys.
    #[arg(long, env = "MUSTER_REDIS_PREFIX", default_value = "muster", value_parser = parse_prefix)]
    pub(crate) redis_prefix: String,
}

pub(crate) fn parse_tenant_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err("expected 1 to 100 characters, none of them a control character".to_owned())
    }
}

fn parse_prefix(text: &str) -> Result<String, String> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if (1..=100).contains(&text.len()) && text.bytes().all(is_allowed) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 100 letters, digits, dots, dashes or underscores".to_owned())
    }
}

#[derive(Debug, Args)]
pub(crate) struct RawStoreArgs {
    /// URL of the store for uploads: file:///folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix.
    /// Cloud credentials are read from the variables of the cloud's own tools (AWS_…, GOOGLE_…, AZURE_…).
    #[arg(long, env = "MUSTER_RAW_STORE")]
    pub(crate) raw_store: String,
}

#[derive(Debug, Args)]
pub(crate) struct PayloadArgs {
    /// Key that encrypts rows on the queue: 64 hexadecimal digits, the same for ingest and workers.
    #[arg(long, env = "MUSTER_PAYLOAD_KEY", hide_env_values = true, value_parser = parse_payload_key)]
    pub(crate) payload_key: Option<PayloadKey>,
}

/// A key whose `Debug` output hides it.
#[derive(Clone)]
pub(crate) struct PayloadKey(pub(crate) [u8; 32]);

impl std::fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PayloadKey(hidden)")
    }
}

fn parse_payload_key(text: &str) -> Result<PayloadKey, String> {
    let expected = || "expected 64 hexadecimal digits".to_owned();
    if text.len() != 64 || !text.is_ascii() {
        return Err(expected());
    }
    let mut key = [0; 32];
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| expected())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| expected())?;
    }
    Ok(PayloadKey(key))
}

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// Maximum number of seconds that running work may take to finish after SIGTERM.
    #[arg(long, env = "MUSTER_DRAIN_SECONDS", default_value_t = 40, value_parser = clap::value_parser!(u64).range(0..=3600))]
    drain_seconds: u64,
}

impl StopArgs {
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormatArg {
    Pretty,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Log filter: a level, or levels by module.
    #[arg(long, env = "MUSTER_LOG", default_value = "info")]
    log: String,
    /// Format of log lines.
    #[arg(long, env = "MUSTER_LOG_FORMAT", default_value = "pretty")]
    log_format: LogFormatArg,
}

impl LogArgs {
    /// Starts logging, and traces and metrics if they are configured.
    pub(crate) fn init(&self, role: &str, metrics: &MetricsArgs) -> anyhow::Result<Telemetry> {
        let format = match self.log_format {
            LogFormatArg::Pretty => LogFormat::Pretty,
            LogFormatArg::Json => LogFormat::Json,
        };
        Ok(muster_telemetry::init(Options {
            filter: &self.log,
            format,
            service: &format!("muster-{role}"),
            traces: has_collector(std::env::vars()),
            metrics: metrics.metrics_listen.is_some(),
        })?)
    }
}

/// Whether the OpenTelemetry variables name a collector and do not disable traces.
fn has_collector(variables: impl Iterator<Item = (String, String)>) -> bool {
    let (mut named, mut disabled) = (false, false);
    for (name, value) in variables {
        match name.as_str() {
            "OTEL_EXPORTER_OTLP_ENDPOINT" | "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" => named |= !value.is_empty(),
            "OTEL_SDK_DISABLED" => disabled |= value.eq_ignore_ascii_case("true"),
            "OTEL_TRACES_EXPORTER" => disabled |= value == "none",
            _ => {}
        }
    }
    named && !disabled
}

#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {
    /// Address of a separate port for /metrics, /livez and /readyz (default: none).
    #[arg(long, env = "MUSTER_METRICS_LISTEN", value_name = "ADDRESS")]
    pub(crate) metrics_listen: Option<SocketAddr>,
}

/// Settings of every service process.
#[derive(Debug, Args)]
pub(crate) struct ProcessArgs {
    #[command(flatten)]
    pub(crate) stop: StopArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
}

/// Settings of the three servers.
#[derive(Debug, Args)]
pub(crate) struct ServersArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) queue: QueueArgs,
    #[command(flatten)]
    pub(crate) counters: CountersArgs,
}

/// The database that an administrative command works on.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Postgres, as postgres://user:password@host:port/database.
    #[arg(long, env = "MUSTER_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<SecretString>,
    /// Data folder of `muster serve`, which must not be running. Takes precedence over --database-url.
    #[arg(long)]
    pub(crate) data: Option<std::path::PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_a_number_of_days_or_never() {
        let days = |days: u64| Ok(Retention(Some(Duration::from_hours(24 * days))));
        assert_eq!((parse_retention("0"), parse_retention("30")), (days(0), days(30)));
        assert_eq!(parse_retention("never"), Ok(Retention(None)));
        for wrong in ["", "-1", "1.5", "36501", "Never", "7d"] {
            assert!(parse_retention(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn traces_need_the_url_of_a_collector() {
        let has = |variables: &[(&str, &str)]| {
            has_collector(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        };
        let named = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert!(has(&[named]));
        assert!(has(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")]));
        assert!(!has(&[("OTEL_SERVICE_NAME", "x")]));
        assert!(!has(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]));
        assert!(!has(&[named, ("OTEL_SDK_DISABLED", "true")]));
        assert!(!has(&[named, ("OTEL_TRACES_EXPORTER", "none")]));
    }

    #[test]
    fn a_payload_key_has_64_hexadecimal_digits() {
        assert_eq!(parse_payload_key(&"0a".repeat(32)).unwrap().0, [10; 32]);
        for wrong in ["", "0a", &"zz".repeat(32), &"é".repeat(32)] {
            assert!(parse_payload_key(wrong).is_err(), "{wrong}");
        }
    }
}
