//! Decode speed of one chat and of four, through the whole server and through llama.cpp alone.

use crate::{
    SLOTS, Setup,
    chat::{Answer, Message},
    clients::Clients,
    llama::Llama,
    rounds::{Rounds, shift},
    runtime,
    table::{COMPARISON, Table},
};

const MAX_TOKENS: u32 = 256;
const TOPICS: [&str; SLOTS as usize] =
    ["a lighthouse keeper", "a train through the desert", "the first day on Mars", "an old clockmaker"];

/// The shares of llama.cpp's speed, and of one chat's, that we want to reach.
const DECODE_TARGET: f64 = 0.95;
const BATCHING_TARGET: f64 = 2.0;

/// What runs in one round, one after the other.
#[derive(Clone, Copy)]
enum Run {
    ServerAlone,
    LlamaAlone,
    ServerTogether,
    LlamaTogether,
}

/// Tokens per second of each kind of run, by its number.
type Rates = [Rounds; 4];

/// The table, and the tokens per second of all chats together.
///
/// Streams `/v1/chat/completions` at temperature 0 and divides the tokens that the server counted by the time from the
/// first to the last. llama.cpp's turn is the same prompts, greedy too, turned into text too, in this process.
pub fn measure(setup: &Setup) -> anyhow::Result<(Table, f64)> {
    let runtime = runtime()?;
    // As little as llama.cpp alone does: an answer that repeats itself would come faster.
    let server = setup.serve_model_with(&[("--guess-tokens", 0)])?;
    let clients = runtime.block_on(Clients::connect(server.endpoint()))?;
    let llama = Llama::load(&setup.model_file(&clients.model)?, setup.load_options())?;
    let (mut alone, mut together) = (llama.sequences(1)?, llama.sequences(SLOTS)?);

    let chats: Vec<_> = TOPICS.into_iter().map(chat).collect();
    let mut compare = |runs: &[Run]| -> anyhow::Result<Rates> {
        let mut rates = Rates::default();
        // Round 0 warms up: the model is loaded, the files are read, the prompts are in the server's cache.
        for round in 0..=setup.rounds {
            eprintln!("decode, {} runs: round {round} of {}", runs.len(), setup.rounds);
            let mut order = runs.to_vec();
            shift(&mut order, round);
            for run in order {
                let rate = match run {
                    Run::ServerAlone => clients.ask(&runtime, &chats[..1], MAX_TOKENS)?[0].tokens_per_second(),
                    Run::ServerTogether => total_tokens_per_second(&clients.ask(&runtime, &chats, MAX_TOKENS)?),
                    Run::LlamaAlone => alone.generate(&chats[..1], MAX_TOKENS)?,
                    Run::LlamaTogether => together.generate(&chats, MAX_TOKENS)?,
                };
                if round > 0 {
                    rates[run as usize].push(rate);
                }
            }
        }
        Ok(rates)
    };
    // First with nothing else in the server's cache, as it is for llama.cpp; after four chats it keeps all of them for
    // their next turns.
    let empty = compare(&[Run::ServerAlone, Run::LlamaAlone])?;
    let full = compare(&[Run::ServerAlone, Run::LlamaAlone, Run::ServerTogether, Run::LlamaTogether])?;
    let capacity = full[Run::ServerTogether as usize].median();
    Ok((table(&empty, &full, &clients.model, setup.rounds), capacity))
}

fn table(empty: &Rates, full: &Rates, model: &str, rounds: u32) -> Table {
    let method = format!(
        "Tokens per second of `{model}`, {MAX_TOKENS} tokens an answer, greedy; medians of {rounds} rounds, in brackets \
         the least and the greatest round."
    );
    let mut table = Table::new("Decode and batching", COMPARISON, method);
    let [server_alone, llama_alone, ..] = empty;
    let decode = server_alone.ratio_to(llama_alone);
    table.compare(
        [
            "one chat, through HTTP".into(),
            server_alone.spread(1),
            format!("llama.cpp alone: {}", llama_alone.spread(1)),
            decode.spread(3),
        ],
        &format!("≥ {DECODE_TARGET}"),
        Some(decode.median() >= DECODE_TARGET),
    );
    let [server_alone, llama_alone, server_together, llama_together] = full;
    table.compare(
        [
            format!("one chat, {} others kept for their next turn", SLOTS - 1),
            server_alone.spread(1),
            format!("llama.cpp alone, nothing kept: {}", llama_alone.spread(1)),
            server_alone.ratio_to(llama_alone).spread(3),
        ],
        "",
        None,
    );
    let batching = server_together.ratio_to(server_alone);
    table.compare(
        [
            format!("{SLOTS} chats together"),
            server_together.spread(1),
            format!("one chat: {}", server_alone.spread(1)),
            batching.spread(2),
        ],
        &format!("≥ {BATCHING_TARGET:.1}"),
        Some(batching.median() >= BATCHING_TARGET),
    );
    table.compare(
        [
            format!("{SLOTS} chats together"),
            server_together.spread(1),
            format!("llama.cpp alone, {SLOTS} sequences: {}", llama_together.spread(1)),
            server_together.ratio_to(llama_together).spread(3),
        ],
        "",
        None,
    );
    table.compare(
        [
            "the machine's ceiling for batching".into(),
            String::new(),
            format!("llama.cpp alone, {SLOTS} sequences to 1"),
            llama_together.ratio_to(llama_alone).spread(2),
        ],
        "",
        None,
    );
    table
}

/// From the first token of any to the last of any.
fn total_tokens_per_second(answers: &[Answer]) -> f64 {
    let tokens: u32 = answers.iter().map(Answer::tokens_after_first).sum();
    let first = answers.iter().map(Answer::first_piece).min();
    let last = answers.iter().map(|answer| answer.finished).max();
    first.zip(last).map_or(f64::NAN, |(first, last)| f64::from(tokens) / (last - first).as_secs_f64())
}

/// With a system prompt, because templates invent one where it is missing, and not all readers of templates do.
fn chat(topic: &str) -> Vec<Message> {
    vec![
        Message::system("You are a writer of long stories."),
        Message::user(format!(
            "Write a very long story about {topic}. Describe every place and every person in detail."
        )),
    ]
}
