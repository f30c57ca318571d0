//! What must hold whatever fails: real processes on real servers, killed, cut and restarted.
//!
//! A test uploads files through a [`Trial`], does something to the site, and ends with
//! [`Trial::check`], which waits until every job is final and then checks every invariant against a
//! single-threaded [`model`]. `README.md` lists the faults, and the breakages that turn tests red.
//!
//! Tests in `quick` modules belong to `tests/run`; those in `long` modules wait for real deadlines
//! and belong to `tests/run --faults`.

mod broker;
mod chaos;
mod cloud;
mod files;
mod invariants;
mod missing;
mod model;
mod postgres;
mod redis;
mod split;
mod trial;
mod upload;
mod worker;

use muster_testkit::{Backend, FaultServers, Proxy, Servers, Site, SiteOptions};

use crate::MUSTER;
pub(crate) use files::File;
pub(crate) use trial::Trial;

/// Options that make every process do something at a fail point, for example
/// `batch_applied=1*return(abort)`.
#[cfg(feature = "failpoints")]
pub(crate) fn at(point: &str) -> Vec<(String, String)> {
    vec![("FAILPOINTS".to_owned(), point.to_owned())]
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn at(_point: &str) -> Vec<(String, String)> {
    panic!("fail points are off: use tests/run, or --features muster/failpoints");
}

/// A site of so many workers with logs of all levels, in which a person's data would be seen.
pub(crate) fn options(workers: usize) -> SiteOptions {
    let variables = vec![("MUSTER_LOG".to_owned(), "debug,fail=off".to_owned())];
    SiteOptions { workers, variables, ..SiteOptions::default() }
}

/// A site on the servers that all tests share.
pub(crate) async fn site(options: SiteOptions) -> Site {
    Site::start(MUSTER, Backend::Distributed, options).await
}

/// The lease of a dead splitter lapses by itself after a minute; a test need not wait for it.
pub(crate) async fn void_leases(site: &Site) {
    site.servers.as_ref().unwrap().execute("update jobs set lease_until = now() - interval '1 second'").await;
}

/// A site on servers that the test may break.
pub(crate) async fn breakable(workers: usize) -> (FaultServers, Site) {
    let servers = FaultServers::take(MUSTER).await;
    let site = site(SiteOptions { servers: Some(servers.servers.clone()), ..options(workers) }).await;
    (servers, site)
}

/// Proxies between a site and its servers.
pub(crate) struct Wires {
    pub(crate) postgres: Proxy,
    pub(crate) broker: Proxy,
    pub(crate) redis: Proxy,
}

/// Options by which the workers, or all services, reach the servers through proxies.
pub(crate) async fn wired(options: &mut SiteOptions, workers_only: bool) -> Wires {
    let servers = Servers::private(MUSTER).await;
    let wires = wires(&servers, options, workers_only).await;
    options.servers = Some(servers);
    wires
}

/// Puts proxies before these servers.
pub(crate) async fn wires(servers: &Servers, options: &mut SiteOptions, workers_only: bool) -> Wires {
    let wires = Wires {
        postgres: Proxy::start(&servers.database_url).await,
        broker: Proxy::start(&servers.amqp_url).await,
        redis: Proxy::start(&servers.redis_url).await,
    };
    let variables = [
        ("MUSTER_DATABASE_URL", wires.postgres.url(&servers.database_url)),
        ("MUSTER_AMQP_URL", wires.broker.url(&servers.amqp_url)),
        ("MUSTER_REDIS_URL", wires.redis.url(&servers.redis_url)),
    ];
    let variables = variables.map(|(name, url)| (name.to_owned(), url));
    if workers_only { &mut options.of_workers } else { &mut options.variables }.extend(variables);
    wires
}
