//! The store: the connections of the one process, and one module for each trait of the port.

mod batches;
mod finish;
mod jobs;
mod queries;
mod retention;
mod splits;
mod tenants;
mod upkeep;

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use muster_ports::{SignalHub, StoreError};
use muster_sql::repair::Repair;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::connection::threads::Threads;
use crate::migrate::{self, MigrateError};

const READERS: usize = 3;
const CACHED_STATEMENTS: usize = 64;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error("the data folder {0} is in use by another process")]
    InUse(PathBuf),
    /// It cannot be created or written.
    #[error("the data folder {0} cannot be created or written")]
    Folder(PathBuf, #[source] std::io::Error),
    /// The database in it cannot be used.
    #[error("the database in {0} cannot be opened")]
    Database(PathBuf, #[source] MigrateError),
}

/// The store on SQLite.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Threads,
    readers: Threads,
    pub(crate) signals: SignalHub,
    repair: Repair,
    _lock: Option<File>,
}

impl SqliteStore {
    /// Opens the database `muster.db` in a folder, and creates the folder if it does not exist. No other process can
    /// open the folder until this is dropped.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let lock = lock(folder)?;
        let file = folder.join("muster.db");
        let database = |error| OpenError::Database(folder.to_owned(), error);
        let mut writer = connect(&file, OpenFlags::default()).map_err(|error| database(error.into()))?;
        migrate::run(&mut writer).map_err(database)?;
        let readers = (0..READERS)
            .map(|_| connect(&file, OpenFlags::default()))
            .collect::<Result<_, _>>()
            .map_err(|error| database(error.into()))?;
        let threads = |name, connections| {
            Threads::start(name, connections).map_err(|error| OpenError::Folder(folder.to_owned(), error))
        };
        Ok(Self {
            writer: threads("sqlite writer", vec![writer])?,
            readers: threads("sqlite reader", readers)?,
            signals: SignalHub::default(),
            repair: Repair::default(),
            _lock: Some(lock),
        })
    }

    /// Opens an empty database in memory, for simulations. Its time is that of `clock`, in milliseconds since 1970 UTC.
    /// Its statements run in the calling thread, in the order of the calls.
    pub fn simulated(clock: impl Fn() -> i64 + Send + 'static) -> Result<Self, OpenError> {
        let database = |error| OpenError::Database(PathBuf::from(":memory:"), error);
        let connection = Connection::open_in_memory().and_then(|connection| {
            connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
            set_clock(&connection, clock)?;
            Ok(connection)
        });
        let mut connection = connection.map_err(|error| database(error.into()))?;
        migrate::run(&mut connection).map_err(database)?;
        let threads = Threads::in_place(connection);
        Ok(Self {
            writer: threads.clone(),
            readers: threads,
            signals: SignalHub::default(),
            repair: Repair::default(),
            _lock: None,
        })
    }

    /// Runs a transaction on the writing thread.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let in_transaction = move |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let output = work(&transaction)?;
            transaction.commit()?;
            Ok(output)
        };
        self.writer.call(in_transaction).await.map_err(|error| self.repair.observe(error))
    }

    /// Fails if the database needed repair a short time ago.
    pub(crate) fn check_repair(&self) -> Result<(), StoreError> {
        self.repair.check()
    }

    /// Runs a query on a reading thread.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.readers.call(move |connection| work(connection)).await.map_err(|error| self.repair.observe(error))
    }
}

/// Replaces the clock of the statements, `unixepoch('subsec')`.
fn set_clock(connection: &Connection, clock: impl Fn() -> i64 + Send + 'static) -> rusqlite::Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit until the year 287396")]
    let seconds = move || clock() as f64 / 1000.0;
    connection.create_scalar_function("unixepoch", 1, FunctionFlags::SQLITE_UTF8, move |_| Ok(seconds()))
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let unusable = |error| OpenError::Folder(folder.to_owned(), error);
    // It holds personal data, so only this user may access it.
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    let file = File::create(folder.join("lock")).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

fn connect(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, flags)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", -64 * 1024)?;
    connection.pragma_update(None, "wal_autocheckpoint", 8000)?;
    Ok(connection)
}
