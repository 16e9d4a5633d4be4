//! What a conversation gains from the part of its prompt that is still in the engine's cache.

use anyhow::ensure;
use tokio::runtime::Runtime;

use crate::{
    Setup,
    chat::{Answer, ChatRequest, Message},
    connection::Connection,
    rounds::Rounds,
    runtime,
    table::{COMPARISON, Table},
    words::words,
};

const TURNS: usize = 5;
const WORDS_PER_MESSAGE: usize = 120;
const ANSWER_TOKENS: u32 = 48;
/// Two prompts of so different lengths are not compared.
const MAX_LENGTH_DIFFERENCE: f64 = 0.05;
const TARGET: f64 = 0.3;

/// Time to first token of a conversation's fifth turn against that of the same conversation in words that the server
/// has never seen: same number of messages, same answers, nearly the same number of tokens.
pub fn measure(setup: &Setup) -> anyhow::Result<Table> {
    let runtime = runtime()?;
    let server = setup.serve_model()?;
    let mut connection = runtime.block_on(Connection::open(&server.endpoint()))?;
    let model = runtime.block_on(connection.first_model())?;
    let mut random = fastrand::Rng::with_seed(1);
    let mut ask = |messages: &[Message]| ask(&runtime, &mut connection, &model, messages);

    let (mut warm, mut cold) = (Rounds::default(), Rounds::default());
    let (mut prompt, mut cached) = (Rounds::default(), Rounds::default());
    for round in 0..=setup.rounds {
        eprintln!("prefix: round {round} of {}", setup.rounds);
        let mut conversation = vec![Message::user(words(&mut random, WORDS_PER_MESSAGE))];
        for _ in 1..TURNS {
            let answer = ask(&conversation)?;
            conversation.push(Message::assistant(answer.text()));
            conversation.push(Message::user(words(&mut random, WORDS_PER_MESSAGE)));
        }
        let mut unseen = conversation.clone();
        for message in unseen.iter_mut().filter(|message| message.role == "user") {
            message.content = words(&mut random, WORDS_PER_MESSAGE);
        }

        let fifth = ask(&conversation)?;
        let first_seen = ask(&unseen)?;
        let length = f64::from(fifth.usage.prompt_tokens);
        let difference = (length / f64::from(first_seen.usage.prompt_tokens) - 1.0).abs();
        ensure!(difference <= MAX_LENGTH_DIFFERENCE, "the two prompts differ in length by {:.0} %", 100.0 * difference);
        if round > 0 {
            warm.push(1e3 * fifth.time_to_first_token().as_secs_f64());
            cold.push(1e3 * first_seen.time_to_first_token().as_secs_f64());
            prompt.push(length);
            cached.push(f64::from(fifth.usage.cached_tokens()));
        }
    }
    let ratio = warm.ratio_to(&cold);
    let mut table = Table::new(
        "Prefix reuse",
        COMPARISON,
        format!(
            "Milliseconds from sending the request to the first text; medians of {} rounds (least–greatest). In turn \
             {TURNS}, {:.0} of {:.0} prompt tokens were in the cache.",
            setup.rounds,
            cached.median(),
            prompt.median(),
        ),
    );
    table.compare(
        [
            format!("time to first token in turn {TURNS}"),
            warm.spread(1),
            format!("an unseen prompt of that length: {}", cold.spread(1)),
            ratio.spread(3),
        ],
        &format!("≤ {TARGET}"),
        Some(ratio.median() <= TARGET),
    );
    Ok(table)
}

fn ask(runtime: &Runtime, connection: &mut Connection, model: &str, messages: &[Message]) -> anyhow::Result<Answer> {
    Ok(runtime.block_on(ChatRequest::new(model, messages.to_vec(), ANSWER_TOKENS).send(connection))?)
}
