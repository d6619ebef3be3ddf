//! What became of a work: a status alone would be taken at its word.
//!
//! Everybody keeps plain files, so what was changed is looked at on the disk. What was read is asked
//! for once more.

use std::fs::{self, File, read_dir};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use memchr::memmem::find_iter;

use crate::Result;
use crate::client::{XML, request};
use crate::fault::Fault;

use super::ground::{Contestant, PORTION};
use super::script::LOCKINFO;
use super::work::{
    COME, CONTENT, Make, NEW, block, copy_name, look_for, note, range_number, there_or_back,
};

/// Somebody who did something in a round.
pub(super) struct Seen<'a> {
    pub(super) who: &'a Contestant,
    pub(super) round: usize,
    /// How many files there are in each folder.
    pub(super) files: usize,
    /// What was asked for, if it was made of requests.
    pub(super) make: Option<Make>,
}

/// Looks at what became of it.
pub(super) type Check = fn(&Seen<'_>) -> Result;

pub(super) fn looked(seen: &Seen<'_>) -> Result {
    let length = format!(">{}<", CONTENT.len());
    hold(find_iter(&seen.again(0)?, &length).count() == 1, "doesn't tell the length")
}

pub(super) fn got(seen: &Seen<'_>) -> Result {
    hold(seen.again(0)? == CONTENT, "gives other content")
}

pub(super) fn got_big(seen: &Seen<'_>) -> Result {
    let length = seen.who.client()?.send("GET", "/big", &[], b"")?.length;
    hold(length == seen.who.big_bytes, "gives something longer or shorter")
}

pub(super) fn got_range(seen: &Seen<'_>) -> Result {
    hold(seen.again(1)? == block(range_number(seen.who, 1)), "gives other content")
}

pub(super) fn put_new(seen: &Seen<'_>) -> Result {
    seen.holds(COME, &NEW)
}

pub(super) fn put_over(seen: &Seen<'_>) -> Result {
    seen.holds("files", &NEW)
}

pub(super) fn put_big(seen: &Seen<'_>) -> Result {
    let mut file = File::open(seen.at(COME).join("big"))?;
    hold(file.metadata()?.len() == seen.who.big_bytes, "keeps something longer or shorter")?;
    let mut portion = vec![0; PORTION];
    loop {
        match file.read(&mut portion)? {
            0 => return Ok(()),
            count => hold(portion[..count].iter().all(|byte| *byte == 7), "keeps other content")?,
        }
    }
}

pub(super) fn copied(seen: &Seen<'_>) -> Result {
    let copy = copy_name(seen.round);
    seen.holds(&copy, &CONTENT)?;
    hold(!has_links(&seen.at(&copy))?, "makes hard links")?;
    seen.holds("tree", &CONTENT)
}

/// Whether a file in a folder has other names too.
pub(super) fn has_links(folder: &Path) -> Result<bool> {
    for file in read_dir(folder)? {
        if file?.metadata()?.nlink() > 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn deleted(seen: &Seen<'_>) -> Result {
    hold(!seen.at(&copy_name(seen.round)).try_exists()?, "leaves something")
}

pub(super) fn tree_moved(seen: &Seen<'_>) -> Result {
    let [from, to] = there_or_back(seen.round, "tree", "moved");
    hold(!seen.at(from).try_exists()?, "leaves something")?;
    seen.holds(to, &CONTENT)
}

pub(super) fn files_moved(seen: &Seen<'_>) -> Result {
    let [from, to] = there_or_back(seen.round, "a", "b");
    let left = seen.names(from)?.len();
    hold(left == 0, &format!("leaves {left}"))?;
    seen.holds(to, &CONTENT)
}

pub(super) fn files_moved_beside_locks(seen: &Seen<'_>) -> Result {
    files_moved(seen)?;
    seen.refuses_locked()
}

pub(super) fn patched(seen: &Seen<'_>) -> Result {
    let answer = seen.fetch(&look_for(seen.who, seen.round, 0))?;
    let count = find_iter(&answer, &format!("{}</", note(seen.round))).count();
    hold(count == seen.files, &format!("keeps {count} of {}", seen.files))
}

pub(super) fn found(seen: &Seen<'_>) -> Result {
    let count = find_iter(&seen.again(0)?, &note("")).count();
    hold(count == seen.files, &format!("tells of {count} of {}", seen.files))
}

pub(super) fn locked(seen: &Seen<'_>) -> Result {
    let (server, path) = (seen.who.address, "/files/file-00000");
    let headers = ["Depth: 0", "Timeout: Second-600", XML];
    let answer = seen.who.client()?.send("LOCK", path, &headers, LOCKINFO)?;
    let token = answer.head.lines().find_map(|line| line.strip_prefix("lock-token:"));
    let token = format!("Lock-Token:{}", token.unwrap_or_default());
    let refuses = seen.refuses_locked();
    seen.fetch(&request(server, ("UNLOCK", path), &[&token], b""))?;
    refuses
}

impl Seen<'_> {
    fn at(&self, name: &str) -> PathBuf {
        self.who.root.join(name)
    }

    /// What is answered if it is asked for again.
    fn again(&self, number: usize) -> Result<Vec<u8>> {
        let make = self.make.ok_or("there is nothing to ask for again")?;
        self.fetch(&make(self.who, self.round, number))
    }

    fn fetch(&self, request: &[u8]) -> Result<Vec<u8>> {
        Ok(self.who.client()?.fetch_made(request)?.1)
    }

    /// The files of a folder, but for what a server keeps there for itself.
    fn names(&self, folder: &str) -> Result<Vec<PathBuf>> {
        let members = read_dir(self.at(folder))?.map(|member| Ok(member?.path()));
        let members = members.collect::<Result<Vec<_>>>()?;
        let is_ours = |path: &PathBuf| {
            path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
        };
        Ok(members.into_iter().filter(is_ours).collect())
    }

    /// All files are in a folder, with this content, and nothing else is.
    fn holds(&self, folder: &str, content: &[u8]) -> Result {
        let files = self.names(folder)?;
        hold(files.len() == self.files, &format!("has {} of {}", files.len(), self.files))?;
        for file in files {
            hold(fs::read(file)? == content, "keeps other content")?;
        }
        Ok(())
    }

    /// Who locks something doesn't let others change it.
    fn refuses_locked(&self) -> Result {
        let path = "/files/file-00000";
        let status = self.who.client()?.send("PUT", path, &[], &NEW)?.status;
        hold(status == 423, "locks nothing")
    }
}

/// It is a fault if this doesn't hold.
fn hold(holds: bool, fault: &str) -> Result {
    if holds { Ok(()) } else { Err(Fault::outcome(fault)) }
}
