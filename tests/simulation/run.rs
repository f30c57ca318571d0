//! One run of one seed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use muster_domain::TenantId;
use muster_http::token_sha256;
use muster_ports::{NewToken, Scope, TenantSettings, Tenants};
use muster_runtime::Tasks;
use tokio::time::{Instant, sleep};

use super::client::Client;
use super::plan::Plan;
use super::site::Site;
use super::watch::Watch;
use super::world::{Digest, Violation, World, show};
use super::{chaos, files, verdict};

/// Once there are no more faults, every job is final after this. A job whose batches were lost waits
/// at most ten minutes until it is cut again.
const BOUND: Duration = Duration::from_mins(30);

/// How a run ended.
pub(crate) struct End {
    /// What must not be.
    pub(crate) fault: Option<String>,
    pub(crate) digest: Digest,
    pub(crate) story: String,
}

/// Runs a seed; `verbose` shows its story at once, with the log of the services.
pub(crate) fn run(seed: u64, verbose: bool) -> End {
    // The jitter of every backoff comes from here.
    fastrand::seed(seed);
    let violation = Violation::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let watch = Watch::new(violation.clone(), verbose);
    tracing::subscriber::with_default(watch, || {
        runtime.block_on(async {
            let mut rng = Rng::with_seed(seed);
            let plan = Plan::new(&mut rng);
            if verbose {
                show(&format!("{plan:#?}"));
            }
            let world = Arc::new(World::new(plan, rng, violation, verbose));
            let fault = live(&world).await.err();
            let fault = world.violation().or(fault);
            End { fault, digest: world.digest(), story: world.story() }
        })
    })
}

/// From the first upload to the verdict.
async fn live(world: &Arc<World>) -> Result<(), String> {
    let site = Site::new(world);
    let tasks = Tasks::in_place();
    let status = site.start_status();
    let mut clients = Vec::new();
    for number in 1..=world.plan.tenants {
        let (tenant, token) = tenant(&site, number).await;
        let files = {
            let mut rng = world.rng();
            let how_many = rng.usize(1..=4);
            files::files(&mut rng, how_many)
        };
        let client = Arc::new(Client { site: site.clone(), token, files, deeds: Mutex::default() });
        clients.push((tenant, client));
    }
    site.start(&tasks);
    let mut running = Vec::new();
    for (_, client) in &clients {
        let (watching, status) = (client.clone(), status.clone());
        tasks.spawn("watch", async move { watching.watch(&status).await });
        let client = client.clone();
        running.push(tasks.spawn("client", async move { client.run().await }));
    }
    chaos::run(&site).await;
    world.calm_down();
    for client in running {
        client.await.map_err(|error| error.to_string())?;
    }
    settle(&site, &clients).await?;
    for (tenant, client) in &clients {
        verdict::check(&site, *tenant, client).await?;
    }
    Ok(())
}

async fn tenant(site: &Site, number: usize) -> (TenantId, String) {
    let token = format!("client {number}").replace(' ', "-");
    let tenant = site.database.create_tenant(&token, TenantSettings::default()).await.unwrap().unwrap();
    let sha256 = token_sha256(token.as_bytes());
    let scopes = Scope::ALL.to_vec();
    let new = NewToken { tenant, sha256, prefix: token.clone(), scopes, expires_in_seconds: None };
    site.database.create_token(new).await.unwrap();
    (tenant, token)
}

/// Waits until every job is final, no message is left, and whoever stood still has gone on.
async fn settle(site: &Arc<Site>, clients: &[(TenantId, Arc<Client>)]) -> Result<(), String> {
    let goes_on = site.world.goes_on();
    let end = Instant::now().max(goes_on) + BOUND;
    loop {
        if let Some(violation) = site.world.violation() {
            return Err(violation);
        }
        let mut unfinished = Vec::new();
        for (tenant, _) in clients {
            let jobs = verdict::jobs(site, *tenant).await;
            unfinished.extend(jobs.iter().filter(|job| !job.state.is_final()).map(|job| job.id));
        }
        let messages = site.broker.messages();
        if unfinished.is_empty() && messages == 0 && Instant::now() > goes_on + Duration::from_secs(5) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!(
                "half an hour without faults, and {unfinished:?} are not final, {messages} messages are left"
            ));
        }
        sleep(Duration::from_secs(1)).await;
    }
}
