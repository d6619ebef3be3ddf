//! A million responses, written and read at once, in memory that does not grow.
#![allow(clippy::unwrap_used)]
#![allow(unsafe_code)] // a counting allocator can't be written without

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use multistatus::{Reader, Report, Trailer, Writer};

struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it hands everything through to the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(used, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Writes responses when they are asked for.
struct Generator {
    writer: Option<Writer<Vec<u8>>>,
    chunk: std::io::Cursor<Vec<u8>>,
    left: u32,
}

impl Read for Generator {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.chunk.position() == self.chunk.get_ref().len() as u64 {
            let mut bytes = Vec::new();
            if let Some(writer) = &mut self.writer {
                for _ in 0..self.left.min(100) {
                    self.left -= 1;
                    let href = format!("/folder/{}", self.left);
                    writer.status(&href, StatusCode::LOCKED).unwrap();
                }
                bytes = std::mem::take(writer.get_mut());
            }
            if self.left == 0
                && let Some(writer) = self.writer.take()
            {
                bytes.extend(writer.finish(&Trailer::default()).unwrap());
            }
            self.chunk = std::io::Cursor::new(bytes);
        }
        self.chunk.read(out)
    }
}

#[test]
fn a_million_responses_in_constant_memory() {
    const COUNT: u32 = 1_000_000;
    let writer = Some(Writer::new(Vec::new()).unwrap());
    let source = Generator { writer, chunk: std::io::Cursor::default(), left: COUNT };
    let mut reader = Reader::new(BufReader::new(source));
    let before = USED.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let mut count = 0;
    while let Some(response) = reader.read().unwrap() {
        count += 1;
        assert_eq!(response.report, Report::Status(StatusCode::LOCKED));
    }
    reader.finish().unwrap();
    let taken = PEAK.load(Ordering::Relaxed) - before;
    assert_eq!(count, COUNT);
    assert!(taken < 100_000, "{taken} bytes");
}
