//! The points of the charts, in a ring on disk, so that a day of them survives a restart.
//!
//! The file is a row of slots of one size. A point replaces the oldest one, and each slot has a checksum: whatever a
//! crash leaves half-written is one missing point, never a broken file.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

use anyhow::Context;
use serde::Serialize;
use ts_rs::TS;

/// What is measured every 15 seconds, joined on one time axis. `None` is what nobody could tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, TS)]
pub struct Sample {
    /// Milliseconds since 1970.
    #[ts(type = "number")]
    pub at: i64,
    pub desired: Option<f64>,
    pub current: Option<f64>,
    pub ready: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// The first metric of the autoscaler, in its unit.
    pub metric: Option<f64>,
    pub target: Option<f64>,
    pub tokens_per_second: Option<f64>,
    pub ttft_ms: Option<f64>,
    pub queue_depth: Option<f64>,
    pub in_flight: Option<f64>,
}

/// A day at four points a minute.
pub const CAPACITY: usize = 5_760;

/// The layout's name; another layout starts a ring of its own.
const MAGIC: &[u8; 16] = b"flotilla-ring-01";
const FIELDS: usize = 11;
const SLOT: usize = 8 * (1 + FIELDS + 1);

/// The ring of one namespace of one cluster.
pub struct SampleRing {
    file: File,
    capacity: usize,
    /// Where the next point goes.
    next: usize,
}

impl SampleRing {
    /// Open the ring of `scope` in `folder` and read what it holds, oldest first.
    pub fn open(folder: &Path, scope: &str) -> anyhow::Result<(Self, Vec<Sample>)> {
        Self::with_capacity(folder, scope, CAPACITY)
    }

    fn with_capacity(folder: &Path, scope: &str, capacity: usize) -> anyhow::Result<(Self, Vec<Sample>)> {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
        // A context's name may hold slashes and more, so the file is named by its hash.
        let path = folder.join(format!("cluster-samples-{:016x}.ring", hash(scope.as_bytes())));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("{} cannot be opened", path.display()))?;
        let mut bytes = Vec::new();
        let longest = (MAGIC.len() + capacity * SLOT) as u64;
        (&file).take(longest).read_to_end(&mut bytes)?;
        let Some(slots) = bytes.strip_prefix(MAGIC.as_slice()) else {
            file.set_len(0)?;
            write_at(&mut file, 0, MAGIC)?;
            return Ok((Self { file, capacity, next: 0 }, Vec::new()));
        };
        let slots = slots.chunks_exact(SLOT).enumerate();
        let mut samples: Vec<_> = slots.filter_map(|(slot, bytes)| Some((slot, decode(bytes)?))).collect();
        samples.sort_by_key(|(_, sample)| sample.at);
        let next = samples.last().map_or(0, |(slot, _)| (slot + 1) % capacity);
        Ok((Self { file, capacity, next }, samples.into_iter().map(|(_, sample)| sample).collect()))
    }

    /// Keep a point in place of the oldest one.
    pub fn push(&mut self, sample: &Sample) -> anyhow::Result<()> {
        write_at(&mut self.file, MAGIC.len() + self.next * SLOT, &encode(sample))
            .context("the sample cannot be written")?;
        self.next = (self.next + 1) % self.capacity;
        Ok(())
    }
}

fn write_at(file: &mut File, position: usize, bytes: &[u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(position as u64))?;
    file.write_all(bytes)
}

