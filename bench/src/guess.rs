//! What an answer gains from tokens that the engine guesses ahead, where it repeats what stands in the prompt and where it
//! does not.

use anyhow::ensure;

use crate::{
    Setup,
    chat::{Answer, ChatRequest, Message},
    connection::Connection,
    rounds::Rounds,
    runtime,
    server_process::ServerProcess,
    table::{COMPARISON, Table},
};

const MAX_TOKENS: u32 = 256;
const TEXT: &str = "On the first morning of spring the harbour master counted the boats again. There were nineteen, two fewer \
    than in autumn. The Marigold had gone north with a load of slate, and nobody had heard from her since January. The Heron \
    lay on the mud behind the chapel with a hole in her side as wide as a door. He wrote both names into the long grey book, \
    drew a line below them, and went to see the carpenter about the price of oak. The carpenter wanted forty crowns for the \
    planks and ten more for his son, who would have to climb into the hull with a lamp. They agreed on forty-five, to be paid \
    when the Heron could float, and drank to it.";

/// A kind of prompt.
struct Kind {
    name: &'static str,
    question: String,
    /// Tokens per second with guesses to those without.
    target: f64,
}

fn kinds() -> [Kind; 3] {
    let kind = |name, question, target| Kind { name, question, target };
    [
        kind("quoting", format!("Repeat the following text word for word, and write nothing else.\n\n{TEXT}"), 1.5),
        kind(
            "editing",
            format!(
                "Here is a text. Write all of it again and change nothing but one word: the boat is called Swallow instead of \
                 Heron.\n\n{TEXT}"
            ),
            1.5,
        ),
        kind("a story", "Write a very long story about a train through the desert.".to_owned(), 0.98),
    ]
}

/// Tokens per second of one chat, greedy, against the same server that guesses nothing.
pub fn measure(setup: &Setup) -> anyhow::Result<Table> {
    let runtime = runtime()?;
    let (guessing, plain) = (setup.serve_model()?, setup.serve_model_with(&[("--guess-tokens", 0)])?);
    let model = runtime.block_on(async { Connection::open(&guessing.endpoint()).await?.first_model().await })?;
    // Over a new connection each time: a server closes those that wait while the other one has its turn.
    let ask = |server: &ServerProcess, question: &str| -> anyhow::Result<Answer> {
        let messages = vec![Message::system("You are a helpful assistant."), Message::user(question)];
        let answer = runtime.block_on(async {
            let mut connection = Connection::open(&server.endpoint()).await?;
            anyhow::Ok(ChatRequest::new(&model, messages, MAX_TOKENS).send(&mut connection).await?)
        })?;
        ensure!(answer.usage.completion_tokens >= MAX_TOKENS / 8, "{model} answers too briefly to be measured");
        Ok(answer)
    };

    let mut rows = Vec::new();
    let (mut same, mut all) = (0, 0);
    for Kind { name, question, target } in kinds() {
        let (mut with, mut without) = (Rounds::default(), Rounds::default());
        // Round 0 warms up.
        for round in 0..=setup.rounds {
            eprintln!("guess, {name}: round {round} of {}", setup.rounds);
            // Whoever comes second finds a processor that is warm.
            let (guessed, not_guessed) = if round % 2 == 0 {
                let guessed = ask(&guessing, &question)?;
                (guessed, ask(&plain, &question)?)
            } else {
                let not_guessed = ask(&plain, &question)?;
                (ask(&guessing, &question)?, not_guessed)
            };
            if round > 0 {
                with.push(guessed.tokens_per_second());
                without.push(not_guessed.tokens_per_second());
                same += u32::from(guessed.text() == not_guessed.text());
                all += 1;
            }
        }
        let ratio = with.ratio_to(&without);
        let cells = [name.to_owned(), with.spread(1), format!("without: {}", without.spread(1)), ratio.spread(2)];
        rows.push((cells, target, ratio.median()));
    }
    let method = format!(
        "Tokens per second of one chat with `{model}`, at most {MAX_TOKENS} tokens an answer, greedy; medians of {} rounds \
         (least–greatest). Of {all} pairs of answers {same} were the same text.",
        setup.rounds
    );
    let mut table = Table::new("Guessed tokens", COMPARISON, method);
    for (cells, target, median) in rows {
        table.compare(cells, &format!("≥ {target}"), Some(median >= target));
    }
    Ok(table)
}
