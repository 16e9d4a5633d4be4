//! Many model servers as one engine. Each request goes to the replica that suits it best ([`router`]); one that fails is
//! left alone ([`breaker`]), and what it did not begin to answer is asked of another one, within a [`budget`].
//!
//! A replica that dies in the middle of an answer ends its stream with an error. What follows is asked for by
//! `chat::continuation`, and that request is like any other here, except that the dead replica is not the first choice.

mod breaker;
mod budget;
mod discovery;
mod listing;
mod members;
mod place;
mod prefix;
mod replica;
mod router;

use std::{collections::HashSet, slice, sync::Arc};

use async_trait::async_trait;
use futures::future::{join_all, select_ok};
use tokio::{sync::watch, time::Instant};
use tokio_util::task::AbortOnDropHandle;

pub use self::{
    breaker::BreakerState,
    discovery::Address,
    place::{ChosenBy, Place},
    replica::ReplicaStatus,
};
use self::{
    breaker::Health,
    budget::Budget,
    discovery::Connect,
    listing::Listing,
    members::Members,
    place::Patience,
    prefix::{BYTES_PER_TOKEN, Cache},
    replica::Replica,
    router::{Candidate, Choice, Question, Router},
};
use super::{
    ChatRequest, ChatStream, EmbedRequest, EmbedText, Embeddings, Engine, EngineError, Model, Output, Prompt,
    PromptMessage, PromptSize,
};
use crate::config::Config;

/// How many replicas a request is sent to before it fails.
const ATTEMPTS: usize = 2;
/// What an answer is expected to have. Most requests set no limit, or one that their answers do not reach.
const EXPECTED_TOKENS: u32 = 256;

pub struct Pool {
    members: Arc<watch::Sender<Members>>,
    router: Router,
    budget: Budget,
    patience: Patience,
    listing: Listing,
    /// Where names are followed.
    _discovery: Option<AbortOnDropHandle<()>>,
}

/// What the metrics tell of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    pub replicas: Vec<ReplicaStatus>,
    pub retries: u64,
    /// Retries that the budget did not allow.
    pub retries_refused: u64,
}

impl Pool {
    /// The servers at `urls`, which `connect` makes engines of. With ENGINE_DNS_INTERVAL their names are followed from now
    /// on, which takes a runtime.
    pub fn connect(urls: &[String], config: &Config, connect: impl Connect) -> anyhow::Result<Self> {
        let addresses = urls.iter().map(|url| Address { url: url.clone(), ip: None });
        let engines = addresses.map(|address| Ok((address.name(), connect(&address)?)));
        // Also where names are followed: a URL that is none is an error now.
        let engines = engines.collect::<anyhow::Result<Vec<_>>>()?;
        let names: HashSet<_> = engines.iter().map(|(name, _)| name).collect();
        anyhow::ensure!(names.len() == engines.len(), "the same engine is named twice");
        Ok(match config.engine_dns_interval() {
            None => Self::new(engines, config),
            Some(every) => {
                let pool = Self::of(Members::default(), config);
                let discovery = discovery::follow(Arc::clone(&pool.members), urls.to_vec(), every, connect);
                Self { _discovery: Some(AbortOnDropHandle::new(tokio::spawn(discovery))), ..pool }
            }
        })
    }

    /// These engines under their names.
    pub fn new(engines: impl IntoIterator<Item = (String, Arc<dyn Engine>)>, config: &Config) -> Self {
        Self::of(Members::of(engines), config)
    }

    fn of(members: Members, config: &Config) -> Self {
        let now = Instant::now();
        Self {
            members: Arc::new(watch::Sender::new(members)),
            router: Router::new(config.prefix_lifetime(), now),
            budget: Budget::new(now),
            patience: Patience { first_token: config.first_token_timeout(), between_tokens: config.token_timeout() },
            listing: Listing::default(),
            _discovery: None,
        }
    }

    pub fn status(&self) -> PoolStatus {
        let now = Instant::now();
        let replicas = self.members.borrow().iter().map(|replica| replica.status(now)).collect();
        let (retries, retries_refused) = self.budget.counts();
        PoolStatus { replicas, retries, retries_refused }
    }

    /// How many replicas answer now.
    pub fn replicas(&self) -> usize {
        working(self.members.borrow().iter()).len()
    }

    /// How many of them may have `model`.
    pub fn replicas_of(&self, model: &str) -> usize {
        working(self.members.borrow().who_may_have(model).flatten()).len()
    }

