//! The figures, their goals, and whether they are met.

use std::fmt::Write as _;

/// A mebibyte, in bytes.
pub(crate) const MEBIBYTE: f64 = 1_048_576.0;

/// What a figure is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// This much, of this.
    AtMost(f64, &'static str),
    /// No less than this much.
    AtLeast(f64, &'static str),
}

#[derive(Debug)]
struct Line {
    what: String,
    aspect: &'static str,
    figures: String,
    held: Option<(f64, Goal)>,
}

/// All lines, in the order of measuring.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

impl Report {
    /// Adds a figure that is held to a goal: `value` is what counts of it.
    pub(crate) fn add(
        &mut self,
        what: &str,
        aspect: &'static str,
        figures: String,
        value: f64,
        goal: Goal,
    ) {
        self.push(Line { what: what.to_owned(), aspect, figures, held: Some((value, goal)) });
    }

    /// Adds a figure that is only told.
    pub(crate) fn note(&mut self, what: &str, aspect: &'static str, figures: String) {
        self.push(Line { what: what.to_owned(), aspect, figures, held: None });
    }

    fn push(&mut self, line: Line) {
        println!("{}: {}: {} ({})", line.what, line.aspect, line.figures, line.verdict());
        self.lines.push(line);
    }

    /// The table, as Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table =
            String::from("| work | of it | measured | goal | |\n|---|---|---|---|---|\n");
        for line in &self.lines {
            let Line { what, aspect, figures, .. } = line;
            let (goal, verdict) = (line.goal(), line.verdict());
            let _ = writeln!(table, "| {what} | {aspect} | {figures} | {goal} | {verdict} |");
        }
        table
    }

    /// The page for the documentation.
    pub(crate) fn page(&self, machine: &str, runs: usize) -> String {
        format!(
            "# Performance\n\n\
             Written by `cargo xtask bench` (as root, with Debian's `nginx`, \
             `libnginx-mod-http-dav-ext`, `apache2`, `lighttpd-mod-webdav` and `postgresql`; it makes a journaled ext4 image of its own and removes \
             it).\nMedians of {runs} runs, in which polydav and what it is compared \
             with take turns. Seconds are this machine's; ratios last longer.\n\n{}\n\
             How it is measured:\n\n\
             - *Added memory* is the most the process ever had resident (`VmHWM`) less what it had \
             before the first such request.\n\
             - Listings ask for `allprop`: nine properties of each resource here, six with nginx. \
             nginx refuses Depth infinity, and is asked for each folder in turn on one connection.\n\
             - Nobody writes an access log.\n\
             - Requests on 32 connections are sent by one thread, one in flight on each. The fastest \
             is that of the peers that do the work, and do it right: lighttpd's COPY makes hard links \
             and isn't counted, nginx has no dead properties and keeps no lock across a restart, \
             Apache's lock database breaks on 32 connections. No peer syncs files. polydav runs with \
             relaxed durability; *in full* it syncs before it answers.\n\
             - *Bare calls* are what the fastest program could do, by handles of the folders: a loop \
             of `renameat2(RENAME_NOREPLACE)`, of `unlinkat`, or of `openat` and `write`. Only \
             polydav in `full` syncs, and Apache does with each property. Every turn \
             begins with nothing left to write.\n\
             - nginx and Apache get a request for each file. A single connection carries 1,000 at \
             most, any connection 200 where each takes long, and the time is scaled up. *Asking* is \
             what the client took of the processors meanwhile.\n\
             - *10 ms away* puts a line between that delivers every byte 5 ms late, each way.\n\
             - *By hand* is one `UPDATE … FROM (VALUES …)` of the same rows, or one `SELECT` of all \
             columns, through the driver that polydav uses. `pgbench` runs the same `UPDATE` by key \
             (`-M prepared -c 32 -j 2`), and *a loop* does, beside SQLite, with a commit for each. \
             Single requests come on 32 connections, one in flight on each. SQLite has \
             `synchronous=FULL`, PostgreSQL is as it comes; both lie on the image.\n\
             - *Idle* is what the process has resident (`VmRSS`) after its first answer, and with 1,000 \
             connections on each of which it gave one.\n\
             - Times are those of the client, from the first byte sent to the last received; it \
             runs on the same machine.\n\n{machine}",
            self.table()
        )
    }
}

impl Line {
    fn goal(&self) -> String {
        match self.held {
            Some((_, Goal::AtMost(most, unit))) => format!("≤ {most} {unit}"),
            Some((_, Goal::AtLeast(least, unit))) => format!("≥ {least} {unit}"),
            None => String::new(),
        }
    }

    fn verdict(&self) -> String {
        let Some((value, goal)) = self.held else { return String::new() };
        let (is_met, unit) = match goal {
            Goal::AtMost(most, unit) => (value <= most, unit),
            Goal::AtLeast(least, unit) => (value >= least, unit),
        };
        let verdict = if is_met { "pass" } else { "**miss**" };
        format!("{verdict}: {value:.2} {unit}")
    }
}
