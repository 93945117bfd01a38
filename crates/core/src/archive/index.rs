//! Which packets hold which samples, and where their bytes are.
//!
//! Theory of operation. Stored are the packets' lengths, what they decode to where that differs, and
//! the gaps between them; media time and byte offsets are sums of those. Sums of every 64th packet
//! are kept, so that a look-up adds up a few numbers and a search over all of them needs no more
//! than twenty look-ups.

use super::packed;

const ANCHOR: usize = 64;

/// Unit in which durations are stored, in 48 kHz samples: 2.5 ms (RFC 6716 §3.1).
pub const DURATION_UNIT: u32 = 120;

/// Longest packet in 48 kHz samples: 120 ms.
const MAX_DURATION: u32 = 5760;

/// Bytes of a stored gap.
pub const GAP_BYTES: usize = 32;

const MAX_TIME: u64 = 1 << 62;

/// Media time without packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The packet that it comes before; the count of packets for one at the end.
    pub before: usize,
    /// Where it begins, in media time.
    pub start: u64,
    /// How long it is, in 48 kHz samples.
    pub duration: u64,
    /// Its kind as stored: 1 lost, 2 unsent, 3 discontinuity.
    pub kind: u8,
}

/// How an index is stored: the lengths of its sections, in their order.
#[derive(Debug, Clone, Copy)]
pub struct Sections {
    /// How many packets there are.
    pub packets: usize,
    /// Bytes of the packed lengths.
    pub lengths_bytes: usize,
    /// Bytes of the packed durations; 0 if all are the same.
    pub durations_bytes: usize,
    /// How many gaps there are.
    pub gaps: usize,
}

enum Durations {
    Same(u64),
    /// In [`DURATION_UNIT`]s, and the sums before every [`ANCHOR`]th packet in samples.
    Each(Vec<u8>, Vec<u64>),
}

/// An index, checked and ready to be asked.
pub struct Index {
    lengths: Vec<u16>,
    offsets: Vec<u64>,
    durations: Durations,
    gaps: Vec<Gap>,
    /// Sum of the durations of the gaps before each, and of all.
    missing: Vec<u64>,
    payload_bytes: u64,
}

impl Index {
    /// Reads an index; `packet_samples` is what every packet decodes to, where that is the same.
    ///
    /// # Errors
    /// What contradicts what, in words.
    pub fn parse(
        data: &[u8],
        sections: Sections,
        packet_samples: Option<u32>,
        payload_bytes: u64,
    ) -> Result<Self, String> {
        let wrong_size = || {
            format!(
                "it has {} bytes; its sections want {sections:?}",
                data.len()
            )
        };
        let (lengths, rest) = data
            .split_at_checked(sections.lengths_bytes)
            .ok_or_else(wrong_size)?;
        let (durations, gaps) = rest
            .split_at_checked(sections.durations_bytes)
            .ok_or_else(wrong_size)?;
        if Some(gaps.len()) != sections.gaps.checked_mul(GAP_BYTES) {
            return Err(wrong_size());
        }
        let lengths = packed::unpack(lengths, sections.packets)
            .ok_or("the packets' lengths cannot be unpacked")?;
        let offsets = sums(&lengths, payload_bytes)?;
        let durations = match packet_samples {
            Some(samples) if sections.durations_bytes == 0 => Durations::Same(samples.into()),
            None => each(durations, sections.packets)?,
            Some(_) => return Err("there are durations, though all packets' are the same".into()),
        };
        let mut index = Self {
            lengths,
            offsets,
            durations,
            gaps: Vec::with_capacity(sections.gaps),
            missing: Vec::with_capacity(sections.gaps + 1),
            payload_bytes,
        };
        index.add_gaps(gaps)?;
        Ok(index)
    }

    fn add_gaps(&mut self, data: &[u8]) -> Result<(), String> {
        let (rows, _) = data.as_chunks::<GAP_BYTES>();
        let (mut missing, mut last) = (0_u64, 0);
        self.missing.push(0);
        for row in rows {
            let (values, _) = row.as_chunks::<8>();
            let [before, start, duration, kind] =
                [0, 1, 2, 3].map(|n| u64::from_le_bytes(values[n]));
            if !(1..=3).contains(&kind) {
                return Err(format!("a gap is of the unknown kind {kind}"));
            }
            let place = usize::try_from(before).unwrap_or(usize::MAX);
            let time = self.decoded_before(place.min(self.len())) + missing;
            if !(last..=self.len()).contains(&place)
                || start != time
                || !(1..MAX_TIME - time.min(MAX_TIME - 1)).contains(&duration)
            {
                return Err(format!(
                    "a gap of {duration} samples from {start}, before packet {before}, is out of \
                     place: expected a positive one before packets {last} to {}, from sample {time}",
                    self.len()
                ));
            }
            missing += duration;
            last = place;
            self.missing.push(missing);
            self.gaps.push(Gap {
                before: place,
                start,
                duration,
                // 1 to 3.
                kind: kind.to_le_bytes()[0],
            });
        }
        Ok(())
    }

