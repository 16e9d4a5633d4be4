//! Whole answers to eight clients at once, and to one, beside Ollama on the same machine with the same file, or with the weights
//! that `flotilla optimize` made of it.
//!
//! What is compared is what a user gets who changes no setting of either, and then both with a slot for each client.

mod process;

use std::{ops::Range, time::Duration};

use anyhow::Context;
use flotilla::models::weights_of;
use tokio::runtime::Runtime;

use self::process::Ollama;
use crate::{
    Setup,
    chat::{Answer, Message},
    clients::Clients,
    endpoint::free_addresses,
    machine,
    rounds::{Rounds, shift},
    runtime,
    table::{COMPARISON, Table},
    words::question,
};

const CLIENTS: usize = 8;
const TOGETHER: Range<usize> = 0..CLIENTS;
const ALONE: Range<usize> = CLIENTS..CLIENTS + 1;
const MAX_TOKENS: u32 = 64;
/// Words of each prompt that no server has seen.
const WORDS_PER_PROMPT: usize = 12;
/// Tokens per second to Ollama's, of all clients, with the settings that both have by themselves.
const TARGET: f64 = 2.5;

/// Some clients of one server, and what they got in each round.
struct Run<'a> {
    server: &'a Clients,
    /// Which of the round's chats are theirs: a second one with the same server finds nothing of the first.
    chats: Range<usize>,
    /// Tokens per second of all, from the first request to the end of the last answer.
    rate: Rounds,
    /// The median client's, in milliseconds.
    first_token: Rounds,
    /// Tokens of the last prompt: the two know different templates.
    prompt_tokens: u32,
}

/// Greedy, with prompts of words that are new in each round and the same for all servers in it.
pub fn measure(setup: &Setup) -> anyhow::Result<Table> {
    let runtime = runtime()?;
    let program =
        machine::program("ollama").context("there is no `ollama` in PATH: scripts/bench-ollama.sh builds it")?;
    let folder = tempfile::tempdir()?;
    let slots = CLIENTS as u32;
    let servers = [
        setup.serve_model()?,
        setup.serve_model_with(&[("--slots", slots)])?,
        setup.serve_model_with(&[("--guess-tokens", 0)])?,
    ];
    let (one, other) = free_addresses()?;
    let ollamas = [
        Ollama::start(&program, folder.path(), one, None)?,
        Ollama::start(&program, folder.path(), other, Some(slots))?,
    ];

    let connect = |endpoint| runtime.block_on(Clients::connect(endpoint));
    let flotilla = connect(servers[0].endpoint())?;
    let flotilla_8 = connect(servers[1].endpoint())?;
    let flotilla_plain = connect(servers[2].endpoint())?;
    let file = setup.model_file(&flotilla.model)?;
    ollamas[0].create(&file)?;
    let weights = if weights_of(&file) == file { "" } else { " here with the weights of `flotilla optimize`," };
    let ollama = connect(ollamas[0].endpoint())?;
    let ollama_8 = connect(ollamas[1].endpoint())?;

    let mut runs = [
        Run::new(&flotilla, TOGETHER),
        Run::new(&ollama, TOGETHER),
        Run::new(&flotilla_8, TOGETHER),
        Run::new(&ollama_8, TOGETHER),
        Run::new(&flotilla, ALONE),
        Run::new(&flotilla_plain, ALONE),
        Run::new(&ollama, ALONE),
    ];
    let mut random = fastrand::Rng::with_seed(1);
    // Round 0 warms up: the model is loaded.
    for round in 0..=setup.rounds {
        eprintln!("ollama: round {round} of {}", setup.rounds);
        let chats: Vec<_> = (0..ALONE.end).map(|_| chat(&mut random)).collect();
        let mut order: Vec<_> = runs.iter_mut().collect();
        shift(&mut order, round);
        for run in order {
            run.add(&runtime, &chats, round > 0)?;
        }
    }
    let method = format!(
        "`{}`,{weights} {MAX_TOKENS} tokens an answer, greedy, prompts of {} tokens here and {} there, all requests at once; medians of {} \
         rounds (least–greatest). {}; its llama.cpp: {}.",
        flotilla.model,
        runs[0].prompt_tokens,
        runs[1].prompt_tokens,
        setup.rounds,
        ollamas[0].version()?,
        ollamas[0].instructions()?,
    );
    Ok(table(&runs, method))
}

