//! The choice of means for audio that is missing.
//!
//! A gap is filled piece by piece, oldest first, with whatever later packets are at hand: in-band
//! FEC for the frame just before a packet, deep redundancy (DRED) for as far back as it reaches,
//! libopus's own concealment (PLC) for the rest, and silence once concealment has nothing left to
//! say. Playout and extraction share this choice of means; what an ear is to hear is concealed better
//! ([`Concealer::for_ear`]) than what has to equal a sequential decode.

mod sustain;

use std::collections::BTreeMap;

use crate::MEDIA_RATE;
use crate::opus::{Decode, Dred, Error};

/// What a sample was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Its own packet.
    Received,
    /// In-band FEC of the packet after it.
    Fec,
    /// Deep redundancy of a later packet.
    Dred,
    /// libopus's concealment, from what came before.
    Plc,
    /// Noise like the background: in a pause that was not sent, and behind concealment that has faded.
    ComfortNoise,
    /// Nothing.
    Silence,
}

/// Why media time is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Packets were sent and are not there.
    Lost,
    /// The sender left a pause out (DTX): comfort noise, not concealment.
    Unsent,
    /// The sender's source jumped.
    Jump,
}

/// Concealment fades out by itself; after this long, plain silence is as good and costs nothing.
pub const MAX_PLC_MS: u32 = 500;

/// The longest gap that is filled in one call; more would be memory spent on silence.
pub const MAX_GAP_S: u32 = 60;

/// The piece in which gaps are filled: short enough that a packet that still comes is not missed by
/// much, and the frame length that libopus conceals best.
const PIECE_MS: u32 = 20;

/// Below this decoder complexity libopus does not rebuild from DRED.
const DRED_COMPLEXITY: u8 = 5;

/// A packet that lies after the gap: its media time and its bytes.
pub type Later<'a> = (i64, &'a [u8]);

/// Fills gaps for one decoder; `R` holds a packet's deep redundancy.
pub struct Concealer<R = Dred> {
    /// Made when first needed: most recordings miss nothing, and it is as large as a decoder.
    dred: Option<R>,
    uses_dred: bool,
    /// Media time of the packet whose redundancy `dred` holds now.
    parsed: Option<i64>,
    /// How far back each later packet reaches, in samples, by its media time.
    reach: BTreeMap<i64, usize>,
    plc_samples: usize,
    /// Speech is sustained, and bridged from both sides of a gap ([`Self::for_ear`]).
    sustains: bool,
    /// Asked of [`Self::fill_lost`] and not filled yet: less than 2.5 ms.
    carried: usize,
}

impl<R> Concealer<R> {
    /// For a decoder of this complexity.
    #[must_use]
    pub fn new(complexity: u8) -> Self {
        Self {
            dred: None,
            uses_dred: complexity >= DRED_COMPLEXITY,
            parsed: None,
            reach: BTreeMap::new(),
            plc_samples: 0,
            sustains: false,
            carried: 0,
        }
    }

    /// One that conceals speech better than libopus by itself. What it makes depends on more of what
    /// came before than a decoder's converged state tells, and so extraction from the middle of a
    /// recording, which must be exact, and what it is compared with do without it.
    #[must_use]
    pub fn for_ear(complexity: u8) -> Self {
        Self {
            sustains: true,
            ..Self::new(complexity)
        }
    }

    /// Says that its decoder is of this complexity from here on.
    pub fn set_complexity(&mut self, complexity: u8) {
        self.uses_dred = complexity >= DRED_COMPLEXITY;
    }

    /// One for another decoder that goes on from the same place, or at another complexity.
    #[must_use]
    pub fn continued(&self, complexity: u8) -> Self {
        Self {
            plc_samples: self.plc_samples,
            carried: self.carried,
            ..Self::new(complexity)
        }
    }

    /// Samples that [`Self::fill_lost`] still owes: less than 2.5 ms, added to its next gap.
    #[must_use]
    pub fn carried_samples(&self) -> usize {
        self.carried
    }

    /// Says that a packet was decoded, so that the next gap is a new one.
    pub fn on_received(&mut self) {
        self.plc_samples = 0;
        self.forget_packets();
    }

