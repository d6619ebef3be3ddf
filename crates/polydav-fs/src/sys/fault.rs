//! Makes the Nth call fail, or kills the process at it. Only in builds with `crash-test`.
//!
//! The environment tells what to do:
//!
//! - `POLYDAV_CRASH_AT=17-` kills before the 17th call, `17+` after it;
//! - `POLYDAV_CRASH_COUNT=FILE` keeps the number of calls made so far in FILE: it is rewritten
//!   before each call, so that it is right however the process ends;
//! - `POLYDAV_CRASH_POOR=1` has the file system taken for one that can't exchange names, rename
//!   without replacing, or make files without a name, and doesn't say what is a directory.
//!
//! Tests within the process use [`fail_nth`] and [`fail_from`], which are for one thread and those that
//! work for it.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock, Mutex};

use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};

static PLAN: LazyLock<Plan> = LazyLock::new(Plan::from_env);

/// What the environment asks for.
struct Plan {
    before: u64,
    after: u64,
    calls: Calls,
}

impl Plan {
    fn from_env() -> Self {
        let at = std::env::var("POLYDAV_CRASH_AT").unwrap_or_default();
        let number = |suffix| -> u64 {
            let digits = at.strip_suffix(suffix);
            digits.map_or(0, |digits| digits.parse().expect("POLYDAV_CRASH_AT is like 17- or 17+"))
        };
        let count = std::env::var_os("POLYDAV_CRASH_COUNT");
        let kept = count.map(|path| File::create(path).expect("POLYDAV_CRASH_COUNT can be made"));
        let calls = Calls { made: Mutex::new(0), kept };
        Self { before: number('-'), after: number('+'), calls }
    }
}

/// The calls of all threads.
struct Calls {
    made: Mutex<u64>,
    /// Where their number is kept.
    kept: Option<File>,
}

impl Calls {
    /// Counts one more, and tells its number.
    fn count(&self) -> u64 {
        // Held until the number is kept: a thread that was overtaken would keep one too low.
        let mut made = self.made.lock().expect("counting doesn't panic");
        *made += 1;
        if let Some(kept) = &self.kept {
            kept.write_all_at(made.to_string().as_bytes(), 0).expect("the count can be written");
        }
        *made
    }
}

/// Whether the file system is to be taken for one that can do little.
pub(crate) fn is_poor() -> bool {
    std::env::var_os("POLYDAV_CRASH_POOR").is_some()
}

/// Calls that are to fail.
pub(crate) struct Fault {
    /// The calls still to be made until the first that fails, with it.
    left: u64,
    errno: Errno,
    /// How many fail then.
    count: u64,
}

const NONE: Fault = Fault { left: 0, errno: Errno::IO, count: 0 };

/// Stands for a call that panics.
pub(crate) const PANIC: Errno = Errno::NOTRECOVERABLE;

/// Calls that are to fail, whichever of some threads makes them.
pub(crate) type Shared = Arc<Mutex<Fault>>;

thread_local! {
    static FAULT: RefCell<Shared> = RefCell::new(Arc::new(Mutex::new(NONE)));
}

/// What is to fail of the calls of this thread.
pub(crate) fn shared() -> Shared {
    FAULT.with_borrow(Arc::clone)
}

/// Has the calls of this thread counted with those of another, and fail as they do.
pub(crate) fn share(fault: Shared) {
    FAULT.set(fault);
}

/// Does something with what is to fail; nothing is called meanwhile.
fn with<T>(act: impl FnOnce(&mut Fault) -> T) -> T {
    FAULT.with_borrow(|fault| act(&mut fault.lock().expect("counting doesn't panic")))
}

/// Lets the `nth` call from now on of this thread, and of those that work for it, fail with `errno`; 0
/// lets none fail. Returns how many calls were still to come until the one that was to fail.
#[cfg(test)]
pub(crate) fn fail_nth(nth: u64, errno: Errno) -> u64 {
    fail_from(nth, u64::from(nth > 0), errno)
}

/// As [`fail_nth`], with `count` calls that fail, one after the other.
#[cfg(test)]
pub(crate) fn fail_from(nth: u64, count: u64, errno: Errno) -> u64 {
    with(|fault| std::mem::replace(fault, Fault { left: nth, count, errno })).left
}

fn failing() -> Option<Errno> {
    with(|fault| {
        let is_due = fault.left <= 1 && fault.count > 0;
        fault.left = fault.left.saturating_sub(1);
        fault.count -= u64::from(is_due);
        is_due.then_some(fault.errno)
    })
}

/// Counts a call, makes it, or what is asked for in its place.
pub(crate) fn around<T, E>(
    act: impl FnOnce() -> Result<T, E>,
    error: impl FnOnce(Errno) -> E,
) -> Result<T, E> {
    let plan = &*PLAN;
    let number = plan.calls.count();
    if number == plan.before {
        die();
    }
    if let Some(errno) = failing() {
        assert_ne!(errno, PANIC, "a panic made for a test");
        return Err(error(errno));
    }
    let outcome = act();
    if number == plan.after {
        die();
    }
    outcome
}

fn die() -> ! {
    kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;

    /// Now and then it was that of a thread that had been overtaken.
    #[test]
    fn the_number_that_is_kept_is_that_of_the_last_call() {
        let file = tempfile::tempfile().unwrap();
        let kept = Some(file.try_clone().unwrap());
        let (calls, here) = (Calls { made: Mutex::new(1_000), kept }, AtomicU64::new(0));
        for round in 1..=1_000 {
            let one = || {
                here.fetch_add(1, Ordering::SeqCst);
                while here.load(Ordering::SeqCst) < 2 * round {
                    thread::yield_now();
                }
                calls.count();
            };
            thread::scope(|scope| {
                scope.spawn(one);
                one();
            });
            let mut number = [0; 4];
            file.read_exact_at(&mut number, 0).unwrap();
            assert_eq!(number, (1_000 + 2 * round).to_string().as_bytes());
        }
    }
}
