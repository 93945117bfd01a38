//! Which settings do not go together: what libopus would refuse, clip, or take and not act on.

use opusic_sys as sys;

use super::settings::{BITRATES_PER_CHANNEL, EncoderSettings, Setting, bandwidth_word};
use super::{Error, Layout};

/// Below these bit rates libopus has nothing left for DRED: it gives the audio as much first
/// (`compute_dred_bitrate`), and FEC, where it is on, more.
const DRED_FLOOR: i32 = 12_000;
const DRED_FLOOR_WITH_FEC: i32 = 20_000;

/// Below this bit rate no more than this much fits, even in packets of 60 ms and more for 20 % loss:
/// 735 ms at 22 kb/s and 895 ms at 24 kb/s were measured.
const DEEP_BITRATE: i32 = 24_000;
const SHALLOW_MS: i32 = 800;

/// # Errors
/// [`Error::Argument`] with the reason and the nearest that works.
pub(super) fn check(settings: &EncoderSettings, rate: u32, layout: &Layout) -> Result<(), Error> {
    bitrate(settings, layout)?;
    bandwidth(settings, rate)?;
    fec(settings)?;
    dred(settings, layout)?;
    if settings.get(Setting::ForceChannels) == 2 && layout.streams > layout.coupled {
        return refuse(format!(
            "force_channels is 2 and {}; expected 1 or 'auto'",
            match layout.is_single() {
                true => "the encoder has 1 channel",
                false => "not every stream is stereo",
            }
        ));
    }
    Ok(())
}

fn refuse(text: String) -> Result<(), Error> {
    Err(Error::Argument(text))
}

fn bitrate(settings: &EncoderSettings, layout: &Layout) -> Result<(), Error> {
    let bitrate = settings.get(Setting::Bitrate);
    if bitrate == sys::OPUS_AUTO || bitrate == sys::OPUS_BITRATE_MAX {
        return Ok(());
    }
    let channels = i32::try_from(layout.channels()).unwrap_or(i32::MAX);
    let (low, high) = BITRATES_PER_CHANNEL;
    // libopus clips what lies outside, silently.
    let low = if layout.is_single() {
        low
    } else {
        low * channels
    };
    if (low..=high * channels).contains(&bitrate) {
        return Ok(());
    }
    refuse(format!(
        "bitrate is {bitrate}; expected {low} to {} for {channels} channel(s), 'auto' or 'max'",
        high * channels
    ))
}

fn bandwidth(settings: &EncoderSettings, rate: u32) -> Result<(), Error> {
    let bandwidth = settings.get(Setting::Bandwidth);
    let Some(name) = bandwidth_word(bandwidth) else {
        return Ok(());
    };
    let most = settings.get(Setting::MaxBandwidth);
    if bandwidth > most {
        let most = bandwidth_word(most).unwrap_or("it");
        return refuse(format!(
            "bandwidth is '{name}', above max_bandwidth; expected '{most}' or less, or 'auto'"
        ));
    }
    // RFC 6716 §2, table 1: the sampling rate at which each bandwidth is whole.
    let carried = match rate {
        8_000 => sys::OPUS_BANDWIDTH_NARROWBAND,
        12_000 => sys::OPUS_BANDWIDTH_MEDIUMBAND,
        16_000 => sys::OPUS_BANDWIDTH_WIDEBAND,
        24_000 => sys::OPUS_BANDWIDTH_SUPERWIDEBAND,
        _ => sys::OPUS_BANDWIDTH_FULLBAND,
    };
    if bandwidth > carried {
        let most = bandwidth_word(carried).unwrap_or("auto");
        return refuse(format!(
            "bandwidth is '{name}', of which {rate} Hz has nothing; expected '{most}' or less, or \
             'auto'"
        ));
    }
    if bandwidth == sys::OPUS_BANDWIDTH_MEDIUMBAND && is_celt_only(settings) {
        return refuse(
            "bandwidth is 'mediumband', which CELT has not, and application 'lowdelay' is CELT \
             only; expected 'narrowband' or 'wideband'"
                .into(),
        );
    }
    Ok(())
}

fn is_celt_only(settings: &EncoderSettings) -> bool {
    settings.get(Setting::Application) == sys::OPUS_APPLICATION_RESTRICTED_LOWDELAY
}

fn fec(settings: &EncoderSettings) -> Result<(), Error> {
    if settings.get(Setting::Fec) == 0 {
        return Ok(());
    }
    // In-band FEC is SILK's own (RFC 6716 §2.1.7).
    if is_celt_only(settings) {
        return refuse(
            "fec is on with application 'lowdelay', which is CELT only, and CELT has no in-band \
             FEC; expected fec off, or application 'voip' or 'audio'"
                .into(),
        );
    }
    if settings.get(Setting::LossPercent) == 0 {
        return refuse(
            "fec is on with loss_percent 0, at which libopus adds none; expected loss_percent 1 \
             or more (10 is usual), or fec off"
                .into(),
        );
    }
    Ok(())
}

fn dred(settings: &EncoderSettings, layout: &Layout) -> Result<(), Error> {
    let dred_ms = settings.get(Setting::DredMs);
    if dred_ms == 0 {
        return Ok(());
    }
    if dred_ms < 10 {
        return refuse(format!(
            "dred_ms is {dred_ms}; it counts in steps of 10: expected 0 or 10 to 1040"
        ));
    }
    if !layout.is_single() {
        return refuse(format!(
            "dred_ms is {dred_ms} with {} streams, and DRED exists for single streams only; \
             expected 0",
            layout.streams
        ));
    }
    if settings.get(Setting::LossPercent) == 0 {
        return refuse(format!(
            "dred_ms is {dred_ms} with loss_percent 0, at which libopus adds none; expected \
             loss_percent 1 or more (20 is usual), or dred_ms 0"
        ));
    }
    let fec = settings.get(Setting::Fec) != 0;
    let floor = if fec { DRED_FLOOR_WITH_FEC } else { DRED_FLOOR };
    let bitrate = settings.get(Setting::Bitrate);
    if (0..=floor).contains(&bitrate) {
        let switched = if fec { "on" } else { "off" };
        return refuse(format!(
            "dred_ms is {dred_ms} with bitrate {bitrate}: with fec {switched} libopus spends the \
             first {floor} b/s on the audio itself; expected a bitrate of 24000 or more, or \
             dred_ms 0"
        ));
    }
    if (0..DEEP_BITRATE).contains(&bitrate) && dred_ms > SHALLOW_MS {
        return refuse(format!(
            "dred_ms is {dred_ms} with bitrate {bitrate}, in which no more than {SHALLOW_MS} ms \
             fit; expected bitrate {DEEP_BITRATE} or more, or dred_ms {SHALLOW_MS} or less"
        ));
    }
    Ok(())
}
