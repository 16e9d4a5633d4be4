//! What models the replicas have. They are asked at the same time, and once for all who want to know it meanwhile.

use std::{sync::Arc, time::Duration};

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

use super::replica::{Replica, SILENCE};
use crate::engine::{EngineError, Model};

/// How long the list of models is taken to stay as it is, where there are several replicas to ask.
const KEEP: Duration = Duration::from_secs(2);

type List = Result<Vec<Model>, EngineError>;

/// The last list that was made.
#[derive(Default)]
pub struct Listing(Mutex<Option<Made>>);

struct Made {
    at: Instant,
    list: List,
}

impl Listing {
    /// The list for who comes now: the last one, if it is new or is being made, or what `make` brings.
    pub async fn get(&self, make: impl Future<Output = List> + Send) -> List {
        let asked = Instant::now();
        // Held meanwhile, so that those who come together ask once.
        let mut last = self.0.lock().await;
        if let Some(made) = &*last
            && made.is_for(asked)
        {
            return copy(&made.list);
        }
        let list = make.await;
        *last = Some(Made { at: Instant::now(), list: copy(&list) });
        list
    }
}

impl Made {
    /// Whether it answers a caller who has come at `asked`. A failure is only for those who have waited for it.
    fn is_for(&self, asked: Instant) -> bool {
        self.at > asked || (self.list.is_ok() && self.at.elapsed() < KEEP)
    }
}

/// The same for somebody else, as far as callers tell errors apart.
fn copy(list: &List) -> List {
    match list.as_ref() {
        Ok(models) => Ok(models.clone()),
        Err(EngineError::Timeout) => Err(EngineError::Timeout),
        Err(&EngineError::Overloaded(who)) => Err(EngineError::Overloaded(who)),
        Err(error) => Err(EngineError::Unavailable(error.to_string())),
    }
}

/// What each of `replicas` lists. As soon as one of them has answered the others have [`SILENCE`] from the beginning, and who
/// is silent for longer has timed out. Until then all are waited for: a list that comes late is better than none.
pub async fn of_each(replicas: &[Arc<Replica>]) -> Vec<List> {
    let mut lists: Vec<List> = replicas.iter().map(|_| Err(EngineError::Timeout)).collect();
    let ask = |(index, replica): (usize, Arc<Replica>)| async move { (index, replica.engine.models().await) };
    let mut answers: FuturesUnordered<_> = replicas.iter().cloned().enumerate().map(ask).collect();
    let deadline = Instant::now() + SILENCE;
    loop {
        let next = match lists.iter().any(Result::is_ok) {
            true => timeout_at(deadline, answers.next()).await.unwrap_or_default(),
            false => answers.next().await,
        };
        let Some((index, list)) = next else { return lists };
        lists[index] = list;
    }
}

/// Each model once: what the replicas put first is first.
pub fn merged(lists: Vec<Vec<Model>>) -> Vec<Model> {
    let mut ranked: Vec<(usize, Model)> = Vec::new();
    for (rank, model) in lists.into_iter().flat_map(|list| list.into_iter().enumerate()) {
        match ranked.iter_mut().find(|(_, known)| known.id == model.id) {
            Some((known_rank, known)) => {
                *known_rank = rank.min(*known_rank);
                known.loaded |= model.loaded;
                known.memory_bytes = known.memory_bytes.or(model.memory_bytes);
            }
            None => ranked.push((rank, model)),
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, model)| model).collect()
}
