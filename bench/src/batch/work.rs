//! What is done to each file: as an operation of a batch, as a request, and as a system call.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsFd;
use std::path::Path;

use memchr::memmem::find_iter;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, openat, renameat_with, unlinkat};

use crate::Result;
use crate::client::{Client, XML};

/// 4 KiB of which nothing has to be escaped in XML.
const CONTENT: &str = match std::str::from_utf8(&[b'x'; 4096]) {
    Ok(content) => content,
    Err(_) => panic!("it is ASCII"),
};

/// What is done to each file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// From one folder to the other.
    Move {
        from: &'static str,
        to: &'static str,
    },
    /// Each round gives the property another value.
    PropPatch {
        round: usize,
    },
    Put,
    Delete,
}

impl Work {
    /// Moves that go there in one round, and back in the next.
    pub(super) fn there_or_back(round: usize) -> Self {
        let [from, to] = if round.is_multiple_of(2) { ["a", "b"] } else { ["b", "a"] };
        Self::Move { from, to }
    }

    /// What many of it are called.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Move { .. } => "moves",
            Self::PropPatch { .. } => "proppatches of one property",
            Self::Put => "puts of 4 KiB",
            Self::Delete => "deletes",
        }
    }

    /// It as an operation of a batch, on a file in `base`.
    pub(super) fn operation(self, base: &str, name: &str) -> String {
        match self {
            Self::Move { from, to } => {
                format!("<move href=\"{base}/{from}/{name}\" dest=\"{base}/{to}/{name}\"/>\n")
            }
            Self::PropPatch { round } => format!(
                "<proppatch href=\"{base}/a/{name}\"><D:set xmlns:D=\"DAV:\"><D:prop>{}</D:prop>\
                 </D:set></proppatch>\n",
                property(round)
            ),
            Self::Put => {
                format!("<put href=\"{base}/a/{name}\" type=\"text/plain\">{CONTENT}</put>\n")
            }
            Self::Delete => format!("<delete href=\"{base}/a/{name}\"/>\n"),
        }
    }

    /// Sends it as a request of its own.
    pub(super) fn request(self, client: &mut Client, base: &str, name: &str) -> Result {
        let at = |folder: &str| format!("{base}/{folder}/{name}");
        let answer = match self {
            Self::Move { from, to } => {
                let destination = format!("Destination: {}", client.url(&at(to)));
                client.send("MOVE", &at(from), &[&destination], b"")?
            }
            Self::PropPatch { round } => {
                let body = format!(
                    "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop>{}</D:prop></D:set>\
                     </D:propertyupdate>",
                    property(round)
                );
                let headers = [XML];
                client.send("PROPPATCH", &at("a"), &headers, body.as_bytes())?
            }
            Self::Put => client.send("PUT", &at("a"), &[], CONTENT.as_bytes())?,
            Self::Delete => client.send("DELETE", &at("a"), &[], b"")?,
        };
        let is_done = match self {
            Self::PropPatch { .. } => answer.status == 207,
            // nginx doesn't tell whether a MOVE made or replaced something.
            _ => matches!(answer.status, 201 | 204),
        };
        if is_done { Ok(()) } else { Err(format!("not done: {}", answer.head).into()) }
    }

    /// Does it to all files by a system call or two for each, as the fastest program could: by
    /// handles of the folders. Properties have no such call.
    pub(super) fn call(self, base: &Path, names: &[String]) -> Result {
        match self {
            Self::Move { from, to } => {
                let (from, to) = (open(&base.join(from))?, open(&base.join(to))?);
                for name in names {
                    renameat_with(&from, &**name, &to, &**name, RenameFlags::NOREPLACE)?;
                }
            }
            Self::PropPatch { .. } => return Err("no call changes a dead property".into()),
            Self::Put => {
                let folder = open(&base.join("a"))?;
                names.iter().try_for_each(|name| create(&folder, name))?;
            }
            Self::Delete => {
                let folder = open(&base.join("a"))?;
                for name in names {
                    unlinkat(&folder, &**name, AtFlags::empty())?;
                }
            }
        }
        Ok(())
    }

    /// Looks whether it was done: a status alone would be taken at its word.
    pub(super) fn check(self, base: &Path, names: &[String]) -> Result {
        let (there, gone) = match self {
            Self::Move { from, to } => (Some(to), Some(from)),
            Self::PropPatch { .. } => (None, None),
            Self::Put => (Some("a"), None),
            Self::Delete => (None, Some("a")),
        };
        if let Some(folder) = there {
            let members = members(&base.join(folder))?;
            if !names.iter().all(|name| members.contains(OsStr::new(name))) {
                return Err(format!("{self:?}: files are missing in {folder}").into());
            }
        }
        if let Some(folder) = gone {
            let members = members(&base.join(folder))?;
            if names.iter().any(|name| members.contains(OsStr::new(name))) {
                return Err(format!("{self:?}: files are left in {folder}").into());
            }
        }
        if let Self::Put = self {
            for name in names {
                if fs::read(base.join("a").join(name))? != CONTENT.as_bytes() {
                    return Err(format!("{self:?}: {name} has other content").into());
                }
            }
        }
        Ok(())
    }

    /// Asks whether a property has its value everywhere.
    pub(super) fn check_properties(
        self,
        client: &mut Client,
        base: &str,
        names: &[String],
    ) -> Result {
        let Self::PropPatch { round } = self else { return Ok(()) };
        let body =
            b"<D:propfind xmlns:D=\"DAV:\"><D:prop><note xmlns=\"urn:example:bench\"/></D:prop>\
            </D:propfind>";
        let target = format!("{base}/a/");
        let headers = ["Depth: 1", XML];
        let (_, told) = client.fetch(("PROPFIND", &target), &headers, body)?;
        // Those that aren't asked have that of another round.
        let values = find_iter(&told, &format!("{}</", note(round))).count();
        if values == names.len() {
            return Ok(());
        }
        Err(format!("{self:?}: {values} have the value").into())
    }
}

/// The names in a folder. They are listed, for looking each of them up would have the kernel remember
/// which are free, and make it easier to move something there.
fn members(folder: &Path) -> Result<HashSet<OsString>> {
    fs::read_dir(folder)?.map(|member| Ok(member?.file_name())).collect()
}

fn property(round: usize) -> String {
    format!("<note xmlns=\"urn:example:bench\">{}</note>", note(round))
}

fn note(round: usize) -> String {
    format!("left at the door in round {round}")
}

fn open(folder: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, folder, flags, Mode::empty())?.into())
}

fn create(folder: impl AsFd, name: &str) -> Result {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file: File = openat(folder, name, flags, Mode::from_raw_mode(0o644))?.into();
    Ok(file.write_all(CONTENT.as_bytes())?)
}