    fn forget_packets(&mut self) {
        if !self.reach.is_empty() {
            self.reach.clear();
            self.parsed = None;
        }
    }

    /// Fills a whole gap of lost packets up to where `following` begin, appending to `out`.
    ///
    /// `missing` is in samples at the decoder's rate; libopus conceals multiples of 2.5 ms, so a
    /// remainder is left for the next gap. `following` are the packets behind the gap, with none
    /// missing between them. Returns what the samples were made from, oldest first.
    ///
    /// # Errors
    /// [`Error::Argument`] when the gap is longer than [`MAX_GAP_S`], [`Error::Packet`] when one of
    /// `following` that could be of use is no packet; nothing is changed then.
    pub fn fill_lost<T: Copy + Default, D: Decode<T, Dred = R>>(
        &mut self,
        decoder: &mut D,
        missing: usize,
        following: &[&[u8]],
        out: &mut Vec<T>,
    ) -> Result<Vec<(usize, Origin)>, Error> {
        if missing > (decoder.rate() * MAX_GAP_S) as usize {
            return Err(Error::argument(format!(
                "{missing} samples are to be concealed; at most {MAX_GAP_S} s ({}) are: beyond \
                 that write silence, or begin a new stream",
                decoder.rate() * MAX_GAP_S
            )));
        }
        let wanted = self.carried + missing;
        let carried = wanted % (decoder.rate() / 400) as usize;
        let total = wanted - carried;
        let scale = (MEDIA_RATE / decoder.rate()) as usize;
        let later = place(decoder, following, total * scale)?;
        // Each call counts time anew, so that packets of the last one would be taken for others.
        self.forget_packets();
        let mut spans: Vec<(usize, Origin)> = Vec::new();
        let mut filled = 0;
        while filled < total {
            let at = (filled * scale) as i64;
            let packets = later.iter().copied();
            let (samples, origin) =
                self.fill(decoder, Missing::Lost, at, total - filled, packets, out)?;
            filled += samples;
            match spans.last_mut() {
                Some((length, last)) if *last == origin => *length += samples,
                _ => spans.push((samples, origin)),
            }
        }
        self.carried = carried;
        Ok(spans)
    }

