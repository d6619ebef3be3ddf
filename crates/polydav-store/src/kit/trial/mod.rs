//! The trials, a file for each kind of behaviour.

use super::Trial;
use crate::Capabilities;

mod content;
mod guard;
mod lock;
mod member;
mod name;
mod need;
mod property;
mod read_only;
mod run;
mod tree;
mod walk;
mod whole;

pub(super) fn all() -> Vec<Trial> {
    [
        content::TRIALS,
        tree::TRIALS,
        property::TRIALS,
        guard::TRIALS,
        lock::TRIALS,
        member::TRIALS,
        run::TRIALS,
        need::TRIALS,
        whole::TRIALS,
        walk::TRIALS,
        name::TRIALS,
        read_only::TRIALS,
    ]
    .concat()
}

fn writable(can: Capabilities) -> bool {
    can.writable && !can.records
}

fn atomic(can: Capabilities) -> bool {
    writable(can) && can.atomic
}

fn with_properties(can: Capabilities) -> bool {
    writable(can) && can.properties
}

fn read_only(can: Capabilities) -> bool {
    !can.writable && !can.records
}
