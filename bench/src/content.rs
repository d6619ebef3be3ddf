//! A file of 4 GiB, put and got.

use std::fs;
use std::path::Path;

use crate::polydav::Polydav;
use crate::report::{Goal, MEBIBYTE, Report};
use crate::{Result, Settings};

const BYTES: u64 = 4 << 30;
const PORTION: usize = 1 << 20;
const ADDED_MAX: Goal = Goal::AtMost(16.0, "MiB");

/// Measures both ways, each with a server of its own.
pub(crate) fn measure(image: &Path, settings: &Settings, report: &mut Report) -> Result {
    let folder = image.join("content");
    fs::create_dir_all(&folder)?;
    let bytes = BYTES / settings.shrink as u64;
    let what = format!("{:.1} GiB", bytes as f64 / (MEBIBYTE * 1024.0));

    let server = Polydav::serve(&folder, &[])?;
    let put = server.client()?.upload("/big", &vec![7; PORTION], bytes)?.expect(201)?;
    tell(&format!("PUT of {what}, durable"), bytes, put.whole.as_secs_f64(), &server, report)?;
    drop(server);

    let server = Polydav::serve(&folder, &[])?;
    let get = server.client()?.send("GET", "/big", &[], b"")?.expect(200)?;
    if get.length != bytes {
        return Err(format!("GET gave {} bytes of {bytes}", get.length).into());
    }
    tell(&format!("GET of {what}"), bytes, get.whole.as_secs_f64(), &server, report)?;
    drop(server);
    fs::remove_dir_all(folder)?;
    Ok(())
}

fn tell(what: &str, bytes: u64, seconds: f64, server: &Polydav, report: &mut Report) -> Result {
    let speed = bytes as f64 / 1e9 / seconds;
    report.note(what, "whole", format!("{seconds:.2} s, {speed:.2} GB/s"));
    let added = server.added()? as f64 / MEBIBYTE;
    report.add(what, "added memory", format!("{added:.1} MiB"), added, ADDED_MAX);
    Ok(())
}
