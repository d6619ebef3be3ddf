//! The framing of requests: follows its corpus, also cut and mangled.
#![allow(clippy::unwrap_used)]

mod parser;

use std::path::{Path, PathBuf};

use parser::{PARSERS, Parser};

/// Each file of the corpus, with the parser that its folder is named after.
fn corpus() -> Vec<(PathBuf, Parser, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let files = PARSERS.iter().flat_map(|(name, parse)| {
        let files = std::fs::read_dir(folder.join(name)).unwrap().map(|file| file.unwrap().path());
        files.map(|file| (file.clone(), *parse, std::fs::read(file).unwrap())).collect::<Vec<_>>()
    });
    files.collect()
}

#[test]
fn the_corpus_is_read() {
    for (file, parse, bytes) in corpus() {
        assert!(parse(&bytes), "{}", file.display());
    }
}

#[test]
fn truncated_and_mangled_corpora_do_no_harm() {
    for (_, parse, bytes) in corpus() {
        for at in 0..bytes.len() {
            parse(&bytes[..at]);
            let mut mangled = bytes.clone();
            mangled[at] ^= 0x15;
            parse(&mangled);
        }
    }
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
