//! Fault injection: real processes on real servers are killed, paused, disconnected and restarted.
//!
//! A test uploads files through a [`Trial`], injects a fault, and ends with [`Trial::check`], which
//! waits until every job is final and then compares everything with a single-threaded [`model`].
//! `faults/README.md` has the fault catalogue and the mutations that each test must detect.
//!
//! `tests/run` runs the tests in `quick` modules. `tests/run --faults` also runs those in `long`
//! modules, which wait for real deadlines.

mod broker;
mod chaos;
mod cloud;
mod job_end;
mod pooler;
mod postgres;
mod redis;
mod split;
mod sqlite;
mod trial;
mod upload;
mod worker;

use muster_testkit::{Backend, FaultServers, Proxy, Servers, Site, SiteOptions};

use crate::MUSTER;
pub(crate) use trial::Trial;
pub(crate) use trial::files::File;

/// The environment variable that configures fail points, for example `batch_applied=1*return(abort)`.
#[cfg(feature = "failpoints")]
pub(crate) fn failpoint(configuration: &str) -> Vec<(String, String)> {
    vec![("FAILPOINTS".to_owned(), configuration.to_owned())]
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn failpoint(_configuration: &str) -> Vec<(String, String)> {
    panic!("this build has no fail points: use tests/run or --features muster/failpoints");
}

/// Options for a site with this many workers that logs at level `debug`, so that
/// [`Trial::check`] notices personal data in any log line.
pub(crate) fn verbose_options(workers: usize) -> SiteOptions {
    let variables = vec![("MUSTER_LOG".to_owned(), "debug,fail=off".to_owned())];
    SiteOptions { workers, variables, ..SiteOptions::default() }
}

/// Starts a distributed site, on the servers that all tests share unless the options name others.
pub(crate) async fn start_site(options: SiteOptions) -> Site {
    Site::start(MUSTER, Backend::Distributed, options).await
}

/// Expires all leases now. The lease of a dead splitter expires by itself after a minute.
pub(crate) async fn expire_leases(site: &Site) {
    site.servers.as_ref().unwrap().execute("update jobs set lease_until = now() - interval '1 second'").await;
}

/// Starts a site on servers that the test may kill, restart and wipe.
pub(crate) async fn start_breakable_site(workers: usize) -> (FaultServers, Site) {
    let servers = FaultServers::acquire(MUSTER).await;
    let site = start_site(SiteOptions { servers: Some(servers.servers.clone()), ..verbose_options(workers) }).await;
    (servers, site)
}

/// Proxies between the processes of a site and its servers.
pub(crate) struct Proxies {
    pub(crate) postgres: Proxy,
    pub(crate) broker: Proxy,
    pub(crate) redis: Proxy,
}

/// Starts proxies in front of private servers, and changes the options so that all services, or only
/// the workers, connect through them.
pub(crate) async fn route_through_proxies(options: &mut SiteOptions, workers_only: bool) -> Proxies {
    let servers = Servers::create(MUSTER).await;
    let proxies = start_proxies(&servers, options, workers_only).await;
    options.servers = Some(servers);
    proxies
}

/// Starts proxies in front of these servers, and changes the options so that all services, or only
/// the workers, connect through them.
pub(crate) async fn start_proxies(servers: &Servers, options: &mut SiteOptions, workers_only: bool) -> Proxies {
    let proxies = Proxies {
        postgres: Proxy::start(&servers.database_url).await,
        broker: Proxy::start(&servers.amqp_url).await,
        redis: Proxy::start(&servers.redis_url).await,
    };
    let variables = [
        ("MUSTER_DATABASE_URL", proxies.postgres.url(&servers.database_url)),
        ("MUSTER_AMQP_URL", proxies.broker.url(&servers.amqp_url)),
        ("MUSTER_REDIS_URL", proxies.redis.url(&servers.redis_url)),
    ];
    let variables = variables.map(|(name, url)| (name.to_owned(), url));
    if workers_only { &mut options.worker_variables } else { &mut options.variables }.extend(variables);
    proxies
}
