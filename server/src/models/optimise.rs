//! Gives a model the weights that fit this machine, if that pays.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

use flotilla_engine::{
    gguf::{self, GgufError},
    model,
    optimise::{Estimate, Form, Machine, MeasureError, QuantizeError, Speed},
    optimise::{growth, perplexity, quantize, speed, surprises},
};
use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, System};

use super::{
    disk::{self, NoRoom},
    weights::{Processor, Record, Workbench},
};

/// Why a model is not optimised. The messages are for people: what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OptimiseError {
    #[error(transparent)]
    Damaged(#[from] GgufError),
    #[error("its weights are {0} already: there are none that are faster")]
    IsFast(&'static str),
    #[error("it makes vectors of texts and no text, so what other weights cost cannot be measured")]
    MakesVectors,
    #[error("it runs on its own weights, so there is nothing to undo")]
    IsNotOptimised,
    #[error("another Flotilla is optimising it; wait for that")]
    InUse,
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error("the models folder cannot be written to: {0}")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    #[error(transparent)]
    Measure(#[from] MeasureError),
}

impl From<TryLockError> for OptimiseError {
    fn from(error: TryLockError) -> Self {
        match error {
            TryLockError::WouldBlock => Self::InUse,
            TryLockError::Error(error) => Self::Disk(error),
        }
    }
}

/// When the new weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    IfItPays,
    Always,
}

/// What is being done at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Writing(Form),
    /// Round, of so many.
    Timing(u32, u32),
    Reading,
}

/// A model's own weights beside others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub threads: u32,
    pub before: Measured,
    pub after: Measured,
    /// The perplexity after, divided by the one before.
    pub perplexity_growth: Estimate,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub quantization: String,
    pub size_bytes: u64,
    pub speed: Speed,
    pub perplexity: Estimate,
}

/// Tokens of a turn that is taken for a usual one: a question with what was said before it, and its answer.
pub const TURN: (u32, u32) = (512, 128);
/// A turn has to become this much shorter: less cannot be told from what a busy machine does to the measurement, and is not
/// worth a second file.
const LEAST_GAIN: f64 = 0.10;
/// The perplexity may grow by this much. It is about what the step from eight bits to four costs, which users take when they
/// choose a file of four.
const MOST_GROWTH: f64 = 0.05;

impl Measured {
    /// Seconds for [`TURN`].
    pub fn turn_seconds(&self) -> f64 {
        f64::from(TURN.0) / self.speed.prompt + f64::from(TURN.1) / self.speed.answer
    }
}

impl Comparison {
    /// The share of a turn's time that is saved; less than 0 where it takes longer.
    pub fn gain(&self) -> f64 {
        1.0 - self.after.turn_seconds() / self.before.turn_seconds()
    }

    pub fn pays(&self) -> bool {
        self.gain() >= LEAST_GAIN && self.perplexity_growth.value <= 1.0 + MOST_GROWTH
    }
}

/// Rounds of which the median counts.
const ROUNDS: u32 = 3;
/// Bytes for each weight in the new file, at most: eight and a half bits, with room.
const MOST_BYTES_OF_WEIGHT: f64 = 1.1;
/// What is tried, one after the other until one pays: the second is larger and loses less.
const FORMS: [Form; 2] = [Form::Q4_0, Form::Q8_0];

/// Make other weights, measure them beside the model's own, and keep the first that pay. [`Keep::Always`] keeps the first.
/// Blocks for some seconds, and for minutes where the model is large.
pub fn optimise(place: &Path, machine: Machine, keep: Keep, progress: &dyn Fn(Step)) -> Result<Record, OptimiseError> {
    let metadata = gguf::read(place)?;
    if metadata.is_embedding || metadata.shape.is_encoder {
        return Err(OptimiseError::MakesVectors);
    }
    let own = metadata.quantization.unwrap_or("mixed");
    if own == Form::Q4_0.name() {
        return Err(OptimiseError::IsFast(own));
    }
    let bench = Workbench::open(place)?;
    disk::check_room(place, (metadata.parameters as f64 * MOST_BYTES_OF_WEIGHT) as u64)?;
    let processor = this_processor();
    bench.note_try(&processor)?;

    let unfinished = bench.unfinished();
    let (mut own_surprises, mut comparisons) = (Vec::new(), Vec::new());
    for form in FORMS.into_iter().filter(|form| form.name() != own) {
        progress(Step::Writing(form));
        quantize(place, &unfinished, form, machine.threads)?;
        File::open(&unfinished)?.sync_all()?;
        if own_surprises.is_empty() {
            own_surprises = surprises(place, machine)?;
        }
        let comparison = compare(place, &own_surprises, &unfinished, machine, progress)?;
        let is_kept = keep == Keep::Always || comparison.pays();
        comparisons.push(comparison);
        if is_kept {
            return Ok(bench.keep(comparisons, processor)?);
        }
    }
    Ok(bench.discard(comparisons, processor)?)
}

