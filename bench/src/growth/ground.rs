//! Where it is done: so many files, and a server for each work.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::syncfs;
use tempfile::TempDir;

use crate::polydav::Polydav;
use crate::{Result, median};

use super::curve::Point;
use super::turn::{Turn, fill};
use super::work::Work;

/// A batch may be as large as what is measured, and take its time.
const CONFIGURATION: &str = "[limits]\nbatch-items = 1_000_000\nbatch-bytes = 268_435_456\n\
     batch-seconds = 600\n";
/// What is answered to what is larger than it may be.
const TOO_LARGE: [u16; 2] = [413, 422];

#[derive(Debug)]
pub(super) struct Ground {
    size: usize,
    /// How often each work is measured, after once to warm the caches; with 0 there is only that once.
    runs: usize,
    root: TempDir,
}

impl Ground {
    pub(super) fn make(image: &Path, size: usize, runs: usize) -> Result<Self> {
        let root = tempfile::Builder::new().prefix("growth-").tempdir_in(image)?;
        let ground = Self { size, runs, root };
        fs::write(ground.configuration(), CONFIGURATION)?;
        fill(&ground.served(), size)?;
        Ok(ground)
    }

    fn configuration(&self) -> PathBuf {
        self.root.path().join("polydav.toml")
    }

    fn served(&self) -> PathBuf {
        self.root.path().join("served")
    }

    /// Measures a work, with a server of its own: nothing, if so much is refused.
    pub(super) fn measure(&self, work: Work) -> Result<Option<Point>> {
        let configuration = self.configuration();
        let configuration = configuration.to_str().ok_or("the path of the image is no text")?;
        let arguments = ["--config", configuration, "--durability", "relaxed"];
        let server = Polydav::serve(&self.served(), &arguments)?;
        let each = self.each(|turn| {
            let answer = work.ask(&mut server.client()?, turn)?;
            if TOO_LARGE.contains(&answer.status) {
                return Ok(None);
            }
            match work.is_done(&answer, turn)? {
                true => Ok(Some(answer.whole)),
                false => Err(format!("not done: {}", answer.head).into()),
            }
        })?;
        let added = server.added()? as f64;
        Ok(each.map(|each| Point { size: self.size, each, added }))
    }

    /// Measures the moves by bare calls.
    pub(super) fn bare(&self) -> Result<Option<Point>> {
        let each = self.each(|turn| turn.call().map(Some))?;
        Ok(each.map(|each| Point { size: self.size, each, added: 0.0 }))
    }

    /// How long each member takes, in seconds.
    fn each(&self, ask: impl Fn(&Turn<'_>) -> Result<Option<Duration>>) -> Result<Option<f64>> {
        let served = self.served();
        let mut took = Vec::new();
        for round in 0..=self.runs {
            let turn = Turn::new(&served, self.size, round)?;
            // Nobody has to write what was left behind.
            syncfs(File::open(&served)?)?;
            let Some(whole) = ask(&turn)? else { return Ok(None) };
            if round > 0 || self.runs == 0 {
                took.push(whole);
            }
        }
        Ok(Some(median::seconds(took) / self.size as f64))
    }
}