    /// How many packets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Bytes of each packet.
    #[must_use]
    pub fn lengths(&self) -> &[u16] {
        &self.lengths
    }

    /// All gaps, in order.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// The gaps before packets `[first, stop)`.
    #[must_use]
    pub fn gaps_before(&self, first: usize, stop: usize) -> &[Gap] {
        let low = self.gaps.partition_point(|gap| gap.before < first);
        let high = self.gaps.partition_point(|gap| gap.before < stop);
        &self.gaps[low..high.max(low)]
    }

    /// What a packet decodes to, in 48 kHz samples; 0 for a packet that is not there.
    #[must_use]
    pub fn duration(&self, packet: usize) -> u32 {
        match &self.durations {
            Durations::Same(samples) => u32::try_from(*samples).unwrap_or(0),
            Durations::Each(units, _) => units
                .get(packet)
                .map_or(0, |&unit| u32::from(unit) * DURATION_UNIT),
        }
    }

    fn decoded_before(&self, packet: usize) -> u64 {
        match &self.durations {
            Durations::Same(samples) => samples * packet as u64,
            Durations::Each(units, sums) => {
                let block = packet / ANCHOR;
                let few: u32 = units[block * ANCHOR..packet]
                    .iter()
                    .copied()
                    .map(u32::from)
                    .sum();
                sums[block] + u64::from(few * DURATION_UNIT)
            }
        }
    }

    /// Media time of the gaps before a packet, or of the packet if there are none. `packet` may be
    /// one past the last.
    #[must_use]
    pub fn start(&self, packet: usize) -> u64 {
        let gaps = self.gaps.partition_point(|gap| gap.before < packet);
        self.decoded_before(packet) + self.missing[gaps]
    }

    /// Media time of a packet, behind the gaps before it.
    #[must_use]
    pub fn packet_start(&self, packet: usize) -> u64 {
        let gaps = self.gaps.partition_point(|gap| gap.before <= packet);
        self.decoded_before(packet) + self.missing[gaps]
    }

    /// The last packet that begins at or before a media time; the first if none does.
    #[must_use]
    pub fn locate(&self, time: u64) -> usize {
        last_within(self.len(), |packet| self.packet_start(packet) <= time)
    }

    /// The packet that holds a byte of the payload.
    #[must_use]
    pub fn packet_at(&self, byte: u64) -> usize {
        last_within(self.len(), |packet| self.byte_offset(packet) <= byte)
    }

    /// Where a packet begins in the payload; one past the last gives the payload's end.
    #[must_use]
    pub fn byte_offset(&self, packet: usize) -> u64 {
        if packet >= self.len() {
            return self.payload_bytes;
        }
        let block = packet / ANCHOR;
        let few = self.lengths[block * ANCHOR..packet]
            .iter()
            .copied()
            .map(u32::from)
            .sum::<u32>();
        self.offsets[block] + u64::from(few)
    }
}

/// The last of `0..count` for which `holds` does, which does for none behind one for which it does
/// not; 0 if there is none.
fn last_within(count: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low.saturating_sub(1)
}

fn sums(lengths: &[u16], payload_bytes: u64) -> Result<Vec<u64>, String> {
    let mut sum = 0;
    let mut offsets = Vec::with_capacity(lengths.len().div_ceil(ANCHOR));
    for (number, block) in lengths.chunks(ANCHOR).enumerate() {
        if let Some(place) = block.iter().position(|&length| length == 0) {
            return Err(format!("packet {} has no bytes", number * ANCHOR + place));
        }
        offsets.push(sum);
        sum += block.iter().copied().map(u64::from).sum::<u64>();
    }
    if sum == payload_bytes {
        return Ok(offsets);
    }
    Err(format!(
        "the packets' lengths add up to {sum} bytes; the payload has {payload_bytes}"
    ))
}

fn each(data: &[u8], count: usize) -> Result<Durations, String> {
    let values = packed::unpack(data, count).ok_or("the packets' durations cannot be unpacked")?;
    let mut units = Vec::with_capacity(count);
    let mut sums = Vec::with_capacity(count / ANCHOR + 1);
    let mut sum = 0;
    for (packet, value) in values.into_iter().enumerate() {
        if packet % ANCHOR == 0 {
            sums.push(sum);
        }
        let unit = u8::try_from(value).unwrap_or(0);
        if unit == 0 || u32::from(unit) * DURATION_UNIT > MAX_DURATION {
            return Err(format!(
                "packet {packet} lasts {value} times 2.5 ms; expected 1 to 48"
            ));
        }
        sum += u64::from(u32::from(unit) * DURATION_UNIT);
        units.push(unit);
    }
    if count.is_multiple_of(ANCHOR) {
        sums.push(sum);
    }
    Ok(Durations::Each(units, sums))
}
