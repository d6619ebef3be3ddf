//! The folder of a transcript: as it is before, and as it is found.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, Metadata, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::folder::NOBODY;
use crate::requirement::is_root;
use crate::{Folder, run};

/// One line of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    path: PathBuf,
    mode: Option<u32>,
    immutable: bool,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Folder,
    File(Vec<u8>),
    Link(PathBuf),
    Fifo,
    Other,
}

impl Entry {
    pub(super) fn needs_root(&self) -> bool {
        self.immutable || self.mode.is_some_and(|mode| mode & 0o500 != 0o500)
    }

    fn line(&self, with_mode: bool) -> String {
        let mut line = name(self.path.as_os_str().as_bytes());
        if self.content == Content::Folder {
            line.push('/');
        }
        if let Some(mode) = self.mode.filter(|_| with_mode) {
            let _ = write!(line, " [{mode:04o}]");
        }
        match &self.content {
            Content::Folder => {}
            Content::File(bytes) => line += &format!(" {}", quoted(bytes)),
            Content::Link(target) => line += &format!(" -> {}", target.display()),
            Content::Fifo => line += " fifo",
            Content::Other => line += " (something else)",
        }
        line
    }
}

/// Reads the lines of a tree.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, String> {
    text.lines().filter(|line| !line.trim().is_empty()).map(entry).collect()
}

fn entry(line: &str) -> Result<Entry, String> {
    let (path, mut rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let (mut mode, mut immutable) = (None, false);
    while let Some((attribute, after)) =
        rest.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'))
    {
        match (attribute, u32::from_str_radix(attribute, 8)) {
            ("immutable", _) => immutable = true,
            (_, Ok(bits)) => mode = Some(bits),
            _ => return Err(format!("unknown attribute [{attribute}]")),
        }
        rest = after;
    }
    let rest = rest.trim_start();
    let content = match (path.strip_suffix('/'), rest.strip_prefix("-> ")) {
        (Some(_), _) if rest.is_empty() => Content::Folder,
        (None, Some(target)) => Content::Link(target.into()),
        (None, None) if rest == "fifo" => Content::Fifo,
        (None, None) => Content::File(content(rest)?),
        _ => return Err(format!("a folder has no content: {line:?}")),
    };
    let path = decoded(path.strip_suffix('/').unwrap_or(path))?;
    Ok(Entry { path: OsStr::from_bytes(&path).into(), mode, immutable, content })
}

/// `"text"`, with `\n`, `\r`, `\"`, `\\` and `\x00`; or `"text" * count`.
pub(super) fn content(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("no content: {text:?}");
    let (quoted, count) = match text.rsplit_once("\" * ") {
        Some((quoted, count)) => (quoted, count.parse().map_err(|_| wrong())?),
        None => (text.strip_suffix('"').ok_or_else(wrong)?, 1),
    };
    let quoted = quoted.strip_prefix('"').ok_or_else(wrong)?;
    let mut bytes = Vec::new();
    let mut left = quoted.chars();
    while let Some(character) = left.next() {
        let character = match character {
            '\\' => match left.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(escaped @ ('"' | '\\')) => escaped,
                Some('x') => {
                    let digits: String = left.by_ref().take(2).collect();
                    bytes.push(u8::from_str_radix(&digits, 16).map_err(|_| wrong())?);
                    continue;
                }
                _ => return Err(wrong()),
            },
            other => other,
        };
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(bytes.repeat(count))
}

fn quoted(bytes: &[u8]) -> String {
    if let [first, rest @ ..] = bytes
        && rest.len() > 100
        && rest.iter().all(|byte| byte == first)
    {
        return format!("{} * {}", quoted(&[*first]), bytes.len());
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            let _ = match character {
                '"' | '\\' => write!(text, "\\{character}"),
                '\n' => write!(text, "\\n"),
                '\r' => write!(text, "\\r"),
                '\0'..' ' => write!(text, "\\x{:02X}", u32::from(character)),
                _ => write!(text, "{character}"),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    format!("\"{text}\"")
}

fn name(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = match byte {
            b'%' | 0..=b' ' | 127.. => write!(text, "%{byte:02X}"),
            _ => write!(text, "{}", char::from(*byte)),
        };
        text
    })
}

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut left = text.as_bytes();
    while let Some((&first, rest)) = left.split_first() {
        left = rest;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(|| format!("a lone % in {text:?}"))?);
        left = &rest[2..];
    }
    Ok(bytes)
}

/// The folder, removed with the value.
#[derive(Debug)]
pub(super) struct Scene {
    folder: Folder,
    is_disk: bool,
    has_immutable: bool,
}