    /// Changes when either of these numbers may have.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.members.borrow().changes.subscribe()
    }

    /// What the choice of a replica depends on. `max_tokens` is the limit of the answer, where it has one.
    pub fn question(&self, model: &str, prompt: &Prompt, output: &Output, max_tokens: Option<u32>) -> Question {
        let answer_tokens = max_tokens.map_or(EXPECTED_TOKENS, |most| most.min(EXPECTED_TOKENS));
        self.router.question(model, prompt, output, answer_tokens.into())
    }

    /// A place for the request at a replica. `None` when there is nobody.
    pub fn place(&self, model: &str, question: &Question, now: Instant) -> Option<Place> {
        let members = self.members.borrow();
        let to_probe = members.who_may_have(model).flatten().find(|replica| replica.begin_probe(now));
        if let Some(replica) = to_probe {
            return Some(self.place_at(Arc::clone(replica), ChosenBy::Probe, question, 0));
        }
        self.choose(&members, question, &candidates(&members, model, &[], Health::Broken, now), now)
    }

    /// The same, but no request is the probe of a replica that says nothing when it is asked whether it is back: its client
    /// would wait in vain. It goes to another one, if there is one.
    async fn place_where_one_answers(&self, model: &str, question: &Question) -> Option<Place> {
        let place = self.place(model, question, Instant::now())?;
        if !place.is_probe() || !place.replica().is_silent(model).await {
            return Some(place);
        }
        let Some(other) = self.place_beside(place.replica(), model, question) else { return Some(place) };
        place.refused(&EngineError::Timeout);
        Some(other)
    }

    /// A place at another replica than `silent`.
    fn place_beside(&self, silent: &Arc<Replica>, model: &str, question: &Question) -> Option<Place> {
        let now = Instant::now();
        let members = self.members.borrow();
        let candidates = candidates(&members, model, slice::from_ref(silent), Health::Broken, now);
        self.choose(&members, question, &candidates, now)
    }

    /// A place at another replica than those of `tried`, if one is there and the budget allows it. What has failed at one is
    /// not sent to a broken one.
    fn place_elsewhere(&self, model: &str, question: &Question, tried: &[Arc<Replica>]) -> Option<Place> {
        let now = Instant::now();
        let members = self.members.borrow();
        let candidates = candidates(&members, model, tried, Health::Resting, now);
        let is_granted = candidates.iter().any(Option::is_some) && self.budget.spend(now);
        is_granted.then(|| self.choose(&members, question, &candidates, now)).flatten()
    }

    fn choose(
        &self,
        members: &Members,
        question: &Question,
        candidates: &[Option<Candidate>],
        now: Instant,
    ) -> Option<Place> {
        let Choice { cache, cached_blocks } = self.router.choose(question, candidates, now)?;
        let reason = if cached_blocks > 0 { ChosenBy::Prefix } else { ChosenBy::Load };
        Some(self.place_at(Arc::clone(members.at(cache.slot)?), reason, question, cached_blocks))
    }

    fn place_at(&self, replica: Arc<Replica>, reason: ChosenBy, question: &Question, cached_blocks: usize) -> Place {
        let prompt_tokens = question.prefix.tokens_behind(cached_blocks);
        Place::take(replica, reason, prompt_tokens, question.answer_tokens, self.patience)
    }

    /// Send a request to a replica, and to another one when that does not begin to answer.
    async fn ask<T, Sent>(
        &self,
        model: &str,
        question: &Question,
        send: impl Fn(Arc<dyn Engine>) -> Sent + Send + Sync,
    ) -> Result<(Place, T), EngineError>
    where
        Sent: Future<Output = Result<T, EngineError>> + Send,
        T: Send,
    {
        self.members_are_known().await;
        let mut place = self.place_where_one_answers(model, question).await.ok_or_else(nobody)?;
        let mut tried = Vec::new();
        loop {
            let error = match send(Arc::clone(&place.replica().engine)).await {
                Ok(answer) => return Ok((place, answer)),
                Err(error) => error,
            };
            tried.push(Arc::clone(place.replica()));
            place.refused(&error);
            if tried.len() == ATTEMPTS || !another_may_answer(&error) {
                return Err(error);
            }
            let Some(next) = self.place_elsewhere(model, question, &tried) else { return Err(error) };
            tracing::info!(to = next.replica().name, error = error.kind(), "a request is sent to another replica");
            place = next;
        }
    }

    /// [`Engine::chat`] for a request that was made before: it earns no retries.
    pub async fn chat_again(&self, request: ChatRequest) -> Result<ChatStream, EngineError> {
        let ChatRequest { model, parameters, output, .. } = &request;
        let question = self.question(model, &request.prompt_and_answer(), output, parameters.max_tokens);
        let (place, answer) = self
            .ask(&request.model, &question, |engine| {
                let request = request.clone();
                async move { engine.chat(request).await }
            })
            .await?;
        Ok(place.hold(answer))
    }

    /// Whether a request to which nothing was answered may be made once more. That is a retry.
    pub fn grants_retry(&self) -> bool {
        self.budget.spend(Instant::now())
    }

    async fn members_are_known(&self) {
        // The sender lives as long as this does.
        let _ = self.members.subscribe().wait_for(|members| members.are_known).await;
    }

    fn working(&self) -> Vec<Arc<Replica>> {
        working(self.members.borrow().iter()).into_iter().cloned().collect()
    }

    async fn ask_for_models(&self, replicas: &[Arc<Replica>]) -> Result<Vec<Model>, EngineError> {
        let lists = listing::of_each(replicas).await;
        let mut known = Vec::new();
        let mut failure = None;
        for (replica, list) in replicas.iter().zip(lists) {
            match list {
                Ok(models) => {
                    self.members.send_modify(|members| members.note_models(replica, &models));
                    known.push(models);
                }
                Err(error) => {
                    if matches!(error, EngineError::Unavailable(_) | EngineError::Timeout) {
                        replica.failed(Instant::now());
                    }
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if known.is_empty() => Err(error),
            _ => Ok(listing::merged(known)),
        }
    }
}

#[async_trait]
impl Engine for Pool {
    /// What any of the replicas has.
    async fn models(&self) -> Result<Vec<Model>, EngineError> {
        self.members_are_known().await;
        let replicas = self.working();
        match &replicas[..] {
            [] => Err(nobody()),
            [only] => only.engine.models().await,
            several => self.listing.get(self.ask_for_models(several)).await,
        }
    }

    /// Whether any of the replicas is.
    async fn ready(&self, model: &str) -> Result<(), EngineError> {
        self.members_are_known().await;
        let replicas = self.working();
        if replicas.is_empty() {
            return Err(nobody());
        }
        select_ok(replicas.iter().map(|replica| replica.engine.ready(model))).await.map(|((), _)| ())
    }

    async fn measure(&self, model: &str, messages: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError> {
        self.members_are_known().await;
        match self.working().first() {
            Some(replica) => replica.engine.measure(model, messages).await,
            None => Err(nobody()),
        }
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, EngineError> {
        self.budget.earn(Instant::now());
        self.chat_again(request).await
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, EngineError> {
        self.budget.earn(Instant::now());
        let tokens = request.texts.iter().map(|text| match text {
            EmbedText::Text(text) => text.len() / BYTES_PER_TOKEN,
            EmbedText::Tokens(tokens) => tokens.len(),
        });
        let question = Question::without_answer(tokens.sum::<usize>() as u64);
        let (place, embeddings) = self
            .ask(&request.model, &question, |engine| {
                let request = request.clone();
                async move { engine.embed(request).await }
            })
            .await?;
        place.answered();
        Ok(embeddings)
    }

    async fn shutdown(&self) {
        let replicas: Vec<_> = self.members.borrow().iter().cloned().collect();
        join_all(replicas.iter().map(|replica| replica.engine.shutdown())).await;
    }

    fn pool(&self) -> Option<&Pool> {
        Some(self)
    }
}

/// The healthiest of those who may have the model and were not tried, at their slots, if they are no worse than `worst`. A
/// breaker sends requests elsewhere: where all are broken there is no elsewhere, and they are asked as if none were.
fn candidates(
    members: &Members,
    model: &str,
    tried: &[Arc<Replica>],
    worst: Health,
    now: Instant,
) -> Vec<Option<Candidate>> {
    let mut best = worst;
    let mut candidates = Vec::new();
    for (slot, replica) in (0..).zip(members.who_may_have(model)) {
        candidates.push(None);
        let untried = replica.filter(|replica| !tried.iter().any(|tried| Arc::ptr_eq(tried, replica)));
        let Some((replica, health)) = untried.map(|replica| (replica, replica.health(now))) else { continue };
        if health > best {
            continue;
        }
        if health < best {
            best = health;
            candidates.fill(None);
        }
        let cache = Cache { slot, number: replica.cache() };
        candidates[slot as usize] = Some(Candidate { cache, outstanding: replica.outstanding_tokens() });
    }
    candidates
}

/// All but those that are broken, or all where all are.
fn working<'a>(replicas: impl Iterator<Item = &'a Arc<Replica>>) -> Vec<&'a Arc<Replica>> {
    let now = Instant::now();
    let (broken, working): (Vec<_>, Vec<_>) = replicas.partition(|replica| replica.health(now) == Health::Broken);
    if working.is_empty() { broken } else { working }
}

/// Whether a replica that did not answer says nothing about the others.
fn another_may_answer(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Unavailable(_)
            | EngineError::Overloaded(_)
            | EngineError::Interrupted
            | EngineError::UnknownModel(_)
    )
}

fn nobody() -> EngineError {
    EngineError::Unavailable("no engine is found under the name that is configured; check that it resolves".to_owned())
}
