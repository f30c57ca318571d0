//! `muster dead`: lists, replays and drops messages that could not be processed.

use std::time::Duration;

use anyhow::{Context, bail};
use muster_ports::{DeadLetter, DeadLetterCursor, DeadLetters, QueueName};

use crate::adapters;
use crate::cli::{DeadCommand, WhichLetters};
use crate::output::print_line;
use crate::process::Process;
use crate::settings::QueueArgs;

/// Maximum number of characters that are shown of a text from a message.
const MAX_SHOWN_CHARS: usize = 100;
/// Passes over the queue before a letter counts as absent, because the reconciler of an ingest service may hold it for
/// a moment.
const MAX_PASSES: u32 = 3;
const PAUSE_BETWEEN_PASSES: Duration = Duration::from_millis(700);

pub(crate) async fn run(command: DeadCommand) -> anyhow::Result<()> {
    match command {
        DeadCommand::List { limit, queue } => list(&queue, limit).await,
        DeadCommand::Replay { which, queue } => act(&queue, &which, Action::Replay).await,
        DeadCommand::Drop { which, queue } => act(&queue, &which, Action::Drop).await,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Replay,
    Drop,
}

async fn open_letters(args: &QueueArgs) -> anyhow::Result<Box<dyn DeadLetterCursor>> {
    let queue = adapters::rabbit_queue(&Process::default(), args, "dead");
    let letters = queue.open_cursor().await.context("cannot read the dead letters from the broker")?;
    letters.with_context(|| {
        let name = format!("{}.{}", args.queue_prefix, QueueName::Dead.as_str());
        format!("there is no queue {name}: is the prefix right, and has an ingest or worker service run yet?")
    })
}

async fn list(args: &QueueArgs, limit: u64) -> anyhow::Result<()> {
    let mut letters = open_letters(args).await?;
    let mut listed = 0;
    while listed < limit {
        let Some(letter) = letters.next().await? else { break };
        print_line(&format_letter(&letter))?;
        listed += 1;
    }
    let more = letters.total().saturating_sub(listed);
    match (listed, more) {
        (0, _) => print_line("There are no dead letters."),
        (_, 0) => Ok(()),
        (_, more) => print_line(&format!("… and {more} more; raise --limit to list them.")),
    }
}

async fn act(args: &QueueArgs, which: &WhichLetters, action: Action) -> anyhow::Result<()> {
    for pass in 1..=MAX_PASSES {
        let mut letters = open_letters(args).await?;
        let done = act_once(&mut *letters, which, action).await?;
        letters.end().await?;
        if done > 0 {
            let what = if action == Action::Replay { "replayed" } else { "dropped" };
            return print_line(&format!("{done} dead letter(s) {what}."));
        }
        if pass < MAX_PASSES {
            tokio::time::sleep(PAUSE_BETWEEN_PASSES).await;
        }
    }
    match which {
        WhichLetters { all: true, .. } => print_line("There are no dead letters."),
        WhichLetters { id: Some(id), .. } => {
            bail!("there is no dead letter with the message id {id}; see `muster dead list`")
        }
        WhichLetters { number, .. } => {
            bail!("there is no dead letter number {}; see `muster dead list`", number.unwrap_or_default())
        }
    }
}

/// Acts on the selected letters. Returns how many there were.
async fn act_once(letters: &mut dyn DeadLetterCursor, which: &WhichLetters, action: Action) -> anyhow::Result<u64> {
    let mut done = 0;
    while let Some(letter) = letters.next().await? {
        // Later letters arrived during this pass; a replayed letter that failed again must not be replayed forever.
        if letter.number > letters.total() {
            break;
        }
        if !is_selected(which, &letter) {
            continue;
        }
        match action {
            Action::Drop => letters.remove(letter).await?,
            Action::Replay => {
                let queue = origin(&letter).with_context(|| {
                    format!("it is unknown from which queue letter {} came: it can only be dropped", letter.number)
                })?;
                letters.replay(letter, queue).await?;
            }
        }
        done += 1;
    }
    Ok(done)
}

fn is_selected(which: &WhichLetters, letter: &DeadLetter) -> bool {
    which.all
        || which.number == Some(letter.number)
        || which.id.as_ref().is_some_and(|id| *id == printable(&letter.envelope.message_id))
}

/// The queue that a letter came from. If it is not recorded, the queue for messages of its type.
fn origin(letter: &DeadLetter) -> Option<QueueName> {
    letter.from.or(match letter.envelope.kind.as_str() {
        "split" => Some(QueueName::Split),
        "batch" => Some(QueueName::Batch),
        _ => None,
    })
}

/// A line of `muster dead list`: everything but the body.
fn format_letter(letter: &DeadLetter) -> String {
    let envelope = &letter.envelope;
    let header = |name: &str| envelope.headers.get(name).map_or_else(|| "-".to_owned(), |text| printable(text));
    let at = letter.dead_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    [
        letter.number.to_string(),
        printable(&envelope.message_id),
        format!("{} v{}", printable(&envelope.kind), envelope.version),
        format!("job={}", header("job")),
        format!("batch={}", header("batch")),
        format!("queue={}", letter.from.map_or("-", QueueName::as_str)),
        format!("replays={}", letter.replays),
        at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        printable(&letter.reason),
    ]
    .join("\t")
}

/// Makes a text from a message safe for a terminal: any client of the broker may have written it.
fn printable(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    text.chars().take(MAX_SHOWN_CHARS).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use muster_messages::Envelope;

    use super::*;

    fn letter(kind: &str, id: &str) -> DeadLetter {
        let headers = BTreeMap::from([("job".to_owned(), "9".to_owned())]);
        let body = "canary".into();
        let envelope = Envelope { kind: kind.to_owned(), version: 2, message_id: id.to_owned(), headers, body };
        let reason = "expected\u{1b}[0m".to_owned();
        DeadLetter { envelope, number: 3, from: None, reason, dead_ms: Some(0), replays: 1 }
    }

    #[test]
    fn a_line_shows_everything_but_the_body() {
        let line = format_letter(&letter("batch", "9:4"));
        assert_eq!(line, "3\t9:4\tbatch v2\tjob=9\tbatch=-\tqueue=-\treplays=1\t1970-01-01T00:00:00Z\texpected?[0m");
    }

    #[test]
    fn the_origin_is_the_recorded_queue_or_follows_from_the_type() {
        assert_eq!(origin(&letter("batch", "")), Some(QueueName::Batch));
        assert_eq!(origin(&letter("", "")), None);
        let small = DeadLetter { from: Some(QueueName::BatchSmall), ..letter("batch", "") };
        assert_eq!(origin(&small), Some(QueueName::BatchSmall));
    }

    #[test]
    fn letters_are_selected_by_id_by_number_or_all() {
        let which = |id: Option<&str>, number, all| WhichLetters { id: id.map(str::to_owned), number, all };
        assert!(is_selected(&which(Some("9:4"), None, false), &letter("batch", "9:4")));
        assert!(!is_selected(&which(Some("9:5"), None, false), &letter("batch", "9:4")));
        assert!(is_selected(&which(None, Some(3), false), &letter("batch", "9:4")));
        assert!(is_selected(&which(None, None, true), &letter("batch", "9:4")));
        assert!(is_selected(&which(Some("-"), None, false), &letter("batch", "")), "a message without an id");
    }
}
