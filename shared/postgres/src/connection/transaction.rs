//! Runs transactions to their end, whatever happens to the caller.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Postgres};

use crate::connection::error::leaves_connection_usable;

/// When the client stops waiting for a server that does not respond. Longer than any deadline of the server itself.
pub(crate) const CLIENT_DEADLINE: Duration = Duration::from_secs(90);

/// A piece of work inside a transaction.
pub(crate) trait Work: Send {
    type Output: Send;

    /// How its transaction begins.
    const BEGIN: &'static str = "begin";

    /// When the client stops waiting for the whole transaction.
    fn deadline(&self) -> Duration {
        CLIENT_DEADLINE
    }

    /// Does the work. An error rolls the transaction back.
    fn run(self, connection: &mut PgConnection) -> impl Future<Output = Result<Self::Output, sqlx::Error>> + Send;
}

/// Runs work in one READ COMMITTED transaction. Must be called in a task that is never dropped.
pub(crate) async fn run<W: Work>(pool: &PgPool, work: W) -> Result<W::Output, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let deadline = work.deadline();
    let result = tokio::time::timeout(deadline, in_transaction(&mut connection, work)).await;
    let broken = match &result {
        Ok(Ok(_)) => false,
        Ok(Err(error)) => !leaves_connection_usable(error),
        Err(_) => true,
    };
    if broken {
        connection.close_on_drop();
    }
    result.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

async fn in_transaction<W: Work>(connection: &mut PgConnection, work: W) -> Result<W::Output, sqlx::Error> {
    let mut transaction: sqlx::Transaction<'_, Postgres> = connection.begin_with(W::BEGIN).await?;
    match work.run(&mut transaction).await {
        Ok(output) => {
            transaction.commit().await?;
            Ok(output)
        }
        Err(error) => {
            if leaves_connection_usable(&error) {
                transaction.rollback().await?;
            }
            Err(error)
        }
    }
}
