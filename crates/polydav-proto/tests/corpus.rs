//! Every parser: reads its corpus, and survives whatever it is given.
//!
//! The folders of `tests/corpus` are named as the parsers here, so that a fuzz target can start
//! from them.

#![allow(clippy::unwrap_used)]

mod parser;

use std::path::{Path, PathBuf};

use parser::PARSERS;
use proptest::prelude::*;

/// Files of the corpus that are to be refused.
const REFUSED: [&str; 3] = ["header-if/mixed", "reference/dots", "header-content-type/multipart"];

fn corpus() -> impl Iterator<Item = (String, String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries(&folder).into_iter().flat_map(move |folder| {
        let parser = name(&folder);
        entries(&folder)
            .into_iter()
            .map(move |path| (parser.clone(), name(&path), std::fs::read(&path).unwrap()))
    })
}

#[test]
fn the_corpus_is_read_as_it_should_be() {
    let mut files = 0;
    for (folder, file, bytes) in corpus() {
        let (_, parse) = PARSERS.iter().find(|(name, _)| *name == folder).expect(&folder);
        let name = format!("{folder}/{file}");
        assert_eq!(parse(&bytes), !REFUSED.contains(&&*name), "{name}");
        files += 1;
    }
    assert!(files > 40, "the corpus is not where it was");
}

#[test]
fn every_parser_has_a_fuzz_target() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/targets");
    if targets.is_dir() {
        for (name, _) in PARSERS {
            assert!(targets.join(name).with_extension("rs").is_file(), "{name}");
        }
    }
}

#[test]
fn truncated_and_mangled_corpora_do_no_harm() {
    for (folder, _, bytes) in corpus() {
        let (_, parse) = PARSERS.iter().find(|(name, _)| *name == folder).expect(&folder);
        for at in 0..bytes.len() {
            parse(&bytes[..at]);
            let mut mangled = bytes.clone();
            mangled[at] ^= 0x15;
            parse(&mangled);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        for (_, parse) in PARSERS {
            parse(&bytes);
        }
    }

    #[test]
    fn arbitrary_ascii_does_no_harm(text in "[ -~]{0,60}") {
        for (_, parse) in PARSERS {
            parse(text.as_bytes());
        }
    }
}
