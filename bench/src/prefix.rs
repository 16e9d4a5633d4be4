//! What is gained from the part of a prompt that the engine has computed before, for the same conversation or for another.

use anyhow::ensure;
use tokio::runtime::Runtime;

use crate::{
    SLOTS, Setup,
    chat::{Answer, ChatRequest, Message},
    connection::Connection,
    rounds::Rounds,
    runtime,
    table::{COMPARISON, Table},
    words::{question, words},
};

/// Of one conversation: how many turns, and how long each is.
const TURNS: usize = 5;
const WORDS_PER_MESSAGE: usize = 120;
const TARGET: f64 = 0.3;

/// Of many users with the same instructions, which are about as many tokens as words.
const USERS: usize = 8;
const WORDS_OF_INSTRUCTIONS: usize = 1480;
const WORDS_PER_QUESTION: usize = 20;
/// So that an unseen prompt is longer than a user's first and shorter than the second.
const WORDS_PER_UNSEEN_QUESTION: usize = WORDS_PER_QUESTION + ANSWER_TOKENS as usize;
const SHARED_TARGET: f64 = 0.2;

const ANSWER_TOKENS: u32 = 48;
/// Two prompts of so different lengths are not compared.
const MAX_LENGTH_DIFFERENCE: f64 = 0.05;

/// Time to first token where a part of the prompt was computed before, against prompts that the server has never seen: same
/// number of messages, nearly the same number of tokens.
pub fn measure(setup: &Setup) -> anyhow::Result<Table> {
    let runtime = runtime()?;
    let server = setup.serve_model()?;
    let mut connection = runtime.block_on(Connection::open(&server.endpoint()))?;
    let model = runtime.block_on(connection.first_model())?;
    let mut client = Client { runtime, connection, model, random: fastrand::Rng::with_seed(1) };

    let mut conversation = Comparison::default();
    let (mut first_questions, mut second_questions) = (Comparison::default(), Comparison::default());
    for round in 0..=setup.rounds {
        eprintln!("prefix: round {round} of {}", setup.rounds);
        let turns = one_conversation(&mut client)?;
        let [first, second] = many_users(&mut client)?;
        // Round 0 warms up.
        if round > 0 {
            conversation.add(&turns);
            first_questions.add(&first);
            second_questions.add(&second);
        }
    }
    let mut table = Table::new(
        "Prefix reuse",
        COMPARISON,
        format!(
            "Milliseconds from sending the request to the first text; medians of {} rounds (least–greatest). In turn \
             {TURNS}, {} were in the cache; of {USERS} users on {SLOTS} slots, one computes what all have in common, and of \
             the others' first prompts {} were in the cache; then {SLOTS} unseen prompts take every slot, and of the second \
             prompts {} were in the cache.",
            setup.rounds,
            conversation.cached_of_prompt(),
            first_questions.cached_of_prompt(),
            second_questions.cached_of_prompt(),
        ),
    );
    conversation.compare(&mut table, format!("time to first token in turn {TURNS}"), TARGET);
    first_questions.compare(&mut table, format!("the same instructions for {USERS} users"), SHARED_TARGET);
    second_questions.compare(&mut table, "their next turns, after others".to_owned(), SHARED_TARGET);
    Ok(table)
}

/// The answers to a conversation's last turn, and to the same conversation in words that were never seen.
fn one_conversation(client: &mut Client) -> anyhow::Result<Round> {
    let mut conversation = vec![client.user_message(WORDS_PER_MESSAGE)];
    for _ in 1..TURNS {
        let answer = client.ask(&conversation)?;
        conversation.push(Message::assistant(answer.text()));
        conversation.push(client.user_message(WORDS_PER_MESSAGE));
    }
    let mut unseen = conversation.clone();
    for message in unseen.iter_mut().filter(|message| message.role == "user") {
        *message = client.user_message(WORDS_PER_MESSAGE);
    }
    Round::new(&[client.ask(&conversation)?], &[client.ask(&unseen)?])
}

