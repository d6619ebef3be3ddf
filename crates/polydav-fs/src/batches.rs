//! Batches in `state.db`: what is kept so that none is done twice, and their answers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use polydav_store::{
    BatchEnd, BatchId, BatchLedger, BatchState, Commit, Durability, Failure, FailureKind,
    KeptBatch, Principal, Receipt, ResourcePath, RunId,
};
use rusqlite::{OptionalExtension, Row, params};

use crate::named;
use crate::state::State;

const BATCHES: &str = "SELECT id, principal, key, fingerprint, begun_s, begun_ns, total, job,
    answer_bytes, failed, cancelled, coalesce(length(document), 0) FROM batch";

impl BatchLedger for State {
    fn batches(&self) -> Result<Vec<KeptBatch>, Failure> {
        let batches = self.read(|rows| {
            rows.connection().prepare_cached(BATCHES)?.query_map([], batch)?.collect()
        });
        batches.map_err(failure)
    }

    fn begin_batch(
        &self,
        batch: &KeptBatch,
        document: Option<&[u8]>,
        durability: Durability,
    ) -> Result<(), Failure> {
        let principal = match &batch.principal {
            Principal::Anonymous => None,
            Principal::Named(name) => Some(&**name),
        };
        let begun = batch.begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let begun_batch = self.change(durability, |changes| {
            changes
                .transaction()
                .prepare_cached(
                    "INSERT INTO batch (id, principal, key, fingerprint, begun_s, begun_ns, total,
                     job, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    batch.id.0.to_be_bytes(),
                    principal,
                    batch.key,
                    &batch.fingerprint[..],
                    i64::try_from(begun.as_secs()).unwrap_or(i64::MAX),
                    begun.subsec_nanos(),
                    i64::try_from(batch.total).unwrap_or(i64::MAX),
                    batch.is_job,
                    document,
                ])
                .map(drop)
        });
        begun_batch.map_err(failure)
    }

    fn keep_receipt(
        &self,
        batch: BatchId,
        receipt: &[u8],
        durability: Durability,
    ) -> Result<i64, Failure> {
        let mut number = 0;
        let kept = self.change(durability, |changes| {
            number = changes
                .transaction()
                .prepare_cached(
                    "INSERT INTO receipt (batch, receipt, confirmed) VALUES (?1, ?2, 0)",
                )?
                .insert(params![batch.0.to_be_bytes(), receipt])?;
            Ok(())
        });
        kept.map(|()| number).map_err(failure)
    }

    fn confirm_receipt(&self, number: i64) -> Result<(), Failure> {
        let confirmed = self.change(Durability::Relaxed, |changes| {
            changes
                .transaction()
                .prepare_cached("UPDATE receipt SET confirmed = 1 WHERE number = ?1")?
                .execute([number])
                .map(drop)
        });
        confirmed.map_err(failure)
    }

    fn receipts(&self, batch: BatchId) -> Result<Vec<(Vec<u8>, bool)>, Failure> {
        let receipts = self.read(|rows| {
            rows.connection()
                .prepare_cached(
                    "SELECT receipt, confirmed FROM receipt WHERE batch = ?1 ORDER BY number",
                )?
                .query_map([batch.0.to_be_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        });
        receipts.map_err(failure)
    }

    fn end_batch(
        &self,
        batch: BatchId,
        end: BatchEnd,
        answer: &[u8],
        durability: Durability,
    ) -> Result<(), Failure> {
        let number = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let marked = runs_of(&self.receipts(batch)?);
        let ended = self.change(durability, |changes| {
            changes
                .transaction()
                .prepare_cached(
                    "UPDATE batch SET answer = ?2, answer_bytes = ?3, failed = ?4, cancelled = ?5
                     WHERE id = ?1",
                )?
                .execute(params![
                    batch.0.to_be_bytes(),
                    answer,
                    number(end.answer_bytes),
                    number(end.failed),
                    end.cancelled,
                ])?;
            // Nobody asks for the fate of its commits any more.
            forget_marks(changes.transaction(), &marked)?;
            forget_receipts(changes.transaction(), batch)
        });
        ended.map_err(failure)
    }

    fn document(&self, batch: BatchId) -> Result<Vec<u8>, Failure> {
        self.text("SELECT document FROM batch WHERE id = ?1 AND document IS NOT NULL", batch)
    }

    fn answer(&self, batch: BatchId) -> Result<Vec<u8>, Failure> {
        self.text("SELECT answer FROM batch WHERE id = ?1 AND answer IS NOT NULL", batch)
    }

    fn forget_batches(&self, batches: &[BatchId]) -> Result<(), Failure> {
        let forgotten = self.change(Durability::Relaxed, |changes| {
            let transaction = changes.transaction();
            let mut statement = transaction.prepare_cached("DELETE FROM batch WHERE id = ?1")?;
            for batch in batches {
                statement.execute([batch.0.to_be_bytes()])?;
                forget_receipts(transaction, *batch)?;
            }
            Ok(())
        });
        forgotten.map_err(failure)
    }
}

impl State {
    /// Something long that belongs to a batch.
    fn text(&self, query: &str, batch: BatchId) -> Result<Vec<u8>, Failure> {
        let text = self.read(|rows| {
            rows.connection()
                .prepare_cached(query)?
                .query_row([batch.0.to_be_bytes()], |row| row.get(0))
                .optional()
        });
        let none = || Failure::new(FailureKind::NotFound, ResourcePath::root());
        text.map_err(failure)?.ok_or_else(none)
    }
}

/// The runs whose commits receipts name, as far as those are ours.
fn runs_of(receipts: &[(Vec<u8>, bool)]) -> HashSet<RunId> {
    let run = |(receipt, _): &(Vec<u8>, bool)| match Receipt::decode(receipt).ok()?.commit {
        Commit::Named(name) => Some(named(&name)?.0),
        Commit::Nameless | Commit::Nothing => None,
    };
    receipts.iter().filter_map(run).collect()
}

fn forget_marks(connection: &rusqlite::Connection, runs: &HashSet<RunId>) -> rusqlite::Result<()> {
    let mut forget = connection.prepare_cached("DELETE FROM mark WHERE run = ?1")?;
    runs.iter().try_for_each(|run| forget.execute([run.0.to_be_bytes()]).map(drop))
}

fn forget_receipts(connection: &rusqlite::Connection, batch: BatchId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM receipt WHERE batch = ?1")?
        .execute([batch.0.to_be_bytes()])
        .map(drop)
}

fn batch(row: &Row<'_>) -> rusqlite::Result<KeptBatch> {
    let principal: Option<String> = row.get(1)?;
    let seconds = u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0);
    let begun = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, row.get(5)?));
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let ended: Option<i64> = row.get(8)?;
    Ok(KeptBatch {
        id: BatchId(u128::from_be_bytes(row.get(0)?)),
        principal: principal.map_or(Principal::Anonymous, |name| Principal::Named(Arc::from(name))),
        key: row.get(2)?,
        fingerprint: Bytes::from(row.get::<_, Vec<u8>>(3)?),
        begun: begun.unwrap_or(SystemTime::UNIX_EPOCH),
        total: number(row.get(6)?),
        is_job: row.get(7)?,
        document_bytes: number(row.get(11)?),
        state: match ended {
            Some(bytes) => BatchState::Ended(BatchEnd {
                answer_bytes: number(bytes),
                failed: number(row.get(9)?),
                cancelled: row.get(10)?,
            }),
            None => BatchState::Begun,
        },
    })
}

fn failure(error: rusqlite::Error) -> Failure {
    crate::apply::database_failure(&Arc::new(error), &ResourcePath::root())
}

#[cfg(test)]
mod tests {
    use polydav_store::Done;

    use super::*;
    use crate::name_of;

    #[test]
    fn what_a_batch_marked_is_forgotten_with_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open_in(dir.path()).unwrap();
        let mark = |run, number| {
            state.change(Durability::Relaxed, |changes| changes.mark(RunId(run), number)).unwrap();
        };
        let (batch, durability) = (BatchId(9), Durability::Relaxed);
        for number in 0..2 {
            mark(1, number);
            let outcomes = vec![(0, Ok(Done::default()))];
            let receipt = Receipt { commit: Commit::Named(name_of(RunId(1), number)), outcomes };
            state.keep_receipt(batch, &receipt.encode(), durability).unwrap();
        }
        mark(2, 0);
        let end = BatchEnd { answer_bytes: 1, failed: 0, cancelled: false };
        state.end_batch(batch, end, b"x", durability).unwrap();
        let is_marked = |run, number| state.is_marked(RunId(run), number).unwrap();
        assert_eq!([is_marked(1, 0), is_marked(1, 1), is_marked(2, 0)], [false, false, true]);
    }
}
