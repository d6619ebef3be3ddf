//! Makes the Nth call fail, or kills the process at it. Only in builds with `crash-test`.
//!
//! The environment tells what to do:
//!
//! - `POLYDAV_CRASH_AT=17-` kills before the 17th call, `17+` after it;
//! - `POLYDAV_CRASH_COUNT=FILE` keeps the number of calls made so far in FILE: it is rewritten
//!   before each call, so that it is right however the process ends;
//! - `POLYDAV_CRASH_POOR=1` has the file system taken for one that can't exchange names, rename
//!   without replacing, or make files without a name.
//!
//! Tests within the process use [`fail_nth`] and [`fail_from`].

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};

static CALLS: AtomicU64 = AtomicU64::new(0);
static PLAN: LazyLock<Plan> = LazyLock::new(Plan::from_env);

/// What the environment asks for.
struct Plan {
    before: u64,
    after: u64,
    count: Option<File>,
}

impl Plan {
    fn from_env() -> Self {
        let at = std::env::var("POLYDAV_CRASH_AT").unwrap_or_default();
        let number = |suffix| -> u64 {
            let digits = at.strip_suffix(suffix);
            digits.map_or(0, |digits| digits.parse().expect("POLYDAV_CRASH_AT is like 17- or 17+"))
        };
        let count = std::env::var_os("POLYDAV_CRASH_COUNT");
        let count = count.map(|path| File::create(path).expect("POLYDAV_CRASH_COUNT can be made"));
        Self { before: number('-'), after: number('+'), count }
    }
}

/// Whether the file system is to be taken for one that can do little.
pub(crate) fn is_poor() -> bool {
    std::env::var_os("POLYDAV_CRASH_POOR").is_some()
}

/// Calls that are to fail.
#[derive(Clone, Copy)]
struct Fault {
    /// The calls still to be made until the first that fails, with it.
    left: u64,
    errno: Errno,
    /// How many fail then.
    count: u64,
}

const NONE: Fault = Fault { left: 0, errno: Errno::IO, count: 0 };

/// Stands for a call that panics.
pub(crate) const PANIC: Errno = Errno::NOTRECOVERABLE;

thread_local! {
    static FAULT: Cell<Fault> = const { Cell::new(NONE) };
}

/// Lets the `nth` call of this thread from now on fail with `errno`; 0 lets none fail. Returns how
/// many calls were still to come until the one that was to fail.
#[cfg(test)]
pub(crate) fn fail_nth(nth: u64, errno: Errno) -> u64 {
    fail_from(nth, u64::from(nth > 0), errno)
}

/// As [`fail_nth`], with `count` calls that fail, one after the other.
#[cfg(test)]
pub(crate) fn fail_from(nth: u64, count: u64, errno: Errno) -> u64 {
    FAULT.replace(Fault { left: nth, count, errno }).left
}

fn failing() -> Option<Errno> {
    let Fault { left, count, errno } = FAULT.get();
    if left > 1 || count == 0 {
        FAULT.set(Fault { left: left.saturating_sub(1), count, errno });
        return None;
    }
    FAULT.set(Fault { left: 0, count: count - 1, errno });
    Some(errno)
}

/// Counts a call, makes it, or what is asked for in its place.
pub(crate) fn around<T, E>(
    act: impl FnOnce() -> Result<T, E>,
    error: impl FnOnce(Errno) -> E,
) -> Result<T, E> {
    let plan = &*PLAN;
    let number = CALLS.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(count) = &plan.count {
        count.write_all_at(number.to_string().as_bytes(), 0).expect("the count can be written");
    }
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
