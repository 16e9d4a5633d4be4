//! Several model servers behind one setting.

use std::{sync::Arc, time::Duration};

use flotilla::engine::{
    BreakerState, ChatRequest, ChosenBy, Delta, EmbedRequest, EmbedText, Engine, EngineError, PoolStatus,
    PromptMessage, ReplicaStatus, Role, connect, with_timeouts,
};
use futures::{StreamExt, future::join_all};
use tokio::{net::TcpListener, time::timeout};

use crate::{
    model_server::{Manner, ModelServer, WORDS, pass},
    support::{config, read, user},
};

/// Longer than any time that a pool waits or remembers, but for that of prefixes.
const A_WHILE: Duration = Duration::from_secs(11);

async fn servers<const COUNT: usize>(manner: Manner) -> [ModelServer; COUNT] {
    join_all((0..COUNT).map(|_| ModelServer::start(manner))).await.try_into().ok().unwrap()
}

fn pool_at(urls: &[String]) -> Arc<dyn Engine> {
    connect(&config(&["--openai-base-url", &urls.join(",")])).unwrap()
}

fn pool(servers: &[ModelServer]) -> Arc<dyn Engine> {
    pool_at(&servers.iter().map(ModelServer::url).collect::<Vec<_>>())
}

fn request(messages: Vec<PromptMessage>) -> ChatRequest {
    ChatRequest::new("model", messages, Default::default())
}

/// A question that no other begins like.
fn question(number: usize) -> ChatRequest {
    request(vec![user(&format!("{number} ").repeat(200))])
}

async fn ask(pool: &dyn Engine, request: ChatRequest) -> Result<String, EngineError> {
    let (text, outcome) = read(pool.chat(request).await?).await;
    outcome.map(|_| text)
}

fn status(pool: &dyn Engine) -> PoolStatus {
    pool.pool().unwrap().status()
}

fn status_of(pool: &dyn Engine, server: &ModelServer) -> ReplicaStatus {
    status(pool).replicas.into_iter().find(|replica| replica.name == server.name()).unwrap()
}

fn chosen(status: &ReplicaStatus, by: ChosenBy) -> u64 {
    status.requests.iter().find(|(reason, _)| *reason == by).unwrap().1
}

/// How many chats each was asked for.
fn counts(servers: &[ModelServer]) -> Vec<usize> {
    servers.iter().map(|server| server.asked().len()).collect()
}

#[tokio::test]
async fn a_conversation_stays_with_the_server_that_has_read_it() {
    let servers = servers::<4>(Manner::Well).await;
    let pool = pool(&servers);
    let mut conversation = vec![user(&"Once upon a time. ".repeat(100))];

    for turn in 0..6 {
        ask(&*pool, request(conversation.clone())).await.unwrap();
        conversation.push(PromptMessage::new(Role::Assistant, WORDS.concat()));
        conversation.push(user(&format!("And then, {turn}?")));
    }

    let mut counts = counts(&servers);
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 0, 6]);
    let by_prefix: u64 = status(&*pool).replicas.iter().map(|replica| chosen(replica, ChosenBy::Prefix)).sum();
    assert_eq!(by_prefix, 5);
}

#[tokio::test]
async fn a_server_that_has_over_its_share_to_do_gets_no_more_for_its_cache() {
    let servers = servers::<2>(Manner::Holding).await;
    let pool = pool(&servers);
    let shared = request(vec![user(&"Once upon a time. ".repeat(100))]);

    let _first = pool.chat(shared.clone()).await.unwrap();
    let _second = pool.chat(shared).await.unwrap();

    assert_eq!(counts(&servers), [1, 1]);
}

#[tokio::test]
async fn requests_with_nothing_in_common_go_where_there_is_less_to_do() {
    let servers = servers::<2>(Manner::Holding).await;
    let pool = pool(&servers);
    let mut held = Vec::new();

    for number in 0..10 {
        held.push(pool.chat(question(number)).await.unwrap());
    }

    assert_eq!(counts(&servers), [5, 5]);
    assert!(status(&*pool).replicas.iter().all(|replica| replica.outstanding_requests == 5));
}

#[tokio::test]
async fn what_a_server_refuses_before_its_answer_is_asked_of_another_one() {
    let failing = ModelServer::start(Manner::Refusing(500)).await;
    for bad in [failing.url(), unreachable().await] {
        let good = ModelServer::start(Manner::Well).await;
        let pool = pool_at(&[bad, good.url()]);

        for number in 0..20 {
            assert_eq!(ask(&*pool, question(number)).await.unwrap(), WORDS.concat());
            pass(Duration::from_secs(1)).await;
        }

        let status = status(&*pool);
        assert_eq!(good.asked().len(), 20);
        assert!(status.retries > 0);
        assert_eq!(status.retries, status.replicas.iter().map(|replica| replica.failures).sum::<u64>());
    }
}

