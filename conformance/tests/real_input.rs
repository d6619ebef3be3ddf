//! Tens of thousands of real files: what Debian and the Rust toolchain install as documentation.
//!
//! Whatever polydav says of them, or makes of them, is held against what `find` and `diff` see.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use conformance::http::send;
use conformance::{Folder, Server, batch, require, shell};
use roxmltree::{Document, Node};

const DAV: &str = "DAV:";
const MOVES: usize = 10_000;

/// What of each source is taken: the toolchain's alone has nearly a gigabyte.
const TAKEN: &str = "find . '(' -type f -size -257k -o -type l -o -type d ')' -print0 \
    | head -z -n 25000 | tar --create --null --no-recursion --files-from=- \
    | tar --extract --no-same-owner --directory";

/// What a listing says of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    File(u64),
    Collection,
    /// There is something, but it can't be had: a link that leads nowhere, or out of the folder.
    Forbidden,
}

type Listing = BTreeMap<PathBuf, Told>;

#[test]
fn documentation_is_listed_copied_moved_and_deleted() {
    if !require(&["find", "tar", "diff"]) {
        return;
    }
    let folder = Folder::new();
    fill(&folder);
    let expected = found(&folder);
    println!("{} files, folders and links", expected.len());
    assert!(expected.len() > 1_000, "there is hardly any documentation here");
    let server = Server::serve(&folder);

    assert_listed(&server, &expected);
    copy(&server, &folder);
    moves(&server, &folder);
    for target in ["/copy/", "/moved/"] {
        assert_eq!(send(&server, "DELETE", target, &[], b"").status, 204, "DELETE {target}");
        assert!(!folder.join(&target[1..]).exists(), "{target} is gone");
    }
    assert_eq!(found(&folder), expected, "nothing else was changed");
    server.stop();
}

/// Copies the documentation, and adds links and names of the kinds that it may lack.
fn fill(folder: &Folder) {
    let sysroot = conformance::run(Command::new("rustc").args(["--print", "sysroot"]));
    let toolchain = Path::new(sysroot.stdout.trim()).join("share/doc");
    folder.make_folder("doc").make_folder("doc/debian").make_folder("doc/rust");
    for (source, name) in [(Path::new("/usr/share/doc"), "debian"), (&toolchain, "rust")] {
        if source.is_dir() {
            let target = folder.join("doc").join(name);
            shell(source, &[], &format!("({TAKEN} {} || [ $? = 141 ])", target.display()))
                .success();
        }
    }
    let odd = "mkdir -p odd && cd odd && echo x > '100% a&b <c> \"d\" #e ?f' && echo x > $'\\xff\\xfe'
        echo x > \"it's; $(printf 'n\\u0303 \\u00f1') 😀\" && ln -s '100% a&b <c> \"d\" #e ?f' to-file
        ln -s ../debian to-folder && ln -s nowhere broken && ln -s ../../.. outside
        ln -s /etc/passwd absolute && touch -- -rf . ..x";
    shell(&folder.join("doc"), &[], odd).success();
    let owner = "if [ $(id -u) = 0 ]; then chown --recursive --no-dereference nobody . ; fi
        chmod --recursive u+rwX .";
    shell(&folder.join("doc"), &[], owner).success();
}

/// What `find` sees below `doc`, and what is to be told of it.
fn found(folder: &Folder) -> Listing {
    let root = fs::canonicalize(folder.path()).expect("it is there");
    let list = shell(&root, &[], "find doc -printf '%y %s %p\\0' > list").success();
    drop(list);
    let list = fs::read(root.join("list")).expect("find wrote it");
    fs::remove_file(root.join("list")).expect("it can be removed");
    let lines = list.split(|&byte| byte == 0).filter(|line| !line.is_empty());
    lines.map(|line| told_of(&root, line)).collect()
}

fn told_of(root: &Path, line: &[u8]) -> (PathBuf, Told) {
    let mut parts = line.splitn(3, |&byte| byte == b' ');
    let mut part = || parts.next().expect("a line has three parts");
    let (kind, size, path) = (part(), part(), part());
    let path = PathBuf::from(OsStr::from_bytes(path));
    let told = match kind {
        b"f" => {
            let size = std::str::from_utf8(size).expect("a size is ASCII");
            Told::File(size.parse().expect("a size is a number"))
        }
        b"d" => Told::Collection,
        b"l" => behind(root, &path),
        other => panic!("{} is a {other:?}", path.display()),
    };
    (path, told)
}

/// A link tells of what it leads to, as long as that is in the folder; it is never descended into.
fn behind(root: &Path, link: &Path) -> Told {
    let link = root.join(link);
    let absolute = fs::read_link(&link).expect("it is a link").is_absolute();
    let target = fs::canonicalize(&link).ok().filter(|target| target.starts_with(root));
    match target.map(|target| fs::metadata(target).expect("it is there")) {
        Some(target) if !absolute && target.is_dir() => Told::Collection,
        Some(target) if !absolute => Told::File(target.len()),
        _ => Told::Forbidden,
    }
}

