//! Decode speed of one chat and of several, through the whole server and through llama.cpp alone.

use clap::Args;
use flotilla::models::weights_of;

use crate::{
    SLOTS, Setup,
    chat::{Answer, Message},
    clients::Clients,
    llama::{Llama, Sequences},
    rounds::{Rounds, shift},
    runtime,
    table::{COMPARISON, Table},
};

const MAX_TOKENS: u32 = 256;
const TOPICS: [&str; MAX_CHATS as usize] = [
    "a lighthouse keeper",
    "a train through the desert",
    "the first day on Mars",
    "an old clockmaker",
    "a school for young bears",
    "two rivers that meet",
    "the last night in a theatre",
    "a letter that came too late",
];
const MAX_CHATS: u32 = 8;

/// The shares of llama.cpp's speed, and of one chat's, that we want to reach.
const DECODE_TARGET: f64 = 0.95;
const BATCHING_TARGET: f64 = 2.0;
/// The same where the server has the weights of `flotilla optimize` and llama.cpp those that were downloaded.
const OPTIMISED_DECODE_TARGET: f64 = 1.0;
const OPTIMISED_BATCHING_TARGET: f64 = 1.15;

#[derive(Args)]
pub struct DecodeArgs {
    /// Chats that are decoded together.
    #[arg(long, default_value_t = SLOTS, value_parser = clap::value_parser!(u32).range(2..=i64::from(MAX_CHATS)))]
    pub chats: u32,
}

/// What runs in one round, one after the other.
#[derive(Clone, Copy)]
enum Run {
    ServerAlone,
    LlamaAlone,
    /// With the file that was downloaded, where the server runs the weights that `flotilla optimize` made of it.
    OriginalAlone,
    ServerTogether,
    LlamaTogether,
    OriginalTogether,
}

/// Tokens per second of each kind of run, by its number; none of those of a file that is not there.
type Rates = [Rounds; 6];

/// llama.cpp with one file.
struct Peer<'model> {
    alone: Sequences<'model>,
    together: Sequences<'model>,
}

impl<'model> Peer<'model> {
    fn new(llama: &'model Llama, chats: u32) -> anyhow::Result<Self> {
        Ok(Self { alone: llama.sequences(1)?, together: llama.sequences(chats)? })
    }
}

