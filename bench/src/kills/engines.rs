//! Engines die under streams of OpenAI's dialect. No client of it knows how to come back, so none may have to.

use std::cell::RefCell;

use futures::future::join_all;
use rustix::process::{Signal, kill_process};

use super::{KillArgs, Kills, Toll, next_moment};
use crate::{
    Setup,
    chat::{ChatError, ChatRequest, Message},
    connection::Connection,
    runtime,
    server_process::ServerProcess,
    words::words,
};

const PROMPT_WORDS: usize = 30;

pub fn kill(setup: &Setup, args: &KillArgs) -> anyhow::Result<Toll> {
    // While engines restart the line moves slowly, and nobody is meant to leave it.
    let server = setup.serve_model_with(&[("--queue-timeout", 3600)])?;
    runtime()?.block_on(async {
        let mut random = fastrand::Rng::with_seed(args.seed);
        let mut connection = Connection::open(&server.endpoint()).await?;
        let model = connection.first_model().await?;
        let mut questions = Vec::new();
        for number in 0..args.streams {
            eprintln!("kills: answer {} of {} without an interruption", number + 1, args.streams);
            let prompt = format!("Write a story with these words: {}.", words(&mut random, PROMPT_WORDS));
            let request = ChatRequest::new(&model, vec![Message::user(prompt)], args.max_tokens);
            let expected = request.send(&mut connection).await?.text();
            questions.push((request, expected));
        }
        let (kills, toll) = (Kills::new(), RefCell::new(Toll::new()?));
        let asking =
            join_all(questions.iter().map(|(request, expected)| ask(&server, request, expected, &kills, &toll)));
        let (asked, killed) = tokio::join!(asking, kill_all(&server, args, &mut random, &kills));
        killed?;
        asked.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(toll.into_inner())
    })
}

/// The same question again and again, until the killing is over.
async fn ask(
    server: &ServerProcess,
    request: &ChatRequest,
    expected: &str,
    kills: &Kills,
    toll: &RefCell<Toll>,
) -> anyhow::Result<()> {
    while !kills.over.get() {
        let mut connection = Connection::open(&server.endpoint()).await?;
        match request.send(&mut connection).await {
            Ok(answer) => {
                let pieces: Vec<_> = answer.pieces.into_iter().map(|piece| (piece.arrived, piece.text)).collect();
                toll.borrow_mut().count(&pieces, expected, &kills.moments.borrow())?;
            }
            Err(error @ (ChatError::Broken(_) | ChatError::Refused { .. })) => {
                eprintln!("kills: {error}");
                toll.borrow_mut().count_failed();
            }
        }
    }
    Ok(())
}

async fn kill_all(
    server: &ServerProcess,
    args: &KillArgs,
    random: &mut fastrand::Rng,
    kills: &Kills,
) -> anyhow::Result<()> {
    for number in 1..=args.engines {
        next_moment(random, args.every).await;
        // Between two processes there is none to kill.
        let engine = loop {
            match server.engine() {
                Some(engine) => break engine,
                None => tokio::task::yield_now().await,
            }
        };
        kills.note();
        kill_process(engine, Signal::KILL)?;
        eprintln!("kills: engine {number} of {}", args.engines);
    }
    kills.over.set(true);
    Ok(())
}
