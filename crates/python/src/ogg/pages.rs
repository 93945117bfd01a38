//! `_native.OggPages`: the pages of a file, for what has to look at a file as a whole.

use std::sync::Mutex;

use opuscule_core::ogg::page::{PageScanner, Scan};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::errors::enter;

/// Offset, length, serial number, page number, granule position, flags (1 continued, 2 first,
/// 4 last), packets that end on it, and how its body begins.
type PageTuple<'py> = (u64, usize, u32, u32, i64, u8, usize, Bound<'py, PyBytes>);

struct Scanning {
    scanner: PageScanner,
    at: u64,
}

/// Finds the sound pages in bytes that come in pieces.
#[pyclass(frozen, module = "opuscule._native")]
pub(super) struct OggPages(Mutex<Scanning>);

#[pymethods]
impl OggPages {
    #[new]
    #[pyo3(signature = (offset_bytes=0))]
    fn new(offset_bytes: u64) -> Self {
        Self(Mutex::new(Scanning {
            scanner: PageScanner::default(),
            at: offset_bytes,
        }))
    }

    /// The pages that these bytes complete; no bytes say that there are no more.
    fn feed<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let mut state = enter(&self.0)?;
        let Scanning { scanner, at } = &mut *state;
        if data.is_empty() {
            scanner.finish();
        } else {
            scanner.push(data);
        }
        let mut pages: Vec<PageTuple<'py>> = Vec::new();
        while let Some(scan) = scanner.next() {
            let page = match scan {
                Scan::Page(page) => page,
                Scan::Skipped(bytes) => {
                    *at += bytes;
                    continue;
                }
            };
            let header = page.header;
            let flag = |set: bool, bit: u8| if set { bit } else { 0 };
            let flags = flag(header.continued, 1) | flag(header.first, 2) | flag(header.last, 4);
            let ends = page.lacing.iter().filter(|&&value| value < 255).count();
            let begin = &page.body[..page.body.len().min(8)];
            pages.push((
                *at,
                page.len_bytes(),
                header.serial,
                header.sequence,
                header.granule,
                flags,
                ends,
                PyBytes::new(py, begin),
            ));
            *at += page.len_bytes() as u64;
        }
        PyList::new(py, pages)
    }

    /// A page without the beginning of a packet that ends on a later one, and not marked as the last;
    /// nothing if that leaves no packet.
    #[staticmethod]
    fn whole_packets<'py>(py: Python<'py>, page: &[u8]) -> Option<Bound<'py, PyBytes>> {
        let mut scanner = PageScanner::default();
        scanner.push(page);
        match scanner.next() {
            Some(Scan::Page(page)) => {
                let bytes = page.with_whole_packets()?;
                Some(PyBytes::new(py, &bytes))
            }
            _ => None,
        }
    }
}
