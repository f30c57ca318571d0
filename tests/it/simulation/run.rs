//! One run of one seed.

mod error_log;

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
use super::world::{Digest, Violation, World, print_line};
use super::{chaos, files, verdict};
use error_log::ErrorLog;

/// The time after the last fault within which every job becomes final. The split of a job that lost
/// batches is restarted within ten minutes.
const MAX_RECOVERY: Duration = Duration::from_mins(30);

/// The result of a run.
pub(crate) struct RunResult {
    /// The first violated invariant, if there is one.
    pub(crate) failure: Option<String>,
    pub(crate) digest: Digest,
    /// The last events, one per line.
    pub(crate) trace: String,
}

/// Runs a seed. If `verbose`, prints each event and the log of the services as they occur.
pub(crate) fn run(seed: u64, verbose: bool) -> RunResult {
    // This generator provides the jitter of every backoff.
    fastrand::seed(seed);
    let violation = Violation::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let error_log = ErrorLog::new(violation.clone(), verbose);
    tracing::subscriber::with_default(error_log, || {
        runtime.block_on(async {
            let mut rng = Rng::with_seed(seed);
            let plan = Plan::new(&mut rng);
            if verbose {
                print_line(&format!("{plan:#?}"));
            }
            let world = Arc::new(World::new(plan, rng, violation, verbose));
            let failure = simulate(&world).await.err();
            let failure = world.violation().or(failure);
            RunResult { failure, digest: world.digest(), trace: world.trace() }
        })
    })
}

/// Simulates from the first upload to the check of the final state.
async fn simulate(world: &Arc<World>) -> Result<(), String> {
    let site = Site::new(world);
    let tasks = Tasks::in_place();
    let status = site.start_status();
    let mut clients = Vec::new();
    for number in 1..=world.plan.tenants {
        let (tenant, token) = create_tenant(&site, number).await;
        let files = {
            let mut rng = world.rng();
            let count = rng.usize(1..=4);
            files::generate(&mut rng, count)
        };
        let client = Arc::new(Client { site: site.clone(), token, files, history: Mutex::default() });
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
    world.end_faults();
    for client in running {
        client.await.map_err(|error| error.to_string())?;
    }
    wait_until_done(&site, &clients).await?;
    for (tenant, client) in &clients {
        verdict::check(&site, *tenant, client).await?;
    }
    Ok(())
}

async fn create_tenant(site: &Site, number: usize) -> (TenantId, String) {
    let token = format!("client {number}").replace(' ', "-");
    let tenant = site.database.create_tenant(&token, TenantSettings::default()).await.unwrap().unwrap();
    let sha256 = token_sha256(token.as_bytes());
    let scopes = Scope::ALL.to_vec();
    let new = NewToken { tenant, sha256, prefix: token.clone(), scopes, expires_in_seconds: None };
    site.database.create_token(new).await.unwrap();
    (tenant, token)
}

/// Waits until every job is final, no message is left, and every paused process has resumed.
async fn wait_until_done(site: &Arc<Site>, clients: &[(TenantId, Arc<Client>)]) -> Result<(), String> {
    let last_resume = site.world.last_resume();
    let deadline = Instant::now().max(last_resume) + MAX_RECOVERY;
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
        if unfinished.is_empty() && messages == 0 && Instant::now() > last_resume + Duration::from_secs(5) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!(
                "30 minutes after the last fault, jobs {unfinished:?} are not final and {messages} messages are left"
            ));
        }
        sleep(Duration::from_secs(1)).await;
    }
}
