//! A working day with cadaver: folders, uploads, locks, properties, an editor, copies, deletes.

use std::process::Command;

use conformance::program::run_with_text;
use conformance::{Folder, Server, require, shell};

const DAY: &str = "\
mkcol desk
cd desk
put hello.txt
put hello.txt renamed.txt
mput one.txt two.txt
ls
cat hello.txt
lock hello.txt
discover hello.txt
put hello.txt
propset hello.txt colour red
propget hello.txt colour
propnames hello.txt
unlock hello.txt
edit renamed.txt
copy hello.txt copy.txt
move copy.txt moved.txt
propget moved.txt colour
mkcol papers
copy papers files
move one.txt files/
get hello.txt back.txt
delete two.txt
rmcol papers
lock files
showlocks
unlock files
pwd
quit
";

/// What `edit` calls, without a person. cadaver knows a change by the file's time, in seconds.
const EDITOR: &str = "#!/bin/sh\nsed -i s/hello/edited/ \"$1\" && touch -d 2001-01-01 \"$1\"\n";

#[test]
fn a_working_day() {
    if !require(&["cadaver"]) {
        return;
    }
    let (folder, home) = (Folder::new(), Folder::new());
    for (name, content) in [("hello.txt", "hello\n"), ("one.txt", "1\n"), ("two.txt", "2\n")] {
        home.write(name, content);
    }
    home.write("editor.sh", EDITOR);
    shell(home.path(), &[], "chmod +x editor.sh").success();
    let server = Server::serve(&folder);
    let mut cadaver = Command::new("cadaver");
    cadaver.env("EDITOR", home.join("editor.sh")).env("HOME", home.path());
    cadaver.arg(server.url()).current_dir(home.path());
    let said = run_with_text(&mut cadaver, DAY).success();
    for bad in ["failed", "error", "Error", "Could not", "rror:"] {
        assert!(!said.stdout.contains(bad), "{bad:?} in {said}");
    }
    assert_eq!(said.stdout.matches("Value of colour is: red").count(), 2, "{said}");
    said.says("Lock token <").says("Depth infinity on").says("Changes were made.");

    assert_eq!(home.read("back.txt"), b"hello\n");
    assert_eq!(folder.read("desk/renamed.txt"), b"edited\n");
    let names: Vec<_> = folder.tree().into_keys().map(|p| p.display().to_string()).collect();
    let expected = ["", "/files", "/files/one.txt", "/hello.txt", "/moved.txt", "/renamed.txt"];
    assert_eq!(names, expected.map(|path| format!("desk{path}")));
    server.stop();
}
