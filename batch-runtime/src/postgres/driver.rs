//! [`Postgres`] as a kind of database that components ask for.

use super::{Connection, Postgres, Transaction};
use crate::definition::{
    ChunkTransaction, Database, DatabaseHandle, DatabaseInfo, DatabaseKind, Driver, Failure,
};

impl Driver for Postgres {
    const KIND: DatabaseKind = DatabaseKind::POSTGRES;

    type Transaction<'c> = Transaction;
    type Borrowed<'c> = &'c Transaction;
    type Connection = Connection;

    fn transaction<'c>(chunk: &ChunkTransaction<'c>) -> Option<&'c Transaction> {
        chunk.downcast_ref()
    }

    fn connect_for_reading(&self) -> Result<Connection, Failure> {
        Connection::open(self).map_err(Failure::new)
    }

    fn into_handle(self) -> DatabaseHandle {
        DatabaseHandle::new(self)
    }

    fn from_handle(handle: &DatabaseHandle) -> Option<Self> {
        handle.downcast_ref::<Self>().cloned()
    }
}

impl Database for Postgres {
    type Driver = Self;
    const INFO: Option<&'static DatabaseInfo> = None;
}
