//! 10,000 moves in one batch, beside the bare system calls.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags, fsync, openat, renameat_with};

use crate::polydav::Polydav;
use crate::report::{Goal, Report};
use crate::{Result, Settings, median};

const FILES: usize = 10_000;
const MEBIBYTE: f64 = 1_048_576.0;
const ADDED_MAX: Goal = Goal::AtMost(64.0, "MiB");
const RATIO_MAX: Goal = Goal::AtMost(1.5, "of the bare calls");

/// Measures batches of moves without syncing, and with.
pub(crate) fn measure(image: &Path, settings: &Settings, report: &mut Report) -> Result {
    let files = FILES / settings.shrink;
    for durability in ["relaxed", "full"] {
        let folder = image.join(durability);
        for name in ["a", "b"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let names: Vec<String> = (0..files).map(|number| format!("file-{number:05}")).collect();
        for name in &names {
            fs::write(folder.join("a").join(name), name)?;
        }
        beside(&folder, durability, &names, settings, report)?;
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// Everything goes there and back: once by the batch, once by the bare calls, both ways each.
fn beside(
    folder: &Path,
    durability: &str,
    names: &[String],
    settings: &Settings,
    report: &mut Report,
) -> Result {
    let server = Polydav::serve(folder, &["--durability", durability])?;
    let syncs = durability == "full";
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    // The first round only warms the caches.
    for round in 0..=settings.runs {
        let there = batch(&server, ("a", "b"), names)?;
        let bare_back = calls(folder, ("b", "a"), names, syncs)?;
        let bare_there = calls(folder, ("a", "b"), names, syncs)?;
        let back = batch(&server, ("b", "a"), names)?;
        if round > 0 {
            ours.extend([there, back]);
            bare.extend([bare_there, bare_back]);
        }
    }
    let what = format!("batch of {} moves, {durability}", names.len());
    let (ours, bare) = (median::seconds(ours), median::seconds(bare));
    let beside = if syncs { "bare calls and a sync of both folders" } else { "bare calls" };
    let figures = format!("{ours:.3} s; {beside} {bare:.3} s");
    report.add(&what, "whole", figures, ours / bare, RATIO_MAX);
    let added = server.added()? as f64 / MEBIBYTE;
    report.add(&what, "added memory", format!("{added:.1} MiB"), added, ADDED_MAX);
    Ok(())
}

fn batch(server: &Polydav, (from, to): (&str, &str), names: &[String]) -> Result<Duration> {
    let mut body = String::from("<batch xmlns=\"urn:polydav:batch:1\">\n");
    for name in names {
        body += &format!("<move href=\"{from}/{name}\" dest=\"{to}/{name}\"/>\n");
    }
    body += "</batch>\n";
    let headers = ["Content-Type: application/xml"];
    let mut client = server.client()?;
    let answer = client.send("POST", "/batch-operation", &headers, body.as_bytes())?.expect(207)?;
    let counts = format!("succeeded={}", names.len());
    if !answer.head.contains(&counts) {
        return Err(format!("not everything was moved: {}", answer.head).into());
    }
    Ok(answer.whole)
}

/// What the fastest program could do: a call for each file, by handles of the folders.
fn calls(
    folder: &Path,
    (from, to): (&str, &str),
    names: &[String],
    syncs: bool,
) -> Result<Duration> {
    let open = |name: PathBuf| {
        openat(CWD, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    };
    let start = Instant::now();
    let (from, to): (File, File) = (open(folder.join(from))?.into(), open(folder.join(to))?.into());
    for name in names {
        renameat_with(&from, &**name, &to, &**name, RenameFlags::NOREPLACE)?;
    }
    if syncs {
        fsync(&from)?;
        fsync(&to)?;
    }
    Ok(start.elapsed())
}
