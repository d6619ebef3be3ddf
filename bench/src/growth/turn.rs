//! What is asked about once: a folder of many files, a tree of as many, and what becomes of them.

use std::fs::{self, File, read_dir};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{RenameFlags, renameat_with};

use crate::Result;

/// The folder of many files.
pub(super) const WIDE: &str = "wide";
/// The tree of many files.
pub(super) const HERE: &str = "here";
/// The folders of that tree, to which the files are moved.
pub(super) const THERE: &str = "there";
const FOLDER_FILES: usize = 1_000;

/// What a round is about.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    root: &'a Path,
    pub(super) size: usize,
    /// What is copied to and deleted.
    pub(super) copy: String,
    /// From the tree that has all files to the one that has none.
    way: [&'static str; 2],
}

/// Makes what there is to begin with. The files are empty: what they hold would be the disk's figure.
pub(super) fn fill(root: &Path, size: usize) -> Result {
    let make = |folder: &Path, number| File::create(folder.join(file_name(number)));
    let wide = root.join(WIDE);
    fs::create_dir_all(&wide)?;
    for number in 0..size {
        make(&wide, number)?;
    }
    for first in (0..size).step_by(FOLDER_FILES) {
        let [here, there] = [HERE, THERE].map(|tree| root.join(tree).join(folder_name(first)));
        fs::create_dir_all(there)?;
        fs::create_dir_all(&here)?;
        for number in first..size.min(first + FOLDER_FILES) {
            make(&here, number)?;
        }
    }
    Ok(())
}

/// The folder in which a file lies.
fn folder_name(number: usize) -> String {
    format!("folder-{:03}", number / FOLDER_FILES)
}

fn file_name(number: usize) -> String {
    format!("file-{number:06}.txt")
}

impl<'a> Turn<'a> {
    pub(super) fn new(root: &'a Path, size: usize, round: usize) -> Result<Self> {
        let copy = format!("copy-{round}");
        let mut turn = Self { root, size, copy, way: [HERE, THERE] };
        if turn.files_in(THERE)? > 0 {
            turn.way.reverse();
        }
        Ok(turn)
    }

    /// The moves as a document.
    pub(super) fn document(&self) -> String {
        let [from, to] = self.way;
        let operation = |file| format!("<move href=\"/{from}/{file}\" dest=\"/{to}/{file}\"/>\n");
        let operations: String = self.files().map(operation).collect();
        format!("<batch xmlns=\"urn:polydav:batch:1\">\n{operations}</batch>\n")
    }

    /// The moves as operations that run as they arrive.
    pub(super) fn lines(&self) -> String {
        let [from, to] = self.way;
        let line = |file| {
            format!("{{\"op\":\"move\",\"href\":\"/{from}/{file}\",\"dest\":\"/{to}/{file}\"}}\n")
        };
        self.files().map(line).collect()
    }

    fn files(&self) -> impl Iterator<Item = String> {
        (0..self.size).map(|number| format!("{}/{}", folder_name(number), file_name(number)))
    }

    /// Makes the moves by the calls that the fastest program could make.
    pub(super) fn call(&self) -> Result<Duration> {
        let start = Instant::now();
        for first in (0..self.size).step_by(FOLDER_FILES) {
            let folder = |tree| File::open(self.root.join(tree).join(folder_name(first)));
            let [from, to] = self.way.map(folder);
            let (from, to) = (from?, to?);
            for name in (first..self.size.min(first + FOLDER_FILES)).map(file_name) {
                renameat_with(&from, &*name, &to, &*name, RenameFlags::NOREPLACE)?;
            }
        }
        Ok(start.elapsed())
    }

    pub(super) fn is_moved(&self) -> Result<bool> {
        let [from, to] = self.way;
        Ok(self.files_in(from)? == 0 && self.files_in(to)? == self.size)
    }

    pub(super) fn is_deleted(&self) -> Result<bool> {
        Ok(!self.root.join(&self.copy).try_exists()?)
    }

    /// How many there are in the folders of a tree.
    pub(super) fn files_in(&self, tree: &str) -> Result<usize> {
        let mut count = 0;
        for folder in read_dir(self.root.join(tree))? {
            for file in read_dir(folder?.path())? {
                file?;
                count += 1;
            }
        }
        Ok(count)
    }
}
