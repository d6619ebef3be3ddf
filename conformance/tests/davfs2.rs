//! A working day in a folder mounted by davfs2: what ordinary programs do to files.

use std::path::Path;
use std::process::Command;

use conformance::database::postgres_of;
use conformance::folder::{assert_same, tree};
use conformance::{Folder, Server, databases, require, require_root, run, shell};

/// A mounted folder; it is unmounted with the value, whatever happened.
struct Mount<'a> {
    point: &'a Path,
    mounted: bool,
}

impl<'a> Mount<'a> {
    fn new(home: &'a Folder, point: &'a Path, url: &str) -> Self {
        // buf_size 64: with the default some kernels refuse every listing.
        let config = format!(
            "use_locks 1\nask_auth 0\nbuf_size 64\ndelay_upload 0\ncache_dir {}\nsecrets {}\n",
            home.join("cache").display(),
            home.join("secrets").display()
        );
        home.make_folder("cache").write("secrets", "").write("davfs2.conf", config);
        let lock_down = "chown -R root:root secrets && chmod 600 secrets && chown root:davfs2 cache && chmod 775 cache";
        shell(home.path(), &[], lock_down).success();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "davfs", "-o"])
            .arg(format!("conf={}", home.join("davfs2.conf").display()));
        run(mount.arg(url).arg(point)).success();
        Self { point, mounted: true }
    }

    /// Unmounting waits until all is written back.
    fn unmount(mut self) {
        run(Command::new("umount").arg(self.point)).success();
        self.mounted = false;
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(self.point).status();
        }
    }
}

#[test]
fn a_working_day() {
    if !require_root() || !require(&["mount.davfs"]) {
        return;
    }
    let (folder, home, local) = (Folder::new(), Folder::new(), Folder::new());
    folder.write("before.txt", "before\n");
    local.write("before.txt", "before\n");
    let server = Server::serve(&folder);
    home.make_folder("mnt");
    let point = home.join("mnt");
    let mount = Mount::new(&home, &point, server.url());

    // The same day in the mounted folder and in a local one.
    for place in [&point, &local.path().to_owned()] {
        shell(place, &[], DAY).success();
    }
    assert_same(&without_lost_and_found(&point), &local.tree());
    mount.unmount();
    assert_same(&folder.tree(), &local.tree());

    // Mounted again, all is there.
    let mount = Mount::new(&home, &point, server.url());
    assert_same(&without_lost_and_found(&point), &local.tree());
    mount.unmount();
    server.stop();
}

#[test]
fn rows_are_files() {
    if !require_root() || !require(&["mount.davfs"]) {
        return;
    }
    let sql = "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
        INSERT INTO person (id, name) VALUES (1, 'Ada'), (2, 'Grace');";
    for database in databases(sql, &postgres_of(sql)) {
        let (folder, home) = (Folder::new(), Folder::new());
        let server = Server::builder().folder(folder.path()).mount("/records", database.source());
        let server = server.as_nobody().start();
        home.make_folder("mnt");
        let point = home.join("mnt");
        let mount = Mount::new(&home, &point, server.url());
        let script = r#"
            ls records/person
            cat records/person/1; echo
            rm records/person/2
            test ! -e records/person/2
            mkdir beside && cp records/person/1 beside/ada.json"#;
        let said = shell(&point, &[], script).success();
        assert_eq!(said.stdout, "1\n2\n{\"id\":1,\"name\":\"Ada\"}\n");
        mount.unmount();
        assert_eq!(database.sql("SELECT id, name FROM person"), "1|Ada\n");
        assert_eq!(folder.read("beside/ada.json"), b"{\"id\":1,\"name\":\"Ada\"}");
        server.stop();
    }
}

/// davfs2 shows a folder of its own in every mounted one.
fn without_lost_and_found(point: &Path) -> conformance::folder::Tree {
    let mut found = tree(point);
    found.remove(Path::new("lost+found"));
    found
}

const DAY: &str = r#"
cat before.txt
echo written > file.txt
echo appended >> file.txt
mkdir -p a/b/c
seq 1 200000 > a/numbers.txt
cp a/numbers.txt a/b/copy.txt
mv a/b/copy.txt a/b/c/moved.txt
echo x > 'with space & 100%'
echo y > ünïcödé
printf 'short' > a/numbers.txt
truncate -s 3 a/numbers.txt
rm before.txt
mkdir gone && echo z > gone/z && rm -r gone
mv a/b a/renamed
# An editor's save: the new text beside the old, then over it.
echo 'first text' > letter.txt
echo 'second text' > .letter.txt.swp
mv letter.txt letter.txt~
mv .letter.txt.swp letter.txt
rm letter.txt~
echo 'third text' > letter.tmp && mv letter.tmp letter.txt
for i in $(seq 1 20); do echo $i > "n$i"; done
rm n1 n3 n5
"#;