/// The answers to users' first and second questions behind the same instructions, and to as many unseen prompts between them
/// as there are slots.
fn many_users(client: &mut Client) -> anyhow::Result<[Round; 2]> {
    let instructions = client.instructions();
    let mut users: Vec<_> =
        (0..USERS).map(|_| vec![instructions.clone(), client.user_message(WORDS_PER_QUESTION)]).collect();
    let mut first = users.iter().map(|user| client.ask(user)).collect::<Result<Vec<_>, _>>()?;
    let unseen: Result<Vec<_>, _> = (0..SLOTS)
        .map(|_| {
            let unseen = [client.instructions(), client.user_message(WORDS_PER_UNSEEN_QUESTION)];
            client.ask(&unseen)
        })
        .collect();
    let unseen = unseen?;
    for (user, answer) in users.iter_mut().zip(&first) {
        user.extend([Message::assistant(answer.text()), client.user_message(WORDS_PER_QUESTION)]);
    }
    let second = users.iter().map(|user| client.ask(user)).collect::<Result<Vec<_>, _>>()?;
    // The first of all has computed the instructions.
    first.remove(0);
    Ok([Round::new(&first, &unseen)?, Round::new(&second, &unseen)?])
}

struct Client {
    runtime: Runtime,
    connection: Connection,
    model: String,
    random: fastrand::Rng,
}

impl Client {
    fn ask(&mut self, messages: &[Message]) -> anyhow::Result<Answer> {
        let request = ChatRequest::new(&self.model, messages.to_vec(), ANSWER_TOKENS);
        Ok(self.runtime.block_on(request.send(&mut self.connection))?)
    }

    fn user_message(&mut self, count: usize) -> Message {
        Message::user(question(&mut self.random, count))
    }

    fn instructions(&mut self) -> Message {
        Message::system(words(&mut self.random, WORDS_OF_INSTRUCTIONS))
    }
}

/// Medians of one round.
struct Round {
    warm: f64,
    cold: f64,
    prompt: f64,
    cached: f64,
}

impl Round {
    fn new(warm: &[Answer], cold: &[Answer]) -> anyhow::Result<Self> {
        let median = |answers: &[Answer], of: fn(&Answer) -> f64| {
            let mut values = Rounds::default();
            answers.iter().for_each(|answer| values.push(of(answer)));
            values.median()
        };
        let time = |answer: &Answer| 1e3 * answer.time_to_first_token().as_secs_f64();
        let length = |answer: &Answer| f64::from(answer.usage.prompt_tokens);
        let round = Self {
            warm: median(warm, time),
            cold: median(cold, time),
            prompt: median(warm, length),
            cached: median(warm, |answer| f64::from(answer.usage.cached_tokens())),
        };
        let difference = (round.prompt / median(cold, length) - 1.0).abs();
        ensure!(difference <= MAX_LENGTH_DIFFERENCE, "the prompts differ in length by {:.0} %", 100.0 * difference);
        Ok(round)
    }
}

/// One row.
#[derive(Default)]
struct Comparison {
    warm: Rounds,
    cold: Rounds,
    prompt: Rounds,
    cached: Rounds,
}

impl Comparison {
    fn add(&mut self, round: &Round) {
        self.warm.push(round.warm);
        self.cold.push(round.cold);
        self.prompt.push(round.prompt);
        self.cached.push(round.cached);
    }

    fn cached_of_prompt(&self) -> String {
        format!("{:.0} of {:.0} tokens", self.cached.median(), self.prompt.median())
    }

    fn compare(&self, table: &mut Table, what: String, target: f64) {
        let ratio = self.warm.ratio_to(&self.cold);
        let unseen = format!("an unseen prompt of that length: {}", self.cold.spread(1));
        let cells = [what, self.warm.spread(1), unseen, ratio.spread(3)];
        table.compare(cells, &format!("≤ {target}"), Some(ratio.median() <= target));
    }
}
