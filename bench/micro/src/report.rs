//! A line of the table, and what is to be said of a count that isn't as it should be.

use std::fmt;

use crate::case::Case;
use crate::count::Count;

/// Where the bounds stand.
const BOUNDS: &str = "bench/micro/src/case.rs";

/// A case, and what it came to.
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) case: &'a Case,
    pub(crate) count: Count,
}

/// What stands above the lines. The numbers are of instructions: all, and those for each item.
pub(crate) const HEADING: &str = "\
case                                     size          all       each      bound";

impl Line<'_> {
    /// For each item.
    fn each(&self) -> u64 {
        self.count.instructions.div_ceil(self.count.items.max(1))
    }

    /// What is wrong with it. A bound far above what is needed would let much go unseen.
    pub(crate) fn complaint(&self) -> Option<String> {
        let (Case { name, size, each_max, .. }, each) = (self.case, self.each());
        if each > *each_max {
            return Some(format!(
                "{name}, {size}: {each} instructions for each, the bound is {each_max}; if it is \
                 meant, raise the bound in {BOUNDS}"
            ));
        }
        (each < each_max / 2).then(|| {
            format!(
                "{name}, {size}: {each} instructions for each, less than half of the bound of \
                 {each_max}, which guards nothing any more; lower it in {BOUNDS}"
            )
        })
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Case { name, size, each_max, .. }, each) = (self.case, self.each());
        let (number, all) = (self.number, self.count.instructions);
        write!(f, "{number:>2} {name:<34} {size:>6} {all:>12} {each:>10} {each_max:>10}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Work;

    fn complaint(instructions: u64) -> Option<String> {
        let prepare = |_| Work::on(0, || ());
        let case = Case { name: "a case", size: 10, each_max: 100, prepare };
        Line { number: 0, case: &case, count: Count { instructions, items: 10 } }.complaint()
    }

    #[test]
    fn a_count_is_held_to_its_bound_and_a_bound_to_its_count() {
        for fine in [500, 501, 999, 1000] {
            assert_eq!(complaint(fine), None, "{fine}");
        }
        let above = complaint(1001).unwrap();
        assert!(above.starts_with("a case, 10: 101 instructions for each, the bound is 100"));
        let below = complaint(490).unwrap();
        assert!(below.starts_with("a case, 10: 49 instructions for each, less than half"));
    }
}