#[tokio::test]
async fn vectors_are_asked_of_another_server_too_and_leave_nothing_to_do() {
    let servers = [ModelServer::start(Manner::Well).await, ModelServer::start(Manner::Refusing(500)).await];
    let pool = pool(&servers);

    for number in 0..20 {
        let texts = vec![EmbedText::Text(number.to_string())];
        let embeddings = pool
            .embed(EmbedRequest { model: "model".to_owned(), texts, truncate: false, keep_alive: None })
            .await
            .unwrap();
        assert_eq!(embeddings.vectors, [[1.0, 0.0]]);
        pass(Duration::from_secs(1)).await;
    }

    assert_eq!(servers[0].asked().len(), 20);
    let status = status(&*pool);
    assert!(status.retries > 0);
    assert!(status.replicas.iter().all(|replica| replica.outstanding_tokens == 0));
}

#[tokio::test]
async fn a_request_is_sent_twice_at_the_most() {
    let servers = servers::<4>(Manner::Refusing(503)).await;
    let pool = pool(&servers);

    let refused = ask(&*pool, question(0)).await;

    assert!(matches!(refused, Err(EngineError::Overloaded(_))));
    assert_eq!(counts(&servers).iter().sum::<usize>(), 2);
}

#[tokio::test]
async fn a_request_that_is_wrong_is_wrong_everywhere() {
    let servers = servers::<2>(Manner::Refusing(422)).await;
    let pool = pool(&servers);

    assert!(matches!(ask(&*pool, question(0)).await, Err(EngineError::InvalidRequest(_))));

    assert_eq!(counts(&servers).iter().sum::<usize>(), 1);
    assert_eq!(status(&*pool).replicas.iter().map(|replica| replica.failures).sum::<u64>(), 0);
}

#[tokio::test]
async fn when_all_refuse_a_tenth_of_the_requests_is_sent_again() {
    let servers = servers::<2>(Manner::Refusing(503)).await;
    let pool = pool(&servers);

    for number in 0..200 {
        ask(&*pool, question(number)).await.unwrap_err();
    }

    let sent = counts(&servers).iter().sum::<usize>();
    // Ten were saved, and a slow machine may take the time to earn some more.
    assert!((220..=240).contains(&sent), "{sent}");
    assert!(status(&*pool).retries_refused > 150);
}

#[tokio::test]
async fn an_answer_that_has_begun_is_not_begun_again() {
    let servers = servers::<2>(Manner::Dying(1)).await;
    let pool = pool(&servers);

    let (text, outcome) = read(pool.chat(question(0)).await.unwrap()).await;

    assert_eq!(text, WORDS[0]);
    assert!(matches!(outcome, Err(EngineError::Interrupted)));
    assert_eq!(counts(&servers).iter().sum::<usize>(), 1);
    assert_eq!(status(&*pool).retries, 0);
}

