//! Stores of records that take no changes.

use crate::Store;
use crate::kit::record::records;
use crate::kit::{add, put_record, remove, tell, text, update};

trials! { read_only:
    every_change_of_records_is_refused,
}

fn every_change_of_records_is_refused(store: &dyn Store) {
    let word = || [("word", text("a"))];
    let told =
        tell(store, [put_record("word/a", word()), update("word/a", word()), remove("word/a")]);
    assert_eq!(told, ["ReadOnly /word/a"; 3]);
    assert_eq!(tell(store, [add("word", word())]), ["ReadOnly /word"]);
    assert_eq!(records(store, "word"), [""; 0]);
}
