//! A file that is not whole yet: `<tag>.gguf.partial`, and beside it `<tag>.gguf.partial.json`, which says what of it is
//! there. Both outlive the program, so a download goes on where it was.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{PullError, RemoteFile, disk, weights};

/// Locked as long as it lives: of two programs that pull the same model, one writes.
pub struct Partial {
    /// Where the whole file goes.
    place: PathBuf,
    data: File,
    record: Mutex<Record>,
    /// Held while the record is written; `true` once the file is in its place or removed, and there is nothing to record.
    is_closed: Mutex<bool>,
}

/// What is there. It may say less than is true, and never more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    digest: String,
    size: u64,
    /// The site's mark for this version of the file.
    etag: Option<String>,
    segment_bytes: u64,
    /// For each segment of the file the bytes that are there, from its start.
    done: Vec<u64>,
}

/// A segment is what one request fetches. They are small enough that many connections have work until the end, and large
/// enough that the time between two requests does not count.
const SEGMENT_BYTES: Range<u64> = 1 << 20..32 << 20;

impl Record {
    fn new(remote: &RemoteFile) -> Self {
        Self::in_segments(remote, (remote.size / 64).clamp(SEGMENT_BYTES.start, SEGMENT_BYTES.end))
    }

    fn in_segments(remote: &RemoteFile, segment_bytes: u64) -> Self {
        let segments = remote.size.div_ceil(segment_bytes) as usize;
        Self {
            digest: remote.digest.to_string(),
            size: remote.size,
            etag: None,
            segment_bytes,
            done: vec![0; segments],
        }
    }

    /// The one that lies on the disk, if it is of this file and makes sense.
    fn read(path: &Path, remote: &RemoteFile) -> Option<Self> {
        let record: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let is_right = record.segment_bytes > 0
            && record.done.len() as u64 == record.size.div_ceil(record.segment_bytes)
            && (record.digest == remote.digest.to_string() && record.size == remote.size)
            && (0..record.done.len())
                .all(|index| record.done[index] <= record.segment(index).end - record.segment(index).start);
        is_right.then_some(record)
    }

    fn segment(&self, index: usize) -> Range<u64> {
        let start = index as u64 * self.segment_bytes;
        start..(start + self.segment_bytes).min(self.size)
    }
}

impl Partial {
    /// What an earlier pull of the same file left, or a new one. Blocks.
    pub fn open(place: &Path, remote: &RemoteFile) -> Result<Self, PullError> {
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        let data = disk::open_locked(&data_path(place))?;
        let kept = Record::read(&record_path(place), remote)
            .filter(|_| data.metadata().is_ok_and(|data| data.len() == remote.size));
        let is_new = kept.is_none();
        let partial = Self {
            place: place.to_owned(),
            data,
            record: Mutex::new(kept.unwrap_or_else(|| Record::new(remote))),
            is_closed: Mutex::new(false),
        };
        if is_new {
            partial.empty(remote.size)?;
        }
        Ok(partial)
    }

    pub fn path(&self) -> PathBuf {
        data_path(&self.place)
    }

    pub fn done_bytes(&self) -> u64 {
        self.lock().done.iter().sum()
    }

    pub fn segments(&self) -> usize {
        self.lock().done.len()
    }

    /// What is missing of a segment.
    pub fn missing(&self, segment: usize) -> Range<u64> {
        let record = self.lock();
        let Range { start, end } = record.segment(segment);
        start + record.done[segment]..end
    }

    /// These bytes at the start of a segment's missing part have been written.
    pub fn advance(&self, segment: usize, bytes: u64) {
        self.lock().done[segment] += bytes;
    }

    /// Whether the site still has the version of the file that the download began with.
    pub fn is_of_version(&self, etag: Option<&str>) -> bool {
        let mut record = self.lock();
        match (&record.etag, etag) {
            (Some(known), Some(etag)) => known == etag,
            (None, Some(etag)) => {
                record.etag = Some(etag.to_owned());
                true
            }
            (_, None) => true,
        }
    }

    /// Forget what is there. Blocks.
    pub fn start_over(&self, remote: &RemoteFile) -> io::Result<()> {
        *self.lock() = Record::new(remote);
        self.empty(remote.size)
    }

    /// Forget what is there, and fetch the file by one request. Blocks.
    pub fn start_over_in_one(&self, remote: &RemoteFile) -> io::Result<()> {
        *self.lock() = Record::in_segments(remote, remote.size);
        self.empty(remote.size)
    }

    /// Write down what is there. Blocks.
    pub fn save(&self) -> io::Result<()> {
        let is_closed = self.lock_writing();
        if *is_closed {
            return Ok(());
        }
        // In this order, so that after a power cut the record speaks of nothing that is not on the disk.
        let record = self.lock().clone();
        self.data.sync_data()?;
        let path = record_path(&self.place);
        let next = path.with_extension("json.new");
        fs::write(&next, serde_json::to_vec(&record)?)?;
        fs::rename(next, path)
    }

