//! PROPFIND of 100,000 files: in one folder, and in 1,000.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use crate::client::{ALLPROP, Answer, Client, XML};
use crate::peer::{Kind, Peer};
use crate::polydav::Polydav;
use crate::report::{Goal, MEBIBYTE, Report};
use crate::{Result, Settings, median};

const FILES: usize = 100_000;
const FOLDERS: usize = 1_000;

const ADDED_MAX: Goal = Goal::AtMost(16.0, "MiB");
const FIRST_MAX: Goal = Goal::AtMost(5.0, "ms");

/// What everybody is asked for.
struct Listing {
    what: String,
    target: &'static str,
    depth: &'static str,
    /// How many there are to be told of.
    resources: usize,
    /// The fastest of these, if they tell of all, is what polydav is held to.
    models: &'static [Kind],
    goal: Goal,
}

/// Somebody, and what it took them; or else why they aren't asked again.
struct Figures {
    peer: Peer,
    took: std::result::Result<Vec<Duration>, String>,
}

/// Measures both listings.
pub(crate) fn measure(image: &Path, settings: &Settings, report: &mut Report) -> Result {
    let folder = image.join("listing");
    let (files, folders) = (FILES / settings.shrink, FOLDERS / settings.shrink);
    fill(&folder.join("wide"), files)?;
    for number in 0..folders {
        fill(&folder.join(format!("deep/folder-{number:04}")), files / folders)?;
    }
    let wide = Listing {
        what: format!("PROPFIND Depth 1, {files} members"),
        target: "/wide/",
        depth: "1",
        resources: files + 1,
        models: &[Kind::Nginx],
        goal: Goal::AtMost(0.7, "of nginx"),
    };
    let deep = Listing {
        what: format!("PROPFIND Depth infinity, {files} in {folders} folders"),
        target: "/deep/",
        depth: "infinity",
        resources: files + folders + 1,
        models: &Kind::ALL,
        goal: Goal::AtMost(0.15, "of the fastest"),
    };
    wide.measure(&folder, settings, report)?;
    deep.measure(&folder, settings, report)?;
    let took = folder_by_folder(&folder, folders, settings)?;
    report.note(&deep.what, "nginx, folder by folder", format!("{took:.3} s"));
    Ok(fs::remove_dir_all(folder)?)
}

fn fill(folder: &Path, files: usize) -> Result {
    fs::create_dir_all(folder)?;
    for number in 0..files {
        File::create(folder.join(format!("file-{number:06}.txt")))?;
    }
    Ok(())
}

impl Listing {
    /// Everybody in turns.
    fn measure(&self, folder: &Path, settings: &Settings, report: &mut Report) -> Result {
        let server = Polydav::serve(folder, &[])?;
        let peer = |kind| Ok(Figures { peer: Peer::serve(kind, folder)?, took: Ok(Vec::new()) });
        let mut peers = Kind::ALL.into_iter().map(peer).collect::<Result<Vec<_>>>()?;
        let (mut ours, mut first) = (Vec::new(), Vec::new());
        // The first round only warms the caches, and shows who can't do it.
        for round in 0..=settings.runs {
            let answer = self.ask(server.client()?)?;
            if let Some(fault) = self.fault(&answer) {
                return Err(format!("{}: polydav {fault}", self.what).into());
            }
            if round > 0 {
                ours.push(answer.whole);
                first.push(answer.first);
            }
            for figures in &mut peers {
                self.turn(figures, round)?;
            }
        }
        self.tell(ours, &peers, report);
        let first = 1e3 * median::seconds(first);
        report.add(&self.what, "first byte", format!("{first:.2} ms"), first, FIRST_MAX);
        let added = server.added()? as f64 / MEBIBYTE;
        report.add(&self.what, "added memory", format!("{added:.1} MiB"), added, ADDED_MAX);
        Ok(())
    }

    fn ask(&self, mut client: Client) -> Result<Answer> {
        let depth = format!("Depth: {}", self.depth);
        let headers = [&*depth, XML];
        client.send("PROPFIND", self.target, &headers, ALLPROP)
    }

    /// What is wrong with an answer.
    fn fault(&self, answer: &Answer) -> Option<String> {
        match answer {
            Answer { status, .. } if *status != 207 => Some(format!("answers {status}")),
            Answer { responses, .. } if *responses != self.resources => {
                Some(format!("tells of {responses} of {}", self.resources))
            }
            _ => None,
        }
    }

    fn turn(&self, Figures { peer, took }: &mut Figures, round: usize) -> Result {
        let Ok(durations) = took else { return Ok(()) };
        let answer = self.ask(peer.client()?)?;
        match self.fault(&answer) {
            None if round > 0 => durations.push(answer.whole),
            None => {}
            Some(fault) if round > 0 => {
                return Err(format!("{}: {} {fault}", self.what, peer.kind().name()).into());
            }
            Some(fault) => *took = Err(fault),
        }
        Ok(())
    }

    fn tell(&self, ours: Vec<Duration>, peers: &[Figures], report: &mut Report) {
        let ours = median::seconds(ours);
        let (mut said, mut fastest) = (format!("{ours:.3} s"), f64::NAN);
        for Figures { peer, took } in peers {
            let name = peer.kind().name();
            match took {
                Ok(took) => {
                    let theirs = median::seconds(took.clone());
                    said += &format!("; {name} {theirs:.3} s");
                    if self.models.contains(&peer.kind()) {
                        // The lesser one, also if the other is none.
                        fastest = theirs.min(fastest);
                    }
                }
                Err(fault) => said += &format!("; {name} {fault}"),
            }
        }
        report.add(&self.what, "whole", said, ours / fastest, self.goal);
    }
}

/// How long it takes to ask nginx for each folder in turn, on one connection.
fn folder_by_folder(folder: &Path, folders: usize, settings: &Settings) -> Result<f64> {
    let nginx = Peer::serve(Kind::Nginx, folder)?;
    let headers = ["Depth: 1", XML];
    let mut all = Vec::new();
    for round in 0..=settings.runs {
        let mut client = nginx.client()?;
        let mut list = |target: &str| {
            Result::Ok(client.send("PROPFIND", target, &headers, ALLPROP)?.expect(207)?.whole)
        };
        let mut took = list("/deep/")?;
        for number in 0..folders {
            took += list(&format!("/deep/folder-{number:04}/"))?;
        }
        if round > 0 {
            all.push(took);
        }
    }
    Ok(median::seconds(all))
}
