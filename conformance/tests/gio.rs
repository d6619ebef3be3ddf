//! A working day with gio, the file access of GNOME's programs.

use conformance::{Folder, Server, require, shell};

#[test]
fn a_working_day() {
    if !require(&["gio", "dbus-run-session"]) {
        return;
    }
    let (folder, home) = (Folder::new(), Folder::new());
    home.write("hello.txt", "hello\n").write("big.bin", vec![7; 2_000_000]);
    home.make_folder("run").write("day.sh", DAY);
    let server = Server::serve(&folder);
    let place = format!("dav://{}/", server.host());
    let (home_path, run_path) =
        (home.path().display().to_string(), home.join("run").display().to_string());
    let environment = [
        ("HOME", home_path.as_str()),
        ("XDG_RUNTIME_DIR", &run_path),
        ("GVFS_DISABLE_FUSE", "1"),
        ("PLACE", &place),
    ];
    let said = shell(home.path(), &environment, "dbus-run-session -- bash -euo pipefail day.sh");
    let said = said.success();
    for line in ["name: hello.txt", "standard::size: 2000000", "standard::content-type: text/plain"]
    {
        assert!(said.stdout.contains(line), "no {line:?} in {said}");
    }
    assert_eq!(home.read("back.txt"), b"hello\n");
    assert_eq!(home.read("back.bin"), vec![7; 2_000_000]);
    assert_eq!(folder.read("desk/saved.txt"), b"saved again\n");
    assert_eq!(folder.read("desk/ünï cödé.txt"), b"hello\n");
    let names: Vec<_> = folder.tree().into_keys().map(|p| p.display().to_string()).collect();
    let expected = [
        "",
        "/big.bin",
        "/copy.txt",
        "/hello.txt",
        "/inner",
        "/inner/moved.txt",
        "/saved.txt",
        "/ünï cödé.txt",
    ];
    assert_eq!(names, expected.map(|path| format!("desk{path}")));
    server.stop();
}

const DAY: &str = r#"
gio mount "$PLACE" < /dev/null
D="${PLACE}desk"
gio mkdir "$D"
gio mkdir "$D/inner"
gio copy hello.txt "$D/hello.txt"
gio copy big.bin "$D/big.bin"
gio copy hello.txt "$D/ünï cödé.txt"
gio list -l "$D"
gio info "$D/hello.txt"
gio info "$D/big.bin"
gio cat "$D/hello.txt" > back.txt
gio copy "$D/big.bin" back.bin
gio copy "$D/hello.txt" "$D/copy.txt"
gio copy "$D/hello.txt" "$D/inner/x.txt"
gio move "$D/inner/x.txt" "$D/inner/moved.txt"
echo saved | gio save "$D/saved.txt"
echo 'saved again' | gio save "$D/saved.txt"
gio copy hello.txt "$D/away.txt"
gio rename "$D/away.txt" gone.txt
gio remove "$D/gone.txt"
gio tree "$D"
gio mount -u "$PLACE"
"#;
