//! PROPFIND of 100,000 files: in one folder, and in 1,000.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use crate::peer::Peer;
use crate::polydav::Polydav;
use crate::report::{Goal, Report};
use crate::{Result, Settings, median};

const FILES: usize = 100_000;
const FOLDERS: usize = 1_000;
const MEBIBYTE: u64 = 1 << 20;

const ADDED_MAX: Goal = Goal::AtMost(16.0, "MiB");
const FIRST_MAX: Goal = Goal::AtMost(5.0, "ms");
const RATIO_MAX: Goal = Goal::AtMost(1.0, "of nginx");

const ALLPROP: &[u8] = b"<propfind xmlns=\"DAV:\"><allprop/></propfind>";

/// Measures both listings.
pub(crate) fn measure(image: &Path, settings: &Settings, report: &mut Report) -> Result {
    let folder = image.join("listing");
    let (files, folders) = (FILES / settings.shrink, FOLDERS / settings.shrink);
    fill(&folder.join("wide"), files)?;
    for number in 0..folders {
        fill(&folder.join(format!("deep/folder-{number:04}")), files / folders)?;
    }
    let nginx = Peer::nginx(&folder)?;
    wide(&folder, &nginx, files, settings, report)?;
    deep(&folder, &nginx, (files, folders), settings, report)?;
    fs::remove_dir_all(folder)?;
    Ok(())
}

fn fill(folder: &Path, files: usize) -> Result {
    fs::create_dir_all(folder)?;
    for number in 0..files {
        File::create(folder.join(format!("file-{number:06}.txt")))?;
    }
    Ok(())
}

/// Depth 1, each server in its turn.
fn wide(
    folder: &Path,
    nginx: &Peer,
    files: usize,
    settings: &Settings,
    report: &mut Report,
) -> Result {
    let server = Polydav::serve(folder, &[])?;
    let (mut ours, mut first, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    // The first round only warms the caches.
    for round in 0..=settings.runs {
        let headers = ["Depth: 1", "Content-Type: application/xml"];
        let answer = server.client()?.send("PROPFIND", "/wide/", &headers, ALLPROP)?.expect(207)?;
        let peer = nginx.client()?.send("PROPFIND", "/wide/", &headers, ALLPROP)?.expect(207)?;
        check("polydav", answer.responses, files + 1)?;
        check("nginx", peer.responses, files + 1)?;
        if round > 0 {
            ours.push(answer.whole);
            first.push(answer.first);
            theirs.push(peer.whole);
        }
    }
    let what = format!("PROPFIND Depth 1, {files} members");
    tell(&what, &server, (ours, first), theirs, report)
}

/// Depth infinity. nginx refuses it, and is asked for each folder in turn, on one connection.
fn deep(
    folder: &Path,
    nginx: &Peer,
    (files, folders): (usize, usize),
    settings: &Settings,
    report: &mut Report,
) -> Result {
    let server = Polydav::serve(folder, &[])?;
    let (mut ours, mut first, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=settings.runs {
        let headers = ["Depth: infinity", "Content-Type: application/xml"];
        let answer = server.client()?.send("PROPFIND", "/deep/", &headers, ALLPROP)?.expect(207)?;
        check("polydav", answer.responses, files + folders + 1)?;
        let peer = folder_by_folder(nginx, folders)?;
        if round > 0 {
            ours.push(answer.whole);
            first.push(answer.first);
            theirs.push(peer);
        }
    }
    let what = format!("PROPFIND Depth infinity, {files} in {folders} folders");
    tell(&what, &server, (ours, first), theirs, report)
}

fn folder_by_folder(nginx: &Peer, folders: usize) -> Result<Duration> {
    let headers = ["Depth: 1", "Content-Type: application/xml"];
    let mut client = nginx.client()?;
    let mut took = client.send("PROPFIND", "/deep/", &headers, ALLPROP)?.expect(207)?.whole;
    for number in 0..folders {
        let target = format!("/deep/folder-{number:04}/");
        took += client.send("PROPFIND", &target, &headers, ALLPROP)?.expect(207)?.whole;
    }
    Ok(took)
}

fn check(who: &str, responses: usize, expected: usize) -> Result {
    if responses == expected {
        return Ok(());
    }
    Err(format!("{who} told of {responses} resources instead of {expected}").into())
}

fn tell(
    what: &str,
    server: &Polydav,
    (ours, first): (Vec<Duration>, Vec<Duration>),
    theirs: Vec<Duration>,
    report: &mut Report,
) -> Result {
    let (ours, theirs) = (median::seconds(ours), median::seconds(theirs));
    let first = median::seconds(first) * 1e3;
    report.add(
        what,
        "whole",
        format!("{ours:.3} s; nginx {theirs:.3} s"),
        ours / theirs,
        RATIO_MAX,
    );
    report.add(what, "first byte", format!("{first:.2} ms"), first, FIRST_MAX);
    let added = server.added()? as f64 / MEBIBYTE as f64;
    report.add(what, "added memory", format!("{added:.1} MiB"), added, ADDED_MAX);
    Ok(())
}
