//! The trials of stores of records, a file for each kind of behaviour.

use crate::Capabilities;
use crate::kit::{Draft, Trial, put_record, text};

mod change;
mod guard;
mod list;
mod lock;
mod name;
mod need;
mod read;
mod read_only;
mod refusal;
mod run;
mod walk;
mod whole;

pub(super) fn all() -> Vec<Trial> {
    [
        read::TRIALS,
        walk::TRIALS,
        list::TRIALS,
        name::TRIALS,
        change::TRIALS,
        refusal::TRIALS,
        guard::TRIALS,
        lock::TRIALS,
        run::TRIALS,
        need::TRIALS,
        whole::TRIALS,
        read_only::TRIALS,
    ]
    .concat()
}

fn writable(can: Capabilities) -> bool {
    can.writable && can.records
}

fn atomic(can: Capabilities) -> bool {
    writable(can) && can.atomic
}

fn read_only(can: Capabilities) -> bool {
    !can.writable && can.records
}

/// Puts a row of `item`, of which only the name is given.
fn item(id: i64, name: &str) -> Draft {
    put_record(format!("item/{id}"), [("name", text(name))])
}

/// What [`item`] puts, as JSON.
fn item_json(id: i64, name: &str) -> String {
    format!(r#"{{"id":{id},"name":"{name}","qty":1,"note":null,"data":null}}"#)
}
