//! Every transcript in `conformance/transcripts/`; how they are read stands in
//! `conformance/src/transcript/mod.rs`.
//!
//! `TRANSCRIPT=delete` runs those with `delete` in their name; `BLESS=1` writes what came.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use conformance::{require, transcript};

/// So many run at a time; each has a server of its own.
const WORKERS: usize = 4;

#[test]
fn transcripts() {
    if !require(&["chattr", "mount", "sqlite3"]) {
        return;
    }
    let wanted = std::env::var("TRANSCRIPT").unwrap_or_default();
    let bless = std::env::var_os("BLESS").is_some();
    let files: Vec<_> = files().into_iter().filter(|file| name(file).contains(&wanted)).collect();
    assert!(!files.is_empty(), "there is no transcript of that name");
    let (count, queue, failed) = (files.len(), Mutex::new(files), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(file) = queue.lock().expect("nobody panics here").pop() else {
                        return;
                    };
                    let name = name(&file);
                    // A panic of the transcript tells what differs, and ends it alone.
                    let thread = thread::Builder::new().name(name.clone());
                    let run = thread.spawn(move || transcript::run(&file, bless));
                    if run.expect("a thread starts").join().is_err() {
                        failed.lock().expect("nobody panics here").push(name);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("nobody panics here");
    failed.sort();
    println!("{count} transcripts");
    assert!(failed.is_empty(), "{} of {count} differ: {}", failed.len(), failed.join(", "));
}

/// The last first, as they are taken from the end.
fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let entries = folder.read_dir().expect("the transcripts are there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort_by(|a, b| b.cmp(a));
    files
}

fn name(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
