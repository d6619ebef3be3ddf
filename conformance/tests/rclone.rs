//! A working day with rclone: sync, compare by downloading, change, sync again, compare again.

use std::fs;
use std::path::Path;

use conformance::folder::{assert_same, tree};
use conformance::{Finished, Folder, Server, require, shell};

fn rclone(local: &Folder, server: &Server, vendor: &str, script: &str) -> Finished {
    let home = local.path().to_str().expect("a temporary folder's name is plain");
    let environment = [
        ("HOME", home),
        ("RCLONE_CONFIG", ""),
        ("RCLONE_WEBDAV_URL", server.url()),
        ("RCLONE_WEBDAV_VENDOR", vendor),
        ("RCLONE_RETRIES", "1"),
        ("RCLONE_LOW_LEVEL_RETRIES", "1"),
    ];
    shell(local.path(), &environment, script)
}

/// Files of every size that matters, and names that are easily mangled.
fn fill(local: &Folder) {
    local.write("d/empty", "").write("d/sub/deep/er/one", "1\n");
    local.write("d/big", vec![7; 3_000_000]).make_folder("d/nothing");
    for name in
        ["with space", "100%", "a&b<c>", "quo'te\"", "ünïcödé", "😀", "plus+plus", "#hash", "q?x"]
    {
        local.write(&format!("d/names/{name}"), name);
    }
    for number in 0..50 {
        local.write(&format!("d/many/{number}"), format!("{number}\n"));
    }
}

#[test]
fn sync_change_and_sync_again() {
    if !require(&["rclone"]) {
        return;
    }
    let (folder, local) = (Folder::new(), Folder::new());
    fill(&local);
    let server = Server::serve(&folder);
    let sync =
        "rclone sync --create-empty-src-dirs d :webdav:d && rclone check --download d :webdav:d";
    rclone(&local, &server, "other", sync).success();
    assert_same(&tree(&local.join("d")), &tree(&folder.join("d")));

    local.write("d/sub/deep/er/one", "one, changed\n").write("d/new", "new\n");
    fs::remove_dir_all(local.join("d/many")).expect("it is there");
    fs::rename(local.join("d/big"), local.join("d/sub/bigger")).expect("it is there");
    rclone(&local, &server, "other", sync).success();
    assert_same(&tree(&local.join("d")), &tree(&folder.join("d")));

    let day = "rclone lsf -R :webdav:d > listed; rclone copyto :webdav:d/new :webdav:d/newer
        rclone moveto :webdav:d/newer :webdav:d/newest; rclone cat :webdav:d/newest > cat
        rclone mkdir :webdav:d/dir; rclone rmdir :webdav:d/dir; rclone moveto :webdav:d/sub :webdav:d/bus
        rclone about :webdav: ; rclone deletefile :webdav:d/newest; rclone cat --offset 1000 --count 5 :webdav:d/bus/bigger > part
        rclone copy :webdav:d back; rclone purge :webdav:d/names; echo x | rclone rcat :webdav:d/piped";
    rclone(&local, &server, "other", day).success();
    assert_eq!(local.read("cat"), b"new\n");
    assert_eq!(local.read("part"), [7; 5]);
    fs::rename(local.join("d/sub"), local.join("d/bus")).expect("it is there");
    assert_same(&tree(&local.join("back")), &{
        let mut expected = tree(&local.join("d"));
        expected.remove(Path::new("nothing"));
        expected
    });
    assert!(!folder.join("d/names").exists());
    assert_eq!(folder.read("d/piped"), b"x\n");
    server.stop();
}

/// To a server of the vendor `owncloud` rclone sends the file's time in `X-OC-Mtime`.
#[test]
fn times_are_kept_for_the_owncloud_dialect() {
    if !require(&["rclone"]) {
        return;
    }
    let (folder, local) = (Folder::new(), Folder::new());
    let server = Server::serve(&folder);
    local.write("d/old", "old\n");
    rclone(
        &local,
        &server,
        "owncloud",
        "touch -d '2001-02-03 04:05:06 UTC' d/old; rclone copy d :webdav:d",
    )
    .success();
    let times = rclone(&local, &server, "owncloud", "TZ=UTC rclone lsl :webdav:d").success();
    times.says("2001-02-03 04:05:06");
    server.stop();
}
