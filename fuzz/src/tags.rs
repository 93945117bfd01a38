//! Invariant of OpusHead and OpusTags: what is read, is written as bytes from which the same is read;
//! nothing is longer than the packet from which it came.

use opuscule_core::ogg::opus::{Head, Tags};

/// `data` is a header packet of either kind; their magic words tell them apart.
pub fn check(data: &[u8]) {
    if let Ok(head) = Head::parse(data) {
        assert_eq!(head.check(), Ok(()));
        assert_eq!(Head::parse(&head.build()), Ok(head));
    }
    if let Ok(tags) = Tags::parse(data) {
        let bytes = tags.vendor.len() + tags.comments.iter().map(|c| c.len() + 4).sum::<usize>();
        assert!(bytes + 16 <= data.len());
        assert_eq!(Tags::parse(&tags.build()), Ok(tags));
    }
}