#[tokio::test]
async fn a_server_that_keeps_failing_is_left_alone_until_a_probe_succeeds() {
    let servers = [ModelServer::start(Manner::Well).await, ModelServer::start(Manner::Refusing(500)).await];
    let [_, bad] = &servers;
    let pool = pool(&servers);
    let mut number = 0;
    while status_of(&*pool, bad).breaker != BreakerState::Open {
        number += 1;
        ask(&*pool, question(number)).await.unwrap();
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!(bad.asked().len(), 5);
    for number in 1000..1020 {
        ask(&*pool, question(number)).await.unwrap();
    }
    assert_eq!(bad.asked().len(), 5, "nothing is sent to it");

    bad.answer(Manner::Holding);
    pass(A_WHILE).await;
    assert_eq!(status_of(&*pool, bad).breaker, BreakerState::HalfOpen);
    let answers = join_all((2000..2010).map(|number| pool.chat(question(number)))).await;
    assert_eq!(bad.asked().len(), 6, "one probe is");
    bad.release();
    for answer in answers {
        assert_eq!(read(answer.unwrap()).await.0, WORDS.concat());
    }

    let status = status_of(&*pool, bad);
    assert_eq!((status.breaker, chosen(&status, ChosenBy::Probe)), (BreakerState::Closed, 1));
}

#[tokio::test]
async fn a_probe_that_fails_is_not_seen_by_its_client() {
    let servers = [ModelServer::start(Manner::Well).await, ModelServer::start(Manner::Refusing(500)).await];
    let [_, bad] = &servers;
    let pool = pool(&servers);
    for number in 0.. {
        if status_of(&*pool, bad).breaker == BreakerState::Open {
            break;
        }
        ask(&*pool, question(number)).await.unwrap();
        pass(Duration::from_secs(1)).await;
    }

    pass(A_WHILE).await;
    assert_eq!(ask(&*pool, question(5000)).await.unwrap(), WORDS.concat());

    assert_eq!(bad.asked().len(), 6);
    assert_eq!(status_of(&*pool, bad).breaker, BreakerState::Open);
}

#[tokio::test]
async fn one_server_alone_is_asked_whatever_became_of_the_requests_before() {
    let servers = servers::<1>(Manner::Refusing(500)).await;
    let pool = pool(&servers);
    for number in 0..10 {
        ask(&*pool, question(number)).await.unwrap_err();
    }
    assert_eq!(counts(&servers), [10]);

    servers[0].answer(Manner::Well);

    assert_eq!(ask(&*pool, question(10)).await.unwrap(), WORDS.concat());
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place_and_the_server() {
    let servers = servers::<2>(Manner::Holding).await;
    let pool = pool(&servers);
    let in_prefill = pool.chat(question(0)).await.unwrap();
    let mut in_decode = pool.chat(question(1)).await.unwrap();
    let cancelled = question(2);
    let mut until_cancelled = pool.chat(cancelled.clone()).await.unwrap();

    drop(in_prefill);
    cancelled.cancel.cancel();
    assert!(until_cancelled.next().await.is_none(), "and its place is free though somebody holds the stream");
    servers.iter().for_each(ModelServer::release);
    assert!(matches!(in_decode.next().await, Some(Ok(Delta::Text(_)))));
    drop(in_decode);

    for replica in status(&*pool).replicas {
        assert_eq!((replica.outstanding_requests, replica.outstanding_tokens), (0, 0), "{replica:?}");
        assert_eq!(replica.failures, 0);
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_has_failed_when_its_answer_is_given_up() {
    const SECOND: Duration = Duration::from_secs(1);
    let server = ModelServer::start(Manner::FallingSilent(1)).await;
    let pool = connect(&config(&["--openai-base-url", &server.url(), "--token-timeout", "1"])).unwrap();
    let answer = pool.chat(question(0)).await.unwrap();

    let (text, outcome) = read(with_timeouts(answer, 10 * SECOND, SECOND)).await;

    assert_eq!(text, WORDS[0]);
    assert!(matches!(outcome, Err(EngineError::Timeout)));
    assert_eq!(status_of(&*pool, &server).failures, 1);
}

#[tokio::test]
async fn a_server_hears_of_it_when_its_client_leaves() {
    let servers = servers::<1>(Manner::Holding).await;
    let pool = pool(&servers);

    drop(pool.chat(question(0)).await.unwrap());

    servers[0].abandoned(1).await;
}

#[tokio::test]
async fn a_model_is_asked_where_it_is() {
    let servers = [
        ModelServer::with_models(&["model", "small"], Manner::Well).await,
        ModelServer::with_models(&["model", "large"], Manner::Well).await,
    ];
    let pool = pool(&servers);

    let models: Vec<_> = pool.models().await.unwrap().into_iter().map(|model| model.id).collect();
    for number in 0..10 {
        ask(&*pool, ChatRequest { model: "large".to_owned(), ..question(number) }).await.unwrap();
    }

    assert_eq!(models, ["model", "small", "large"]);
    assert_eq!(counts(&servers), [0, 10]);
}

#[tokio::test]
async fn a_model_has_as_many_replicas_as_servers_list_it() {
    let servers = [
        ModelServer::with_models(&["model", "small"], Manner::Well).await,
        ModelServer::with_models(&["model", "large"], Manner::Well).await,
    ];
    let pool = pool(&servers);
    let pool = pool.pool().unwrap();
    let changes = pool.changes();

    pool.models().await.unwrap();

    assert!(changes.has_changed().unwrap());
    assert_eq!(["model", "large", "unlisted"].map(|model| pool.replicas_of(model)), [2, 1, 2]);
    assert_eq!(pool.replicas(), 2);
}

#[tokio::test]
async fn one_server_that_is_away_hides_neither_the_models_nor_the_readiness_of_the_others() {
    let server = ModelServer::start(Manner::Well).await;
    let pool = pool_at(&[unreachable().await, server.url()]);

    pool.ready("model").await.unwrap();
    assert_eq!(pool.models().await.unwrap()[0].id, "model");
}

#[tokio::test]
async fn one_server_that_takes_connections_and_says_nothing_hides_the_others_as_little() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = ModelServer::start(Manner::Well).await;
    let pool = pool_at(&[format!("http://{}/v1", silent.local_addr().unwrap()), server.url()]);

    let models = timeout(Duration::from_secs(30), pool.models()).await.expect("the silent one is not waited for");

    assert_eq!(models.unwrap()[0].id, "model");
    pool.ready("model").await.unwrap();
    assert_eq!(status(&*pool).replicas[0].failures, 1);
    assert_eq!(status_of(&*pool, &server).failures, 0);
}

#[tokio::test]
async fn the_same_server_twice_is_refused_at_the_start() {
    let flags = ["--ollama-url", "http://127.0.0.1:1,http://user@127.0.0.1:1/"];

    assert!(connect(&config(&flags)).err().unwrap().to_string().contains("twice"));
}

#[tokio::test]
async fn a_name_without_an_address_is_unavailable() {
    let flags = ["--ollama-url", "http://engines.invalid:1", "--engine-dns-interval", "1"];
    let pool = connect(&config(&flags)).unwrap();

    assert!(matches!(pool.models().await, Err(EngineError::Unavailable(message)) if message.contains("resolves")));
}

/// The URL of a server that has gone.
async fn unreachable() -> String {
    ModelServer::start(Manner::Well).await.url()
}
