//! Users who chat with simulated servers, in simulated time. Who gets a request is decided by the server's own code, or for
//! comparison by the number of requests that each has.

use std::{cmp::Reverse, collections::BinaryHeap, hash::RandomState, sync::Arc, time::Duration};

use flotilla::{
    Config,
    engine::{Engine, Output, Place, Pool, PromptMessage, Scripted},
};
use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::{
    conversation::{self, ANSWER_TOKENS, OWN_TOKENS, SYSTEM_TOKENS, TURNS},
    server::{DECODE_TOKENS_PER_SECOND, SLOTS, Server},
};

const USERS_PER_REPLICA: usize = 8;
const APPLICATIONS: usize = 16;
/// On average, between reading an answer and asking on.
const THINK_SECONDS: f64 = 3.0;
/// Before anything is counted.
const WARM_UP_SECONDS: f64 = 120.0;
const SECONDS: f64 = 300.0;
const MODEL: &str = "simulated";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// As the server decides.
    Prefix,
    LeastOutstanding,
}

pub struct Scenario {
    pub replicas: usize,
    /// All conversations with their system prompts, in caches of one replica.
    pub caches: f64,
}

pub struct Outcome {
    /// Microseconds.
    pub first_token: Histogram<u64>,
    /// Of all prompt tokens.
    pub cached_share: f64,
    /// Standard deviation by mean of the requests that each replica got.
    pub variation: f64,
}

impl Scenario {
    fn users(&self) -> usize {
        self.replicas * USERS_PER_REPLICA
    }

    fn cache_tokens(&self) -> usize {
        let working_set = self.users() * OWN_TOKENS + APPLICATIONS * SYSTEM_TOKENS;
        (working_set as f64 / self.caches) as usize
    }

    /// The same users say the same for the same `seed`, whatever the policy.
    pub fn run(&self, policy: Policy, seed: u64) -> anyhow::Result<Outcome> {
        let mut simulation = Simulation::new(self, policy, seed)?;
        simulation.run()?;
        Ok(simulation.outcome())
    }
}

pub fn describe() -> String {
    format!(
        "{USERS_PER_REPLICA} users a replica, who think for {THINK_SECONDS} s on average, in conversations of {TURNS} turns \
         behind one of {APPLICATIONS} system prompts of {SYSTEM_TOKENS} tokens; answers have {ANSWER_TOKENS} tokens. A replica \
         computes one prompt at a time, {prefill} tokens a second, and {SLOTS} answers at once, {DECODE_TOKENS_PER_SECOND} \
         tokens a second each; its cache forgets the least recently used. {SECONDS} simulated seconds after \
         {WARM_UP_SECONDS} of warming up",
        prefill = super::server::PREFILL_TOKENS_PER_SECOND,
    )
}

struct Simulation {
    now: f64,
    start: Instant,
    random: fastrand::Rng,
    hashing: RandomState,
    events: BinaryHeap<Reverse<(Moment, u64, Event)>>,
    /// Of events at the same time the older one is first.
    sequence: u64,
    applications: Vec<PromptMessage>,
    users: Vec<User>,
    servers: Vec<Server>,
    dispatcher: Dispatcher,
    first_token: Histogram<u64>,
}

/// Nanoseconds.
type Moment = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ask(usize),
    /// With the number of tokens that came before it.
    Token(usize, usize),
}

struct User {
    random: fastrand::Rng,
    messages: Vec<PromptMessage>,
    asked: f64,
    server: usize,
    held: Option<Held>,
}

enum Dispatcher {
    Pool(Box<Pool>),
    Least(Vec<u32>),
}

enum Held {
    Place(Place),
    Count,
}

impl Simulation {
    fn new(scenario: &Scenario, policy: Policy, seed: u64) -> anyhow::Result<Self> {
        let mut random = fastrand::Rng::with_seed(seed);
        let users = (0..scenario.users()).map(|_| User {
            random: random.fork(),
            messages: Vec::new(),
            asked: 0.0,
            server: 0,
            held: None,
        });
        let users = users.collect();
        let dispatcher = match policy {
            Policy::Prefix => Dispatcher::Pool(Box::new(pool(scenario.replicas)?)),
            Policy::LeastOutstanding => Dispatcher::Least(vec![0; scenario.replicas]),
        };
        Ok(Self {
            now: 0.0,
            start: Instant::now(),
            hashing: RandomState::new(),
            events: BinaryHeap::new(),
            sequence: 0,
            applications: (0..APPLICATIONS).map(|_| conversation::system_prompt(&mut random)).collect(),
            random,
            users,
            servers: (0..scenario.replicas).map(|_| Server::new(scenario.cache_tokens())).collect(),
            dispatcher,
            first_token: Histogram::new(3)?,
        })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        for user in 0..self.users.len() {
            let think = self.think();
            self.at(think, Event::Ask(user));
        }
        let mut is_counting = false;
        while let Some(Reverse((moment, _, event))) = self.events.pop() {
            self.now = moment as f64 / 1e9;
            if self.now > WARM_UP_SECONDS && !is_counting {
                is_counting = true;
                self.forget_counts();
            }
            if self.now > WARM_UP_SECONDS + SECONDS {
                break;
            }
            match event {
                Event::Ask(user) => self.ask(user),
                Event::Token(user, before) => self.token(user, before)?,
            }
        }
        Ok(())
    }