/// Use the model's own weights again. Blocks.
pub fn undo(place: &Path) -> Result<(), OptimiseError> {
    let bench = Workbench::open(place)?;
    let record = Record::of(place).filter(|record| record.in_use).ok_or(OptimiseError::IsNotOptimised)?;
    bench.discard(record.comparisons, record.processor)?;
    Ok(())
}

/// What a [`Record`] of a try on this machine names.
pub fn this_processor() -> Processor {
    let name = System::new().ok().and_then(|mut system| {
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        Some(system.cpus().first()?.brand().trim().to_owned())
    });
    Processor { name: name.unwrap_or_default(), instructions: model::system_info() }
}

fn compare(
    before: &Path,
    surprises_before: &[f64],
    after: &Path,
    machine: Machine,
    progress: &dyn Fn(Step),
) -> Result<Comparison, OptimiseError> {
    let (mut speeds_before, mut speeds_after) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        progress(Step::Timing(round, ROUNDS));
        // In turns, so that whatever else the machine does happens to both.
        speeds_before.push(speed(before, machine)?);
        speeds_after.push(speed(after, machine)?);
    }
    progress(Step::Reading);
    let surprises_after = surprises(after, machine)?;
    Ok(Comparison {
        threads: machine.threads,
        before: measured(before, &speeds_before, surprises_before)?,
        after: measured(after, &speeds_after, &surprises_after)?,
        perplexity_growth: growth(surprises_before, &surprises_after),
    })
}

fn measured(file: &Path, speeds: &[Speed], surprises: &[f64]) -> Result<Measured, OptimiseError> {
    let median = |number: fn(&Speed) -> f64| {
        let mut numbers: Vec<_> = speeds.iter().map(number).collect();
        numbers.sort_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    };
    Ok(Measured {
        quantization: gguf::read(file)?.quantization.unwrap_or("mixed").to_owned(),
        size_bytes: file.metadata()?.len(),
        speed: Speed { prompt: median(|speed| speed.prompt), answer: median(|speed| speed.answer) },
        perplexity: perplexity(surprises),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(faster: f64, perplexity_growth: f64) -> Comparison {
        let measured = |factor: f64| Measured {
            quantization: "Q4_1".to_owned(),
            size_bytes: 1,
            speed: Speed { prompt: 512.0 * factor, answer: 128.0 * factor },
            perplexity: Estimate { value: 10.0, error: 1.0 },
        };
        let perplexity_growth = Estimate { value: perplexity_growth, error: 0.0 };
        Comparison { threads: 1, before: measured(1.0), after: measured(faster), perplexity_growth }
    }

    #[test]
    fn a_turn_is_a_prompt_and_an_answer() {
        let comparison = comparison(2.0, 1.0);

        assert_eq!((comparison.before.turn_seconds(), comparison.after.turn_seconds()), (2.0, 1.0));
        assert_eq!(comparison.gain(), 0.5);
    }

    #[test]
    fn other_weights_pay_that_save_a_tenth_and_foretell_nearly_as_well() {
        for (faster, perplexity_growth, pays) in
            [(1.2, 1.04, true), (1.2, 0.99, true), (1.05, 1.0, false), (0.8, 1.0, false), (3.0, 1.06, false)]
        {
            assert_eq!(comparison(faster, perplexity_growth).pays(), pays, "{faster} {perplexity_growth}");
        }
    }
}
