//! Deep concealment with both sides of a gap in view, and without its early fading.
//!
//! libopus conceals speech by a network (FARGAN) that makes sound from features, 20 numbers each
//! 10 ms, which another network predicts from what came before the gap; DRED gives it true ones. It
//! has no call for features from anywhere else. They are put where DRED's would be (`plc_state.rs`).

use super::plc_state::{
    CONCEALING, FEATURES, Features, GIVEN, GIVEN_READ, GIVEN_SKIPPED, HEARD_FRAMES, LOSSES,
    NETWORK, NETWORK_WORDS,
};
use super::scout::{SCOUT, follow};
use super::{RawDecoder, Sample};
use crate::opus::Error;

/// So many of the features are the spectrum's shape and loudness; then come the pitch and how sure
/// it is.
const SPECTRUM: usize = 18;

/// The most that is concealed with the other side in view: what both ends lie further apart from
/// than this, neither knows.
const MOST_FRAMES: usize = 8;

/// Frames of 10 ms in the packet behind the gap: its first lies partly in what was made up, and what
/// comes before the gap has to be remembered, too.
const FRAMES_BEHIND: std::ops::RangeInclusive<usize> = 2..=6;

impl RawDecoder {
    /// Conceals 10 ms, into `out`, as loud as it began, `held` (0 to 1) of the spectrum as in the
    /// 10 ms before and the rest as it is predicted.
    pub(in crate::opus) fn prolong<T: Sample>(
        &mut self,
        held: f32,
        out: &mut [T],
    ) -> Result<usize, Error> {
        let Some(deep) = self.deep() else {
            return self.decode(None, out, false);
        };
        deep[LOSSES] = 0;
        if held <= 0.0 || deep[CONCEALING] == 0 {
            return self.decode(None, out, false);
        }
        SCOUT.with_borrow_mut(|scout| {
            let copy = follow(&mut scout.decoder, self)?;
            scout.pcm.resize(out.len(), 0.0);
            copy.decode(None, &mut scout.pcm, false)?;
            let (Some(predicted), Some(deep)) = (copy.deep(), self.deep()) else {
                return self.decode(None, out, false);
            };
            deep.copy_within(LOSSES - FEATURES..LOSSES, 0);
            let predicted_features = &predicted[LOSSES - FEATURES..LOSSES];
            for (n, (word, predicted)) in deep.iter_mut().zip(predicted_features).enumerate() {
                let held = if n < SPECTRUM { held } else { 0.0 };
                let (before, predicted) = (f32::from_bits(*word), f32::from_bits(*predicted));
                *word = (predicted + (before - predicted) * held).to_bits();
            }
            give(deep, 1);
            let done = self.decode(None, out, false);
            if let Some(deep) = self.deep() {
                give(deep, 0);
                // What comes next is predicted from predictions: what is given counts as heard.
                let network = NETWORK..NETWORK + NETWORK_WORDS;
                deep[network.clone()].copy_from_slice(&predicted[network]);
            }
            done
        })
    }

    /// Prepares the concealment of `frames` of 10 ms that the packet `next`, of `frames_behind` such
    /// frames, follows; false where that is not possible. After the concealment comes
    /// [`Self::unguide`].
    pub(in crate::opus) fn guide(
        &mut self,
        frames: usize,
        frame_samples: usize,
        next: &[u8],
        frames_behind: usize,
    ) -> Result<bool, Error> {
        if !(1..=MOST_FRAMES).contains(&frames) || !FRAMES_BEHIND.contains(&frames_behind) {
            return Ok(false);
        }
        let Some(deep) = self.deep() else {
            return Ok(false);
        };
        let concealing = deep[CONCEALING] != 0;
        let queued = &deep[LOSSES - FEATURES..LOSSES];
        let queued: Features = std::array::from_fn(|n| f32::from_bits(queued[n]));
        let analysed = SCOUT.with_borrow_mut(|scout| {
            scout.look_ahead(
                self,
                (frames + frames_behind) * frame_samples,
                frames * frame_samples,
                next,
            )
        })?;
        let Some(analysed) = analysed else {
            return Ok(false);
        };
        // A frame's features are of it and the one before it. The network wants those of the two
        // frames after the one that it makes; in the beginning also those of both up to there.
        let gap = HEARD_FRAMES - frames_behind - frames;
        let known = gap + frames + 1;
        let (before, from) = match concealing {
            true => (queued, gap + 1),
            false => (analysed[gap - 1], gap - 1),
        };
        let behind = analysed[known];
        let Some(deep) = self.deep() else {
            return Ok(false);
        };
        let count = known - from;
        for n in 1..=count {
            let share = n as f32 / count as f32;
            let place = &mut deep[(n - 1) * FEATURES..n * FEATURES];
            for ((word, before), behind) in place.iter_mut().zip(before).zip(behind) {
                *word = (before + (behind - before) * share).to_bits();
            }
        }
        give(deep, u32::try_from(count).unwrap_or(0));
        Ok(true)
    }

    /// Forgets what [`Self::guide`] gave and concealment did not need.
    pub(in crate::opus) fn unguide(&mut self) {
        if let Some(deep) = self.deep() {
            give(deep, 0);
        }
    }
}

/// Says how many features lie in the beginning, to be used.
fn give(deep: &mut [u32], count: u32) {
    (deep[GIVEN_READ], deep[GIVEN], deep[GIVEN_SKIPPED]) = (0, count, 0);
}

#[cfg(test)]
mod tests {
    use super::super::Control;
    use super::super::plc_state::FRAME;
    use super::super::voiced;
    use super::*;
    use crate::opus::Layout;