    fn ask(&mut self, user: usize) {
        let asking = &mut self.users[user];
        if asking.messages.len() > 2 * TURNS {
            asking.messages.clear();
        }
        if asking.messages.is_empty() {
            asking.messages.push(self.applications[asking.random.usize(..APPLICATIONS)].clone());
        }
        asking.messages.push(conversation::question(&mut asking.random));
        asking.asked = self.now;
        let instant = self.start + Duration::from_secs_f64(self.now);
        let (server, held) = self.dispatcher.dispatch(&asking.messages, instant, &mut self.random);
        asking.server = server;
        asking.held = Some(held);
        self.servers[server].waiting.push_back(user);
        self.fill_slots(server);
    }

    fn fill_slots(&mut self, number: usize) {
        let server = &mut self.servers[number];
        let mut begun = Vec::new();
        while server.running < SLOTS
            && let Some(user) = server.waiting.pop_front()
        {
            server.running += 1;
            begun.push((server.prefill(&self.hashing, &self.users[user].messages, self.now), user));
        }
        for (first_token, user) in begun {
            self.at(first_token, Event::Token(user, 0));
        }
    }

    fn token(&mut self, number: usize, before: usize) -> anyhow::Result<()> {
        let user = &mut self.users[number];
        if before == 0 {
            self.first_token.record(((self.now - user.asked) * 1e6) as u64)?;
        }
        if let Some(Held::Place(place)) = &mut user.held {
            place.count_piece();
        }
        if before + 1 < ANSWER_TOKENS {
            self.at(self.now + 1.0 / DECODE_TOKENS_PER_SECOND, Event::Token(number, before + 1));
            return Ok(());
        }
        user.messages.push(conversation::answer(&mut user.random));
        let server = user.server;
        self.servers[server].keep(&self.hashing, &user.messages);
        match user.held.take() {
            Some(Held::Count) => self.dispatcher.end(server),
            Some(Held::Place(_)) | None => {}
        }
        self.servers[server].running -= 1;
        self.fill_slots(server);
        let think = self.think();
        self.at(self.now + think, Event::Ask(number));
        Ok(())
    }

    fn at(&mut self, seconds: f64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse(((seconds * 1e9) as Moment, self.sequence, event)));
    }

    /// Exponentially distributed.
    fn think(&mut self) -> f64 {
        -THINK_SECONDS * (1.0 - self.random.f64()).ln()
    }

    fn forget_counts(&mut self) {
        self.first_token.reset();
        for server in &mut self.servers {
            (server.requests, server.prompt_tokens, server.cached_tokens) = (0, 0, 0);
        }
    }

    fn outcome(self) -> Outcome {
        let sum = |count: fn(&Server) -> u64| self.servers.iter().map(count).sum::<u64>() as f64;
        let mean = sum(|server| server.requests) / self.servers.len() as f64;
        let squares = self.servers.iter().map(|server| (server.requests as f64 - mean).powi(2));
        let deviation = (squares.sum::<f64>() / self.servers.len() as f64).sqrt();
        Outcome {
            cached_share: sum(|server| server.cached_tokens) / sum(|server| server.prompt_tokens),
            variation: deviation / mean,
            first_token: self.first_token,
        }
    }
}

impl Dispatcher {
    fn dispatch(&mut self, messages: &[PromptMessage], now: Instant, random: &mut fastrand::Rng) -> (usize, Held) {
        match self {
            Self::Pool(pool) => {
                let question = pool.question(MODEL, &messages.to_vec().into(), &Output::default(), None);
                let place = pool.place(MODEL, &question, now).expect("there is a replica");
                (place.replica().name.parse().expect("they are numbered"), Held::Place(place))
            }
            Self::Least(running) => {
                let least = running.iter().copied().min().unwrap_or_default();
                let equal: Vec<_> = (0..running.len()).filter(|server| running[*server] == least).collect();
                let server = equal[random.usize(..equal.len())];
                running[server] += 1;
                (server, Held::Count)
            }
        }
    }

    fn end(&mut self, server: usize) {
        if let Self::Least(running) = self {
            running[server] -= 1;
        }
    }
}

/// A pool as the server has it, with replicas that are called by their numbers and never asked.
pub fn pool(replicas: usize) -> anyhow::Result<Pool> {
    let engine = || Arc::new(Scripted::new(Vec::new())) as Arc<dyn Engine>;
    Ok(Pool::new((0..replicas).map(|number| (number.to_string(), engine())), &Config::from_environment()?))
}
