//! The choice of means for a gap, through its public calls.

use crate::voice::{FRAME, cases, packets, packets_with_dred, packets_without_redundancy};
use opuscule_core::conceal::{Concealer, Later, MAX_PLC_MS, Missing, Origin};
use opuscule_core::opus::Decoder;
use proptest::prelude::*;

const BEFORE: usize = 20;

struct Filled {
    pieces: Vec<(usize, Origin)>,
    pcm: Vec<i16>,
}

impl Filled {
    fn samples(&self, origin: Origin) -> usize {
        let of_it = self.pieces.iter().filter(|(_, by)| *by == origin);
        of_it.map(|(samples, _)| samples).sum()
    }
}

/// Fills a gap of `gap` samples at 48 kHz after some packets, piece by piece.
fn fill(sent: &[Vec<u8>], missing: Missing, gap: usize, later: &[Later<'_>]) -> Filled {
    fill_by(Concealer::for_ear(5), sent, missing, gap, later)
}

fn fill_by(
    mut concealer: Concealer,
    sent: &[Vec<u8>],
    missing: Missing,
    gap: usize,
    later: &[Later<'_>],
) -> Filled {
    let mut decoder = Decoder::new(48_000, 1, 5).unwrap();
    let mut filled = Filled {
        pieces: Vec::new(),
        pcm: Vec::new(),
    };
    for packet in &sent[..BEFORE] {
        decoder.decode(packet, &mut filled.pcm).unwrap();
        concealer.on_received();
    }
    filled.pcm.clear();
    let mut done = 0;
    while done < gap {
        let at = (BEFORE * FRAME + done) as i64;
        let later = later.iter().copied();
        let (samples, origin) = concealer
            .fill(
                &mut decoder,
                missing,
                at,
                gap - done,
                later,
                &mut filled.pcm,
            )
            .unwrap();
        assert!((1..=gap - done).contains(&samples));
        done += samples;
        assert_eq!(filled.pcm.len(), done);
        filled.pieces.push((samples, origin));
    }
    filled
}

/// The packets from `first` on, where they belong.
fn from(sent: &[Vec<u8>], first: usize) -> Vec<Later<'_>> {
    let numbered = sent.iter().enumerate().skip(first);
    numbered
        .map(|(number, data)| ((number * FRAME) as i64, data.as_slice()))
        .collect()
}

#[test]
fn fec_fills_the_frame_before_a_packet_and_plc_the_rest() {
    let filled = fill(
        packets(),
        Missing::Lost,
        3 * FRAME,
        &from(packets(), BEFORE + 3),
    );
    assert_eq!(filled.pieces.last(), Some(&(FRAME, Origin::Fec)));
    assert_eq!(filled.samples(Origin::Plc), 2 * FRAME);
}

#[test]
fn deep_redundancy_fills_all_that_it_reaches() {
    let sent = packets_with_dred();
    let filled = fill(sent, Missing::Lost, 4 * FRAME, &from(sent, BEFORE + 4));
    assert_eq!(filled.samples(Origin::Dred), 4 * FRAME);
    // A gap that is longer than its reach begins with concealment.
    let filled = fill(sent, Missing::Lost, 25 * FRAME, &from(sent, BEFORE + 25));
    assert_eq!(filled.pieces[0].1, Origin::Plc);
    assert!(filled.samples(Origin::Dred) > 0);
    assert_eq!(filled.pieces.last().unwrap().1, Origin::Dred);
}

#[test]
fn a_short_gap_is_filled_from_both_sides_and_no_other() {
    let sent = packets_without_redundancy();
    let later = |first: usize| from(sent, first);
    for (frames, bridged) in [(1, true), (4, true), (5, false)] {
        let behind = fill(sent, Missing::Lost, frames * FRAME, &later(BEFORE + frames));
        let alone = fill(sent, Missing::Lost, frames * FRAME, &[]);
        assert_eq!(behind.samples(Origin::Plc), frames * FRAME);
        // What is longer begins with what came before alone.
        assert_eq!(
            behind.pcm[..480] != alone.pcm[..480],
            bridged,
            "{frames} frames"
        );
        assert_ne!(behind.pcm, alone.pcm);
    }
}

#[test]
fn for_an_archive_a_gap_is_concealed_as_libopus_does() {
    let sent = packets_without_redundancy();
    let mut decoder = Decoder::new(48_000, 1, 5).unwrap();
    let mut by_hand = Vec::<i16>::new();
    for packet in &sent[..BEFORE] {
        decoder.decode(packet, &mut by_hand).unwrap();
    }
    by_hand.clear();
    for _ in 0..3 {
        decoder.conceal(FRAME, &mut by_hand).unwrap();
    }
    let later = from(sent, BEFORE + 3);
    let filled = fill_by(Concealer::new(5), sent, Missing::Lost, 3 * FRAME, &later);
    assert_eq!(filled.pcm, by_hand);
}

#[test]
fn a_pause_is_no_loss_and_a_jump_is_silent() {
    for missing in [Missing::Unsent, Missing::Jump] {
        let filled = fill(packets(), missing, 5000, &from(packets(), BEFORE + 6));
        let noise = filled.samples(Origin::ComfortNoise);
        assert_eq!(noise + filled.samples(Origin::Silence), 5000);
        // What is left of 2.5 ms is none.
        assert_eq!(noise, if missing == Missing::Unsent { 4920 } else { 0 });
        if missing == Missing::Jump {
            assert!(filled.pcm.iter().all(|sample| *sample == 0));
        }
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn any_gap_is_filled_to_the_sample(
        gap in 1usize..40_000,
        missing in proptest::sample::select(vec![Missing::Lost, Missing::Unsent, Missing::Jump]),
        garbage in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..5),
        dred in any::<bool>(),
        real in any::<bool>(),
    ) {
        let sent = if dred { packets_with_dred() } else { packets() };
        let end = (BEFORE * FRAME + gap) as i64;
        let real = if real { &sent[BEFORE..] } else { &[] };
        let all = garbage.iter().chain(real).map(Vec::as_slice);
        let later: Vec<Later<'_>> = (0..).map(|n| end + n * FRAME as i64).zip(all).collect();
        let filled = fill(sent, missing, gap, &later);
        prop_assert_eq!(filled.pcm.len(), gap);
        prop_assert!(filled.samples(Origin::Plc) <= (MAX_PLC_MS * 48) as usize);
        prop_assert_eq!(filled.samples(Origin::Received), 0);
        if missing != Missing::Lost {
            let noise = filled.samples(Origin::ComfortNoise);
            prop_assert_eq!(noise + filled.samples(Origin::Silence), gap);
            prop_assert!(missing == Missing::Unsent || noise == 0);
        }
        // The same again: nothing in it depends on anything else.
        prop_assert_eq!(fill(sent, missing, gap, &later).pcm, filled.pcm);
    }
}