    fn decoder(complexity: i32) -> Result<RawDecoder, Error> {
        let mut decoder = RawDecoder::new(16_000, &Layout::single(1)?)?;
        decoder.set(Control::COMPLEXITY, complexity)?;
        for packet in &voiced::packets(12, false)?[..10] {
            decoder.decode(Some(packet), &mut [0_i16; 320], false)?;
        }
        Ok(decoder)
    }

    fn bits(decoder: &mut RawDecoder, at: usize, count: usize) -> Vec<u32> {
        decoder.deep().unwrap()[at..at + count].to_vec()
    }

    #[test]
    fn its_parts_are_where_they_are_taken_to_be() -> Result<(), Error> {
        let mut decoder = decoder(5)?;
        assert_eq!(bits(&mut decoder, CONCEALING, 1), [0]);
        let mut pcm = [0_i16; 160];
        for losses in 1..=4 {
            decoder.decode(None, &mut pcm, false)?;
            assert_eq!(bits(&mut decoder, LOSSES, 1), [losses]);
            assert_eq!(bits(&mut decoder, CONCEALING, 1), [1]);
        }
        // The last features are the ones that the last 10 ms were made from, but for their padding.
        let last = bits(&mut decoder, CONCEALING + 1, FEATURES);
        assert_eq!(bits(&mut decoder, LOSSES - FEATURES, FEATURES), last);
        // What is remembered is what was made up; libopus gives it 13 samples later.
        let heard = bits(&mut decoder, CONCEALING - FRAME, FRAME);
        let heard: Vec<i16> = heard
            .iter()
            .map(|word| (f32::from_bits(*word) * 32_768.0) as i16)
            .collect();
        assert!(pcm.iter().any(|sample| *sample != 0));
        assert!((0..32).any(|late| pcm[late..] == heard[..FRAME - late]));
        Ok(())
    }

    #[test]
    fn the_network_that_predicts_is_where_it_is_taken_to_be() -> Result<(), Error> {
        let mut decoder = decoder(5)?;
        let mut pcm = [0_i16; 160];
        decoder.decode(None, &mut pcm, false)?;
        let networks = |decoder: &mut RawDecoder| {
            [0, 1, 2].map(|n| bits(decoder, NETWORK + n * NETWORK_WORDS, NETWORK_WORDS))
        };
        let [before, _, older] = networks(&mut decoder);
        let mut prolonged = decoder.clone();
        decoder.decode(None, &mut pcm, false)?;
        // Behind it are the last two that it was, which libopus puts there before each prediction.
        let [now, oldest, last] = networks(&mut decoder);
        assert_eq!((&last, oldest), (&before, older));
        assert_ne!(now, before);
        // All of it is what such a network remembers, numbers from -1 to 1.
        let each = now.iter().map(|word| f32::from_bits(*word));
        assert!(each.clone().all(|value| value.abs() <= 1.0));
        assert!(each.filter(|value| value.abs() > 1e-3).count() > NETWORK_WORDS / 2);
        // What sound is made from is held; what comes next is predicted as if it were not.
        prolonged.prolong(0.5, &mut pcm)?;
        assert_eq!(networks(&mut prolonged)[0], now);
        let features = |decoder: &mut RawDecoder| bits(decoder, LOSSES - FEATURES, FEATURES);
        assert_ne!(features(&mut prolonged), features(&mut decoder));
        Ok(())
    }

    #[test]
    fn what_is_given_is_what_sound_is_made_from_and_no_more() -> Result<(), Error> {
        let packets = voiced::packets(12, false)?;
        let mut guided = decoder(5)?;
        assert!(guided.guide(1, 160, &packets[11], 2)?);
        let given = bits(&mut guided, GIVEN_READ, 3);
        assert_eq!(given, [0, 3, 0]);
        let last = bits(&mut guided, 2 * FEATURES, FEATURES);
        let mut pcm = [0_i16; 160];
        guided.decode(None, &mut pcm, false)?;
        assert_eq!(bits(&mut guided, LOSSES - FEATURES, FEATURES), last);
        guided.unguide();
        assert_eq!(bits(&mut guided, GIVEN_READ, 3), [0, 0, 0]);
        let mut plain = decoder(5)?;
        let mut other = [0_i16; 160];
        plain.decode(None, &mut other, false)?;
        assert_ne!(pcm, other);
        // Under way one more is wanted for each 10 ms.
        assert!(guided.guide(2, 160, &packets[11], 2)?);
        assert_eq!(bits(&mut guided, GIVEN_READ, 3), [0, 2, 0]);
        Ok(())
    }

    #[test]
    fn without_networks_nothing_is_done() -> Result<(), Error> {
        let mut decoder = decoder(4)?;
        assert!(!decoder.guide(1, 160, &voiced::packets(12, false)?[11], 2)?);
        decoder.unguide();
        Ok(())
    }

    #[test]
    fn what_is_sustained_does_not_fade() -> Result<(), Error> {
        let power = |sustained: bool| -> Result<i64, Error> {
            let (mut decoder, mut pcm) = (decoder(5)?, [0_i16; 160]);
            for _ in 0..20 {
                match sustained {
                    true => decoder.prolong(0.8, &mut pcm)?,
                    false => decoder.decode(None, &mut pcm, false)?,
                };
            }
            Ok(pcm.iter().map(|x| i64::from(*x).pow(2)).sum())
        };
        assert!(power(true)? > 100 * power(false)?.max(1));
        Ok(())
    }
}
