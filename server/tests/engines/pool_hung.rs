//! A pool with an engine that hangs: it takes what it is asked and says nothing. The clock is one that only the tests move.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use flotilla::engine::{
    BreakerState, ChatRequest, ChatStream, Engine, EngineError, Model, Pool, PromptMessage, PromptSize, Scripted, Step,
};
use futures::future::{join_all, pending};
use tokio::time::{Instant, advance, sleep, timeout};

use crate::support::{config, greeting, read};

const MODEL: &str = "scripted";
const WORD: &str = "hello";
/// After which an engine behind HTTP gives up a question that needs no model.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than a list is kept, and than one failure makes a replica rest.
const A_MOMENT: Duration = Duration::from_secs(3);
/// Longer than a breaker is open.
const A_WHILE: Duration = Duration::from_secs(11);
const A_MINUTE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Hung {
    /// Whether it still says that it fails when it is asked for an answer.
    refuses: AtomicBool,
    lists: AtomicUsize,
    chats: AtomicUsize,
}

impl Hung {
    fn refusing() -> Self {
        Self { refuses: AtomicBool::new(true), ..Self::default() }
    }
}

#[async_trait]
impl Engine for Hung {
    async fn models(&self) -> Result<Vec<Model>, EngineError> {
        self.lists.fetch_add(1, Relaxed);
        sleep(LOOKUP_TIMEOUT).await;
        Err(EngineError::Timeout)
    }

    async fn ready(&self, _: &str) -> Result<(), EngineError> {
        sleep(LOOKUP_TIMEOUT).await;
        Err(EngineError::Timeout)
    }

    async fn measure(&self, _: &str, _: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError> {
        Ok(None)
    }

    async fn chat(&self, _: ChatRequest) -> Result<ChatStream, EngineError> {
        self.chats.fetch_add(1, Relaxed);
        match self.refuses.load(Relaxed) {
            true => Err(EngineError::Unavailable("it fails".to_owned())),
            false => pending().await,
        }
    }
}

fn pool_of(engines: [Arc<dyn Engine>; 2]) -> Pool {
    let [first, second] = engines;
    Pool::new([("first".to_owned(), first), ("second".to_owned(), second)], &config(&[]))
}

/// `hung` is the first, and one that works the second.
fn beside_another(hung: &Arc<Hung>) -> Pool {
    let other = Arc::new(Scripted::new(vec![Step::Text(WORD.to_owned())]));
    pool_of([hung.clone() as Arc<dyn Engine>, other as Arc<dyn Engine>])
}

fn breaker_of_first(pool: &Pool) -> BreakerState {
    pool.status().replicas[0].breaker
}

async fn ask(pool: &Pool) -> String {
    let answer = timeout(A_MINUTE, pool.chat(greeting(MODEL))).await.expect("nobody waits in vain");
    read(answer.unwrap()).await.0
}

#[tokio::test(start_paused = true)]
async fn it_hides_no_models_and_is_asked_once_for_all_who_wait() {
    let hung = Arc::new(Hung::default());
    let pool = beside_another(&hung);
    let asked = Instant::now();

    let lists = join_all((0..10).map(|_| pool.models())).await;

    assert!(asked.elapsed() < LOOKUP_TIMEOUT);
    for list in lists {
        assert_eq!(list.unwrap()[0].id, MODEL);
    }
    assert_eq!(hung.lists.load(Relaxed), 1);
    assert_eq!(pool.status().replicas[0].failures, 1);
}

#[tokio::test(start_paused = true)]
async fn where_all_hang_those_who_wait_hear_of_it_together() {
    let hung = [Arc::new(Hung::default()), Arc::new(Hung::default())];
    let pool = pool_of(hung.clone().map(|engine| engine as Arc<dyn Engine>));
    let asked = Instant::now();

    let lists = join_all((0..10).map(|_| pool.models())).await;

    assert!(asked.elapsed() < 2 * LOOKUP_TIMEOUT);
    assert!(lists.iter().all(|list| matches!(list, Err(EngineError::Timeout))));
    assert_eq!(hung.each_ref().map(|engine| engine.lists.load(Relaxed)), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn it_is_sent_no_request_when_it_has_listed_nothing_for_some_times() {
    let hung = Arc::new(Hung::default());
    let pool = beside_another(&hung);

    for _ in 0..5 {
        pool.models().await.unwrap();
        advance(A_MOMENT).await;
    }

    assert_eq!(breaker_of_first(&pool), BreakerState::Open);
    for _ in 0..20 {
        assert_eq!(ask(&pool).await, WORD);
    }
    assert_eq!(hung.chats.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn no_client_waits_to_find_out_whether_it_is_back() {
    let hung = Arc::new(Hung::refusing());
    let pool = beside_another(&hung);
    while breaker_of_first(&pool) != BreakerState::Open {
        assert_eq!(ask(&pool).await, WORD);
        advance(A_MOMENT).await;
    }
    let refused = hung.chats.load(Relaxed);
    hung.refuses.store(false, Relaxed);
    advance(A_WHILE).await;
    assert_eq!(breaker_of_first(&pool), BreakerState::HalfOpen);

    assert_eq!(ask(&pool).await, WORD);

    assert_eq!(hung.chats.load(Relaxed), refused);
    assert_eq!(breaker_of_first(&pool), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_made_again_earns_no_retries() {
    let pool = pool_of([Arc::new(Hung::refusing()), Arc::new(Hung::refusing())]);
    while pool.grants_retry() {}
    let granted = pool.status().retries;

    for _ in 0..100 {
        pool.chat_again(greeting(MODEL)).await.err().unwrap();
    }

    assert_eq!(pool.status().retries, granted);
}
