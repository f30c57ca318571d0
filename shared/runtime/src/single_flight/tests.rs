use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;

use super::*;

const TURN_TIMEOUT: Duration = Duration::from_millis(250);

type QueryResult = Result<u64, &'static str>;
type Call<'a> = Pin<Box<dyn Future<Output = QueryResult> + 'a>>;

/// A server whose queries are numbered when they start, and end when the test completes them. A query returns its
/// number.
struct Server {
    flights: SingleFlight<&'static str, QueryResult>,
    started: Mutex<Vec<oneshot::Sender<()>>>,
}

impl Server {
    fn new() -> Self {
        Self { flights: SingleFlight::new(TURN_TIMEOUT), started: Mutex::default() }
    }

    fn call(&self, key: &'static str) -> Call<'_> {
        let mut call: Call<'_> = Box::pin(self.flights.ask(key, || async {
            let (complete, completed) = oneshot::channel();
            let number = {
                let mut started = self.started.lock().unwrap();
                started.push(complete);
                started.len() as u64
            };
            completed.await.map(|()| number).map_err(|_| "the server is unreachable")
        }));
        assert_eq!(poll(&mut call), None);
        call
    }

    fn started(&self) -> usize {
        self.started.lock().unwrap().len()
    }

    /// Lets the last started query succeed.
    fn complete_last(&self) {
        let last = std::mem::replace(self.started.lock().unwrap().last_mut().unwrap(), oneshot::channel().0);
        last.send(()).unwrap();
    }

    /// Lets the last started query fail.
    fn fail_last(&self) {
        *self.started.lock().unwrap().last_mut().unwrap() = oneshot::channel().0;
    }
}

fn poll(call: &mut Call<'_>) -> Option<QueryResult> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// Polls all calls until none makes further progress. Removes those that returned, and returns their results.
fn results(calls: &mut Vec<Call<'_>>) -> Vec<QueryResult> {
    let mut results = Vec::new();
    for _ in 0..2 {
        calls.retain_mut(|call| poll(call).map(|result| results.push(result)).is_none());
    }
    results
}

#[tokio::test(start_paused = true)]
async fn callers_that_arrive_during_a_query_share_the_next_one() {
    let server = Server::new();
    let mut first = vec![server.call("job")];
    let mut later: Vec<_> = (0..63).map(|_| server.call("job")).collect();
    assert_eq!(server.started(), 1);
    server.complete_last();
    assert_eq!(results(&mut first), [Ok(1)]);
    assert_eq!(results(&mut later), [], "the first query started before their calls");
    assert_eq!(server.started(), 2);
    let mut last = vec![server.call("job")];
    server.complete_last();
    assert_eq!(results(&mut later), [Ok(2); 63]);
    assert_eq!(results(&mut last), []);
    server.complete_last();
    assert_eq!(results(&mut last), [Ok(3)]);
}

#[tokio::test(start_paused = true)]
async fn different_keys_do_not_wait_for_each_other() {
    let server = Server::new();
    let _one = server.call("one");
    let _other = server.call("other");
    assert_eq!(server.started(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_next_caller_runs_the_query_of_a_dropped_one() {
    let server = Server::new();
    let first = server.call("job");
    let second = server.call("job");
    let mut third = vec![server.call("job")];
    drop(first);
    assert_eq!(results(&mut third), []);
    drop(second);
    assert_eq!(results(&mut third), []);
    assert!(server.started() > 1, "the first query ended with its caller");
    server.complete_last();
    assert_eq!(results(&mut third), [Ok(server.started() as u64)]);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_caller_of_a_shared_query_does_not_end_it_for_the_others() {
    let server = Server::new();
    let mut first = vec![server.call("job")];
    let mut running = server.call("job");
    let mut others = vec![server.call("job"), server.call("job")];
    server.complete_last();
    assert_eq!(results(&mut first), [Ok(1)]);
    assert_eq!(poll(&mut running), None);
    assert_eq!(server.started(), 2);
    drop(running);
    assert_eq!(results(&mut others), []);
    assert_eq!(server.started(), 3);
    server.complete_last();
    assert_eq!(results(&mut others), [Ok(3); 2]);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_shared_too() {
    let server = Server::new();
    let mut first = vec![server.call("job")];
    let mut later: Vec<_> = (0..63).map(|_| server.call("job")).collect();
    server.fail_last();
    assert_eq!(results(&mut first), [Err("the server is unreachable")]);
    assert_eq!(results(&mut later), []);
    server.fail_last();
    assert_eq!(results(&mut later), [Err("the server is unreachable"); 63]);
    assert_eq!(server.started(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hung_query_delays_the_next_one_only_by_the_turn_timeout() {
    let server = Server::new();
    let mut hung = vec![server.call("job")];
    let mut later = vec![server.call("job")];
    tokio::time::advance(TURN_TIMEOUT).await;
    assert_eq!(results(&mut later), []);
    assert_eq!(server.started(), 2);
    server.complete_last();
    assert_eq!(results(&mut later), [Ok(2)]);
    assert_eq!(results(&mut hung), []);
}

#[tokio::test(start_paused = true)]
async fn keys_without_callers_are_removed() {
    let server = Server::new();
    let mut completed = vec![server.call("completed")];
    server.complete_last();
    let (dropped, also_dropped) = (server.call("dropped"), server.call("dropped"));
    assert_eq!(server.flights.keys().len(), 2);
    assert_eq!(results(&mut completed), [Ok(1)]);
    drop(completed);
    drop(dropped);
    assert_eq!(server.flights.keys().len(), 1);
    drop(also_dropped);
    assert_eq!(server.flights.keys().len(), 0);
}
