//! Which weights of a model are used: those that came with it, or others that were made of them for this machine.
//!
//! Beside `135m.gguf` the others are `135m.gguf.optimised`, and `135m.gguf.optimised.json` says what they were made of and
//! whether they are used. The model's own file is never touched: a program that is killed at any moment leaves it whole, the
//! way back is short, and whoever looks for the file that was pulled finds it. The record is what counts, and is replaced in
//! one step. Weights without one, or of another file than the one that is there now, are not used.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    digests,
    disk::{self, FileState},
    optimise::Comparison,
};

/// The file that a model runs from, of the one that [`super::ModelName::file`] names. Blocks.
pub fn weights_of(place: &Path) -> PathBuf {
    let others = others(place);
    match Record::of(place) {
        Some(record) if record.in_use && others.is_file() => others,
        _ => place.to_owned(),
    }
}

/// What is known of a model's other weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    made_of: FileState,
    pub processor: Processor,
    /// Of each form that was tried, the last one kept if any was; none of a try that has not come to its end.
    pub comparisons: Vec<Comparison>,
    pub in_use: bool,
}

/// What a try says something about; on another processor, or with another build of llama.cpp, it may end in another way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processor {
    /// For example `AMD EPYC`.
    pub name: String,
    /// The instructions that llama.cpp was compiled for.
    pub instructions: String,
}

impl Record {
    /// The record of the file that is there now, if there is one. Blocks.
    pub fn of(place: &Path) -> Option<Self> {
        let record: Self = serde_json::from_slice(&fs::read(record(place)).ok()?).ok()?;
        (FileState::of(place).ok()? == record.made_of).then_some(record)
    }
}

/// The right to change a model's other weights. Dropping it removes what is not finished; when the program is killed, the next
/// one that gets the right does.
pub struct Workbench<'place> {
    place: &'place Path,
    /// As it was at the beginning: another one may be pulled meanwhile.
    made_of: FileState,
    _locked: File,
}

impl<'place> Workbench<'place> {
    /// # Errors
    /// `WouldBlock` while another program works on them. Blocks on the disk.
    pub fn open(place: &'place Path) -> Result<Self, TryLockError> {
        let locked = disk::open_locked(&lock(place))?;
        disk::remove(&unfinished(place)).map_err(TryLockError::Error)?;
        let made_of = FileState::of(place).map_err(TryLockError::Error)?;
        Ok(Self { place, made_of, _locked: locked })
    }

    /// Where new weights are written.
    pub fn unfinished(&self) -> PathBuf {
        unfinished(self.place)
    }

    /// Write down that it is tried, unless more is known already: what ends the program at the first time, such as an assertion of
    /// llama.cpp, need not do so each time.
    pub fn note_try(&self, processor: &Processor) -> io::Result<()> {
        match Record::of(self.place) {
            Some(record) if record.in_use || record.processor == *processor => Ok(()),
            _ => self.write(Vec::new(), processor.clone(), false).map(drop),
        }
    }

    /// Use the new weights from now on. Blocks.
    pub fn keep(&self, comparisons: Vec<Comparison>, processor: Processor) -> io::Result<Record> {
        fs::rename(self.unfinished(), others(self.place))?;
        self.write(comparisons, processor, true)
    }

    /// Use the model's own weights from now on. Blocks.
    pub fn discard(&self, comparisons: Vec<Comparison>, processor: Processor) -> io::Result<Record> {
        let record = self.write(comparisons, processor, false)?;
        disk::remove(&others(self.place))?;
        digests::forget(&others(self.place));
        Ok(record)
    }

    fn write(&self, comparisons: Vec<Comparison>, processor: Processor, in_use: bool) -> io::Result<Record> {
        let new = Record { made_of: self.made_of.clone(), processor, comparisons, in_use };
        let next = record(self.place).with_added_extension("new");
        fs::write(&next, serde_json::to_vec_pretty(&new)?)?;
        File::open(&next)?.sync_all()?;
        fs::rename(next, record(self.place))?;
        disk::sync_folder(self.place)?;
        Ok(new)
    }
}

impl Drop for Workbench<'_> {
    fn drop(&mut self) {
        for path in [unfinished(self.place), lock(self.place)] {
            if let Err(error) = disk::remove(&path) {
                tracing::warn!(%error, "what was left of optimising a model cannot be removed");
            }
        }
    }
}

/// Remove all that is beside a model's own file, because that one goes or another has come. Blocks.
pub fn remove(place: &Path) -> io::Result<()> {
    // In this order, so that there are no others without a record.
    disk::remove(&others(place))?;
    digests::forget(&others(place));
    disk::remove(&record(place))?;
    disk::remove(&unfinished(place))?;
    disk::remove(&lock(place))
}

fn others(place: &Path) -> PathBuf {
    place.with_added_extension("optimised")
}

