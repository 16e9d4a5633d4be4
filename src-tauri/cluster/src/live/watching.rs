//! One watch: a list, then changes, through every fault that a network and an API server have.

use std::{fmt::Debug, time::Duration};

use futures::{StreamExt, stream::BoxStream};
use kube::{
    Api, Client, Resource,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::{
    Message,
    connection::{Link, Source},
    table::Change,
};
use crate::Error;

/// The server ends a watch after this long and we go on from there, so that a watch costs next to no requests. A
/// connection that died without a word is noticed 5 seconds later, and by `measuring` long before.
const WATCH_SECONDS: u32 = 290;
/// For servers without streaming lists. Small pages, because a page is the most memory that a list takes.
const PAGE: u32 = 100;
/// A retry that has not failed by now has reached the server.
const SETTLED: Duration = Duration::from_millis(500);
/// Rights are given by people, so it is no use to ask often.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);
const PROBE_PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Watching {
    pub client: Client,
    pub source: Source,
    pub messages: mpsc::Sender<Message>,
    /// Told when connections turned out to be dead: the watch starts anew.
    pub wake: watch::Receiver<()>,
}

type Events<K> = BoxStream<'static, Result<Event<K>, watcher::Error>>;

impl Watching {
    /// Watch a kind; `convert` makes its objects small at once.
    pub(super) async fn run<K, T>(self, api: Api<K>, convert: fn(&K) -> T, wrap: fn(Change<T>) -> Message)
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let messages = self.messages.clone();
        self.follow(api, async move |event: Event<K>| {
            let change = match &event {
                Event::Init => Change::ListBegins,
                Event::InitApply(object) => Change::Listed(convert(object)),
                Event::InitDone => Change::ListEnds,
                Event::Apply(object) => Change::Applied(convert(object)),
                Event::Delete(object) => Change::Gone(convert(object)),
            };
            drop(event);
            messages.send(wrap(change)).await.is_ok()
        })
        .await;
    }

    /// Watch a kind of which only additions count.
    pub(super) async fn run_into<K, T>(self, api: Api<K>, convert: fn(&K) -> T, sender: mpsc::Sender<T>)
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        self.follow(api, async move |event: Event<K>| match event {
            Event::InitApply(object) | Event::Apply(object) => sender.send(convert(&object)).await.is_ok(),
            Event::Init | Event::InitDone | Event::Delete(_) => true,
        })
        .await;
    }

    /// Hand every event to `take` until it says that nobody listens.
    async fn follow<K>(mut self, api: Api<K>, mut take: impl AsyncFnMut(Event<K>) -> bool)
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let mut streaming = true;
        let mut events = start(&api, streaming);
        let mut delays = Delays::default();
        let mut recovering = false;
        loop {
            let next = async {
                match recovering {
                    true => timeout(SETTLED, events.next()).await.ok(),
                    false => Some(events.next().await),
                }
            };
            let event = tokio::select! {
                event = next => event,
                _ = self.wake.changed() => {
                    events = start(&api, streaming);
                    continue;
                }
            };
            match event {
                None => {
                    recovering = false;
                    self.report(Link::Up).await;
                }
                Some(None) => return,
                Some(Some(Ok(event))) => {
                    // Only a list's end or a change proves that the watch works; `Init` comes before any request.
                    let proof = !matches!(event, Event::Init | Event::InitApply(_));
                    if !take(event).await {
                        return;
                    }
                    if proof {
                        recovering = false;
                        delays = Delays::default();
                        self.report(Link::Up).await;
                    }
                }
                Some(Some(Err(error))) => match judge(error, streaming) {
                    Fault::Expired => events = start(&api, streaming),
                    Fault::NoStreamingLists => {
                        streaming = false;
                        events = start(&api, streaming);
                    }
                    Fault::Refused(why) => {
                        self.report(Link::Refused(why)).await;
                        sleep(REFUSED_PAUSE).await;
                    }
                    Fault::Down(why) => {
                        self.report(Link::Down(why)).await;
                        self.wait_for_the_server(&mut delays).await;
                        recovering = true;
                    }
                },
            }
        }
    }

    async fn wait_for_the_server(&self, delays: &mut Delays) {
        loop {
            sleep(delays.next()).await;
            match probe(&self.client).await {
                Ok(()) => return,
                Err(why) => self.report(Link::Down(why)).await,
            }
        }
    }

    async fn report(&self, link: Link) {
        // Nobody listening is found out where it matters, by the next event.
        let _ = self.messages.send(Message::Link(self.source, link)).await;
    }
}

fn start<K>(api: &Api<K>, streaming: bool) -> Events<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    let config = if streaming { config.streaming_lists() } else { config.page_size(PAGE) };
    watcher(api.clone(), config).boxed()
}

/// Whether the API server answers at all. Any answer counts, a refusal too.
pub(super) async fn probe(client: &Client) -> Result<(), String> {
    match timeout(PROBE_PATIENCE, client.apiserver_version()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if (400..500).contains(&status.code) && status.code != 401 => Ok(()),
        Ok(Err(error)) => Err(Error::from(error).message),
        Err(_) => Err("The API server does not answer. Check the network and that the cluster runs.".to_owned()),
    }
}

/// 0.5, 1, 2, 4, then 8 seconds, each up to half as long again, so that watches do not come back all at once.
#[derive(Default)]
pub(crate) struct Delays(u32);

impl Delays {
    pub(crate) fn next(&mut self) -> Duration {
        let base = Duration::from_millis(500) * 2u32.pow(self.0.min(4));
        self.0 += 1;
        base.mul_f64(1.0 + 0.5 * fastrand::f64())
    }
}

enum Fault {
    /// The place in the history where the watch stood is forgotten: list again.
    Expired,
    NoStreamingLists,
    /// The server answers, but not this.
    Refused(String),
    Down(String),
}

fn judge(error: watcher::Error, streaming: bool) -> Fault {
    let starting = matches!(error, watcher::Error::WatchStartFailed(_));
    let error = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::WatchError(status) => kube::Error::Api(status),
        other => return Fault::Down(other.to_string()),
    };
    match &error {
        kube::Error::Api(status) if status.code == 410 => Fault::Expired,
        // Before 1.32, or with the feature switched off, the parameter is refused.
        kube::Error::Api(status) if streaming && starting && matches!(status.code, 400 | 422) => {
            Fault::NoStreamingLists
        }
        kube::Error::Api(status) if matches!(status.code, 403..=405) => Fault::Refused(Error::from(error).message),
        _ => Fault::Down(Error::from(error).message),
    }
}

#[cfg(test)]
mod tests;