fn table(runs: &[Run; 7], method: String) -> Table {
    let [flotilla, ollama, flotilla_8, ollama_8, alone, alone_plain, ollama_alone] = runs;
    let mut table = Table::new("Beside Ollama", COMPARISON, method);
    let parallel = format!("Ollama, OLLAMA_NUM_PARALLEL={CLIENTS}");
    let mut rate = |what: &str, own: &Run, name: &str, other: &Run, target: Option<f64>| {
        let ratio = own.rate.ratio_to(&other.rate);
        table.compare(
            [
                format!("tokens/s, {what}"),
                own.rate.spread(1),
                format!("{name}: {}", other.rate.spread(1)),
                ratio.spread(2),
            ],
            &target.map_or_else(String::new, |target| format!("≥ {target}")),
            target.map(|target| ratio.median() >= target),
        );
    };
    rate(&format!("{CLIENTS} clients"), flotilla, "Ollama", ollama, Some(TARGET));
    rate(&format!("{CLIENTS} clients"), flotilla, &parallel, ollama_8, None);
    rate(&format!("{CLIENTS} clients, SLOTS={CLIENTS}"), flotilla_8, &parallel, ollama_8, None);
    rate("1 client", alone, "Ollama", ollama_alone, None);
    rate("1 client, GUESS_TOKENS=0", alone_plain, "Ollama", ollama_alone, None);
    let mut first_token = |what: &str, own: &Run, name: &str, other: &Run| {
        table.compare(
            [
                format!("first token p50, ms, {what}"),
                own.first_token.spread(0),
                format!("{name}: {}", other.first_token.spread(0)),
                own.first_token.ratio_to(&other.first_token).spread(2),
            ],
            "",
            None,
        );
    };
    first_token(&format!("{CLIENTS} clients"), flotilla, "Ollama", ollama);
    first_token(&format!("{CLIENTS} clients, SLOTS={CLIENTS}"), flotilla_8, &parallel, ollama_8);
    first_token("1 client", alone, "Ollama", ollama_alone);
    table
}

impl<'a> Run<'a> {
    fn new(server: &'a Clients, chats: Range<usize>) -> Self {
        Self { server, chats, rate: Rounds::default(), first_token: Rounds::default(), prompt_tokens: 0 }
    }

    fn add(&mut self, runtime: &Runtime, chats: &[Vec<Message>], counts: bool) -> anyhow::Result<()> {
        let answers = self.server.ask(runtime, &chats[self.chats.clone()], MAX_TOKENS)?;
        if counts {
            let mut first_tokens = Rounds::default();
            answers.iter().for_each(|answer| first_tokens.push(1e3 * answer.time_to_first_token().as_secs_f64()));
            self.first_token.push(first_tokens.median());
            self.rate.push(tokens_per_second(&answers));
            self.prompt_tokens = answers[0].usage.prompt_tokens;
        }
        Ok(())
    }
}

fn tokens_per_second(answers: &[Answer]) -> f64 {
    let tokens: u32 = answers.iter().map(|answer| answer.usage.completion_tokens).sum();
    let sent = answers.iter().map(|answer| answer.sent).min();
    let finished = answers.iter().map(|answer| answer.finished).max();
    let time = sent.zip(finished).map_or(Duration::ZERO, |(sent, finished)| finished - sent);
    f64::from(tokens) / time.as_secs_f64()
}

fn chat(random: &mut fastrand::Rng) -> Vec<Message> {
    vec![Message::system("You are a writer of long stories."), Message::user(question(random, WORDS_PER_PROMPT))]
}
