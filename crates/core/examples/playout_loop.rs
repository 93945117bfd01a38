//! Plays packets as they arrived, over and over, without Python: what `benchmarks/playout_cost.py`
//! measures and compares with.
//!
//! `playout_loop FILE COMPLEXITY`: the file holds, for each packet in the order of arrival, four
//! little-endian 64-bit numbers (arrival in microseconds, sequence number, media time, bytes) and
//! the packet. For each line on standard input it does one thing and answers with a number: `bare`
//! decodes all of them, one after the other; `MODE PULL_MS TARGET_MS` plays them, with a pull every
//! so many milliseconds; both answer with the samples. `memory decoders N` and `memory buffers N`
//! make so many and keep them, and answer with the bytes of resident memory that this took.
//! Whoever asks reads this process's CPU clock before and after.

use opuscule_core::opus::Decoder;
use opuscule_core::playout::{Incoming, Mode, Playout, PlayoutConfig};

type Failure = Box<dyn std::error::Error>;

const RATE: u32 = 48_000;

/// How much waits in each of many buffers.
const WAITING_US: i64 = 400_000;

struct Arrived {
    at_us: i64,
    sequence: i64,
    time: i64,
    data: Vec<u8>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, complexity] = arguments.as_slice() else {
        return Err("expected FILE COMPLEXITY".into());
    };
    let complexity: u8 = complexity.parse()?;
    let packets = read(&std::fs::read(path)?)?;
    let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words.as_slice() {
            ["bare"] => bare(&packets, complexity)?,
            ["memory", what, count] => {
                let before = resident_bytes()?;
                for _ in 0..count.parse()? {
                    kept.push(match *what {
                        "decoders" => Box::new(warm_decoder(&packets, complexity)?),
                        _ => Box::new(warm_buffer(&packets, complexity)?),
                    });
                }
                resident_bytes()?.saturating_sub(before)
            }
            [mode, pull_ms, target_ms] => {
                let config = config(mode, target_ms.parse()?, complexity)?;
                play(&packets, config, pull_ms.parse()?)?
            }
            _ => return Err(format!("expected bare, memory or a mode, got {line}").into()),
        };
        println!("{answer}");
    }
    Ok(())
}

fn read(mut bytes: &[u8]) -> Result<Vec<Arrived>, Failure> {
    let mut packets = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(32) {
        let number = |n: usize| -> Result<i64, Failure> {
            Ok(i64::from_le_bytes(head[8 * n..8 * n + 8].try_into()?))
        };
        let (data, rest) = rest
            .split_at_checked(usize::try_from(number(3)?)?)
            .ok_or("a packet is cut off")?;
        packets.push(Arrived {
            at_us: number(0)?,
            sequence: number(1)?,
            time: number(2)?,
            data: data.to_vec(),
        });
        bytes = rest;
    }
    Ok(packets)
}

fn config(mode: &str, target_delay_ms: u32, complexity: u8) -> Result<PlayoutConfig, Failure> {
    let mode = match mode {
        "whole" => Mode::Whole,
        "fixed" => Mode::Fixed,
        "adaptive" => Mode::Adaptive,
        other => return Err(format!("expected whole, fixed or adaptive, got {other}").into()),
    };
    Ok(PlayoutConfig {
        rate: RATE,
        channels: 1,
        complexity,
        least_complexity: None,
        pre_skip: 0,
        gain_q8: 0,
        begin: None,
        mode,
        target_delay_ms,
        max_delay_ms: 1000,
        late_per_mille: 10,
        max_buffer_ms: 10_000,
        restart_ms: 5_000,
    })
}

fn bare(packets: &[Arrived], complexity: u8) -> Result<usize, Failure> {
    let mut decoder = Decoder::new(RATE, 1, complexity)?;
    let (mut out, mut samples) = (Vec::<i16>::new(), 0);
    for packet in packets {
        out.clear();
        decoder.decode(&packet.data, &mut out)?;
        samples += out.len();
    }
    Ok(samples)
}

/// Pushes what has come and pulls, until all is played or `until_us`.
fn run(
    playout: &mut Playout<i16>,
    packets: &[Arrived],
    pull_ms: i64,
    until_us: i64,
) -> Result<usize, Failure> {
    let mut out = vec![0_i16; RATE as usize / 1000 * usize::try_from(pull_ms)?];
    let (mut next, mut samples, mut now_us) = (0, 0, pull_ms * 500);
    while now_us < until_us {
        while let Some(packet) = packets.get(next).filter(|packet| packet.at_us <= now_us) {
            push(playout, packet)?;
            next += 1;
        }
        playout.pull(&mut out, now_us)?;
        samples += out.len();
        now_us += pull_ms * 1000;
    }
    Ok(samples)
}

fn push(playout: &mut Playout<i16>, packet: &Arrived) -> Result<(), Failure> {
    let incoming = Incoming {
        sequence: packet.sequence,
        time: packet.time,
        data: &packet.data,
        jump: false,
    };
    playout.push(incoming, packet.at_us)?;
    Ok(())
}

fn play(packets: &[Arrived], config: PlayoutConfig, pull_ms: i64) -> Result<usize, Failure> {
    let last_us = packets.last().map_or(0, |packet| packet.at_us);
    let until_us = last_us + i64::from(config.target_delay_ms) * 1000;
    run(&mut Playout::new(config)?, packets, pull_ms, until_us)
}

fn warm_decoder(packets: &[Arrived], complexity: u8) -> Result<Decoder, Failure> {
    let mut decoder = Decoder::new(RATE, 1, complexity)?;
    let mut out = Vec::<i16>::new();
    for packet in packets.iter().take(50) {
        out.clear();
        decoder.decode(&packet.data, &mut out)?;
    }
    Ok(decoder)
}

/// A buffer that has played for a while, as much waiting in it as a bad network asks for.
fn warm_buffer(packets: &[Arrived], complexity: u8) -> Result<Playout<i16>, Failure> {
    let delay_ms = u32::try_from(WAITING_US / 1000)?;
    let mut playout = Playout::new(config("adaptive", delay_ms, complexity)?)?;
    let last_us = packets.last().map_or(0, |packet| packet.at_us);
    run(&mut playout, packets, 20, last_us)?;
    Ok(playout)
}

fn resident_bytes() -> Result<usize, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kilobytes.ok_or("no VmRSS")?.parse::<usize>()? * 1024)
}