impl Scene {
    /// Makes the folder. Modes come last, or root alone could fill it.
    pub(super) fn build(disk: Option<u64>, tree: &[Entry]) -> Self {
        let has_immutable = tree.iter().any(|entry| entry.immutable);
        let scene = Self { folder: Folder::new(), is_disk: disk.is_some(), has_immutable };
        if let Some(bytes) = disk {
            let options = format!("size={bytes},mode=755,uid={NOBODY},gid={NOBODY}");
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &options, "polydav-transcript"]);
            run(mount.arg(scene.path())).success();
        }
        tree.iter().for_each(|entry| scene.make(entry));
        for entry in tree.iter().rev() {
            let path = scene.folder.join(&entry.path);
            if let Some(mode) = entry.mode {
                fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode is set");
            }
            if entry.immutable {
                run(Command::new("chattr").arg("+i").arg(&path)).success();
            }
        }
        scene
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn make(&self, entry: &Entry) {
        let path = self.folder.join(&entry.path);
        match &entry.content {
            Content::Folder => fs::create_dir(&path),
            Content::File(bytes) => fs::write(&path, bytes),
            Content::Link(target) => symlink(target, &path),
            Content::Fifo => {
                let mode = Mode::RUSR | Mode::WUSR;
                mknodat(CWD, &path, FileType::Fifo, mode, 0).map_err(Into::into)
            }
            Content::Other => Ok(()),
        }
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if is_root() {
            let own = if matches!(entry.content, Content::Link(_)) { lchown } else { chown };
            own(&path, Some(NOBODY), Some(NOBODY)).expect("root may give a file away");
        }
    }

    /// What is in the folder now, but for the server's state.
    pub(super) fn snapshot(&self) -> Snapshot {
        let mut found = Snapshot(Vec::new());
        gather(self.path(), Path::new(""), &mut found);
        found.0.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        found
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if self.has_immutable {
            let _ = Command::new("chattr").args(["-R", "-i"]).arg(self.path()).output();
        }
        if self.is_disk {
            let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
        }
    }
}

/// What was in a folder at a time, to the inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot(Vec<(Entry, Identity)>);

/// Number, modification time.
type Identity = (u64, i64, i64);

impl Snapshot {
    pub(super) fn exactly(&self) -> String {
        let line = |(entry, (number, seconds, rest)): &(Entry, Identity)| {
            format!("{} (inode {number}, modified {seconds}.{rest:09})", entry.line(true))
        };
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn gather(root: &Path, folder: &Path, found: &mut Snapshot) {
    let entries = fs::read_dir(root.join(folder)).unwrap_or_else(|e| panic!("{folder:?}: {e}"));
    for entry in entries {
        let name = entry.expect("a folder can be listed").file_name();
        if name == ".polydav" {
            continue;
        }
        let (path, place) = (folder.join(&name), root.join(folder).join(&name));
        let metadata = fs::symlink_metadata(&place).expect("an entry can be looked at");
        let content = content_of(&place, &metadata);
        let is_folder = content == Content::Folder;
        let mode = (!metadata.is_symlink()).then_some(metadata.mode() & 0o7777);
        let entry = Entry { path: path.clone(), mode, immutable: false, content };
        found.0.push((entry, (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())));
        if is_folder {
            gather(root, &path, found);
        }
    }
}

fn content_of(place: &Path, metadata: &Metadata) -> Content {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Content::Folder
    } else if kind.is_file() {
        Content::File(fs::read(place).expect("a file can be read"))
    } else if kind.is_symlink() {
        Content::Link(fs::read_link(place).expect("a link can be read"))
    } else if kind.is_fifo() {
        Content::Fifo
    } else {
        Content::Other
    }
}

/// What is expected, and what was found, as text; modes only where they are expected.
pub(super) fn sides(expected: &[Entry], found: &Snapshot) -> (String, String) {
    let mut expected: Vec<_> = expected.iter().collect();
    expected.sort_by(|a, b| a.path.cmp(&b.path));
    let has_mode = |path: &Path| expected.iter().any(|e| e.path == path && e.mode.is_some());
    let left = expected.iter().map(|entry| entry.line(true)).collect::<Vec<_>>().join("\n");
    let right = found.0.iter().map(|(entry, _)| entry.line(has_mode(&entry.path)));
    (left, right.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_as_it_says() {
        let text = "a/ [0700]\na/b \"x\\n\"\na/b%25%FF \"yz\" * 60\nc -> a/b\np fifo\n";
        let entries = parse(text).expect("it is a tree");
        let scene = Scene::build(None, &entries);
        let (expected, found) = sides(&entries, &scene.snapshot());
        assert_eq!(expected, found);
        assert!(found.starts_with("a/ [0700]\na/b \"x\\n\"\na/b%25%FF \"yzyz"));
        assert_eq!(scene.snapshot(), scene.snapshot());
    }

    #[test]
    fn long_content_is_counted() {
        assert_eq!(quoted(&[b'x'; 200]), "\"x\" * 200");
        assert_eq!(content("\"ab\" * 2"), Ok(b"abab".to_vec()));
        assert_eq!(content(r#""a\"\\""#), Ok(b"a\"\\".to_vec()));
        assert_eq!(content(r#""a\x00\xFF""#), Ok(b"a\0\xff".to_vec()));
        assert_eq!(quoted(b"a\0\xff\"\n\\"), r#""a\x00\xFF\"\n\\""#);
        assert!(content("a").is_err());
    }
}
