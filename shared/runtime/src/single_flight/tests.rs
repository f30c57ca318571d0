use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;

use super::*;

const PATIENCE: Duration = Duration::from_millis(250);

type Answer = Result<u64, &'static str>;
type Asking<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// What is looked at: a number that grows with each look, seen when the look begins and told when it is let go.
struct Source {
    flights: SingleFlight<&'static str, Answer>,
    begun: Mutex<Vec<oneshot::Sender<()>>>,
}

impl Source {
    fn new() -> Self {
        Self { flights: SingleFlight::new(PATIENCE), begun: Mutex::default() }
    }

    fn ask(&self, key: &'static str) -> Asking<'_> {
        let mut asking: Asking<'_> = Box::pin(self.flights.ask(key, || async {
            let (release, released) = oneshot::channel();
            let seen = {
                let mut begun = self.begun.lock().unwrap();
                begun.push(release);
                begun.len() as u64
            };
            released.await.map(|()| seen).map_err(|_| "the server is away")
        }));
        assert_eq!(poll(&mut asking), None);
        asking
    }

    fn begun(&self) -> usize {
        self.begun.lock().unwrap().len()
    }

    /// Lets the last look end well.
    fn release(&self) {
        let last = std::mem::replace(self.begun.lock().unwrap().last_mut().unwrap(), oneshot::channel().0);
        last.send(()).unwrap();
    }

    /// Lets the last look end with an error.
    fn fail(&self) {
        *self.begun.lock().unwrap().last_mut().unwrap() = oneshot::channel().0;
    }
}

fn poll(asking: &mut Asking<'_>) -> Option<Answer> {
    match asking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// Polls all until none gets any further, and gives what was answered.
fn answers(asking: &mut Vec<Asking<'_>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..2 {
        asking.retain_mut(|asking| poll(asking).map(|answer| answers.push(answer)).is_none());
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn those_who_come_during_a_look_share_the_next_one() {
    let source = Source::new();
    let mut first = vec![source.ask("job")];
    let mut later: Vec<_> = (0..63).map(|_| source.ask("job")).collect();
    assert_eq!(source.begun(), 1);
    source.release();
    assert_eq!(answers(&mut first), [Ok(1)]);
    assert_eq!(answers(&mut later), [], "what the first look saw is older than their question");
    assert_eq!(source.begun(), 2);
    let mut last = vec![source.ask("job")];
    source.release();
    assert_eq!(answers(&mut later), [Ok(2); 63]);
    assert_eq!(answers(&mut last), []);
    source.release();
    assert_eq!(answers(&mut last), [Ok(3)]);
}

#[tokio::test(start_paused = true)]
async fn keys_do_not_wait_for_each_other() {
    let source = Source::new();
    let _one = source.ask("one");
    let _other = source.ask("other");
    assert_eq!(source.begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_the_look_to_the_next() {
    let source = Source::new();
    let first = source.ask("job");
    let second = source.ask("job");
    let mut third = vec![source.ask("job")];
    drop(first);
    assert_eq!(answers(&mut third), []);
    drop(second);
    assert_eq!(answers(&mut third), []);
    assert!(source.begun() > 1, "the look of the first has ended with it");
    source.release();
    assert_eq!(answers(&mut third), [Ok(source.begun() as u64)]);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_during_a_shared_look_does_not_end_it_for_the_others() {
    let source = Source::new();
    let mut first = vec![source.ask("job")];
    let mut looker = source.ask("job");
    let mut others = vec![source.ask("job"), source.ask("job")];
    source.release();
    assert_eq!(answers(&mut first), [Ok(1)]);
    assert_eq!(poll(&mut looker), None);
    assert_eq!(source.begun(), 2);
    drop(looker);
    assert_eq!(answers(&mut others), []);
    assert_eq!(source.begun(), 3);
    source.release();
    assert_eq!(answers(&mut others), [Ok(3); 2]);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_shared_too() {
    let source = Source::new();
    let mut first = vec![source.ask("job")];
    let mut later: Vec<_> = (0..63).map(|_| source.ask("job")).collect();
    source.fail();
    assert_eq!(answers(&mut first), [Err("the server is away")]);
    assert_eq!(answers(&mut later), []);
    source.fail();
    assert_eq!(answers(&mut later), [Err("the server is away"); 63]);
    assert_eq!(source.begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_hangs_holds_nobody_up() {
    let source = Source::new();
    let mut hanging = vec![source.ask("job")];
    let mut later = vec![source.ask("job")];
    tokio::time::advance(PATIENCE).await;
    assert_eq!(answers(&mut later), []);
    assert_eq!(source.begun(), 2);
    source.release();
    assert_eq!(answers(&mut later), [Ok(2)]);
    assert_eq!(answers(&mut hanging), []);
}

#[tokio::test(start_paused = true)]
async fn keys_are_forgotten_when_nobody_asks_any_more() {
    let source = Source::new();
    let mut answered = vec![source.ask("answered")];
    source.release();
    let (gone, also_gone) = (source.ask("gone"), source.ask("gone"));
    assert_eq!(source.flights.asked().len(), 2);
    assert_eq!(answers(&mut answered), [Ok(1)]);
    drop(answered);
    drop(gone);
    assert_eq!(source.flights.asked().len(), 1);
    drop(also_gone);
    assert_eq!(source.flights.asked().len(), 0);
}
