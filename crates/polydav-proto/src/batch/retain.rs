//! Some operations of a batch, as a batch of their own: those that are worth sending again.

use super::{BatchRequest, Field, Kind, Operation, Value};

/// What becomes of an operation in [`BatchRequest::retain`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays, unless what it needs is dropped.
    Kept,
    /// It has succeeded, and goes: what needs it needs it no more.
    Done {
        /// The key of the row that it made, which then stands where others refer to it. Those are
        /// dropped if it isn't known, and if they would have more than 16 MiB of keys in them.
        key: Option<Value>,
    },
    /// It has not succeeded, and goes: with it what needs it or refers to it, and what needs those.
    Dropped,
}

/// The most bytes of keys that take the place of references: one long key can stand for many.
const KEY_BYTES_MAX: usize = 16 << 20;

impl BatchRequest {
    /// The operations that are kept, in their order and with their ids, but with new indices.
    ///
    /// Mode, strictness and base stay. The key does not: it is the name of the whole batch. Nor does
    /// the wish for a dry run.
    #[must_use]
    pub fn retain(self, mut fate: impl FnMut(&Operation) -> Fate) -> Self {
        let found = Vec::with_capacity(self.operations.len());
        let mut settler = Settler { found, key_bytes_left: KEY_BYTES_MAX };
        let mut operations = Vec::new();
        for operation in self.operations {
            let index = operations.len();
            let found = match fate(&operation) {
                Fate::Kept => match settler.settle(operation, index) {
                    Some(operation) => {
                        operations.push(operation);
                        Found::At(index)
                    }
                    None => Found::Nowhere,
                },
                Fate::Done { key } => Found::Behind(key),
                Fate::Dropped => Found::Nowhere,
            };
            settler.found.push(found);
        }
        Self { key: None, dry_run: false, operations, ..self }
    }
}

/// Where an operation of before is to be found.
enum Found {
    /// At this index.
    At(usize),
    /// Behind us; it may have made a row of this key.
    Behind(Option<Value>),
    /// It didn't succeed, and won't.
    Nowhere,
}

/// What is known of the operations before one.
struct Settler {
    found: Vec<Found>,
    key_bytes_left: usize,
}

impl Settler {
    /// An operation as it stands at its new index; `None` if something that it needs is nowhere.
    fn settle(&mut self, mut operation: Operation, index: usize) -> Option<Operation> {
        operation.index = index;
        let mut needs = Vec::with_capacity(operation.needs.len());
        for need in operation.needs {
            match self.found.get(need)? {
                Found::At(index) => needs.push(*index),
                Found::Behind(_) => {}
                Found::Nowhere => return None,
            }
        }
        operation.needs = needs;
        let kind = operation.action.as_mut().map(|action| &mut action.kind);
        if let Ok(Kind::Create(fields) | Kind::Update(fields)) = kind {
            for Field { value, .. } in fields {
                if let Value::Ref(row) = value {
                    *value = self.row(*row)?;
                }
            }
        }
        Some(operation)
    }

    /// What stands for the row that an operation makes or made.
    fn row(&mut self, index: usize) -> Option<Value> {
        let key = match self.found.get(index)? {
            Found::At(index) => return Some(Value::Ref(*index)),
            Found::Behind(Some(key)) => key,
            Found::Behind(None) | Found::Nowhere => return None,
        };
        let length = match key {
            Value::Text(text) | Value::Json(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            // Neither is the key of a row.
            Value::Null | Value::Ref(_) => return None,
        };
        self.key_bytes_left = self.key_bytes_left.checked_sub(length)?;
        Some(key.clone())
    }
}
