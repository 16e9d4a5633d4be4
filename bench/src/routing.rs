//! Which replica gets a request: the server's own code for it, against simulated model servers. It is the only part that links
//! the server, because there is no machine here with 64 of them.

mod conversation;
mod server;
mod simulation;

use std::{hint::black_box, time::Duration};

use flotilla::engine::{Output, Prompt, PromptMessage, Role};
use tokio::time::Instant;

use self::simulation::{Outcome, Policy, Scenario, pool};
use crate::{Setup, rounds::Rounds, table::Table};

const REPLICAS: [usize; 2] = [8, 64];
/// All conversations, as a share of the caches of all replicas. The last is pressure: a cache holds the conversations of its
/// share of the users and little else.
const SHARES: [f64; 3] = [0.0625, 0.25, 0.75];
const COLUMNS: &[&str] = &[
    "replicas",
    "conversations fill",
    "policy",
    "first token p50 / p90, ms",
    "cached",
    "variation",
    "p90 to least outstanding",
    "target",
    "verdict",
];
const MOST_OF_P90: f64 = 0.5;
const MOST_VARIATION: f64 = 0.5;

const DECISION_BYTES: usize = 4096;
const DECISIONS: u32 = 20_000;
const MOST_OF_A_DECISION: Duration = Duration::from_micros(5);

pub fn measure(setup: &Setup) -> anyhow::Result<[Table; 2]> {
    Ok([simulated(setup)?, decisions(setup)?])
}

/// What all rounds of one policy say.
#[derive(Default)]
struct Measured {
    p50: Rounds,
    p90: Rounds,
    cached: Rounds,
    variation: Rounds,
}

impl Measured {
    fn add(&mut self, outcome: &Outcome) {
        let milliseconds = |quantile| outcome.first_token.value_at_quantile(quantile) as f64 / 1000.0;
        self.p50.push(milliseconds(0.5));
        self.p90.push(milliseconds(0.9));
        self.cached.push(outcome.cached_share * 100.0);
        self.variation.push(outcome.variation);
    }

    fn cells(&self, scenario: &Scenario, policy: &str) -> [String; 6] {
        [
            scenario.replicas.to_string(),
            format!("{:.1} of {} caches", scenario.caches, scenario.replicas),
            policy.to_owned(),
            format!("{} / {}", self.p50.spread(0), self.p90.spread(0)),
            format!("{:.0} %", self.cached.median()),
            self.variation.spread(2),
        ]
    }
}

fn simulated(setup: &Setup) -> anyhow::Result<Table> {
    let method = format!("Simulated: {}. Medians of {} rounds (least–greatest).", simulation::describe(), setup.rounds);
    let mut table = Table::new("Routing to replicas", COLUMNS, method);
    for replicas in REPLICAS {
        for share in SHARES {
            let scenario = Scenario { replicas, caches: share * replicas as f64 };
            let (mut least, mut prefix) = (Measured::default(), Measured::default());
            for round in 1..=setup.rounds {
                eprintln!("routing, {replicas} replicas, {share} of the caches: round {round} of {}", setup.rounds);
                least.add(&scenario.run(Policy::LeastOutstanding, round.into())?);
                prefix.add(&scenario.run(Policy::Prefix, round.into())?);
            }
            let is_pressure = share == SHARES[SHARES.len() - 1];
            report(&mut table, &scenario, &least, &prefix, is_pressure);
        }
    }
    Ok(table)
}

fn report(table: &mut Table, scenario: &Scenario, least: &Measured, prefix: &Measured, is_pressure: bool) {
    let empty = ["", "", ""].map(str::to_owned);
    table.row(least.cells(scenario, "least outstanding").into_iter().chain(empty));
    let ratio = prefix.p90.ratio_to(&least.p90);
    let is_met = (!is_pressure || ratio.median() <= MOST_OF_P90) && prefix.variation.median() <= MOST_VARIATION;
    let target = if is_pressure { "p90 ≤ 0.5, variation ≤ 0.5" } else { "variation ≤ 0.5" };
    let verdict = if is_met { "met" } else { "**missed**" };
    let last = [ratio.spread(2), target.to_owned(), verdict.to_owned()];
    table.row(prefix.cells(scenario, "prefix").into_iter().chain(last));
}

/// How long it takes to choose, on the processor and not in the simulation.
fn decisions(setup: &Setup) -> anyhow::Result<Table> {
    let method = format!(
        "Microseconds to hash a prompt of {DECISION_BYTES} bytes, choose a replica, take the place and give it back; medians of {} \
         rounds of {DECISIONS} (least–greatest).",
        setup.rounds
    );
    let mut table = Table::new("Routing decision", &["replicas", "prompts", "µs", "target", "verdict"], method);
    for replicas in REPLICAS {
        for (name, distinct) in [("of a few conversations", 64), ("never seen before", DECISIONS as usize)] {
            let mut micros = Rounds::default();
            for round in 1..=setup.rounds {
                micros.push(decision(replicas, distinct, round.into())?.as_secs_f64() * 1e6);
            }
            let verdict = if micros.median() <= MOST_OF_A_DECISION.as_secs_f64() * 1e6 { "met" } else { "**missed**" };
            let cells = [replicas.to_string(), name.to_owned(), micros.spread(2), "≤ 5".to_owned(), verdict.to_owned()];
            table.row(cells);
        }
    }
    Ok(table)
}

/// The mean of many.
fn decision(replicas: usize, distinct: usize, seed: u64) -> anyhow::Result<Duration> {
    let pool = pool(replicas)?;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut text = || conversation::text(&mut random, DECISION_BYTES);
    let prompts: Vec<Prompt> = (0..distinct).map(|_| vec![PromptMessage::new(Role::User, text())].into()).collect();
    // Some are under way at any time.
    let mut under_way: Vec<_> = (0..2 * replicas).map(|_| None).collect();
    let begun = Instant::now();
    for number in 0..DECISIONS as usize {
        let question = pool.question("model", &prompts[number % distinct], &Output::default(), None);
        let count = under_way.len();
        under_way[number % count] = black_box(pool.place("model", &question, Instant::now()));
    }
    Ok(begun.elapsed() / DECISIONS)
}
