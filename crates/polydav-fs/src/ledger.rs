//! Locks in `state.db`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use polydav_store::{
    Durability, Failure, FailureKind, Ledger, Lock, LockChange, LockDepth, LockScope, LockToken,
    Principal, ResourcePath,
};
use rusqlite::{Row, Transaction, params};

use crate::FolderStore;
use crate::apply::database_failure;
use crate::state::State;

impl Ledger for FolderStore {
    fn locks(&self) -> Result<Vec<Lock>, Failure> {
        self.ledger().locks()
    }

    fn change_locks(&self, changes: &[LockChange], durability: Durability) -> Result<(), Failure> {
        self.ledger().change_locks(changes, durability)
    }
}

fn failure(error: rusqlite::Error) -> Failure {
    database_failure(&Arc::new(error), &ResourcePath::root())
}

impl Ledger for State {
    fn locks(&self) -> Result<Vec<Lock>, Failure> {
        let locks = self.read(|rows| {
            let mut statement = rows.connection().prepare_cached("SELECT * FROM lock")?;
            statement.query_map([], lock)?.collect()
        });
        locks.map_err(failure)
    }

    fn change_locks(&self, changes: &[LockChange], durability: Durability) -> Result<(), Failure> {
        if self.is_in_doubt() {
            return Err(Failure::new(FailureKind::Internal, ResourcePath::root())
                .with_detail("what was written before could not be brought to disk"));
        }
        let changed = self.change(durability, |rows| {
            let transaction = rows.transaction();
            for change in changes {
                match change {
                    LockChange::Keep(lock) => keep(transaction, lock)?,
                    LockChange::Forget(token) => forget(transaction, token)?,
                }
            }
            Ok(())
        });
        changed.map_err(failure)
    }
}

fn keep(transaction: &Transaction<'_>, lock: &Lock) -> rusqlite::Result<()> {
    let principal = match &lock.principal {
        Principal::Anonymous => None,
        Principal::Named(name) => Some(&**name),
    };
    let expires = lock.expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut statement = transaction
        .prepare_cached("INSERT OR REPLACE INTO lock VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    statement.execute(params![
        lock.token.as_str(),
        lock.root.as_bytes(),
        lock.scope == LockScope::Shared,
        lock.depth == LockDepth::Infinity,
        lock.owner.as_deref(),
        principal,
        i64::try_from(expires.as_secs()).unwrap_or(i64::MAX),
        expires.subsec_nanos(),
    ])?;
    Ok(())
}

fn forget(transaction: &Transaction<'_>, token: &LockToken) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM lock WHERE token = ?1")?.execute([token.as_str()])?;
    Ok(())
}

fn lock(row: &Row<'_>) -> rusqlite::Result<Lock> {
    let root: Vec<u8> = row.get(1)?;
    let principal: Option<String> = row.get(5)?;
    let seconds = u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0);
    let expires = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, row.get(7)?));
    Ok(Lock {
        token: LockToken::new(row.get::<_, String>(0)?),
        root: ResourcePath::parse(root).map_err(|_| rusqlite::Error::InvalidQuery)?,
        scope: if row.get(2)? { LockScope::Shared } else { LockScope::Exclusive },
        depth: if row.get(3)? { LockDepth::Infinity } else { LockDepth::Zero },
        owner: row.get::<_, Option<Vec<u8>>>(4)?.map(Bytes::from),
        principal: principal.map_or(Principal::Anonymous, |name| Principal::Named(Arc::from(name))),
        expires: expires.unwrap_or(SystemTime::UNIX_EPOCH),
    })
}