    /// Fills the next piece of a gap that begins at media time `at`, appending to `out`.
    ///
    /// `gap` is what is missing, in samples at the decoder's rate; `later` are the packets at hand
    /// after it, in order, the first of them where the gap ends (none when nothing has come yet).
    /// Returns the samples appended, 1 to `gap`, and what they were made from.
    ///
    /// # Errors
    /// [`Error::Codec`] should libopus refuse.
    pub fn fill<'a, T: Copy + Default, D: Decode<T, Dred = R>>(
        &mut self,
        decoder: &mut D,
        missing: Missing,
        at: i64,
        gap: usize,
        later: impl Iterator<Item = Later<'a>> + Clone,
        out: &mut Vec<T>,
    ) -> Result<(usize, Origin), Error> {
        let unit = (decoder.rate() / 400) as usize;
        let mut room = gap.min((decoder.rate() / 1000 * PIECE_MS) as usize);
        let end = at + gap as i64 * i64::from(MEDIA_RATE / decoder.rate());
        let mut bridged = None;
        // FEC is of the frame that ends where its packet begins, and of no other.
        if missing == Missing::Lost
            && let Some((time, next)) = later.clone().next()
            && time == end
        {
            let fec = decoder.fec_samples(next);
            if fec > 0 && gap <= fec {
                return self.fill_fec(decoder, next, gap, out);
            }
            // FEC covers whole frames only: leave exactly its frame for it.
            room = room.min(gap - fec);
            bridged = Some(next).filter(|_| fec == 0 && self.bridges(decoder, gap));
        }
        let whole = room - room % unit;
        if whole == 0 {
            // Time that is no multiple of 2.5 ms cannot be concealed by libopus.
            return Ok(silence(decoder, room, out));
        }
        if missing == Missing::Jump {
            return Ok(silence(decoder, whole, out));
        }
        if missing == Missing::Lost
            && let Some(offset) = self.find_dred(decoder, at, whole, later)?
        {
            let dred = self.dred.as_ref().ok_or_else(no_dred)?;
            decoder.decode_dred(dred, offset, whole, out)?;
            return Ok((whole, Origin::Dred));
        }
        if self.plc_samples >= (decoder.rate() / 1000 * MAX_PLC_MS) as usize {
            return Ok(silence(decoder, whole, out));
        }
        if let Some(next) = bridged {
            decoder.conceal_towards(gap, next, out)?;
            self.plc_samples += gap;
            return Ok((gap, Origin::Plc));
        }
        if missing == Missing::Lost {
            self.conceal(decoder, whole, out)?;
            return Ok((whole, Origin::Plc));
        }
        decoder.conceal(whole, out)?;
        self.plc_samples += whole;
        Ok((whole, Origin::ComfortNoise))
    }

    fn fill_fec<T, D: Decode<T, Dred = R>>(
        &mut self,
        decoder: &mut D,
        next: &[u8],
        gap: usize,
        out: &mut Vec<T>,
    ) -> Result<(usize, Origin), Error> {
        let before = out.len();
        let samples = decoder.decode_fec(next, out)?;
        // The frame may have been concealed in part before `next` came: keep its end.
        let surplus = samples.saturating_sub(gap) * decoder.channels();
        out.drain(before..before + surplus);
        Ok((gap, Origin::Fec))
    }

    /// The offset at which a later packet's redundancy covers `samples` from media time `at`.
    fn find_dred<'a, T, D: Decode<T, Dred = R>>(
        &mut self,
        decoder: &D,
        at: i64,
        samples: usize,
        later: impl Iterator<Item = Later<'a>>,
    ) -> Result<Option<usize>, Error> {
        if !self.uses_dred {
            return Ok(None);
        }
        // Those behind are of no use any more, should no packet ever decode.
        while self
            .reach
            .first_key_value()
            .is_some_and(|(time, _)| *time < at)
        {
            self.reach.pop_first();
        }
        let scale = i64::from(MEDIA_RATE / decoder.rate());
        let furthest = at + i64::from(MEDIA_RATE / 1000 * Dred::MAX_REACH_MS);
        for (time, packet) in later.take_while(|(time, _)| *time <= furthest) {
            let Ok(offset) = usize::try_from((time - at) / scale) else {
                return Ok(None);
            };
            let mut reach = self.reach.get(&time).copied();
            if reach.is_none() || (reach >= Some(offset) && self.parsed != Some(time)) {
                let dred = match &mut self.dred {
                    Some(dred) => dred,
                    none => none.insert(decoder.new_dred()?),
                };
                reach = Some(decoder.parse_dred(dred, packet));
                self.parsed = Some(time);
                self.reach.insert(time, reach.unwrap_or(0));
            }
            if reach >= Some(offset) && offset >= samples {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }
}

/// Gives packets behind a gap their media times, as far as redundancy can reach back to it.
fn place<'a, T, D: Decode<T>>(
    decoder: &D,
    following: &[&'a [u8]],
    first: usize,
) -> Result<Vec<Later<'a>>, Error> {
    let scale = i64::from(MEDIA_RATE / decoder.rate());
    let mut time = first as i64;
    let furthest = time + i64::from(MEDIA_RATE / 1000 * Dred::MAX_REACH_MS);
    let mut placed = Vec::new();
    for (index, packet) in following.iter().enumerate() {
        if time > furthest {
            break;
        }
        let samples = decoder.check_packet(packet).map_err(|error| match error {
            Error::Packet(text) => Error::Packet(format!("packet {index} after the gap: {text}")),
            other => other,
        })?;
        placed.push((time, *packet));
        time += samples as i64 * scale;
    }
    Ok(placed)
}

fn no_dred() -> Error {
    Error::Codec("no DRED decoder at this complexity".into())
}

fn silence<T: Copy + Default, D: Decode<T>>(
    decoder: &D,
    samples: usize,
    out: &mut Vec<T>,
) -> (usize, Origin) {
    out.resize(out.len() + samples * decoder.channels(), T::default());
    (samples, Origin::Silence)
}
