//! The connections of a process to the database: single statements and transactions, each with a deadline.

use std::time::Duration;

use muster_ports::StoreError;
use muster_runtime::Tasks;
use muster_sql::repair::Repair;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use tokio::time::error::Elapsed;

use crate::connection::error::{aborted, leaves_connection_usable, store_error};
use crate::connection::query::{Row, Statement};
use crate::connection::transaction::{CLIENT_DEADLINE, Work, run};

/// The pool of connections, and the tasks in which transactions run.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) pool: PgPool,
    pub(crate) tasks: Tasks,
    pub(crate) repair: Repair,
}

impl Database {
    /// Waits for running transactions and closes the connections.
    pub(crate) async fn close(&self, limit: Duration) {
        self.tasks.wait(limit).await;
        let _ = tokio::time::timeout(limit, self.pool.close()).await;
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn fetch_all(&self, statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.acquire().await?;
        let rows = tokio::time::timeout(CLIENT_DEADLINE, statement.fetch_all(&mut *connection)).await;
        Ok(self.release(connection, rows)?.into_iter().map(Row).collect())
    }

    /// Runs a statement and returns its row, or `None` if it has none.
    pub(crate) async fn fetch_optional(&self, statement: Statement<'_>) -> Result<Option<Row>, StoreError> {
        let mut connection = self.acquire().await?;
        let row = tokio::time::timeout(CLIENT_DEADLINE, statement.fetch_optional(&mut *connection)).await;
        Ok(self.release(connection, row)?.map(Row))
    }

    /// Runs a statement that returns one row.
    pub(crate) async fn fetch_one(&self, statement: Statement<'_>) -> Result<Row, StoreError> {
        self.fetch_optional(statement).await?.ok_or(StoreError::Unreadable("a required row is missing"))
    }

    /// Runs a statement and returns the number of rows that it changed.
    pub(crate) async fn execute(&self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let mut connection = self.acquire().await?;
        let done = tokio::time::timeout(CLIENT_DEADLINE, statement.execute(&mut *connection)).await;
        Ok(self.release(connection, done)?.rows_affected())
    }

    /// Runs work in a transaction of a task of its own, which ends even if the caller goes away.
    pub(crate) async fn transact<W>(&self, task: &'static str, work: W) -> Result<W::Output, StoreError>
    where
        W: Work + 'static,
        W::Output: 'static,
    {
        let pool = self.pool.clone();
        let running = self.tasks.spawn(task, async move { run(&pool, work).await });
        running.await.map_err(aborted)?.map_err(|error| self.repair.observe(store_error(error)))
    }

    async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool.acquire().await.map_err(|error| self.repair.observe(store_error(error)))
    }

    /// Returns a connection to the pool, unless it cannot be used any more or its statement was given up: what the
    /// server will still send is then unknown, so the connection is closed. (A deadline around a statement on the pool
    /// would return it to the pool.)
    fn release<T>(
        &self,
        mut connection: PoolConnection<Postgres>,
        result: Result<Result<T, sqlx::Error>, Elapsed>,
    ) -> Result<T, StoreError> {
        let result = result.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())));
        result.map_err(|error| {
            if !leaves_connection_usable(&error) {
                connection.close_on_drop();
            }
            self.repair.observe(store_error(error))
        })
    }
}