fn record(place: &Path) -> PathBuf {
    place.with_added_extension("optimised.json")
}

fn unfinished(place: &Path) -> PathBuf {
    place.with_added_extension("optimised.partial")
}

fn lock(place: &Path) -> PathBuf {
    place.with_added_extension("optimised.lock")
}

#[cfg(test)]
mod tests {
    use flotilla_engine::optimise::{Estimate, Speed};
    use tempfile::TempDir;

    use super::*;
    use crate::models::optimise::Measured;

    fn model() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("135m.gguf");
        fs::write(&place, "its own").unwrap();
        (folder, place)
    }

    fn comparison() -> Comparison {
        let measured = |quantization: &str| Measured {
            quantization: quantization.to_owned(),
            size_bytes: 7,
            speed: Speed { prompt: 200.0, answer: 50.0 },
            perplexity: Estimate { value: 12.5, error: 0.5 },
        };
        let perplexity_growth = Estimate { value: 1.01, error: 0.001 };
        Comparison { threads: 2, before: measured("Q4_1"), after: measured("Q4_0"), perplexity_growth }
    }

    fn processor() -> Processor {
        Processor { name: "one".to_owned(), instructions: "AVX2".to_owned() }
    }

    fn optimise(place: &Path) {
        let bench = Workbench::open(place).unwrap();
        fs::write(bench.unfinished(), "others").unwrap();
        bench.keep(vec![comparison()], processor()).unwrap();
    }

    fn files(folder: &TempDir) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn others_that_are_kept_are_used_and_the_models_own_stay() {
        let (folder, place) = model();

        optimise(&place);

        assert_eq!(fs::read_to_string(weights_of(&place)).unwrap(), "others");
        assert_eq!(fs::read_to_string(&place).unwrap(), "its own");
        assert_eq!(Record::of(&place).unwrap().comparisons, [comparison()]);
        assert_eq!(files(&folder), ["135m.gguf", "135m.gguf.optimised", "135m.gguf.optimised.json"]);
    }

    #[test]
    fn others_that_are_discarded_are_gone_and_what_was_measured_is_still_known() {
        let (folder, place) = model();
        optimise(&place);

        Workbench::open(&place).unwrap().discard(vec![comparison()], processor()).unwrap();

        assert_eq!(weights_of(&place), place);
        assert_eq!(Record::of(&place).unwrap().comparisons, [comparison()]);
        assert_eq!(files(&folder), ["135m.gguf", "135m.gguf.optimised.json"]);
    }

    #[test]
    fn others_of_a_file_that_was_replaced_are_not_used() {
        let (_folder, place) = model();
        optimise(&place);

        fs::write(&place, "of another kind").unwrap();

        assert_eq!(weights_of(&place), place);
        assert_eq!(Record::of(&place), None);
    }

    #[test]
    fn others_that_were_made_while_the_file_was_replaced_are_not_used() {
        let (_folder, place) = model();
        let bench = Workbench::open(&place).unwrap();
        fs::write(bench.unfinished(), "others").unwrap();
        fs::write(&place, "of another kind").unwrap();

        bench.keep(vec![comparison()], processor()).unwrap();

        assert_eq!(weights_of(&place), place);
    }

    #[test]
    fn others_without_a_record_or_with_one_that_is_cut_are_not_used() {
        let (_folder, place) = model();
        optimise(&place);
        let written = fs::read(record(&place)).unwrap();

        fs::write(record(&place), &written[..written.len() / 2]).unwrap();
        assert_eq!(weights_of(&place), place);
        fs::remove_file(record(&place)).unwrap();
        assert_eq!(weights_of(&place), place);
    }

    #[test]
    fn what_a_killed_program_has_left_is_removed_by_the_next() {
        let (folder, place) = model();
        fs::write(lock(&place), "").unwrap();
        fs::write(unfinished(&place), "half of it").unwrap();

        drop(Workbench::open(&place).unwrap());

        assert_eq!(files(&folder), ["135m.gguf"]);
    }

    #[test]
    fn of_two_at_once_one_is_refused() {
        let (_folder, place) = model();
        let bench = Workbench::open(&place).unwrap();
        fs::write(bench.unfinished(), "half of it").unwrap();

        assert!(matches!(Workbench::open(&place), Err(TryLockError::WouldBlock)));

        assert!(bench.unfinished().exists());
    }

    #[test]
    fn a_try_that_has_no_end_is_known_and_takes_nothing_from_what_is_used() {
        let (_folder, place) = model();
        Workbench::open(&place).unwrap().note_try(&processor()).unwrap();
        assert_eq!(Record::of(&place).unwrap().comparisons, []);
        optimise(&place);

        Workbench::open(&place).unwrap().note_try(&processor()).unwrap();

        assert!(Record::of(&place).unwrap().in_use);
    }
}