/// The table, and the tokens per second of all chats together.
///
/// Streams `/v1/chat/completions` at temperature 0 and divides the tokens that the server counted by the time from the
/// first to the last. llama.cpp's turn is the same prompts, greedy too, turned into text too, in this process.
pub fn measure(setup: &Setup, DecodeArgs { chats }: &DecodeArgs) -> anyhow::Result<(Table, f64)> {
    let runtime = runtime()?;
    // As little as llama.cpp alone does: an answer that repeats itself would come faster.
    let server = setup.serve_model_with(&[("--guess-tokens", 0), ("--slots", *chats)])?;
    let clients = runtime.block_on(Clients::connect(server.endpoint()))?;
    let file = setup.model_file(&clients.model)?;
    let weights = weights_of(&file);
    let llama = Llama::load(&weights, setup.load_options())?;
    let original = (weights != file).then(|| Llama::load(&file, setup.load_options())).transpose()?;
    let mut peer = Peer::new(&llama, *chats)?;
    let mut original_peer = original.as_ref().map(|llama| Peer::new(llama, *chats)).transpose()?;

    let chats: Vec<_> = TOPICS.into_iter().take(*chats as usize).map(chat).collect();
    let mut compare = |runs: &[Run]| -> anyhow::Result<Rates> {
        let mut rates = Rates::default();
        // Round 0 warms up: the model is loaded, the files are read, the prompts are in the server's cache.
        for round in 0..=setup.rounds {
            eprintln!("decode, {} runs: round {round} of {}", runs.len(), setup.rounds);
            let is_there =
                |run: &Run| original_peer.is_some() || !matches!(run, Run::OriginalAlone | Run::OriginalTogether);
            let mut order: Vec<_> = runs.iter().copied().filter(is_there).collect();
            shift(&mut order, round);
            for run in order {
                let peer = match (run, &mut original_peer) {
                    (Run::OriginalAlone | Run::OriginalTogether, Some(original)) => original,
                    _ => &mut peer,
                };
                let rate = match run {
                    Run::ServerAlone => clients.ask(&runtime, &chats[..1], MAX_TOKENS)?[0].tokens_per_second(),
                    Run::ServerTogether => total_tokens_per_second(&clients.ask(&runtime, &chats, MAX_TOKENS)?),
                    Run::LlamaAlone | Run::OriginalAlone => peer.alone.generate(&chats[..1], MAX_TOKENS)?,
                    Run::LlamaTogether | Run::OriginalTogether => peer.together.generate(&chats, MAX_TOKENS)?,
                };
                if round > 0 {
                    rates[run as usize].push(rate);
                }
            }
        }
        Ok(rates)
    };
    // First with nothing else in the server's cache, as it is for llama.cpp; after several chats it keeps all of them for
    // their next turns.
    let empty = compare(&[Run::ServerAlone, Run::LlamaAlone, Run::OriginalAlone])?;
    let full =
        compare(&[Run::ServerAlone, Run::LlamaAlone, Run::ServerTogether, Run::LlamaTogether, Run::OriginalTogether])?;
    let capacity = full[Run::ServerTogether as usize].median();
    Ok((table(&empty, &full, chats.len(), &clients.model, setup.rounds), capacity))
}

fn table(empty: &Rates, full: &Rates, chats: usize, model: &str, rounds: u32) -> Table {
    let method = format!(
        "Tokens per second of `{model}`, {MAX_TOKENS} tokens an answer, greedy; medians of {rounds} rounds, in brackets \
         the least and the greatest round."
    );
    let mut table = Table::new("Decode and batching", COMPARISON, method);
    // The server's rate, what it is beside, the rate of that, the decimals of their ratio, and the least that it should be.
    let mut row = |what: &str, own: &Rounds, beside: &str, other: &Rounds, decimals: usize, target: Option<f64>| {
        let ratio = own.ratio_to(other);
        table.compare(
            [what.into(), own.spread(1), format!("{beside}: {}", other.spread(1)), ratio.spread(decimals)],
            &target.map(|target| format!("≥ {target:?}")).unwrap_or_default(),
            target.map(|target| ratio.median() >= target),
        );
    };
    let [server_alone, llama_alone, original_alone, ..] = empty;
    let alone = "one chat, through HTTP";
    row(alone, server_alone, "llama.cpp alone", llama_alone, 3, Some(DECODE_TARGET));
    if !original_alone.is_empty() {
        let beside = "llama.cpp alone, file as downloaded";
        row(alone, server_alone, beside, original_alone, 3, Some(OPTIMISED_DECODE_TARGET));
    }
    let [server_alone, llama_alone, _, server_together, llama_together, original_together] = full;
    let kept = format!("one chat, {} others kept for their next turn", chats - 1);
    row(&kept, server_alone, "llama.cpp alone, nothing kept", llama_alone, 3, None);
    let together = format!("{chats} chats together");
    let sequences = format!("llama.cpp alone, {chats} sequences");
    row(&together, server_together, "one chat", server_alone, 2, Some(BATCHING_TARGET));
    row(&together, server_together, &sequences, llama_together, 3, None);
    if !original_together.is_empty() {
        let beside = format!("{sequences}, file as downloaded");
        row(&together, server_together, &beside, original_together, 3, Some(OPTIMISED_BATCHING_TARGET));
    }
    table.compare(
        [
            "the machine's ceiling for batching".into(),
            String::new(),
            format!("llama.cpp alone, {chats} sequences to 1"),
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
