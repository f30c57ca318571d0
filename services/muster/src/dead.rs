//! `muster dead`: what an administrator does with messages that could not be used.

use std::time::Duration;

use anyhow::{Context, bail};
use muster_ports::{DeadLetter, DeadLetters, Letters, QueueName};

use crate::admin::say;
use crate::cli::{DeadCommand, WhichLetters};
use crate::settings::QueueArgs;
use crate::wiring::Process;

/// Characters of a text from a message that are shown at most.
const SHOWN: usize = 100;
/// How often, and how far apart, letters are looked for: the reconciler of an ingest service may have
/// them in its hand for a moment.
const LOOKS: u32 = 3;
const LOOK_PAUSE: Duration = Duration::from_millis(700);

pub(crate) async fn run(command: DeadCommand) -> anyhow::Result<()> {
    match command {
        DeadCommand::List { limit, queue } => list(&queue, limit).await,
        DeadCommand::Replay { which, queue } => act(&queue, &which, Act::Replay).await,
        DeadCommand::Drop { which, queue } => act(&queue, &which, Act::Drop).await,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Replay,
    Drop,
}

async fn walk(args: &QueueArgs) -> anyhow::Result<Box<dyn Letters>> {
    let queue = Process::default().queue(args, "dead");
    let walk = queue.walk().await.context("the broker cannot be asked")?;
    walk.with_context(|| {
        let name = format!("{}.{}", args.queue_prefix, QueueName::Dead.as_str());
        format!("there is no queue {name}: is the prefix right, and has an ingest or worker service run yet?")
    })
}

async fn list(args: &QueueArgs, limit: u64) -> anyhow::Result<()> {
    let mut letters = walk(args).await?;
    let mut listed = 0;
    while listed < limit {
        let Some(letter) = letters.next().await? else { break };
        say(&line(&letter))?;
        listed += 1;
    }
    let more = letters.total().saturating_sub(listed);
    match (listed, more) {
        (0, _) => say("There are no dead letters."),
        (_, 0) => Ok(()),
        (_, more) => say(&format!("… and {more} more; --limit shows more.")),
    }
}

async fn act(args: &QueueArgs, which: &WhichLetters, act: Act) -> anyhow::Result<()> {
    for look in 1..=LOOKS {
        let mut letters = walk(args).await?;
        let done = act_once(&mut *letters, which, act).await?;
        letters.end().await?;
        if done > 0 {
            let what = if act == Act::Replay { "replayed" } else { "dropped" };
            return say(&format!("{done} dead letter(s) {what}."));
        }
        if look < LOOKS {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
    match which {
        WhichLetters { all: true, .. } => say("There are no dead letters."),
        WhichLetters { id: Some(id), .. } => {
            bail!("there is no dead letter with the message id {id}; see `muster dead list`")
        }
        WhichLetters { number, .. } => {
            bail!("there is no dead letter number {}; see `muster dead list`", number.unwrap_or_default())
        }
    }
}

async fn act_once(letters: &mut dyn Letters, which: &WhichLetters, act: Act) -> anyhow::Result<u64> {
    let mut done = 0;
    while let Some(letter) = letters.next().await? {
        if letter.number > letters.total() {
            break;
        }
        if !is_meant(which, &letter) {
            continue;
        }
        match act {
            Act::Drop => letters.remove(letter).await?,
            Act::Replay => {
                let queue = home(&letter).with_context(|| {
                    format!("it is not known from which queue letter {} came: it can only be dropped", letter.number)
                })?;
                letters.replay(letter, queue).await?;
            }
        }
        done += 1;
    }
    Ok(done)
}

fn is_meant(which: &WhichLetters, letter: &DeadLetter) -> bool {
    which.all
        || which.number == Some(letter.number)
        || which.id.as_ref().is_some_and(|id| *id == shown(&letter.envelope.message_id))
}

/// Where a letter belongs: where it came from, otherwise where messages of its type go.
fn home(letter: &DeadLetter) -> Option<QueueName> {
    letter.from.or(match letter.envelope.kind.as_str() {
        "split" => Some(QueueName::Split),
        "batch" => Some(QueueName::Batch),
        _ => None,
    })
}

fn line(letter: &DeadLetter) -> String {
    let envelope = &letter.envelope;
    let number = |name: &str| envelope.headers.get(name).map_or_else(|| "-".to_owned(), |text| shown(text));
    let at = letter.dead_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    [
        letter.number.to_string(),
        shown(&envelope.message_id),
        format!("{} v{}", shown(&envelope.kind), envelope.version),
        format!("job={}", number("job")),
        format!("batch={}", number("batch")),
        format!("queue={}", letter.from.map_or("-", QueueName::as_str)),
        format!("replays={}", letter.replays),
        at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        shown(&letter.reason),
    ]
    .join("\t")
}

/// A text that anybody may have put into a message, fit for a terminal.
fn shown(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    text.chars().take(SHOWN).map(|c| if c.is_control() { '?' } else { c }).collect()
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
        let line = line(&letter("batch", "9:4"));
        assert_eq!(line, "3\t9:4\tbatch v2\tjob=9\tbatch=-\tqueue=-\treplays=1\t1970-01-01T00:00:00Z\texpected?[0m");
    }

    #[test]
    fn letters_go_home() {
        assert_eq!(home(&letter("batch", "")), Some(QueueName::Batch));
        assert_eq!(home(&letter("", "")), None);
        let small = DeadLetter { from: Some(QueueName::BatchSmall), ..letter("batch", "") };
        assert_eq!(home(&small), Some(QueueName::BatchSmall));
    }

    #[test]
    fn letters_are_meant_by_id_number_or_all_together() {
        let which = |id: Option<&str>, number, all| WhichLetters { id: id.map(str::to_owned), number, all };
        assert!(is_meant(&which(Some("9:4"), None, false), &letter("batch", "9:4")));
        assert!(!is_meant(&which(Some("9:5"), None, false), &letter("batch", "9:4")));
        assert!(is_meant(&which(None, Some(3), false), &letter("batch", "9:4")));
        assert!(is_meant(&which(None, None, true), &letter("batch", "9:4")));
        assert!(is_meant(&which(Some("-"), None, false), &letter("batch", "")), "without an id");
    }
}
