//! The swap guard: a mistake that shows by reading the document.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Kind, Operation, Transfer};

/// The operations that would destroy what another one is about to take.
///
/// `a -> b, b -> a` is meant as a swap, and done in order loses b. So a copy or move that was not
/// told whether to overwrite, and leads to where a later copy or move comes from, fails together
/// with that one (409, `overwrites-later-source`). One that says so is taken at its word.
///
/// Paths are compared decoded: two spellings of one href are one resource.
#[must_use]
pub fn overwrites_later_source(operations: &[Operation]) -> BTreeSet<usize> {
    let last_source: HashMap<_, _> =
        transfers(operations).map(|(index, source, _)| (source, index)).collect();
    let mut overwritten = HashSet::new();
    let mut guarded = BTreeSet::new();
    for (index, source, transfer) in transfers(operations) {
        if overwritten.contains(source) {
            guarded.insert(index);
        }
        let target = transfer.dest.path.joined();
        let taken_later = last_source.get(target).is_some_and(|&last| last > index);
        if transfer.overwrite.is_none() && taken_later {
            guarded.insert(index);
            overwritten.insert(target);
        }
    }
    guarded
}

/// The copies and moves: index, source, and where it leads.
fn transfers(operations: &[Operation]) -> impl Iterator<Item = (usize, &[u8], &Transfer)> {
    operations.iter().filter_map(|operation| {
        let action = operation.action.as_ref().ok()?;
        match &action.kind {
            Kind::Copy(transfer) | Kind::Move(transfer) => {
                Some((operation.index, action.resource.path.joined(), transfer))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::batch::{BatchRequest, Format, Limits, overwrites_later_source};
    use crate::reference::Path;

    /// Operations such as `move a b; copy /b c T`, T and F being overwrite.
    fn guarded(script: &str) -> Vec<usize> {
        let operations = script.split("; ").map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            let overwrite = match words.get(3) {
                Some(flag) => format!(", \"overwrite\": {}", *flag == "T"),
                None => String::new(),
            };
            format!(
                r#"{{"op": "{}", "href": "{}", "dest": "{}"{overwrite}}}"#,
                words[0], words[1], words[2]
            )
        });
        let body = format!("[{}]", operations.collect::<Vec<_>>().join(","));
        let limits = Limits::default();
        let batch = BatchRequest::parse(Format::Json, body.as_bytes(), &Path::root(), &limits);
        overwrites_later_source(&batch.unwrap().operations).into_iter().collect()
    }

    #[test]
    fn sources_are_not_overwritten_by_mistake() {
        for (script, expected) in [
            ("move a b; move b a", vec![0, 1]),
            ("move /a /%62; copy /b/ /c", vec![0, 1]),
            ("move a b; move c d; move b e; copy b f", vec![0, 2, 3]),
            ("move b c; move a b", vec![]),
            ("move a b T; move b a", vec![]),
            ("move a b F; move b a", vec![]),
            ("move a b; move b a T", vec![0, 1]),
            ("move a a", vec![]),
            ("move b x; move a b; move b c; move b d T", vec![1, 2, 3]),
            ("move ../a b; move b c", vec![]),
        ] {
            assert_eq!(guarded(script), expected, "{script}");
        }
    }
}