/// PROPFIND of everything tells what there is, each once.
#[track_caller]
fn assert_listed(server: &Server, expected: &Listing) {
    let body =
        b"<propfind xmlns=\"DAV:\"><prop><resourcetype/><getcontentlength/></prop></propfind>";
    let answer = send(server, "PROPFIND", "/doc/", &[("Depth", "infinity")], body);
    assert_eq!(answer.status, 207);
    let document = Document::parse(answer.text()).expect("the answer is XML");
    let mut listed = Listing::new();
    for response in document.root_element().children().filter(Node::is_element) {
        let (path, told) = read(response);
        assert!(listed.insert(path.clone(), told).is_none(), "{} is told twice", path.display());
    }
    for (path, told) in expected {
        assert_eq!(listed.get(path), Some(told), "{}", path.display());
    }
    assert_eq!(listed.len(), expected.len(), "nothing else is told of");
}

fn read(response: Node<'_, '_>) -> (PathBuf, Told) {
    let find = |name: &str| {
        let mut found = response.descendants().filter(|node| node.has_tag_name((DAV, name)));
        found.next()
    };
    let href = find("href").and_then(|href| href.text()).expect("a response has an href");
    let path = decode(href.trim_matches('/'));
    let length = find("getcontentlength").and_then(|length| length.text());
    let told = match (find("propstat"), find("collection"), length) {
        (None, _, _) => Told::Forbidden,
        (Some(_), Some(_), _) => Told::Collection,
        (Some(_), None, length) => {
            Told::File(length.and_then(|length| length.parse().ok()).expect("a file has a length"))
        }
    };
    assert_eq!(told == Told::Collection, href.ends_with('/'), "{href}");
    (path, told)
}

fn decode(href: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = href.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
            let pair = digit().zip(digit()).expect("two digits follow a percent sign");
            bytes.push((pair.0 * 16 + pair.1) as u8);
        } else {
            bytes.push(byte);
        }
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

fn encode(path: &Path) -> String {
    let mut href = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            href.push(char::from(byte));
        } else {
            let _ = write!(href, "%{byte:02X}");
        }
    }
    href
}

fn copy(server: &Server, folder: &Folder) {
    let destination = format!("{}copy/", server.url());
    let answer = send(server, "COPY", "/doc/", &[("Destination", &destination)], b"");
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    shell(folder.path(), &[], "diff --recursive --no-dereference doc copy").success();
}

/// Moves files of the copy in one request. Where each came from, there is nothing any more; where
/// it went, there is what is still in the original.
fn moves(server: &Server, folder: &Folder) {
    let files = found(folder).into_iter().filter(|(_, told)| matches!(told, Told::File(_)));
    let files = files.map(|(path, _)| path).filter(|path| !folder.join(path).is_symlink());
    let files: Vec<PathBuf> = files.take(MOVES).collect();
    let ways: Vec<_> = files.iter().enumerate().map(|(place, path)| way(place, path)).collect();
    assert_eq!(send(server, "MKCOL", "/moved/", &[], b"").status, 201);
    let mut body = "<batch xmlns=\"urn:polydav:batch:1\">".to_owned();
    for (source, target) in &ways {
        let (source, target) = (encode(source), encode(target));
        let _ = write!(body, "<move href=\"/{source}\" dest=\"/{target}\"/>");
    }
    body += "</batch>";
    let headers = [("Content-Type", "application/xml")];
    let answer = send(server, "POST", "/batch-operation", &headers, body.as_bytes());
    assert_eq!(answer.status, 207, "{}", String::from_utf8_lossy(&answer.body));
    let items = batch::parse(answer.text());
    assert_eq!(items.statuses(), vec![201; ways.len()]);
    for ((source, target), original) in ways.iter().zip(&files) {
        assert!(!folder.join(source).exists(), "{} is still there", source.display());
        let same = fs::read(folder.join(target)).ok() == fs::read(folder.join(original)).ok();
        assert!(same, "{} isn't {}", target.display(), original.display());
    }
    let left = fs::read_dir(folder.join("moved")).expect("it was made").count();
    assert_eq!(left, ways.len(), "nothing else was moved");
}

/// From the copy of a file to a place of its own, under its own name.
fn way(place: usize, original: &Path) -> (PathBuf, PathBuf) {
    let inside = original.strip_prefix("doc").expect("all lie there");
    let mut name = format!("{place:05}-").into_bytes();
    name.extend_from_slice(original.file_name().expect("a file has a name").as_bytes());
    (Path::new("copy").join(inside), Path::new("moved").join(OsStr::from_bytes(&name)))
}