    /// Put the whole file in its place, where there may be an older one. Blocks.
    pub fn install(&self) -> io::Result<()> {
        *self.lock_writing() = true;
        self.data.sync_all()?;
        fs::rename(self.path(), &self.place)?;
        disk::remove(&record_path(&self.place))?;
        weights::remove(&self.place)?;
        disk::sync_folder(&self.place)
    }

    /// Remove it. Blocks.
    pub fn remove(&self) -> io::Result<()> {
        *self.lock_writing() = true;
        remove_files(&self.place)
    }

    fn empty(&self, size: u64) -> io::Result<()> {
        disk::remove(&record_path(&self.place))?;
        self.data.set_len(0)?;
        self.data.set_len(size)
    }

    fn lock_writing(&self) -> MutexGuard<'_, bool> {
        self.is_closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Remove what an unfinished pull has left, unless somebody is at it. Blocks.
pub fn remove_left_over(place: &Path) -> Result<(), PullError> {
    if !data_path(place).exists() {
        return Ok(());
    }
    let _locked = disk::open_locked(&data_path(place))?;
    Ok(remove_files(place)?)
}

fn remove_files(place: &Path) -> io::Result<()> {
    disk::remove(&record_path(place))?;
    disk::remove(&data_path(place))
}

fn data_path(place: &Path) -> PathBuf {
    place.with_added_extension("partial")
}

fn record_path(place: &Path) -> PathBuf {
    place.with_added_extension("partial.json")
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;
    use crate::models::Digest;

    fn remote(size: u64, digit: &str) -> RemoteFile {
        let digest = Digest::parse_hex(&digit.repeat(64)).unwrap();
        RemoteFile::new(Url::parse("https://registry.example/blob").unwrap(), size, digest).unwrap()
    }

    fn place(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("qwen2.5/0.5b.gguf")
    }

    #[test]
    fn what_was_saved_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let partial = Partial::open(&place(&folder), &remote(5 << 20, "a")).unwrap();
        assert_eq!((partial.segments(), partial.done_bytes()), (5, 0));
        partial.advance(1, 1 << 20);
        partial.advance(4, 17);
        partial.save().unwrap();
        partial.advance(0, 100);
        drop(partial);

        let again = Partial::open(&place(&folder), &remote(5 << 20, "a")).unwrap();
        assert_eq!(again.done_bytes(), (1 << 20) + 17);
        assert!(again.missing(1).is_empty());
        assert_eq!(again.missing(4), (4 << 20) + 17..5 << 20);
    }

    #[test]
    fn what_is_left_of_another_file_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let partial = Partial::open(&place(&folder), &remote(5 << 20, "a")).unwrap();
        partial.advance(0, 1 << 20);
        partial.save().unwrap();
        drop(partial);

        for other in [remote(5 << 20, "b"), remote(4 << 20, "a")] {
            assert_eq!(Partial::open(&place(&folder), &other).unwrap().done_bytes(), 0);
        }
    }

    #[test]
    fn a_record_that_makes_no_sense_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let remote = remote(3 << 20, "a");
        let digest = remote.digest.to_string();
        for (segment_bytes, done) in [(0, "[]"), (1 << 20, "[0,0]"), (1 << 20, "[1048577,0,0]"), (1 << 20, "[0,0,0,0]")]
        {
            drop(Partial::open(&place(&folder), &remote).unwrap());
            let record = format!(
                r#"{{"digest":"{digest}","size":{},"etag":null,"segment_bytes":{segment_bytes},"done":{done}}}"#,
                3 << 20
            );
            fs::write(record_path(&place(&folder)), record).unwrap();
            assert_eq!(Partial::open(&place(&folder), &remote).unwrap().done_bytes(), 0, "{done}");
        }
    }

    #[test]
    fn of_two_at_once_one_is_told_to_wait() {
        let folder = tempfile::tempdir().unwrap();
        let partial = Partial::open(&place(&folder), &remote(10, "a")).unwrap();
        assert!(matches!(Partial::open(&place(&folder), &remote(10, "a")), Err(PullError::InUse)));
        assert!(matches!(remove_left_over(&place(&folder)), Err(PullError::InUse)));
        partial.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path().join("qwen2.5")).unwrap().count(), 0);
    }

    #[test]
    fn the_whole_file_takes_the_place_of_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let partial = Partial::open(&place(&folder), &remote(4, "a")).unwrap();
        fs::write(place(&folder), "older").unwrap();
        fs::write(partial.path(), "GGUF").unwrap();
        partial.save().unwrap();
        partial.install().unwrap();

        assert_eq!(fs::read(place(&folder)).unwrap(), b"GGUF");
        assert_eq!(fs::read_dir(folder.path().join("qwen2.5")).unwrap().count(), 1);
    }
}
