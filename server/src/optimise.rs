//! `flotilla optimize`: a model gets the weights that this machine computes fastest. A server that runs on the same folder uses
//! them the next time that it loads the model.

use std::io::IsTerminal;

use anyhow::{Context, bail};
use clap::Args;
use flotilla::{
    config::{LogFormat, MachineSettings, ModelSettings},
    models::{
        Catalogue, InstalledModel, full_name,
        optimise::{self, Comparison, Keep, Measured, Step, TURN},
        weights::Record,
    },
    telemetry,
};
use flotilla_engine::optimise::{Estimate, Machine};

#[derive(Args)]
pub struct Optimise {
    /// The name of an installed model, such as smollm2:135m.
    model: String,

    /// Use the model's own weights again.
    #[arg(long, conflicts_with_all = ["force", "once"])]
    undo: bool,

    /// Measure anew, and use Q4_0 weights whether or not they pay.
    #[arg(long)]
    force: bool,

    /// Do nothing if it was tried on this machine before.
    #[arg(long, conflicts_with = "force")]
    once: bool,

    #[command(flatten)]
    models: ModelSettings,

    #[command(flatten)]
    machine: MachineSettings,
}

pub fn run(command: Optimise) -> anyhow::Result<()> {
    telemetry::init_logs(LogFormat::Text);
    let model = find(&command)?;
    let name = &model.name;
    if command.undo {
        optimise::undo(&model.path).with_context(|| format!("{name} is not changed"))?;
        say(&format!("{name} runs on its own weights again, from the next time that it is loaded."));
        return Ok(());
    }
    let known = Record::of(&model.path);
    if command.once && known.as_ref().is_some_and(|record| record.processor == optimise::this_processor()) {
        return Ok(());
    }
    let record = match known {
        Some(record) if record.in_use && !command.force && !command.once => record,
        _ => {
            let machine = Machine { threads: command.machine.threads(), gpu_layers: command.machine.gpu_layers };
            let keep = if command.force { Keep::Always } else { Keep::IfItPays };
            optimise::optimise(&model.path, machine, keep, &|step| show(name, step))
                .with_context(|| format!("{name} is not changed"))?
        }
    };
    for comparison in &record.comparisons {
        say(&table(name, comparison));
    }
    if let Some(last) = record.comparisons.last() {
        say(&verdict(name, &record, last));
    }
    Ok(())
}

fn find(command: &Optimise) -> anyhow::Result<InstalledModel> {
    let folder = command.models.models_dir()?;
    let installed = Catalogue::new(folder.clone()).installed();
    let installed = installed.with_context(|| format!("MODELS_DIR {} cannot be read", folder.display()))?;
    let name = full_name(&command.model);
    let names = installed.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", ");
    match installed.iter().find(|model| model.name == name) {
        Some(model) => Ok(model.clone()),
        None if names.is_empty() => {
            bail!("no model is installed in {}; `flotilla pull {name}` gets it", folder.display())
        }
        None => bail!("{name} is not installed; `flotilla pull {name}` gets it. Installed are: {names}"),
    }
}

/// One line that changes on a terminal; elsewhere one for each step, without the rounds.
fn show(name: &str, step: Step) {
    let is_terminal = std::io::stderr().is_terminal();
    let what = match step {
        Step::Writing(form) => format!("writes its weights as {}", form.name()),
        Step::Timing(round, rounds) if is_terminal => format!("measures the speed of both, {round} of {rounds}"),
        Step::Timing(1, _) => "measures the speed of both".to_owned(),
        Step::Timing(..) => return,
        Step::Reading => "measures how well both foretell a text".to_owned(),
    };
    if is_terminal {
        let end = if step == Step::Reading { "\n" } else { "" };
        eprint!("\r\x1b[K{name}: {what} …{end}");
    } else {
        eprintln!("{name}: {what} …");
    }
}

fn table(name: &str, comparison: &Comparison) -> String {
    let Comparison { before, after, perplexity_growth, .. } = comparison;
    let percent = |factor: f64| format!("{:+.0} %", (factor - 1.0) * 100.0);
    let estimate = |estimate: Estimate| format!("{:.2} ± {:.2}", estimate.value, estimate.error);
    let row = |what: &str, of: fn(&Measured) -> f64, unit: &str| {
        let (before, after) = (of(before), of(after));
        let digits = if before < 10.0 { 2 } else { 1 };
        let cell = |value: f64| format!("{value:.digits$}{unit}");
        [what.to_owned(), cell(before), cell(after), percent(after / before)]
    };
    let rows = [
        [name.to_owned(), before.quantization.clone(), after.quantization.clone(), "change".to_owned()],
        row("file", |measured| measured.size_bytes as f64 / 1e6, " MB"),
        row("tokens of a prompt each second", |measured| measured.speed.prompt, ""),
        row("tokens of an answer each second", |measured| measured.speed.answer, ""),
        row(&format!("a turn of {} and {} tokens", TURN.0, TURN.1), Measured::turn_seconds, " s"),
        [
            "perplexity of a text of 2,000 tokens".to_owned(),
            estimate(before.perplexity),
            estimate(after.perplexity),
            format!("{:+.1} ± {:.1} %", (perplexity_growth.value - 1.0) * 100.0, perplexity_growth.error * 100.0),
        ],
    ];
    let line = |[what, before, after, change]: &[String; 4]| format!("{what:<38}{before:>14}{after:>14}{change:>16}\n");
    rows.iter().map(line).collect()
}

fn verdict(name: &str, record: &Record, comparison: &Comparison) -> String {
    let Record { processor, in_use, .. } = record;
    let measured = format!("Measured with {} threads on {}.", comparison.threads, processor.name);
    let said = match (in_use, comparison.pays()) {
        (true, true) => format!(
            "It pays: {name} runs on the new weights from the next time that it is loaded. \
             `flotilla optimize {name} --undo` goes back."
        ),
        (true, false) => format!(
            "It does not pay, but was asked for: {name} runs on the new weights from the next time that it is loaded. \
             `flotilla optimize {name} --undo` goes back."
        ),
        (false, _) => format!(
            "It does not pay, so {name} stays as it is: a turn would have to be a tenth shorter, and the perplexity may grow by \
             5 % at most. `flotilla optimize {name} --force` uses the first form all the same."
        ),
    };
    format!("{measured} {said}")
}

#[expect(clippy::print_stdout, reason = "these lines are the program's output; progress goes to stderr")]
fn say(line: &str) {
    println!("{line}");
}
