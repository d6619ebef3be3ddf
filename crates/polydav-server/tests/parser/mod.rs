//! What follows the bytes of a connection, as a function of bytes. The tests and the fuzz target
//! share it.

use polydav_server::framing::{Framing, Position};

/// Whether the input was taken for HTTP to its end.
pub(crate) type Parser = fn(&[u8]) -> bool;

/// A parser for each folder of the corpus.
pub(crate) const PARSERS: [(&str, Parser); 1] = [("framing", framing)];

/// However the bytes come in, the same becomes of them; and little does.
fn framing(bytes: &[u8]) -> bool {
    let (mut whole, mut single) = (Framing::default(), Framing::default());
    let (mut passed, mut one_by_one) = (bytes.to_vec(), bytes.to_vec());
    whole.follow(&mut passed);
    one_by_one.chunks_mut(1).for_each(|byte| single.follow(byte));
    assert_eq!(passed, one_by_one);
    assert_eq!((whole.position(), whole.heads()), (single.position(), single.heads()));
    let kept = bytes.iter().zip(&passed).take_while(|(_, passed)| **passed != 0);
    for (before, after) in kept {
        assert!(before == after || (*before, *after) == (b'#', b'\\'));
    }
    whole.position() != Position::Broken
}