fn encode(sample: &Sample) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SLOT);
    bytes.extend(sample.at.to_le_bytes());
    for field in fields(sample) {
        bytes.extend(field.unwrap_or(f64::NAN).to_le_bytes());
    }
    bytes.extend(hash(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Sample> {
    let (content, checksum) = bytes.split_last_chunk::<8>()?;
    if hash(content) != u64::from_le_bytes(*checksum) {
        return None;
    }
    let (at, mut rest) = content.split_first_chunk::<8>()?;
    let mut field = || {
        let (field, tail) = rest.split_first_chunk::<8>()?;
        rest = tail;
        Some(f64::from_le_bytes(*field)).filter(|number| !number.is_nan())
    };
    Some(Sample {
        at: i64::from_le_bytes(*at),
        desired: field(),
        current: field(),
        ready: field(),
        min: field(),
        max: field(),
        metric: field(),
        target: field(),
        tokens_per_second: field(),
        ttft_ms: field(),
        queue_depth: field(),
        in_flight: field(),
    })
}

/// The fields in the order of the layout.
fn fields(sample: &Sample) -> [Option<f64>; FIELDS] {
    let Sample { at: _, desired, current, ready, min, max, metric, target, .. } = *sample;
    let Sample { tokens_per_second, ttft_ms, queue_depth, in_flight, .. } = *sample;
    [desired, current, ready, min, max, metric, target, tokens_per_second, ttft_ms, queue_depth, in_flight]
}

/// FNV-1a: short, and the same in every version of the program. It finds torn writes; nobody forges a chart.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(at: i64) -> Sample {
        Sample { at, desired: Some(2.0), ttft_ms: Some(at as f64), ..Sample::default() }
    }

    fn times(samples: &[Sample]) -> Vec<i64> {
        samples.iter().map(|sample| sample.at).collect()
    }

    #[test]
    fn samples_survive_a_restart_with_what_is_unknown_left_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ring, _) = SampleRing::open(folder.path(), "k3d/flotilla").unwrap();
        ring.push(&sample(1)).unwrap();
        ring.push(&sample(2)).unwrap();
        drop(ring);
        let (_, samples) = SampleRing::open(folder.path(), "k3d/flotilla").unwrap();
        assert_eq!(samples, [sample(1), sample(2)]);
    }

    #[test]
    fn a_full_ring_loses_its_oldest_points_and_goes_on_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ring, _) = SampleRing::with_capacity(folder.path(), "scope", 4).unwrap();
        (1..=6).for_each(|at| ring.push(&sample(at)).unwrap());
        drop(ring);
        let (mut ring, samples) = SampleRing::with_capacity(folder.path(), "scope", 4).unwrap();
        assert_eq!(times(&samples), [3, 4, 5, 6]);
        ring.push(&sample(7)).unwrap();
        drop(ring);
        let (_, samples) = SampleRing::with_capacity(folder.path(), "scope", 4).unwrap();
        assert_eq!(times(&samples), [4, 5, 6, 7]);
    }

    #[test]
    fn a_write_that_a_crash_cut_off_costs_one_point() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ring, _) = SampleRing::open(folder.path(), "scope").unwrap();
        (1..=3).for_each(|at| ring.push(&sample(at)).unwrap());
        ring.file.set_len((MAGIC.len() + 2 * SLOT + SLOT / 2) as u64).unwrap();
        drop(ring);
        let (mut ring, samples) = SampleRing::open(folder.path(), "scope").unwrap();
        assert_eq!(times(&samples), [1, 2]);
        ring.push(&sample(4)).unwrap();
        drop(ring);
        assert_eq!(times(&SampleRing::open(folder.path(), "scope").unwrap().1), [1, 2, 4]);
    }

    #[test]
    fn a_file_of_another_layout_is_started_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ring, _) = SampleRing::open(folder.path(), "scope").unwrap();
        write_at(&mut ring.file, 0, b"something-else!!").unwrap();
        drop(ring);
        let (_, samples) = SampleRing::open(folder.path(), "scope").unwrap();
        assert_eq!(samples, []);
    }

    #[test]
    fn clusters_have_rings_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ring, _) = SampleRing::open(folder.path(), "one/../../scope").unwrap();
        ring.push(&sample(1)).unwrap();
        assert_eq!(SampleRing::open(folder.path(), "other").unwrap().1, []);
    }

    proptest! {
        #[test]
        fn any_bytes_in_the_file_are_read_without_harm(bytes: Vec<u8>) {
            let folder = tempfile::tempdir().unwrap();
            drop(SampleRing::open(folder.path(), "scope").unwrap());
            let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
            std::fs::write(&path, [MAGIC.as_slice(), &bytes].concat()).unwrap();
            let (mut ring, _) = SampleRing::open(folder.path(), "scope").unwrap();
            ring.push(&sample(1)).unwrap();
        }
    }
}
