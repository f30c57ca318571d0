//! Runs transactions to their end, whatever happens to the caller.

use muster_ports::StoreError;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Postgres};

use crate::error::{aborted, leaves_connection_usable, store_error};
use crate::query::CLIENT_DEADLINE;
use crate::store::PostgresStore;

/// A piece of work inside a transaction.
pub(crate) trait Work: Send {
    type Output: Send;

    /// How its transaction begins.
    const BEGIN: &'static str = "begin";

    /// Does the work. An error rolls the transaction back.
    fn run(self, connection: &mut PgConnection) -> impl Future<Output = Result<Self::Output, sqlx::Error>> + Send;
}

/// Runs work in one READ COMMITTED transaction. Must be called in a task that is never dropped.
pub(crate) async fn run<W: Work>(pool: &PgPool, work: W) -> Result<W::Output, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let result = tokio::time::timeout(CLIENT_DEADLINE, in_transaction(&mut connection, work)).await;
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

impl PostgresStore {
    /// Runs work in a transaction of a task of its own, which ends even if the caller goes away.
    pub(crate) async fn transact<W>(&self, task: &'static str, work: W) -> Result<W::Output, StoreError>
    where
        W: Work + 'static,
        W::Output: 'static,
    {
        let pool = self.pool.clone();
        let running = self.tasks.spawn(task, async move { run(&pool, work).await });
        running.await.map_err(aborted)?.map_err(store_error)
    }
}
